// What was measured of every model, and what the server reads live (see ui/web/meaning_zeroshot.py).
import { getJSON, postForJSON } from "../../shared/server.js";

/**
 * @typedef {{right: number, low: number, high: number}} Share of pairs, with its 95 % interval
 * @typedef {Share & {n: number}} Measured
 *
 * @typedef {object} Kind of minimal pairs
 * @property {string} id
 * @property {string} title
 * @property {string} about
 * @property {"rule" | "plays"} source
 * @property {"near" | "far"} reach whether a few characters before the difference decide
 * @property {boolean} counted whether it belongs to the mean
 * @property {string} right of an example
 * @property {string} wrong
 *
 * @typedef {object} Judge a model that was measured; chance and the n-gram model have no key
 * @property {string} id
 * @property {string} name
 * @property {string} group "chance", "n-gram", "ladder", "shipped", "assistant", "meaning" or "snapshot"
 * @property {string | null} key
 * @property {string | null} run
 * @property {number | null} step
 * @property {number | null} parameters
 * @property {number | null} val_loss
 * @property {number} n
 * @property {Share} mean of the kinds
 * @property {Object<string, Measured>} kinds
 *
 * @typedef {Measured & {candidates: number, chance: number}} SpeakersMeasured
 * @typedef {{names: string[], trained: SpeakersMeasured, held_out: SpeakersMeasured, examples: SpeakersMeasured}} Speakers
 *
 * @typedef {{kinds: Kind[], models: Judge[], speakers: Speakers | null, max_speech_chars: number, trouble: string}} Results
 *
 * @typedef {{text: string, log_probs: number[], sum: number}} Likely in nats
 * @typedef {{context: string, right: Likely, wrong: Likely, from: number, ngram: {right: number, wrong: number} | null}} Pair
 * @typedef {Likely & {per_character: number, alone: number, corrected: number}} Ending
 * @typedef {"sum" | "per_character" | "corrected"} Order
 * @typedef {{model: string, beginning: string, notice: string, endings: Ending[], orders: Record<Order, number[]>}} Choices
 * @typedef {{model: string, text: string, notice: string, speakers: (Likely & {name: string})[]}} SpokenBy
 */

/** @param {AbortSignal} [signal] @returns {Promise<Results>} */
export const readResults = (signal) => getJSON("./meaning/zeroshot", signal);

/** Some pairs of a kind. @param {{kind: string, from: number, model: string}} asked @param {AbortSignal} signal @returns {Promise<{n: number, pairs: Pair[]}>} */
export const askPairs = (asked, signal) => postForJSON("./meaning/pairs", asked, signal);

/** @param {{beginning: string, endings: string[], model: string}} asked @param {AbortSignal} signal @returns {Promise<Choices>} */
export const askChoices = (asked, signal) => postForJSON("./meaning/choices", asked, signal);

/** @param {{text: string, model: string}} asked @param {AbortSignal} signal @returns {Promise<SpokenBy>} */
export const askSpeakers = (asked, signal) => postForJSON("./meaning/speakers", asked, signal);

/** A share as a class reads it: whole percents. @param {number} share */
export const wholePercent = (share) => `${Math.round(100 * share)}\u00a0%`;

/** Surprisal of characters, in bits. @param {number[]} logProbs in nats */
export const bitsOf = (logProbs) => logProbs.map((nats) => -nats / Math.LN2);

/** A log-probability in bits, in figures: the unit of surprisal. @param {number} nats @param {number} [decimals] */
export function inBits(nats, decimals = 1) {
  const figures = (nats / Math.LN2).toFixed(decimals);
  return Number(figures) ? figures.replace("-", "−") : figures.replace("-", "");
}

const MOST_TIMES = 1e6;

/** How many times as likely the likelier of two texts is. @param {number} difference of their log-probabilities, in nats */
export function timesInWords(difference) {
  const times = Math.exp(Math.abs(difference));
  if (times > MOST_TIMES) return "more than a million times";
  if (times >= 100) return `${Number(times.toPrecision(2)).toLocaleString("en")} times`;
  return `${times.toFixed(times < 10 ? 1 : 0)} times`;
}
