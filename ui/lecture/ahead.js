// What a lecture will need is fetched while it begins, so that no step waits for it: the scripts of all tabs and views, and what the server reads
// from its disk before it answers for the first time. That includes the networks of the Ladder, of each training step and of the Assistant, and the
// first character that each of them writes, which takes the longest.
import { getJSON, postForLines } from "../shared/server.js";

/** @type {[string, (answer: any) => string[]][]} addresses, and the keys of the models in their answers */
const ANSWERS = [
  ["learning/corpus", () => []],
  ["learning/ladder", ({ rungs }) => rungs.map(({ key }) => key)],
  ["learning/runs", ({ runs }) => runs.filter(({ source }) => source === "shipped").flatMap(({ snapshots }) => snapshots.map(({ key }) => key))],
  ["assistant", ({ models }) => models.map(({ key }) => key)],
  ["assistant/comparisons", () => []],
  ["assistant/runs", () => []],
  ["meaning/zeroshot", () => []],
  ["meaning/neighbours", () => []],
  ["meaning/translators", () => []],
  ["meaning/norm", () => []],
];

/** Fetches it, one after the other. @param {AbortSignal} signal */
export async function fetchAhead(signal) {
  await import("../sample/next/view.js");
  await import("../sample/tree/view.js");
  await import("../sample/locked/view.js");
  await import("../sample/score/view.js");
  await import("../attention/main.js");
  await import("../learning/main.js");
  await import("../assistant/main.js");
  await import("../meaning/main.js");
  await import("../classroom/main.js");
  await import("../classroom/wall/view.js");
  const ask = (address) => getJSON(`./${address}`, signal).catch(() => null); // what fails is told by the view that needs it
  /** @type {Set<string>} */
  const keys = new Set();
  for (const [address, keysOf] of ANSWERS) {
    const answer = await ask(address);
    if (signal.aborted) return;
    for (const key of answer ? keysOf(answer) : []) if (key) keys.add(key);
  }
  for (const key of keys) {
    await ask(`models/${key}`);
    await postForLines("./write", { prompt: "", length: 1, samples: 1, seed: 0, model: key }, () => {}, signal).catch(() => {});
    if (signal.aborted) return;
  }
}
