// The way to the password from another tab, and back.
import { button } from "./dom.js";
import { hasSession, LOST, session } from "./session.js";
import { openTab, titleShown } from "./tabs.js";

const [PASSWORD, TRAIN] = ["train-password", "train"];
const TAB = '#tabs > .tab-wrapper [role="tab"]';

let waiting = new AbortController(); // for the password

/** Opens the Train tab where the password is asked for. Once it is unlocked, the tab that was open is again, unless somebody has gone elsewhere. */
export async function goToLock() {
  const [before] = titleShown().toLowerCase().split(" · ");
  openTab(TRAIN);
  waiting.abort();
  const { signal } = (waiting = new AbortController());
  const back = () => {
    if (!hasSession()) return;
    waiting.abort();
    openTab(before);
  };
  session.addEventListener("change", back, { signal });
  document.addEventListener("click", ({ target }) => /** @type {Element} */ (target).closest?.(TAB) && waiting.abort(), { signal, capture: true });
  const field = () => document.getElementById(PASSWORD);
  for (let frames = 0; !field()?.checkVisibility() && frames < 300; frames++) await new Promise(requestAnimationFrame); // its script may have to come
  field()?.focus();
}

/** Says that the app is locked, with the way to the password, until it is unlocked. Where that is said already, it is not said again. @param {Element} node @param {string} words */
export function tellLocked(node, words) {
  node.replaceChildren();
  if ([...document.querySelectorAll("[data-unlock]")].some((said) => said.checkVisibility())) return;
  const unlock = button("quiet inline", "Unlock", () => void goToLock());
  unlock.dataset.unlock = "";
  node.replaceChildren(`${session.isLost ? LOST : words} `, unlock);
  const clear = () => {
    if (!hasSession() && unlock.isConnected) return;
    session.removeEventListener("change", clear);
    if (unlock.isConnected) node.replaceChildren();
  };
  session.addEventListener("change", clear);
}
