// Keys for everything. Single keys are off while somebody types.
import { button, make } from "../shared/dom.js";

const byId = (id) => document.getElementById(id);
const isTyping = (node) => node.closest?.('input:not([type="range"]), textarea, select, [contenteditable]');
const STEP = 0.1; // of the temperature
const MANY = new Set([".", "[", "]", "Backspace", "ArrowRight"]); // held down, they go on

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
    ["← →", "In a text: walk from character to character; Enter: go on from there"],
  ];
  app.showKeys = createHelp(app, everywhere, always);
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (key === "Enter" && (event.ctrlKey || event.metaKey) && target.closest("#controls")) {
      target.blur(); // so that Gradio takes what was typed
      target.focus();
      byId("generate").click();
    }
    const dialog = document.querySelector("dialog[open]");
    const closes = dialog || document.querySelector(".menu-list:popover-open"); // what Escape is for before it stops anything
    if (key === "Escape" && !event.defaultPrevented && !closes && app.runs.busy) app.runs.stop();
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(target) || dialog) return;
    if (event.repeat && !MANY.has(key)) return; // a key that is held down is one press
    const [, , action] = [...(app.view().keys ?? []), ...everywhere].find(([name]) => name === key) ?? [];
    if (!action || !app.element.checkVisibility()) return;
    event.preventDefault();
    action();
  });
}

function createHelp(app, everywhere, always) {
  const dialog = make("dialog", "keys");
  dialog.setAttribute("aria-label", "Keys");
  dialog.dataset.testid = "keys";
  const close = button("close", "Close", () => dialog.close());
  const title = make("h2", "", "Keys");
  const lists = make("div", "keys-lists");
  dialog.append(title, close, lists);
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  app.element.append(dialog);
  const list = (heading, keys) => {
    const part = make("section");
    const table = make("dl");
    for (const [key, label] of keys) {
      const name = make("dt");
      name.append(...key.split(" ").map((cap) => make("kbd", "", cap)));
      table.append(name, make("dd", "", label));
    }
    part.append(make("h3", "", heading), table);
    return part;
  };
  return () => {
    const own = app.view().keys ?? [];
    lists.replaceChildren(...(own.length ? [list("This view", own)] : []), list("Everywhere", everywhere), list("Texts and fields", always));
    dialog.showModal();
  };
}
