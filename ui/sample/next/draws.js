// Many throws on one distribution: how often each character came up, beside how often it was expected to.
import { die } from "../../shared/dice.js";
import { edges, land } from "../../shared/distribution.js";
import { BINS } from "./falling.js";

export const ENOUGH = 100; // throws; the shares of fewer say little
export const EXPECTED = 5; // times that a character must be expected for its range to say much

/** @typedef {{id: number, low: number, high: number, die: number, sample: number}} Landed a throw and the interval that it fell into */

export class Draws {
  total = 0; // counted
  goal = 0; // those that are still falling included
  pile = new Int32Array(BINS); // how many dice showed what

  /** @param {number} vocabSize */
  constructor(vocabSize) {
    this.counts = new Int32Array(vocabSize);
  }

  clear() {
    this.total = this.goal = 0;
    this.counts.fill(0);
    this.pile.fill(0);
  }

  /**
   * Throws `count` more dice, those of throw number `step` of the next samples of a seed. They are yet to be counted.
   * @param {number} count
   * @param {Float64Array} probabilities
   * @param {number} seed
   * @param {number} step
   * @returns {Landed[]}
   */
  throw(count, probabilities, seed, step) {
    const ends = edges(probabilities);
    return Array.from({ length: count }, () => {
      const sample = this.goal++;
      const throwOfDie = die(seed, sample, step);
      return { ...land(probabilities, throwOfDie, ends), die: throwOfDie, sample };
    });
  }

  /** Counts throws that have landed. @param {Landed[]} throws */
  count(throws) {
    for (const thrown of throws) {
      this.total++;
      this.counts[thrown.id]++;
      this.pile[Math.floor(thrown.die * BINS)]++;
    }
  }

  // Between which counts a character of probability p is expected: two standard deviations to each side, about 19 times out of 20.
  expected(p) {
    const [mean, spread] = [this.goal * p, 2 * Math.sqrt(this.goal * p * (1 - p))];
    return { low: Math.max(0, mean - spread), high: Math.min(this.goal, mean + spread) };
  }

  // How many of the characters that are expected often enough lie in their range.
  within(probabilities) {
    const frequent = Array.from(probabilities.keys()).filter((id) => this.goal * probabilities[id] >= EXPECTED);
    const inside = frequent.filter((id) => {
      const { low, high } = this.expected(probabilities[id]);
      return low <= this.counts[id] && this.counts[id] <= high;
    });
    return { inside: inside.length, of: frequent.length };
  }
}
