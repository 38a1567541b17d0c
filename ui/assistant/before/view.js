// The view "Before and after": one request and the same dice for the model that completes texts and for those that have learned to answer.

const CAPTION =
  "One request, the same dice, and the same network at three stages: as it learned from the plays, after it was shown answers, and after it " +
  "was rewarded for them. Choose a skill, or write a request of your own.";

/** @returns {import("../../shared/views.js").View} */
export function createBefore() {
  return { caption: CAPTION };
}
