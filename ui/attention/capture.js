// What a pass over a text shows of the heads (ui/web/attention.py): all weights as bytes for drawing, exact numbers on demand.
import { getBuffer, getJSON, postForJSON } from "../shared/server.js";

const startOfRow = (row) => (row * (row + 1)) / 2;
export const shareOf = (byte) => (byte / 255) ** 2; // bytes are square roots, so that faint weights are seen

export class Capture {
  #exact = new Map(); // what was fetched, by address

  // Reads a text with some heads ([layer, head], both from 0) switched off. Throws an Error in words for the reader.
  static async read(text, headsOff = [], signal = undefined) {
    const capture = Object.assign(new Capture(), await postForJSON("./attention", { text, heads_off: headsOff }, signal));
    capture.characters = [...capture.text];
    capture.bytes = new Uint8Array(await getBuffer(`./attention/${capture.key}/weights`, signal));
    return capture;
  }

  get n() {
    return this.characters.length;
  }

  // Where a character stands in the whole text, counted from 1.
  place(index) {
    return this.from + index + 1;
  }

  // Where a head's causal half lies in `bytes`, and where a row of it: row i has i + 1 entries.
  offset(layer, head) {
    return (layer * this.n_head + head) * startOfRow(this.n);
  }

  // The bytes of a head's row.
  row(layer, head, i) {
    const start = this.offset(layer, head) + startOfRow(i);
    return this.bytes.subarray(start, start + i + 1);
  }

  // Exact weights of a head, or of the mean over a layer's heads: a row as a Float32Array of i + 1 entries by `rowOf(exact, i)`.
  exact(layer, head) {
    return this.#floats(head === "average" ? `average/${layer}` : `head/${layer}/${head}`);
  }

  // Logits from the stream as the embeddings begin it and after each block, (n_layer + 1, n, vocab_size).
  lens() {
    return this.#floats("lens");
  }

  // How the weight of one cell comes about.
  cell(layer, head, row, column) {
    return getJSON(`./attention/${this.key}/cell/${layer}/${head}/${row}/${column}`);
  }

  #floats(path) {
    if (!this.#exact.has(path)) {
      const fetched = getBuffer(`./attention/${this.key}/${path}`).then((buffer) => new Float32Array(buffer));
      fetched.catch(() => this.#exact.delete(path));
      this.#exact.set(path, fetched);
    }
    return this.#exact.get(path);
  }
}

export const rowOf = (exact, i) => exact.subarray(startOfRow(i), startOfRow(i + 1));
