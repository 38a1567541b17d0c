// The open tab belongs to the address of the page. The tabs are Gradio's.
import { isTyping } from "./dom.js";

const ROW = "#tabs > .tab-wrapper .tab-container:not(.visually-hidden)";
const SHOWN = `${ROW} [role="tab"]`;

/** @param {Element} tab */
const nameOf = (tab) => tab.textContent.trim().toLowerCase();
// The room beside the tabs, in rem, that the header's facts need, and that they need without the number of parameters.
const [ALL_FACTS, FEW_FACTS] = [16, 9];
const SCALES = [1, 0.92, 0.84, 0.76, 0.68]; // of the header: the first at which it is one line
let isFollowed = false;

const tabs = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll(SHOWN)]);

/** The keys that open the tabs, for the list of keys. @returns {import("./views.js").Key[]} */
export const tabKeys = () => tabs().map((tab, i) => [`Shift ${i + 1}`, tab.textContent.trim()]);

/** Marks a row that can be scrolled at the ends where it goes on; returns what does so again, for when its content has changed. @param {HTMLElement} row */
export function fadeEnds(row) {
  const mark = () => {
    const { scrollLeft, scrollWidth, clientWidth } = row;
    row.classList.toggle("scrolls-back", scrollLeft > 1);
    row.classList.toggle("scrolls-on", scrollLeft + clientWidth < scrollWidth - 1);
  };
  row.addEventListener("scroll", mark, { passive: true });
  row.addEventListener("focusin", ({ target }) => /** @type {Element} */ (target).scrollIntoView({ inline: "nearest", block: "nearest" }));
  new ResizeObserver(mark).observe(row);
  return mark;
}

/** Brings a tab into sight, with some of the one before it, where the row is too narrow for all. @param {HTMLElement} tab */
function scrollTo(tab) {
  const row = tab.closest(ROW);
  row.scrollLeft = tab.offsetLeft - tabs()[0].offsetLeft - row.clientWidth / 4;
}

/** Opens the tab that the address names, and keeps the open one there. The first call counts. @param {import("./address.js").Address} address */
export function followTabs(address) {
  if (isFollowed) return;
  isFollowed = true;
  makeRoomForFacts();
  listenToKeys();
  fadeEnds(document.querySelector(ROW));
  const keep = (tab) => {
    if (!tab) return;
    address.keep("tab", nameOf(tab) === nameOf(tabs()[0]) ? "" : nameOf(tab)); // the first needs no word
    scrollTo(tab);
  };
  document.addEventListener("click", ({ target }) => keep(/** @type {Element} */ (target).closest?.(SHOWN)));
  const wanted = tabs().find((tab) => nameOf(tab) === address.get("tab"));
  if (wanted) wanted.click();
  else keep(tabs().find((tab) => tab.ariaSelected === "true")); // somebody was quicker than this script
  address.addEventListener("go", () => {
    const tab = tabs().find((tab) => nameOf(tab) === address.get("tab")) ?? tabs()[0];
    if (tab.ariaSelected === "true") return;
    if (document.fullscreenElement) void document.exitFullscreen(); // it shows one tab alone
    tab.click();
  });
}

// Shift and a digit open a tab. Where digits are typed with Shift they belong to the views.
function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    const { code, key, shiftKey, ctrlKey, metaKey, altKey } = event;
    const tab = shiftKey && !ctrlKey && !metaKey && !altKey && !/\d/.test(key) && tabs()[Number(/^Digit([1-9])$/.exec(code)?.[1]) - 1];
    if (!tab || event.defaultPrevented || isTyping(/** @type {Element} */ (event.target)) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (document.fullscreenElement) void document.exitFullscreen(); // it shows one tab alone
    tab.click();
  });
}

/** What is on show: "Attention · One head". */
export function titleShown() {
  const views = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.view-tab[aria-selected="true"]'));
  const shown = [tabs().find((tab) => tab.ariaSelected === "true"), [...views].find((view) => view.checkVisibility())];
  return shown.flatMap((node) => node?.textContent.trim() || []).join(" · ");
}

/** Opens a tab. @param {string} name */
export function openTab(name) {
  tabs().find((tab) => nameOf(tab) === name)?.click();
}

// Told to the style sheet by an attribute: a rule with :has() over the page made every change of a view restyle all of it (45 ms a hover).
function makeRoomForFacts() {
  const masthead = /** @type {HTMLElement} */ (document.querySelector(".masthead"));
  const [about, title, tools] = [".masthead .about", ".masthead h1", ".tools"].map((name) => document.querySelector(name));
  const row = document.querySelector(ROW);
  const wraps = () => tools.getBoundingClientRect().top >= title.getBoundingClientRect().bottom; // close under the facts
  const measure = () => {
    delete masthead.dataset.facts; // until it is measured, nothing is left out
    document.documentElement.removeAttribute("data-wrapped");
    const { scrollLeft } = row;
    const { style } = document.documentElement;
    const fitting = SCALES.find((scale) => {
      style.setProperty("--header", String(scale));
      return !wraps();
    });
    const isWrapped = fitting === undefined;
    if (isWrapped) style.removeProperty("--header"); // on a phone, or with large text
    document.documentElement.toggleAttribute("data-wrapped", isWrapped);
    row.scrollLeft = scrollLeft; // a smaller header had less to scroll
    const room = isWrapped ? 0 : about.getBoundingClientRect().width / parseFloat(getComputedStyle(document.documentElement).fontSize);
    if (room < ALL_FACTS) masthead.dataset.facts = room < FEW_FACTS ? "none" : "few";
  };
  new MutationObserver(measure).observe(document.querySelector("#tabs > .tab-wrapper"), { childList: true, subtree: true });
  new ResizeObserver(measure).observe(title); // it grows with the text
  addEventListener("resize", measure);
  measure();
}
