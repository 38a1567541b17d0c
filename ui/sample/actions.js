// What can be done on the tab: the buttons beside the settings, those of the bar, and what stands below "More".
import { copyLink, createMenu, toggleFullScreen, tool } from "../shared/bar.js";
import { downloadsOf } from "./save.js";

/** @typedef {import("./main.js").SampleTab} SampleTab */

const byId = (id) => document.getElementById(id);

/** @param {SampleTab} tab */
export function createActions(tab) {
  createButtons(tab);
  createMore();
  checkNumbers(tab);
  return new Actions(tab);
}

/** @param {SampleTab} tab */
function createButtons({ generations, settings }) {
  const actions = {
    generate: () => void generations.press(settings.get()),
    again: () => void generations.press(settings.get(), { keep: true }),
    stop: () => generations.stop(),
    clear: () => generations.clear(),
  };
  for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  const allowStop = () => {
    const stop = /** @type {HTMLButtonElement} */ (byId("stop"));
    if (!generations.busy && stop === document.activeElement) byId("generate").focus();
    stop.disabled = !generations.busy;
  };
  generations.addEventListener("change", allowStop);
  generations.addEventListener("grow", allowStop);
  allowStop();
}

/** The tools of the bar, which have keys too. */
export class Actions {
  /** @type {() => void} opens the list of keys */
  help = () => {};

  /** @param {SampleTab} tab */
  constructor(tab) {
    const { element, generations, page, say } = tab;
    const opener = tool("download", "Download", "Download (d)", () => this.download());
    this.undo = () => tab.undo();
    this.copyLink = () => copyLink(() => page.address.write(), say);
    this.toggleFullScreen = () => toggleFullScreen(element, (words) => page.say(words, false));
    this.download = createMenu(element, opener, () => downloadsOf(tab), (words) => page.say(words, true));
    this.showKeys = () => this.help();
    const undo = tool("undo", "Undo", "Undo (u)", this.undo);
    element.querySelector(".bar-tools").append(
      undo,
      tool("link", "Copy link", "Copy the link to this state (l)", this.copyLink),
      opener,
      tool("full-screen", "Full screen", "Full screen (f)", this.toggleFullScreen),
      tool("keys", "Keys", "Keys (?)", this.showKeys),
    );
    const allowUndo = () => (undo.disabled = !generations.canUndo);
    generations.addEventListener("change", allowUndo);
    allowUndo();
  }
}

/** Top-k and top-p are hidden at first. */
function createMore() {
  const open = byId("more-button");
  open.addEventListener("click", () => {
    const isOpen = byId("more").classList.toggle("open");
    open.setAttribute("aria-expanded", String(isOpen));
  });
}

/** Gradio takes an emptied number field for its lowest value, and moves what is out of range without a word. @param {SampleTab} tab */
function checkNumbers({ page }) {
  /** @param {EventTarget} node @returns {HTMLInputElement | null} */
  const numberField = (node) => (node instanceof HTMLInputElement && node.matches('#controls input[type="number"]') ? node : null);
  document.addEventListener("focusin", ({ target }) => {
    const node = numberField(target);
    if (node) node.dataset.before = node.value;
  });
  const check = ({ target }) => {
    const node = numberField(target);
    if (!node) return;
    const { min, max, value } = node;
    const label = node.getAttribute("aria-label").replace("number input for ", "");
    if (value === "") {
      node.value = node.dataset.before;
      node.dispatchEvent(new Event("input", { bubbles: true }));
    } else if (Number(value) < Number(min) || Number(value) > Number(max)) {
      page.say(`${label} goes from ${min} to ${Number(max).toLocaleString("en")}.`, false);
    }
  };
  document.addEventListener("blur", check, true); // before Gradio hears of it
}
