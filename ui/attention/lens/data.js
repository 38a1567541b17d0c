// What the residual stream of a capture predicts, layer by layer: row 0 after the embeddings, row i + 1 after layer i; the last row is the model's
// own answer.
import { distribution, ranking } from "../../shared/distribution.js";

export class Lens {
  #logits;

  /** Throws an Error in words for the reader. @param {import("../../shared/capture.js").Capture} capture @param {AbortSignal} signal */
  static async of(capture, signal) {
    return new Lens(capture, await capture.lens(signal));
  }

  /** @param {import("../../shared/capture.js").Capture} capture @param {Float32Array} logits */
  constructor(capture, logits) {
    this.capture = capture;
    this.#logits = logits;
  }

  get n_rows() {
    return this.capture.n_layer + 1;
  }

  logits(row, at) {
    const { n, vocab_size } = this.capture;
    const start = (row * n + at) * vocab_size;
    return this.#logits.subarray(start, start + vocab_size);
  }

  probabilities(row, at) {
    return distribution(this.logits(row, at));
  }

  // The model's own answer.
  answer(at) {
    return this.probabilities(this.n_rows - 1, at);
  }

  // The likeliest character, and its probability.
  bet(row, at) {
    const probabilities = this.probabilities(row, at);
    const id = probabilities.indexOf(Math.max(...probabilities));
    return { id, p: probabilities[id] };
  }

  // From 1.
  rank(row, at, id) {
    return ranking(this.logits(row, at)).indexOf(id) + 1;
  }
}

export const nameOfRow = (row) => (row === 0 ? "embeddings" : `layer ${row - 1}`);
