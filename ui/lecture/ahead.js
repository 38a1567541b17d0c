// The scripts of all tabs and views are fetched while the lecture begins, so that no step waits for one.

/** Fetches them one after the other. */
export async function fetchAhead() {
  await import("../sample/next/view.js");
  await import("../sample/tree/view.js");
  await import("../sample/locked/view.js");
  await import("../sample/score/view.js");
  await import("../attention/main.js");
  await import("../learning/main.js");
  await import("../assistant/main.js");
  await import("../meaning/main.js");
}
