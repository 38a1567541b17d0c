// The view "Ladder".

/** @param {HTMLElement} _panel @param {import("../main.js").Learning} _learning @returns {import("../../shared/views.js").View} */
export function createLadder(_panel, _learning) {
  return { caption: "" };
}
