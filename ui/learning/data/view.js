// The view "Data".

/** @param {HTMLElement} _panel @param {import("../main.js").Learning} _learning @returns {import("../../shared/views.js").View} */
export function createData(_panel, _learning) {
  return { caption: "" };
}
