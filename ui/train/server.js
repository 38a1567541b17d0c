// What the Train tab alone asks of the server (ui/web/train.py); what others ask too is in shared/session.js.
import { download } from "../shared/paint.js";
import { reached } from "../shared/server.js";
import { ask, askForJSON } from "../shared/session.js";

export const getPresets = () => askForJSON("./train/presets");
export const getLog = (id, signal) => askForJSON(`./train/runs/${id}/log`, { signal });
export const measurePace = (asked, signal) => askForJSON("./train/pace", { method: "POST", json: asked, signal });
export const useShipped = () => askForJSON("./train/shipped/use", { method: "POST", json: {} });

// The weights and their config, as one file.
export async function downloadRun({ id, name }) {
  download(`${name}.zip`, await reached((await ask(`./train/runs/${id}/weights`)).blob()));
}
