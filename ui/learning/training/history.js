// What each head does at each snapshot of a run, measured on one passage (POST /learning/heads).
import { Emitter } from "../../shared/emitter.js";
import { Latest } from "../../shared/requests.js";
import { postForLines, UnreachableError } from "../../shared/server.js";

const MOST_KEPT = 8; // passages; each takes some 100 KB

/**
 * @typedef {Object<string, any>} Stats the measures of a head
 * @typedef {object} Measured
 * @property {string} text the passage, as it was read
 * @property {string} notice
 * @property {Object<string, number | null> | null} uniform the measures of uniform attention
 * @property {{step: number, stats: Stats[][]}[]} steps in order, as far as they were measured
 */

/** Event "change": there is more of it. */
export class History extends Emitter {
  /** @type {Measured | null} */
  shown = null;
  /** @type {Error | null} */
  trouble = null;
  #reading = new Latest();
  #name = "";
  /** @type {Map<string, Measured>} those that are complete */
  #kept = new Map();

  /**
   * Measures the heads of all snapshots, unless that was done before, is under way or has failed.
   * @param {import("./runs.js").Run} run
   * @param {string} text
   * @param {boolean} [again] also if it has failed
   */
  async read(run, text, again = false) {
    const name = JSON.stringify([run.source, run.id, run.snapshots.length, text]);
    if (name === this.#name && (this.#reading.isBusy || this.#kept.has(name) || (this.trouble && !again))) return;
    const signal = this.#reading.begin();
    const known = this.#kept.get(name);
    Object.assign(this, { shown: known ?? null, trouble: null });
    this.#name = name;
    this.tell("change");
    if (known) return this.#reading.end(signal);
    let isDone = false;
    const take = (line) => {
      isDone = line.state === "done";
      this.#take(line);
    };
    try {
      await postForLines("./learning/heads", { source: run.source, run: run.id, text }, take, signal);
      if (signal.aborted) return;
      if (!isDone) throw new UnreachableError();
      this.#kept.set(name, this.shown);
      if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value);
    } catch (error) {
      if (!signal.aborted) this.trouble = error;
    } finally {
      this.#reading.end(signal);
      this.tell("change");
    }
  }

  /** Nobody waits for it any more. */
  leave() {
    this.#reading.cancel();
  }

  /** @param {any} line */
  #take(line) {
    if (line.error) throw new Error(line.error);
    if (line.text !== undefined) this.shown = { text: line.text, notice: line.notice, uniform: line.uniform, steps: [] };
    else if (line.stats) this.shown.steps.push({ step: line.step, stats: line.stats });
    this.tell("change");
  }
}
