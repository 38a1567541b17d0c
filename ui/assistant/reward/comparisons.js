// The pairs of answers that are judged, and how well the reward model judges those that it never learned from (GET /assistant/comparisons).
import { getJSON } from "../../shared/server.js";

/**
 * @typedef {import("./votes.js").Pair & {better: import("./votes.js").Side}} Comparison `better` by the rule
 * @typedef {{n: number, accuracy: number, low: number, high: number}} Measured with its 95 % interval
 * @typedef {Measured & {kind: "rule" | "votes", comparisons: number}} Point of a reward model that has learned from so many comparisons
 *
 * @typedef {object} Comparisons
 * @property {Comparison[]} comparisons that are kept back
 * @property {Point[]} curve
 * @property {Measured | null} accuracy of the reward model that is shipped
 * @property {[number, number] | null} range of the scores that answers usually get
 * @property {string} trouble why there are none
 */

/** @param {AbortSignal} [signal] @returns {Promise<Comparisons>} */
export const readComparisons = (signal) => getJSON("./assistant/comparisons", signal);
