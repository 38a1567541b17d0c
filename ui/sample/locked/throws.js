// The throws of a sample: what each fell on, and where it would land with other settings. Logits that were recomputed may move an edge past a
// throw, so what changes is counted from where the throws land at the original settings, with the same logits.
import { die } from "../../shared/dice.js";
import { distribution, land } from "../../shared/distribution.js";
import { logitsOf } from "../../shared/logits.js";

export class Throws {
  /** @type {string[]} as far as their logits are known */
  chars = [];
  /** @type {number[]} ids, with the settings that were tried last */
  landed = [];
  /** @type {number[]} which throws land elsewhere than at the original settings */
  changed = [];
  /** @type {number[]} ids, at the original settings */
  #original = [];
  /** @type {number[]} */
  #dice = [];
  /** @type {Float32Array | null} */
  #logits = null;
  /** @type {import("../../shared/distribution.js").Shaping | null} */
  #settings = null;

  /** @param {import("./choice.js").Sample} of */
  constructor({ generation, sample }) {
    this.generation = generation;
    this.model = generation.model;
    this.sample = sample;
  }

  get text() {
    return this.generation.texts[this.sample];
  }

  get recomputed() {
    return Boolean(this.generation.recomputed[this.sample]);
  }

  get isRead() {
    return this.#logits !== null;
  }

  // The dice of the sample, from its first character on.
  get dice() {
    const { seed, first_sample, first_step = 0 } = this.generation.view;
    return { seed, first_sample: first_sample + this.sample, first_step };
  }

  /** @param {AbortSignal} signal */
  async read(signal) {
    this.#logits = await logitsOf(this.generation, this.sample, signal);
    this.chars = [...this.text].slice(0, this.#logits.length / this.model.vocabulary.length);
    const { seed, first_sample, first_step } = this.dice;
    for (let i = this.#dice.length; i < this.chars.length; i++) {
      this.#dice.push(die(seed, first_sample, first_step + i));
      this.#original.push(this.#fall(i, this.generation.settings));
    }
  }

  /** @param {import("../../shared/distribution.js").Shaping} settings */
  land(settings) {
    this.#settings = settings;
    this.landed = this.chars.map((_, i) => this.#fall(i, settings));
    this.changed = this.landed.flatMap((id, i) => (this.#original[i] === id ? [] : [i]));
  }

  /** @param {number} index @param {import("../../shared/distribution.js").Shaping} settings */
  #fall(index, settings) {
    return land(distribution(this.#rowOf(index), settings), this.#dice[index]).id;
  }

  // How a throw lands with these settings, and what stands there in the text; null where that is not known (yet).
  /** @param {number} index @returns {import("../../shared/logits.js").Facts | null} */
  at(index) {
    if (index >= this.landed.length) return null;
    const [original, now] = [this.chars[index], this.model.vocabulary[this.landed[index]]];
    const facts = { model: this.model, char: now, logits: this.#rowOf(index), settings: this.#settings, die: this.#dice[index] };
    return { ...facts, recomputed: this.recomputed, instead: now === original ? undefined : original };
  }

  #rowOf(index) {
    const V = this.model.vocabulary.length;
    return this.#logits.subarray(index * V, (index + 1) * V);
  }
}
