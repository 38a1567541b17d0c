// What the Train tab alone asks of the server (ui/web/train.py, ui/web/hub.py); what others ask too is in shared/session.js.
import { download } from "../shared/paint.js";
import { reached } from "../shared/server.js";
import { ask, askForJSON, askForLines } from "../shared/session.js";

export const getPresets = () => askForJSON("./train/presets");
export const getLog = (id, signal) => askForJSON(`./train/runs/${id}/log`, { signal });
export const measurePace = (asked, signal) => askForJSON("./train/pace", { method: "POST", json: asked, signal });
export const useShipped = () => askForJSON("./train/shipped/use", { method: "POST", json: {} });

export const fetchFromHub = (model, each, signal) => askForLines("./hub/fetch", { model }, each, signal);
export const useFromHub = (id) => askForJSON("./hub/use", { method: "POST", json: { id } });
export const removeFromHub = (id) => askForJSON("./hub/remove", { method: "POST", json: { id } });

// The weights and their config, as one file.
export async function downloadRun({ id, name }) {
  download(`${name}.zip`, await reached((await ask(`./train/runs/${id}/weights`)).blob()));
}
