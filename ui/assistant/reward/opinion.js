// What the reward model says of an answer (POST /assistant/reward).
import { postForJSON } from "../../shared/server.js";

const MOST_KEPT = 200;

/**
 * @typedef {object} Opinion
 * @property {string} chars the answer as it was read
 * @property {number[]} scores after each of its characters
 * @property {number} score after the stop sign: what the answer gets
 * @property {{skill: string, obeys: boolean, why: string} | null} rule null for a request that no rule knows
 * @property {string} notice
 */

/** @type {Map<string, Opinion>} */
const kept = new Map();

/** @param {string} request @param {string} answer @param {AbortSignal} [signal] @returns {Promise<Opinion>} */
export async function askOpinion(request, answer, signal) {
  const name = JSON.stringify([request, answer]);
  const opinion = kept.get(name) ?? (await postForJSON("./assistant/reward", { request, answer }, signal));
  kept.set(name, opinion);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  return opinion;
}

/** How probable it is that the first answer is better: Bradley and Terry's model. @param {number} a its score @param {number} b of the other */
export const preference = (a, b) => 1 / (1 + Math.exp(b - a));

/** @param {number} score */
export const scoreInFigures = (score) => score.toFixed(2).replace("-", "−");
