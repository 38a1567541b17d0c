// The tools above a tab's views: link, downloads, full screen, and whatever else the tab has.
import { button, make } from "./dom.js";

const [SHORT_MS, LONG_MS] = [2_500, 10_000]; // to read two words, and a sentence
const ICONS = {
  undo: "M8 5L3.5 9.5L8 14M4 9.5h10.5a5 5 0 0 1 0 10H9",
  link: "M10 14a4.2 4.2 0 0 0 6 0l3.5-3.5a4.2 4.2 0 0 0-6-6L12 6M14 10a4.2 4.2 0 0 0-6 0l-3.5 3.5a4.2 4.2 0 0 0 6 6L12 18",
  download: "M12 4v11M7.5 11l4.5 4.5l4.5-4.5M4.5 20h15",
  "full-screen": "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  caption: "M4 6h16M4 10.5h16M4 15h10",
  more: "M5.5 12v.01M12 12v.01M18.5 12v.01",
  keys: "M8.5 9a3.5 3.5 0 1 1 5 3.2c-1 .5-1.5 1.2-1.5 2.3M12 18.2v.6",
};
const SVG = "http://www.w3.org/2000/svg";

// A button with a picture; `title` names its key too.
export function tool(name, label, title, action) {
  const node = button("", "", action);
  Object.assign(node.dataset, { tool: name });
  node.setAttribute("aria-label", label);
  node.title = title;
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  picture.append(path);
  node.append(picture);
  return node;
}

/** On a phone the tools have no room beside the views: one that is always there shows the others below it. @param {HTMLElement} tools */
export function foldTools(tools) {
  const show = (isOpen) => {
    tools.classList.toggle("open", isOpen);
    more.setAttribute("aria-expanded", String(isOpen));
  };
  const more = tool("more", "Tools", "Tools", () => show(!tools.classList.contains("open")));
  show(false);
  tools.append(more);
  document.addEventListener("click", ({ target }) => tools.contains(/** @type {Node} */ (target)) || show(false));
  tools.addEventListener("keydown", ({ key }) => key === "Escape" && show(false));
}

/** Shows words at the bar for as long as it takes to read them. @param {Element} said @returns {(words: string) => void} */
export function sayer(said) {
  let saying = 0;
  return (words) => {
    said.textContent = words;
    clearTimeout(saying);
    saying = setTimeout(() => (said.textContent = ""), words.length > 40 ? LONG_MS : SHORT_MS);
  };
}

/**
 * Copies the address of the page as it is now.
 * @param {() => {address: string, missing: string[]}} write
 * @param {(words: string) => void} say
 */
export async function copyLink(write, say) {
  const { address, missing } = write();
  try {
    await navigator.clipboard.writeText(address);
    say(missing.length ? ["Link copied.", ...missing].join(" ") : "Link copied");
  } catch {
    window.prompt(["The address of this page as it is now:", ...missing].join(" "), address); // clipboards are closed to pages without https
  }
}

export async function toggleFullScreen(element, say) {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await element.requestFullscreen();
  } catch {
    say("This browser does not allow full screen here.");
  }
}

/**
 * A menu below its opener; returns what opens and closes it. What an action throws is said.
 * @param {HTMLElement} root
 * @param {HTMLButtonElement} opener
 * @param {() => import("./views.js").Entry[]} entries asked for each time it is opened
 * @param {(words: string) => void} say
 */
export function createMenu(root, opener, entries, say) {
  const list = make("div", "menu-list");
  list.popover = "auto";
  root.append(list);
  opener.popoverTargetElement = list; // so that a press on it does not count as one outside the list, which would close it first
  opener.addEventListener("click", (event) => event.preventDefault()); // ... and opens it once
  /** @param {import("./views.js").Entry} entry */
  const entry = ([label, action]) =>
    button("menu-entry", label, async () => {
      list.hidePopover();
      try {
        await action();
      } catch (error) {
        say(error.message);
      }
    });
  return () => {
    if (list.matches(":popover-open")) {
      list.hidePopover();
      return;
    }
    list.replaceChildren(...entries().map(entry));
    list.showPopover();
    const { right, bottom } = opener.getBoundingClientRect();
    list.style.left = `${Math.max(8, right - list.offsetWidth)}px`;
    list.style.top = `${bottom + 6}px`;
    list.querySelector("button").focus();
  };
}
