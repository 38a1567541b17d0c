// What the server knows of the lines of the plays (see ui/web/meaning_neighbours.py).
import { getJSON, postForJSON } from "../../shared/server.js";

/**
 * @typedef {"embedding" | "tfidf"} Method by which the nearest lines are found
 *
 * @typedef {object} Lines one column for each fact
 * @property {string[] | null} text null without the corpus
 * @property {number[]} position in the corpus
 * @property {number[]} play
 * @property {number[]} speaker
 * @property {number[]} x on the map, from −1 to 1
 * @property {number[]} y
 *
 * @typedef {{recall: Object<string, number>, mrr: number | null}} Measured how well one method finds the second half of a speech from its first
 *
 * @typedef {{median: number, high: number}} Random cosines of texts that do not belong together: their median and 95 % quantile
 *
 * @typedef {object} Recall
 * @property {number} n speeches
 * @property {Object<string, Measured>} methods embedding, tfidf, mean, length and chance
 * @property {{n: number, methods: Object<string, Measured>} | null} long the same, of the speeches whose halves are both long
 * @property {Object<string, Random>} random of halves of speeches
 *
 * @typedef {object} About
 * @property {number} n lines
 * @property {string[]} plays
 * @property {string[]} speakers
 * @property {Lines | null} lines null where the embedding cannot be used
 * @property {Recall | null} recall
 * @property {Object<string, Random>} random of lines, by embedding and, with the corpus, by tfidf
 * @property {number} sentence_chars the longest sentence
 * @property {string} missing why the lines have no text
 * @property {string} trouble why there are no lines
 *
 * @typedef {{line: number, score: number, text: string | null, play: string, speaker: string, position: number}} Near
 *
 * @typedef {object} Answer
 * @property {string} text the sentence as it was read
 * @property {string} notice
 * @property {number} x
 * @property {number} y
 * @property {Near[]} embedding
 * @property {Near[] | null} tfidf null without the corpus
 * @property {string} missing
 *
 * @typedef {{a: string, b: string, notice: string, embedding: number, tfidf: number | null, mean: number | null, missing: string}} Similarity
 */

/** @param {AbortSignal} [signal] @returns {Promise<About>} */
export const readAbout = (signal) => getJSON("./meaning/neighbours", signal);

/** @param {string} text @param {AbortSignal} [signal] @returns {Promise<Answer>} */
export const askNearest = (text, signal) => postForJSON("./meaning/nearest", { text }, signal);

/** @param {string} a @param {string} b @param {AbortSignal} [signal] @returns {Promise<Similarity>} */
export const askSimilarity = (a, b, signal) => postForJSON("./meaning/similarity", { a, b }, signal);
