// Single keys for what a tab can do, and the list of them. They are off while somebody types.
import { button, isTyping, make } from "./dom.js";
import { tabKeys } from "./tabs.js";

/** @typedef {import("./views.js").Key} Key */
/** @typedef {import("./views.js").Views<any>} Views */

const MANY = new Set([".", "[", "]", "Backspace", "ArrowRight"]); // held down, they go on
const CAPS = { ArrowLeft: "←", ArrowRight: "→" }; // what stands on them

/** @type {Map<string, Key[]>} keys that belong to no tab, by heading */
const others = new Map();

/** Lists keys that belong to no tab, which somebody else listens to. @param {string} heading @param {Key[]} keys none: no longer */
export const listKeys = (heading, keys) => (keys.length ? others.set(heading, keys) : others.delete(heading));

/** @param {Views} views @param {Key[]} everywhere */
export function listenToKeys(views, everywhere) {
  document.addEventListener("keydown", (event) => {
    const { key } = event;
    const target = /** @type {Element} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(target) || document.querySelector("dialog[open]")) return;
    if (event.repeat && !MANY.has(key)) return; // a key that is held down is one press
    const [, , action] = [...(views.view.keys ?? []), ...everywhere].find(([name]) => name === key) ?? [];
    if (!action || !views.element.checkVisibility()) return;
    event.preventDefault();
    action();
  });
}

/**
 * A dialog that lists all keys; returns what opens it.
 * @param {Views} views
 * @param {Key[]} everywhere
 * @param {Key[]} always
 */
export function createHelp(views, everywhere, always) {
  const dialog = make("dialog", "keys");
  dialog.setAttribute("aria-label", "Keys");
  dialog.dataset.testid = "keys";
  const close = button("close", "Close", () => dialog.close());
  const title = make("h2", "", "Keys");
  const lists = make("div", "keys-lists");
  dialog.append(title, close, lists);
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  views.element.append(dialog);
  /** @param {string} heading @param {Key[]} keys */
  const list = (heading, keys) => {
    const part = make("section");
    const table = make("dl");
    for (const [key, label] of keys) {
      const name = make("dt");
      name.append(...key.split(" ").map((cap) => make("kbd", "", CAPS[cap] ?? cap)));
      table.append(name, make("dd", "", label));
    }
    part.append(make("h3", "", heading), table);
    return part;
  };
  return () => {
    const own = views.view.keys ?? [];
    const parts = [...(own.length ? [list("This view", own)] : []), list("Everywhere", [...everywhere, ...tabKeys()]), list("Texts and fields", always)];
    lists.replaceChildren(...parts, ...[...others].map(([heading, keys]) => list(heading, keys)));
    dialog.showModal();
  };
}
