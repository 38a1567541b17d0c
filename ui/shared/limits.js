// Defaults, limits and names that the server tells once (GET /limits, see ui/web/limits.py).
import { getJSON } from "./server.js";

/**
 * @typedef {object} Limit of a sampling setting
 * @property {*} default
 * @property {number | null} low
 * @property {number | null} high
 * @property {string} help
 *
 * @typedef {object} Measure of a head
 * @property {string} name
 * @property {string} words
 * @property {string} short
 * @property {string} target what a head with this label attends to; "" for measures that are not shares
 * @property {string} unit
 *
 * @typedef {object} Limits
 * @property {Object<string, Limit>} sampling by setting: prompt, temperature, length, samples, seed, top_k, top_p
 * @property {number} score_chars the longest text that can be scored
 * @property {number} heads_off_chars
 * @property {number} encoded_chars the longest text that can be shown as numbers
 * @property {number} lead_chars the longest address that phones can be told to follow
 * @property {Object<string, Limit>} chunks batch_size, block_size and seed of random chunks
 * @property {Measure[]} measures
 * @property {[number, string][]} lecture validation losses of the lecture's models, in nats per character
 */

/** @returns {Promise<Limits>} */
export const readLimits = () => getJSON("./limits");
