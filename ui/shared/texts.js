// What models write with the same prompt and the same dice. A text that was written before is shown at once.
import { charsIn } from "./characters.js";
import { likeTheOthers } from "./followed.js";
import { MOST_ABREAST, Turns } from "./requests.js";
import { getJSON, postForJSON, postForLines, UnreachableError } from "./server.js";

const MOST = 200; // texts that are kept, and answers likewise

/**
 * @typedef {{prompt: string, temperature: number, seed: number}} Throw
 * @typedef {{text: string, prompt: string, notice: string, isDone: boolean}} Written `prompt` as the model reads it, without what it does not know
 */

export class Texts {
  /** @type {Map<string, Written>} */
  #written = new Map();
  /** @type {Map<string, {prompt: string, logits: number[]}>} */
  #next = new Map();
  #turns = new Turns(MOST_ABREAST);
  #models;

  /** @param {import("./models.js").Models} models */
  constructor(models) {
    this.#models = models;
  }

  /**
   * Writes a text; `show` is called with what there is of it each time there is more, the last time with isDone. Throws the server's words, or that it
   * cannot be reached if it ends before that.
   * @param {string} model its key
   * @param {Throw} dice
   * @param {number} length
   * @param {(written: Written) => void} show
   * @param {AbortSignal} [signal]
   */
  async write(model, dice, length, show, signal) {
    const name = JSON.stringify([model, dice, length]);
    const before = this.#written.get(name);
    if (before) return show(before);
    let written = { text: "", prompt: dice.prompt, notice: "", isDone: false };
    const take = ({ prompt, notice, new: texts, state, error }) => {
      if (error) throw new Error(error);
      written = { text: written.text + (texts?.[0] ?? ""), prompt: prompt ?? written.prompt, notice: notice ?? written.notice, isDone: state === "done" };
      show(written);
    };
    await this.#turns.take(async () => {
      signal?.throwIfAborted();
      await postForLines("./write", { ...dice, model, length, samples: 1, ...likeTheOthers() }, take, signal);
    });
    if (!written.isDone) throw new UnreachableError();
    if (charsIn(written.text) === length) keep(this.#written, name, written);
  }

  /**
   * The logits of what comes after a prompt.
   * @param {string} model its key
   * @param {string} prompt
   * @param {AbortSignal} [signal]
   */
  async next(model, prompt, signal) {
    const name = JSON.stringify([model, prompt]);
    const answer = this.#next.get(name) ?? (await postForJSON("./next", { model, prompt }, signal));
    keep(this.#next, name, answer);
    return answer.logits;
  }

  /** The characters that a model knows. @param {string} model its key @param {AbortSignal} [signal] @returns {Promise<string[]>} */
  async vocabularyOf(model, signal) {
    return (this.#models.find(model) ?? (await getJSON(`./models/${model}`, signal))).vocabulary;
  }
}

/** @template Value @param {Map<string, Value>} all @param {string} name @param {Value} value */
function keep(all, name, value) {
  all.delete(name);
  all.set(name, value);
  if (all.size > MOST) all.delete(all.keys().next().value);
}
