// What a model answers to a request. A row is what the assistants have learned from (model/assistant/pairs.py): an empty line, the request on a line of
// its own, the answer, and an empty line again, which is the stop sign. The page reads no further than that.
import { likeTheOthers } from "./followed.js";
import { postForLines, UnreachableError } from "./server.js";

export const STOP = "\n\n";
export const MOST_CHARS = 100; // of an answer, as when they are measured
const MOST_KEPT = 200;

/**
 * @typedef {{text: string, hasStopped: boolean}} Answer without its stop sign
 * @typedef {{answers: Answer[], request: string, notice: string, isDone: boolean}} Answered `request` as the model reads it; `notice`: what it does not know
 * @typedef {{temperature: number, seed: number, samples: number}} Throw
 */

/** The text that a request is written as. @param {string} request */
export const promptOf = (request) => `${STOP}${request}\n`;

export class Answers {
  /** @type {Map<string, Answered>} answers that were written before, which are shown at once */
  #kept = new Map();

  /**
   * Writes answers; `show` is called with what there is of them each time there is more, the last time with isDone. Ends as soon as all have their
   * stop sign. Throws the server's words, or that it cannot be reached.
   * @param {string} model its key
   * @param {string} request
   * @param {Throw} dice
   * @param {(answered: Answered) => void} show
   * @param {AbortSignal} [signal]
   */
  async write(model, request, dice, show, signal) {
    const name = JSON.stringify([model, request, dice]);
    const before = this.#kept.get(name);
    if (before) return show(before);
    const enough = new AbortController();
    const written = Array(dice.samples).fill("");
    let answered = { answers: written.map(endedAtStop), request, notice: "", isDone: false };
    const take = ({ prompt, notice, new: texts = [], state, error }) => {
      if (error) throw new Error(error);
      texts.forEach((text, sample) => (written[sample] += text));
      const answers = written.map(endedAtStop);
      const isDone = state === "done" || answers.every(({ hasStopped }) => hasStopped);
      answered = { answers, request: prompt?.trim() ?? answered.request, notice: notice ?? answered.notice, isDone };
      show(answered);
      if (isDone) enough.abort(); // nobody reads on: the server stops writing
    };
    const body = { ...dice, model, prompt: promptOf(request), length: MOST_CHARS, ...likeTheOthers() };
    try {
      await postForLines("./write", body, take, AbortSignal.any([enough.signal, ...(signal ? [signal] : [])]));
    } catch (error) {
      if (!answered.isDone || signal?.aborted) throw error;
    }
    if (!answered.isDone) throw new UnreachableError();
    this.#keep(name, answered);
  }

  /** @param {string} name @param {Answered} answered */
  #keep(name, answered) {
    this.#kept.set(name, answered);
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value);
  }
}

/** @param {string} text @returns {Answer} */
function endedAtStop(text) {
  const end = text.indexOf(STOP);
  return end < 0 ? { text, hasStopped: false } : { text: text.slice(0, end), hasStopped: true };
}
