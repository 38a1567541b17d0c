// The model in use, as the server tells of it when the page is loaded (ui/web/models.py): { key, run, facts, page, heads }. All that the page
// shows is of this one: what another one says is not shown, and listeners of `models` are told, once, that there is another.
import { accepted, getJSON, models } from "./server.js";

export const inUse = getJSON("./model");
export { models };

// Each answer tells which model is in use; who asks for nothing else asks for this.
const LOOK_MS = 30_000;
setInterval(() => document.hidden || void accepted(fetch("./healthz"), true).catch(() => {}), LOOK_MS);
