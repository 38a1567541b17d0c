// The throws of a sample: what each fell on, and where it would land with other settings.
import { die } from "../../shared/dice.js";
import { distribution, land } from "../../shared/distribution.js";
import { logitsOf } from "../records.js";

export class Throws {
  chars = []; // as far as it is known what they were drawn from
  landed = []; // ids, with the settings that were tried last
  changed = []; // which throws land elsewhere
  #app;
  #dice = [];
  #logits = null;
  #settings = null;

  constructor(app, { run, sample }) {
    Object.assign(this, { run, sample });
    this.#app = app;
  }

  get text() {
    return this.run.texts[this.sample];
  }

  get recomputed() {
    return Boolean(this.run.recomputed[this.sample]);
  }

  get isRead() {
    return this.#logits !== null;
  }

  // The dice of the sample, from its first character on.
  get dice() {
    const { seed, first_sample, first_step = 0 } = this.run.view;
    return { seed, first_sample: first_sample + this.sample, first_step };
  }

  async read() {
    this.#logits = await logitsOf(this.run, this.sample);
    this.chars = [...this.text].slice(0, this.#logits.length / this.#app.vocabulary.length);
    const { seed, first_sample, first_step } = this.dice;
    for (let i = this.#dice.length; i < this.chars.length; i++) this.#dice.push(die(seed, first_sample, first_step + i));
  }

  land(settings) {
    this.#settings = settings;
    this.landed = this.chars.map((_, i) => land(distribution(this.#rowOf(i), settings), this.#dice[i]).id);
    this.changed = this.landed.flatMap((id, i) => (this.#app.idOf(this.chars[i]) === id ? [] : [i]));
  }

  // How a throw lands with these settings, and instead of what, or null where that is not known (yet).
  at(index) {
    if (index >= this.landed.length) return null;
    const [original, now] = [this.chars[index], this.#app.vocabulary[this.landed[index]]];
    const facts = { char: now, logits: this.#rowOf(index), settings: this.#settings, die: this.#dice[index] };
    return { ...facts, recomputed: this.recomputed, instead: now === original ? undefined : original };
  }

  #rowOf(index) {
    const V = this.#app.vocabulary.length;
    return this.#logits.subarray(index * V, (index + 1) * V);
  }
}
