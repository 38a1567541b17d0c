// The metrics and samples of a run: each request asks only for what is new.
import { Latest } from "../shared/requests.js";
import { getCurve } from "../shared/session.js";

export class Curve {
  #next = 0;
  #edition = "";
  #reading = new Latest();
  /** @type {import("./run.js").Run | null} as of the latest answer */
  run = null;
  /** @type {any[]} { step, loss, learning_rate, grad_norm, elapsed_s } */
  steps = [];
  /** @type {any[]} { step, val_loss, val_loss_average } */
  evaluations = [];
  /** @type {{step: number, text: string}[]} */
  samples = [];

  /** @param {string} id */
  constructor(id) {
    this.id = id;
  }

  #forget() {
    Object.assign(this, { steps: [], evaluations: [], samples: [] });
  }

  // Whether there was anything new. When a killed run resumes, what it had beyond its checkpoint is taken back: then everything is sent again.
  async read() {
    if (this.#reading.isBusy) return false;
    const signal = this.#reading.begin();
    try {
      const { run, from, next, edition, steps, evaluations, samples } = await getCurve(this.id, this.#next, this.#edition, signal);
      const isOther = edition !== this.#edition;
      if (isOther || from < this.#next) this.#forget();
      const grew = isOther || next > this.#next;
      Object.assign(this, { run });
      [this.#next, this.#edition] = [next, edition];
      this.steps = this.steps.concat(rowsOf(steps)); // a call cannot take 200,000 arguments
      this.evaluations = this.evaluations.concat(rowsOf(evaluations));
      this.samples = this.samples.concat(samples);
      return grew;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    } finally {
      this.#reading.end(signal);
    }
  }

  /** Nobody waits for it any more. */
  leave() {
    this.#reading.cancel();
  }

  get train() {
    return this.steps.map(({ step, loss }) => [step, loss]);
  }

  // The better of the weights and their running average: that is what a run keeps.
  get val() {
    const better = ({ step, val_loss, val_loss_average }) => [step, Math.min(val_loss ?? Infinity, val_loss_average ?? Infinity)];
    return this.evaluations.map(better).filter(([, loss]) => Number.isFinite(loss));
  }
}

// Columns as rows.
function rowsOf(columns) {
  const names = Object.keys(columns);
  return columns.step.map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
}
