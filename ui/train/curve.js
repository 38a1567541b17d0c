// The metrics and samples of a run as they come: each question asks only for what is new.
import { getCurve } from "./server.js";

export class Curve {
  #next = 0;
  #edition = "";
  #reading = false;
  run = null; // as it was with the latest answer

  constructor(id) {
    this.id = id;
    this.#forget();
  }

  #forget() {
    this.steps = []; // { step, loss, learning_rate, grad_norm, elapsed_s }
    this.evaluations = []; // { step, val_loss, val_loss_average }
    this.samples = []; // { step, text }
  }

  // Whether there was anything new. What a killed run had beyond its checkpoint is taken back when it goes on: then all comes again.
  async read() {
    if (this.#reading) return false;
    this.#reading = true;
    try {
      const { run, from, next, edition, steps, evaluations, samples } = await getCurve(this.id, this.#next, this.#edition);
      const isOther = edition !== this.#edition;
      if (isOther || from < this.#next) this.#forget();
      const grew = isOther || next > this.#next;
      Object.assign(this, { run });
      [this.#next, this.#edition] = [next, edition];
      this.steps = this.steps.concat(rowsOf(steps)); // a call cannot take 200,000 arguments
      this.evaluations = this.evaluations.concat(rowsOf(evaluations));
      this.samples = this.samples.concat(samples);
      return grew;
    } finally {
      this.#reading = false;
    }
  }

  get train() {
    return this.steps.map(({ step, loss }) => [step, loss]);
  }

  // Of the weights or of their running average, the better: that is what a run keeps.
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
