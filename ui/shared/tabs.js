// The open tab belongs to the address of the page. The tabs are Gradio's.
const SHOWN = '#tabs > .tab-wrapper .tab-container:not(.visually-hidden) [role="tab"]';

/** @param {Element} tab */
const nameOf = (tab) => tab.textContent.trim().toLowerCase();
const MANY = 5; // tabs; with more, the header's facts get a line of their own
let isFollowed = false;

/** Opens the tab that the address names, and keeps the open one there. The first call counts. @param {import("./address.js").Address} address */
export function followTabs(address) {
  if (isFollowed) return;
  isFollowed = true;
  countTabs();
  const tabs = [...document.querySelectorAll(SHOWN)];
  const keep = (tab) => tab && address.keep("tab", nameOf(tab) === nameOf(tabs[0]) ? "" : nameOf(tab)); // the first needs no word
  document.addEventListener("click", ({ target }) => keep(/** @type {Element} */ (target).closest?.(SHOWN)));
  const wanted = /** @type {HTMLElement} */ (tabs.find((tab) => nameOf(tab) === address.get("tab")));
  if (wanted) wanted.click();
  else keep(tabs.find((tab) => tab.ariaSelected === "true")); // somebody was quicker than this script
}

/** Opens a tab. @param {string} name */
export function openTab(name) {
  const tab = [...document.querySelectorAll(SHOWN)].find((tab) => nameOf(tab) === name);
  /** @type {HTMLElement | undefined} */ (tab)?.click();
}

// Told to the style sheet by an attribute: a rule with :has() over the page made every change of a view restyle all of it (45 ms a hover).
function countTabs() {
  const wrapper = document.querySelector("#tabs > .tab-wrapper");
  const count = () => document.querySelector(".masthead").toggleAttribute("data-many-tabs", document.querySelectorAll(SHOWN).length > MANY);
  new MutationObserver(count).observe(wrapper, { childList: true, subtree: true });
  count();
}
