// The metrics and samples of a run as they come: each question asks only for what is new.
import { getMetrics } from "./server.js";

export class Curve {
  lines = []; // of steps: { step, loss, grad_norm, learning_rate, elapsed_s }, and of evaluations: { step, val_loss, val_loss_average }
  samples = []; // { step, text }
  #reading = false;

  constructor(id) {
    this.id = id;
  }

  // Whether there was anything new. A run that was resumed may have dropped what came after its checkpoint: then all is read again.
  async read() {
    if (this.#reading) return false;
    this.#reading = true;
    try {
      const { from, lines, samples } = await getMetrics(this.id, this.lines.length);
      const grew = lines.length > 0 || from !== this.lines.length || samples.length !== this.samples.length;
      this.lines = [...this.lines.slice(0, from), ...lines];
      this.samples = samples;
      return grew;
    } finally {
      this.#reading = false;
    }
  }

  get train() {
    return this.lines.filter(({ loss }) => loss !== undefined).map(({ step, loss }) => [step, loss]);
  }

  // The better of the weights and their average, as the run keeps them.
  get val() {
    const best = ({ val_loss, val_loss_average }) => Math.min(val_loss, val_loss_average ?? Infinity);
    return this.lines.filter(({ val_loss }) => val_loss !== undefined).map((line) => [line.step, best(line)]);
  }

  get last() {
    return this.lines.findLast(({ loss }) => loss !== undefined);
  }
}
