// The settings of the Sample tab are Gradio's fields. What stands in them is the truth: it is read and set in place, because Gradio 6.31 does not
// tell everything: a Textbox sends no `.input` for a text that is pasted or filled in at once (it does for keys), a Slider none when its field is
// left and its number changed to fit, and a value that an event returns is on screen up to 56 ms later. What Gradio's events can do, they do: they
// carry the limit of top-k (tab.py).
import { openDrawer } from "./drawer.js";

const FIELDS = {
  prompt: "#prompt textarea",
  temperature: '#temperature input[type="number"]',
  length: '#length input[type="number"]',
  samples: '#samples input[type="number"]',
  seed: "#seed :is(input, textarea)",
  top_k: '#top-k input[type="number"]',
  top_p: '#top-p input[type="number"]',
};
const OTHERS = ["notice", "model", "generate", "stop", "again", "clear", "settings-button", "more-button", "more", "top-k-limit"]; // ids of what the scripts find beside them
const AS_TEXT = new Set(["prompt", "seed"]);

/** @param {string} name @returns {HTMLInputElement} */
const field = (name) => document.querySelector(FIELDS[name]);

/** A number beyond the ends of its field counts as that end: Gradio makes it so once the field is left. @param {string} name @param {HTMLInputElement} node */
function valueOf(name, node) {
  if (AS_TEXT.has(name)) return node.value;
  const { min, max } = field(name);
  return Math.min(Number(max), Math.max(Number(min), Number(node.value)));
}

/** @param {Node} node */
const nameOf = (node) => Object.keys(FIELDS).find((name) => field(name)?.closest(".block")?.contains(node));

/**
 * Makes the fields the place of the settings, once they are there: Gradio mounts its components one after the other.
 * @param {import("../shared/settings.js").Settings} settings
 * @param {import("../shared/models.js").Models} models
 */
export async function attachFields(settings, models) {
  const isThere = () => Object.keys(FIELDS).every(field) && OTHERS.every((id) => document.getElementById(id));
  while (!isThere()) await new Promise(requestAnimationFrame);
  // The slider's own event handler takes the new limit (see tab.py).
  const followModels = () => {
    const detail = settings.range("top_k").max;
    document.getElementById("top-k-limit").dispatchEvent(new CustomEvent("limit", { detail, bubbles: true }));
  };
  followModels();
  models.addEventListener("change", followModels);
  field("prompt").dir = "auto"; // Gradio knows one direction for all texts
  settings.attach({ get, set, focus });
  listen(settings);
}

/** @param {string} name */
function focus(name) {
  openDrawer(true); // where the field is in it
  field(name).focus();
}

/** @returns {import("../shared/settings.js").Values} */
const get = () => /** @type {*} */ (Object.fromEntries(Object.keys(FIELDS).map((name) => [name, valueOf(name, field(name))])));

/** @param {Partial<import("../shared/settings.js").Values>} values */
function set(values) {
  for (const [name, value] of Object.entries(values)) {
    const node = FIELDS[name] && field(name);
    if (!node || node.value === String(value)) continue;
    node.value = String(value);
    node.dispatchEvent(new Event("input", { bubbles: true })); // Gradio's fields listen to it
    if (!AS_TEXT.has(name)) node.dispatchEvent(new Event("blur")); // ... and tidy up numbers
  }
}

/**
 * Tells of changes at once: a range's event comes before its number is set. Numbers are told again when their field is left, where Gradio tidies
 * them up without an event.
 * @param {import("../shared/settings.js").Settings} settings
 */
function listen(settings) {
  document.addEventListener("input", (event) => {
    const target = /** @type {HTMLInputElement} */ (event.target);
    const name = nameOf(target);
    if (!name || (target.value === "" && !AS_TEXT.has(name))) return;
    settings.changed({ ...get(), [name]: valueOf(name, target) }, name);
  });
  document.addEventListener("focusout", ({ target }) => {
    const name = nameOf(/** @type {Node} */ (target));
    if (name && !AS_TEXT.has(name)) setTimeout(() => settings.changed(get(), name)); // when that is done
  });
}
