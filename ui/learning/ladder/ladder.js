// The rungs of the ladder (GET /learning/ladder, see ui/web/ladder.py), and the text that each writes with the same prompt and dice.
import { Emitter } from "../../shared/emitter.js";
import { Latest } from "../../shared/requests.js";
import { getJSON } from "../../shared/server.js";

const LENGTH = 200; // characters of a text
const BEGINNING = 30; // ... of its beginning, which is there at once
const GONE = 404; // the server has no model of this key any more

/**
 * @typedef {{number: number, text: string, is_new: boolean}} Line of code
 *
 * @typedef {object} Rung
 * @property {string} id
 * @property {string} title
 * @property {string} about what it adds
 * @property {string} preset what it is trained with; "" if it cannot be trained here
 * @property {string} key of its model, "" if that cannot be used
 * @property {string} trouble why not
 * @property {number} n_params
 * @property {number} context how many characters the next one can depend on
 * @property {number} vocab_size
 * @property {number | null} val_loss
 * @property {number | null} lecture_loss
 * @property {string} note why they differ
 * @property {string} file that the lines are from
 * @property {Line[]} lines
 *
 * @typedef {import("../../shared/texts.js").Written & {isOld: boolean, error: Error | null}} Piece what a rung has written so far; old: with other dice
 */

/** Events: "rungs" (they are known), "piece" (`detail` of them, a rung, has written more, or failed), "trouble" (it is another one). */
export class Ladder extends Emitter {
  /** @type {Rung[]} */
  rungs = [];
  /** @type {Error | null} why there are no rungs, or why none of them writes */
  trouble = null;
  /** @type {Map<string, Piece>} by the id of the rung */
  #pieces = new Map();
  #writing = new Latest();
  #learning;

  /** @param {import("../main.js").Learning} learning */
  constructor(learning) {
    super();
    this.#learning = learning;
  }

  get isWriting() {
    return this.#writing.isBusy;
  }

  /** @param {Rung} rung @returns {Piece} */
  pieceOf({ id }) {
    return this.#pieces.get(id) ?? { text: "", prompt: "", notice: "", isDone: false, isOld: false, error: null };
  }

  /** What the prompt has that the models do not know, as a sentence. */
  get notice() {
    return this.rungs.map((rung) => this.pieceOf(rung).notice).find(Boolean) ?? "";
  }

  cancel() {
    this.#writing.cancel();
  }

  /** Lets all rungs write at once, the first named before the others. @param {string} [first] */
  async write(first = "") {
    const signal = this.#writing.begin();
    this.#say(null);
    try {
      if (!this.rungs.length) await this.#read(signal);
      if (!(await this.#writeAll(first, signal)) && !signal.aborted) {
        await this.#read(signal); // the server was started again with other weights, and they have other keys
        await this.#writeAll(first, signal);
      }
      if (!signal.aborted) this.#say(this.#commonTrouble());
    } catch (error) {
      if (!signal.aborted) this.#say(error);
    }
    this.#writing.end(signal);
  }

  /** @param {AbortSignal} signal */
  async #read(signal) {
    this.rungs = (await getJSON("./learning/ladder", signal)).rungs;
    this.tell("rungs");
  }

  /** Whether the server had all of the models. @param {string} first @param {AbortSignal} signal */
  async #writeAll(first, signal) {
    const rungs = this.rungs.filter(({ key }) => key);
    for (const rung of rungs) this.#take(rung, { isOld: true, error: null });
    // A few texts are written at a time, and there are nine: so each first writes its beginning, which is the same with the same dice; the largest
    // network before the others, because it takes the longest. The rest is written by the smallest first, which soon make room.
    for (const [length, order] of /** @type {[number, Rung[]][]} */ ([[BEGINNING, rungs.toReversed()], [LENGTH, rungs]])) {
      const turns = order.toSorted((a, b) => Number(b.id === first) - Number(a.id === first));
      await Promise.all(turns.map((rung) => this.#writeOne(rung, length, signal)));
    }
    return !rungs.some((rung) => this.pieceOf(rung).error?.["status"] === GONE);
  }

  /** What is on screen stays until there is more. @param {Rung} rung @param {number} length @param {AbortSignal} signal */
  async #writeOne(rung, length, signal) {
    if (signal.aborted || this.pieceOf(rung).error) return;
    const show = (written) => {
      const { isOld, text } = this.pieceOf(rung);
      if (isOld ? !written.text : written.text.length < text.length) return;
      this.#take(rung, { ...written, isOld: false, isDone: written.isDone && length === LENGTH });
    };
    try {
      await this.#learning.texts.write(rung.key, this.#learning.dice.settings, length, show, signal);
    } catch (error) {
      if (!signal.aborted) this.#take(rung, { error });
    }
  }

  /** @param {Rung} rung @param {Partial<Piece>} more */
  #take(rung, more) {
    this.#pieces.set(rung.id, { ...this.pieceOf(rung), ...more });
    this.tell("piece", rung);
  }

  /** One thing that went wrong with all of them is said once. */
  #commonTrouble() {
    const errors = this.rungs.filter(({ key }) => key).map((rung) => this.pieceOf(rung).error);
    return errors.length > 1 && errors.every((error) => error?.message === errors[0]?.message) ? errors[0] : null;
  }

  /** @param {Error | null} trouble */
  #say(trouble) {
    this.trouble = trouble;
    this.tell("trouble");
  }
}
