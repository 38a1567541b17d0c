// Who wrote which answer, for this browser: the class votes blind, and learns it once the vote is closed.
const KEY = "soliloquy-vote-authors";
const MOST = 64; // pairs that are remembered

/** @typedef {{request: string, a: string, b: string}} Pair */
/** @typedef {Pair & {by: [string, string]}} Written */

/** @returns {Written[]} */
function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter(({ by }) => Array.isArray(by) && by.length === 2 && by.every((title) => typeof title === "string")) : [];
  } catch {
    return []; // blocked, or not ours
  }
}

/** The titles of the models that wrote A and B; null where this browser does not know them. @param {Pair} pair */
export function authorsOf({ request, a, b }) {
  return read().find((each) => each.request === request && each.a === a && each.b === b)?.by ?? null;
}

/** @param {Written[]} pairs */
export function keepAuthors(pairs) {
  try {
    localStorage.setItem(KEY, JSON.stringify([...pairs, ...read()].slice(0, MOST)));
  } catch {} // storage may be blocked: then they stay unknown
}
