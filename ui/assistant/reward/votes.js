// What people decided: votes are kept in this browser, so that a reload loses none.
import { Emitter } from "../../shared/emitter.js";
import { inBrowser } from "../../shared/storage.js";

const KEY = "soliloquy-votes";
export const MOST_VOTES = 1_000; // that this browser keeps; some 200 KB

/**
 * @typedef {"a" | "b"} Side
 * @typedef {{request: string, a: string, b: string}} Pair two answers to one request
 * @typedef {Pair & {better: Side, by: "person" | "rule", scores: [number, number] | null}} Vote `scores`: what the reward model gave A and B
 */

/** Event "change". */
export class Votes extends Emitter {
  /** @type {Vote[]} in the order in which they were given */
  list = read();

  /** @param {Pair} pair */
  of(pair) {
    return this.list.find((vote) => isOf(vote, pair));
  }

  /** Another vote on the same pair takes the place of the one before. @param {Vote} vote */
  give(vote) {
    const before = this.list.findIndex((each) => isOf(each, vote));
    if (before >= 0) this.list[before] = vote;
    else if (this.list.length >= MOST_VOTES) throw new Error(`This browser keeps up to ${MOST_VOTES.toLocaleString("en")} votes. Download them, then delete them.`);
    else this.list.push(vote);
    this.#keep();
  }

  clear() {
    this.list = [];
    this.#keep();
  }

  /** A comparison per line, as the reward model learns from them (model/assistant/comparisons.py). */
  get lines() {
    const comparison = ({ request, a, b, better }) => ({ request, better: better === "a" ? a : b, worse: better === "a" ? b : a });
    return this.list.map((vote) => `${JSON.stringify(comparison(vote))}\n`).join("");
  }

  #keep() {
    inBrowser.keepJSON(KEY, this.list);
    this.tell("change");
  }
}

/** @param {Pair} one @param {Pair} other */
const isOf = (one, other) => one.request === other.request && one.a === other.a && one.b === other.b;

/** @returns {Vote[]} */
function read() {
  const stored = inBrowser.getJSON(KEY);
  return Array.isArray(stored) ? stored.filter(isVote).slice(0, MOST_VOTES) : [];
}

/** @param {any} vote */
function isVote(vote) {
  const isPair = ["request", "a", "b"].every((name) => typeof vote?.[name] === "string");
  const isScored = (scores) => scores === null || (Array.isArray(scores) && scores.length === 2 && scores.every(Number.isFinite));
  return isPair && ["a", "b"].includes(vote.better) && ["person", "rule"].includes(vote.by) && isScored(vote.scores);
}
