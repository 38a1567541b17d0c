// The model in use, as the server tells of it when the page is loaded (ui/in_use.py): { key, run, facts, page, heads }.
import { getJSON } from "./server.js";

export const inUse = getJSON("./model");

// Whatever an answer says of the model that made it: with another one, listeners are told, once.
export const models = new EventTarget();
let told = false;
export async function noteModel(key) {
  if (told || !key || key === (await inUse).key) return;
  told = true;
  models.dispatchEvent(new CustomEvent("other"));
}
