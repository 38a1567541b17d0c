// A text that grows character by character, and the logits at each of its places.
import { next } from "../../shared/logits.js";
import { Latest } from "../../shared/requests.js";

const MOST_QUEUED = 100; // presses that came faster than the server's answers
const SLOW_MS = 1000; // longer than anybody waits without asking why

/**
 * A character that was written.
 * @typedef {object} Step
 * @property {number} id
 * @property {string} char
 * @property {boolean} [byHand]
 * @property {number | null} die null where no die was thrown
 * @property {Float64Array} probabilities
 * @property {number} [seed]
 * @property {number} [place]
 * @property {string} [dice] the settings that it was drawn with, as a word
 * @property {number} [low] of the interval that the die fell into
 * @property {number} [high]
 *
 * @typedef {Step & {free?: boolean, sample?: number, logits?: number[]}} Thrown a throw; a free one writes nothing
 *
 * @typedef {{id: number, byHand: boolean} | null} Choice a character that is given; null for the die's
 */

export class Walk {
  /** @type {string | null} as typed */
  prompt = null;
  /** @type {Step[]} */
  steps = [];
  notice = "";
  error = "";
  slow = false; // whether the server keeps us waiting
  #read = ""; // the prompt as the model reads it
  /** @type {number[][]} logits of each place */
  #known = [];
  /** @type {Choice[]} what is still to be written */
  #queue = [];
  #reading = new Latest();
  #choose;
  #changed;

  /**
   * @param {import("../../shared/models.js").Model} model
   * @param {(choice: Choice, logits: number[], place: number) => Step} choose makes a step
   * @param {(step?: Step) => void} changed called after every change, with the step that was just made
   */
  constructor(model, choose, changed) {
    this.model = model;
    this.#choose = choose;
    this.#changed = changed;
  }

  // What comes next; undefined until the server has answered.
  get logits() {
    return this.#known[this.steps.length];
  }

  /** What its character was or will be drawn from; undefined while that is not known. @param {number} place */
  logitsAt(place) {
    return this.#known[place];
  }

  // The model needs something to start from.
  get start() {
    return this.#read || this.model.start;
  }

  get isEmpty() {
    return !this.#read;
  }

  get text() {
    return this.textUpTo(this.steps.length);
  }

  /** @param {number} place */
  textUpTo(place) {
    return this.start + this.steps.slice(0, place).map(({ char }) => char).join("");
  }

  get waiting() {
    return [...this.#queue];
  }

  /** Starts over; the same prompt is not asked for again of the same model. @param {string} prompt @param {import("../../shared/models.js").Model} model */
  restart(prompt, model, pause = 0) {
    if (prompt !== this.prompt || model !== this.model) this.#known = [];
    this.prompt = prompt;
    this.model = model;
    this.cut(0);
    void this.#run(pause);
  }

  /** @param {Choice} choice */
  step(choice = null) {
    if (this.#queue.length < MOST_QUEUED) this.#queue.push(choice);
    if (!this.#reading.isBusy) void this.#run();
  }

  /** Writes what was written before. @param {Choice[]} choices */
  replay(choices) {
    this.#queue = choices;
    if (!this.#reading.isBusy) void this.#run();
  }

  back() {
    this.cut(Math.max(0, this.steps.length - 1));
    void this.#run();
  }

  /** Goes on, after a pause or an error. */
  retry() {
    void this.#run();
  }

  pause() {
    this.#reading.cancel();
  }

  /** Keeps the first steps alone. @param {number} length */
  cut(length) {
    this.#queue = [];
    this.steps.length = Math.min(this.steps.length, length);
    this.#known.length = Math.min(this.#known.length, length + 1);
  }

  async #run(pause = 0) {
    const signal = this.#reading.begin();
    this.error = "";
    this.slow = false;
    this.#changed();
    try {
      if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
      while (!signal.aborted) {
        if (!this.logits) await this.#ask(signal);
        if (signal.aborted || !this.#queue.length) break;
        const step = this.#choose(this.#queue.shift(), this.logits, this.steps.length);
        this.steps.push(step);
        this.#changed(step);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (this.logits) this.#queue = []; // the die cannot be thrown; what the server did not answer can be asked for again
      this.error = error.message;
    }
    if (signal.aborted) return;
    this.#reading.end(signal);
    this.#changed();
  }

  async #ask(signal) {
    const place = this.steps.length;
    const text = place ? this.text : this.prompt;
    const { prompt, notice, logits } = await this.#patiently(next(text, this.model, signal));
    if (signal.aborted) return;
    if (!place) [this.#read, this.notice] = [prompt, notice];
    this.#known[place] = logits;
  }

  async #patiently(answer) {
    const timer = setTimeout(() => {
      this.slow = true;
      this.#changed();
    }, SLOW_MS);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      this.slow = false;
    }
  }
}
