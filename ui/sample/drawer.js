// In a narrow window, or with large text, the views come first: the settings are a drawer that opens over them (see tab.css).

const byId = (id) => document.getElementById(id);

/** Where there is room for the settings there is no drawer. @param {boolean} wanted */
export function openDrawer(wanted) {
  const opener = byId("settings-button");
  const isOpen = wanted && opener.checkVisibility();
  byId("controls").classList.toggle("open", isOpen);
  opener.setAttribute("aria-expanded", String(isOpen));
}

/** Whoever writes wants to see the texts. @param {import("../shared/generations.js").Generations} generations */
export function createDrawer(generations) {
  const [controls, opener] = [byId("controls"), byId("settings-button")];
  const isOpen = () => controls.classList.contains("open");
  opener.setAttribute("aria-controls", "controls");
  opener.addEventListener("click", () => openDrawer(!isOpen()));
  generations.addEventListener("change", () => generations.list.some(({ live }) => live) && openDrawer(false));
  document.addEventListener("pointerdown", ({ target }) => controls.contains(/** @type {Node} */ (target)) || openDrawer(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !isOpen() || !opener.checkVisibility()) return;
    event.preventDefault();
    openDrawer(false);
    opener.focus();
  }, { capture: true });
  openDrawer(false);
}
