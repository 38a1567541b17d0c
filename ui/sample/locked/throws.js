// The throws of a sample: what each fell on, and where it would land with other settings.
import { die } from "../../shared/dice.js";
import { distribution, land } from "../../shared/distribution.js";
import { logitsOf } from "../../shared/logits.js";

export class Throws {
  /** @type {string[]} as far as their logits are known */
  chars = [];
  /** @type {number[]} ids, with the settings that were tried last */
  landed = [];
  /** @type {number[]} which throws land elsewhere */
  changed = [];
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
    for (let i = this.#dice.length; i < this.chars.length; i++) this.#dice.push(die(seed, first_sample, first_step + i));
  }

  /** @param {import("../../shared/distribution.js").Shaping} settings */
  land(settings) {
    this.#settings = settings;
    this.landed = this.chars.map((_, i) => land(distribution(this.#rowOf(i), settings), this.#dice[i]).id);
    this.changed = this.landed.flatMap((id, i) => (this.model.idOf(this.chars[i]) === id ? [] : [i]));
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
