// The view "Zero-shot": a model that was never given a label chooses by likelihood.

const CAPTION = "Nobody ever told this model what is right and wrong. Of two texts it takes the one that it finds likelier, and we count how often that is the right one.";

/** @param {HTMLElement} _panel @param {import("../main.js").Meaning} _meaning @returns {import("../../shared/views.js").View} */
export function createZeroShot(_panel, _meaning) {
  return { caption: CAPTION };
}
