// Single keys for what a tab can do, and the list of them. They are off while somebody types.
import { button, make } from "./dom.js";

const isTyping = (node) => node.closest?.('input:not([type="range"]), textarea, select, [contenteditable]');
const MANY = new Set([".", "[", "]", "Backspace", "ArrowRight"]); // held down, they go on

// `tab` has an element, and view() with the keys of the view that is shown; keys are [key, words, action].
export function listenToKeys(tab, everywhere) {
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(target) || document.querySelector("dialog[open]")) return;
    if (event.repeat && !MANY.has(key)) return; // a key that is held down is one press
    const [, , action] = [...(tab.view().keys ?? []), ...everywhere].find(([name]) => name === key) ?? [];
    if (!action || !tab.element.checkVisibility()) return;
    event.preventDefault();
    action();
  });
}

// A dialog with all keys; gives back what opens it.
export function createHelp(tab, everywhere, always) {
  const dialog = make("dialog", "keys");
  dialog.setAttribute("aria-label", "Keys");
  dialog.dataset.testid = "keys";
  const close = button("close", "Close", () => dialog.close());
  const title = make("h2", "", "Keys");
  const lists = make("div", "keys-lists");
  dialog.append(title, close, lists);
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  tab.element.append(dialog);
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
    const own = tab.view().keys ?? [];
    lists.replaceChildren(...(own.length ? [list("This view", own)] : []), list("Everywhere", everywhere), list("Texts and fields", always));
    dialog.showModal();
  };
}
