// Many throws on one distribution: how often each character came up, beside how often it was expected to.
import { die } from "../../shared/dice.js";
import { edges, land } from "../../shared/distribution.js";

export const ENOUGH = 100; // throws; the shares of fewer say little
export const EXPECTED = 5; // times that a character must be expected for its range to say much

export class Draws {
  total = 0;

  /** @param {number} vocabSize */
  constructor(vocabSize) {
    this.counts = new Int32Array(vocabSize);
  }

  clear() {
    this.total = 0;
    this.counts.fill(0);
  }

  // Throws `count` more dice, those of throw number `step` of the next samples of a seed. Returns the last.
  add(count, probabilities, seed, step) {
    const ends = edges(probabilities);
    let last = null;
    for (let i = 0; i < count; i++) {
      const sample = this.total++;
      const throwOfDie = die(seed, sample, step);
      last = { ...land(probabilities, throwOfDie, ends), die: throwOfDie, sample };
      this.counts[last.id]++;
    }
    return last;
  }

  // Between which counts a character of probability p is expected: two standard deviations to each side, about 19 times out of 20.
  expected(p) {
    const [mean, spread] = [this.total * p, 2 * Math.sqrt(this.total * p * (1 - p))];
    return { low: Math.max(0, mean - spread), high: Math.min(this.total, mean + spread) };
  }

  // How many of the characters that are expected often enough lie in their range.
  within(probabilities) {
    const frequent = Array.from(probabilities.keys()).filter((id) => this.total * probabilities[id] >= EXPECTED);
    const inside = frequent.filter((id) => {
      const { low, high } = this.expected(probabilities[id]);
      return low <= this.counts[id] && this.counts[id] <= high;
    });
    return { inside: inside.length, of: frequent.length };
  }
}
