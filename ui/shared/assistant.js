// What the server says of the assistant (GET /assistant, see ui/web/assistant.py).
import { getJSON } from "./server.js";

/**
 * @typedef {object} Stage a stage on the way to the assistant, and its model
 * @property {string} id "base", "supervised", "reinforced" or "unbound"
 * @property {string} title
 * @property {string} about
 * @property {string} key of its model, "" if that cannot be used
 * @property {string} trouble why not
 *
 * @typedef {object} Skill
 * @property {string} id
 * @property {string} title
 * @property {boolean} one_answer
 * @property {string[]} requests that no example has
 *
 * @typedef {{n: number, obeys: number, low: number, high: number}} Share of answers that obey, and its 95 % interval
 * @typedef {{n: number, temperature: number, skills: Object<string, Share>, mean: Share}} Obeys
 *
 * @typedef {object} About
 * @property {Stage[]} models
 * @property {Skill[]} skills
 * @property {Object<string, Obeys | null>} obeys by stage
 * @property {Object<string, number | null>} forgetting loss on the plays, by stage
 * @property {number} answer_chars the longest answer
 * @property {number} request_chars the longest request
 */

/** @param {AbortSignal} [signal] @returns {Promise<About>} */
export const readAbout = (signal) => getJSON("./assistant", signal);
