// The keys of the Sample tab.
import { createHelp, listenToKeys } from "../shared/keys.js";

const byId = (id) => document.getElementById(id);
const STEP = 0.1; // of the temperature

export function createKeys(app) {
  const press = (id) => () => byId(id).click();
  const warmer = (by) => () => {
    const { temperature } = app.controls.get();
    app.controls.set({ temperature: Math.min(2, Math.max(0, Math.round((temperature + by) * 100) / 100)) });
  };
  const everywhere = [
    ["g", "Generate", press("generate")],
    ["a", "Again: more samples", press("again")],
    ["s", "Stop", press("stop")],
    ["c", "Clear", press("clear")],
    ["u", "Undo", () => app.runs.canUndo && app.undo()],
    ["[", "Colder", warmer(-STEP)],
    ["]", "Warmer", warmer(STEP)],
    ...app.views.map((name, i) => [`${i + 1}`, app.titleOf(name), () => app.show(name)]),
    ["f", "Full screen", () => app.toggleFullScreen()],
    ["l", "Copy link", () => app.copyLink()],
    ["d", "Download", () => app.download()],
    ["?", "These keys", () => app.showKeys()],
  ];
  const always = [
    ["Ctrl Enter", "Generate, while typing"],
    ["Esc", "Close, or stop"],
    ["← ↑ → ↓", "In a text: walk from character to character and from line to line; Enter: go on from there"],
  ];
  app.showKeys = createHelp(app, everywhere, always);
  listenToKeys(app, everywhere);
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (key === "Enter" && (event.ctrlKey || event.metaKey) && target.closest("#controls")) {
      target.blur(); // so that Gradio takes what was typed
      target.focus();
      byId("generate").click();
    }
    const closes = document.querySelector("dialog[open], .menu-list:popover-open"); // what Escape is for before it stops anything
    if (key === "Escape" && !event.defaultPrevented && !closes && app.runs.busy) app.runs.stop();
  });
}
