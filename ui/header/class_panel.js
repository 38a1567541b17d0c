// The panel for the projector: the address that a class can open, with its QR code.
import { drawCode, writeAddress } from "../shared/invitation.js";

/** @param {HTMLElement} element @param {import("../shared/invitation.js").Invitation} invitation */
export function createClassPanel(element, { address, modules }) {
  const panel = /** @type {HTMLDialogElement} */ (element.querySelector(".class-panel"));

  const text = /** @type {HTMLElement} */ (panel.querySelector(".address"));
  writeAddress(text, address);
  drawCode(panel.querySelector(".qr"), modules);

  // The address is as large as its room allows.
  const room = panel.querySelector(".room");
  const invitation = /** @type {HTMLElement} */ (panel.querySelector(".invitation"));
  const fits = (size) => {
    text.style.fontSize = `${size}px`;
    return text.scrollWidth <= text.clientWidth && invitation.offsetHeight <= room.clientHeight;
  };
  const fit = () => {
    let [low, high] = [16, 400];
    text.style.overflowWrap = "normal";
    while (high - low > 0.5) {
      const middle = (low + high) / 2;
      if (fits(middle)) low = middle;
      else high = middle;
    }
    if (!fits(low)) text.style.overflowWrap = "anywhere"; // a name wider than the room at any size
  };
  new ResizeObserver(() => panel.open && fit()).observe(room);

  const button = document.createElement("button");
  button.type = "button";
  button.className = "join";
  button.textContent = "Join";
  button.title = "Show the address for the class";
  button.setAttribute("aria-label", "Join: show the address for the class");
  button.addEventListener("click", () => panel.showModal());
  element.querySelector(".tools").prepend(button);
  panel.querySelector(".close").addEventListener("click", () => panel.close());
  // While the panel is open, Escape and all other keys are its own: they do not stop what the page is writing.
  window.addEventListener("keydown", (event) => panel.open && event.stopPropagation(), { capture: true });
}
