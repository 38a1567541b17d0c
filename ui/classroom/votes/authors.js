// Who wrote which answer, for this browser: the class votes blind, and learns it once the vote is closed.
import { inBrowser } from "../../shared/storage.js";

const KEY = "soliloquy-vote-authors";
const MOST = 64; // pairs that are remembered

/** @typedef {{request: string, a: string, b: string}} Pair */
/** @typedef {Pair & {by: [string, string]}} Written */

/** @param {any} pair */
const isWritten = (pair) => Array.isArray(pair?.by) && pair.by.length === 2 && pair.by.every((title) => typeof title === "string");

/** @returns {Written[]} */
function read() {
  const stored = inBrowser.getJSON(KEY);
  return Array.isArray(stored) ? stored.filter(isWritten) : [];
}

/** The titles of the models that wrote A and B; null where this browser does not know them. @param {Pair} pair */
export function authorsOf({ request, a, b }) {
  return read().find((each) => each.request === request && each.a === a && each.b === b)?.by ?? null;
}

/** @param {Written[]} pairs */
export const keepAuthors = (pairs) => void inBrowser.keepJSON(KEY, [...pairs, ...read()].slice(0, MOST));
