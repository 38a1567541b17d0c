// What is shown of a step of training: a text, the next character and the heads, all from the weights of that step. The chosen step is asked
// for first, then its neighbours, one at a time; what nobody waits for any more is cancelled.
import { Capture } from "../../shared/capture.js";
import { Emitter } from "../../shared/emitter.js";

export const LENGTH = 300; // characters of a text
const MOST_KEPT = 32; // steps; one takes 0.1 MB for the shipped run, 1.3 MB for the largest network
const READABLE = 60; // characters: the first line

/**
 * @typedef {import("../../shared/models.js").Model} Model of a snapshot
 * @typedef {{dice: import("../../shared/texts.js").Throw, passage: string}} Question what is asked of each step
 *
 * @typedef {object} Moment
 * @property {import("../../shared/texts.js").Written | null} written
 * @property {number[] | null} logits of what comes after the prompt
 * @property {Capture | null} capture of the passage
 * @property {Error | null} trouble
 * @property {boolean} isOver whether all of it is there, or has failed
 */

/** Event "change": there is more of a step. */
export class Moments extends Emitter {
  #texts;
  /** @type {Question} */
  #question;
  /** @type {Map<string, Moment>} by key of the model, the latest last */
  #kept = new Map();
  /** @type {Map<string, AbortController>} likewise, those that are asked for */
  #asked = new Map();
  /** @type {Model[]} the chosen one first */
  #wanted = [];

  /** @param {import("../../shared/texts.js").Texts} texts */
  constructor(texts) {
    super();
    this.#texts = texts;
  }

  /** From now on another question is asked; the same one again changes nothing. @param {Question} question */
  ask(question) {
    if (JSON.stringify(question) === JSON.stringify(this.#question)) return;
    this.want([]);
    this.#kept.clear();
    this.#question = question;
  }

  /** Asks for these steps and no others. @param {Model[]} models the chosen one first */
  want(models) {
    this.#wanted = models;
    for (const [key, asked] of this.#asked) {
      if (models.some((model) => model.key === key)) continue;
      asked.abort();
      this.#asked.delete(key);
      this.#kept.delete(key);
    }
    const [chosen] = models;
    if (chosen && this.get(chosen)?.trouble) this.#kept.delete(chosen.key); // perhaps it can be had by now
    this.#askNext();
  }

  /** What there is of a step. @param {Model} model */
  get(model) {
    return this.#kept.get(model.key);
  }

  /** Waits until there is something to read, or something went wrong. @param {Model} model @param {AbortSignal} signal */
  async readable(model, signal) {
    for (;;) {
      signal.throwIfAborted();
      const { written, isOver } = this.get(model) ?? {};
      if (isOver || written?.text.length >= READABLE) return;
      await new Promise((go) => this.addEventListener("change", go, { once: true }));
    }
  }

  #askNext() {
    const isKept = (model) => Boolean(this.get(model));
    const [chosen] = this.#wanted;
    if (chosen && !isKept(chosen)) void this.#askFor(chosen);
    if (this.#asked.size) return;
    const next = this.#wanted.find((model) => !isKept(model));
    if (next) void this.#askFor(next);
  }

  /** @param {Model} model */
  async #askFor(model) {
    const { dice, passage } = this.#question;
    const asked = new AbortController();
    const { signal } = asked;
    /** @type {Moment} */
    const moment = { written: null, logits: null, capture: null, trouble: null, isOver: false };
    this.#asked.set(model.key, asked);
    this.#keep(model, moment);
    /** @param {Partial<Moment>} part */
    const take = (part) => {
      if (signal.aborted) return;
      Object.assign(moment, part);
      this.tell("change", model);
    };
    const parts = [
      this.#texts.write(model.key, dice, LENGTH, (written) => take({ written }), signal),
      this.#texts.next(model.key, dice.prompt, signal).then((logits) => take({ logits })),
      model.shows("attention") && Capture.read(passage, [], model, signal).then((capture) => take({ capture })),
    ];
    const failed = (await Promise.allSettled(parts)).find(({ status }) => status === "rejected");
    if (signal.aborted) return;
    this.#asked.delete(model.key);
    take({ trouble: failed?.status === "rejected" ? failed.reason : null, isOver: true });
    this.#askNext();
  }

  /** @param {Model} model @param {Moment} moment */
  #keep({ key }, moment) {
    this.#kept.set(key, moment);
    for (const other of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT) break;
      if (!this.#wanted.some((model) => model.key === other)) this.#kept.delete(other);
    }
  }
}
