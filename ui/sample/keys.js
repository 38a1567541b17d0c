// The keys of the Sample tab.
import { createHelp, listenToKeys } from "../shared/keys.js";

/** @typedef {import("../shared/views.js").Key} Key */

const byId = (id) => document.getElementById(id);
const STEP = 0.1; // of the temperature

/** @param {import("./main.js").SampleTab} tab @param {import("./actions.js").Actions} actions */
export function createKeys({ generations, settings, views }, actions) {
  const press = (id) => () => byId(id).click();
  const warmer = (by) => () => {
    const { min, max } = settings.range("temperature");
    const { temperature } = settings.get();
    settings.set({ temperature: Math.min(max, Math.max(min, Math.round((temperature + by) * 100) / 100)) });
  };
  /** @type {Key[]} */
  const everywhere = [
    ["g", "Generate", press("generate")],
    ["a", "More samples", press("again")],
    ["s", "Stop", press("stop")],
    ["c", "Clear", press("clear")],
    ["u", "Undo", () => generations.canUndo && actions.undo()],
    ["[", "Colder", warmer(-STEP)],
    ["]", "Warmer", warmer(STEP)],
    ...views.names.map((name, i) => /** @type {Key} */ ([`${i + 1}`, views.titleOf(name), () => views.show(name)])),
    ["f", "Full screen", actions.toggleFullScreen],
    ["l", "Copy link", actions.copyLink],
    ["d", "Download", actions.download],
    ["?", "These keys", actions.showKeys],
  ];
  /** @type {Key[]} */
  const always = [
    ["Ctrl Enter", "Generate, while typing"],
    ["Esc", "Close, or stop"],
    ["← ↑ → ↓", "In a text: move from character to character and from line to line; Enter: continue from there"],
  ];
  actions.help = createHelp(views, everywhere, always);
  listenToKeys(views, everywhere);
  document.addEventListener("keydown", (event) => {
    const { key } = event;
    const target = /** @type {HTMLElement} */ (event.target);
    if (key === "Enter" && (event.ctrlKey || event.metaKey) && target.closest("#controls")) {
      target.blur(); // so that Gradio takes what was typed
      target.focus();
      byId("generate").click();
    }
    const closes = document.querySelector("dialog[open], :popover-open:is(.menu-list, .model-list)"); // what Escape is for before it stops anything
    if (key === "Escape" && !event.defaultPrevented && !closes && generations.busy) generations.stop();
  });
}
