// A pass over a text, captured (ui/web/attention.py): all attention weights as bytes for drawing, exact numbers on demand.
import { Shared } from "./requests.js";
import { getBuffer, getJSON, postForJSON } from "./server.js";

const startOfRow = (row) => (row * (row + 1)) / 2;
export const shareOf = (byte) => (byte / 255) ** 2; // bytes are square roots, so that faint weights are seen

/** @typedef {import("./models.js").Model} Model */
/** @typedef {(number | string)[]} Part of a network, that can be off: a head [layer, head], ["mlp", layer] or ["positions"]; its name is part.join(".") */
/** @typedef {Object<string, any>} Stats the measures of a head, and its label */

export class Capture {
  /** @type {Map<string, Shared<Float32Array>>} what was asked for, by address */
  #exact = new Map();

  /** @param {any} answer the server's @param {Model} model @param {ArrayBuffer} weights */
  constructor(answer, model, weights) {
    this.model = model;
    this.bytes = new Uint8Array(weights);
    /** @type {string} */
    this.key = answer.key;
    /** @type {string} what is shown of the text, in the model's vocabulary */
    this.text = answer.text;
    this.characters = [...this.text];
    /** @type {number} index of its first character in the whole text */
    this.from = answer.from;
    /** @type {number} characters of the whole text */
    this.total = answer.total;
    /** @type {string} */
    this.notice = answer.notice;
    /** @type {Part[]} the parts of the network that are off */
    this.heads_off = answer.heads_off;
    /** @type {number} */
    this.n_layer = answer.n_layer;
    /** @type {number} */
    this.n_head = answer.n_head;
    /** @type {number} */
    this.vocab_size = answer.vocab_size;
    /** @type {string} */
    this.precision = answer.precision;
    /** @type {number | null} */
    this.loss = answer.loss;
    /** @type {Stats[][]} */
    this.stats = answer.stats;
    /** @type {Object<string, number> | null} */
    this.uniform = answer.uniform;
  }

  /**
   * Reads a text with some parts of the network switched off. Throws an Error in words for the reader.
   * @param {string} text
   * @param {Part[]} headsOff
   * @param {Model} model
   * @param {AbortSignal} [signal]
   */
  static async read(text, headsOff, model, signal) {
    const answer = await postForJSON("./attention", { text, heads_off: headsOff, model: model.key }, signal);
    return new Capture(answer, model, await getBuffer(`./attention/${answer.key}/weights`, signal));
  }

  get n() {
    return this.characters.length;
  }

  // The place of a character in the whole text, counted from 1.
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

  /**
   * Exact weights of a head, or of the mean over a layer's heads; `rowOf(exact, i)` is a row of i + 1 entries.
   * @param {number} layer
   * @param {number | "average"} head
   * @param {AbortSignal} [signal]
   */
  exact(layer, head, signal) {
    return this.#floats(head === "average" ? `average/${layer}` : `head/${layer}/${head}`, signal);
  }

  /**
   * The model's logits after each character, (n, vocab_size).
   * @param {AbortSignal} [signal]
   */
  logits(signal) {
    return this.#floats("logits", signal);
  }

  /**
   * Logits from the residual stream after the embeddings and after each block, (n_layer + 1, n, vocab_size).
   * @param {AbortSignal} [signal]
   */
  lens(signal) {
    return this.#floats("lens", signal);
  }

  /**
   * How the weight of one cell is computed.
   * @param {number} layer
   * @param {number} head
   * @param {number} row
   * @param {number} column
   * @param {AbortSignal} [signal]
   */
  cell(layer, head, row, column, signal) {
    return getJSON(`./attention/${this.key}/cell/${layer}/${head}/${row}/${column}`, signal);
  }

  /** @param {string} path @param {AbortSignal} [signal] */
  #floats(path, signal) {
    const ask = async (signal) => new Float32Array(await getBuffer(`./attention/${this.key}/${path}`, signal));
    this.#exact.set(path, Shared.of(this.#exact.get(path), ask));
    return this.#exact.get(path).wait(signal);
  }
}

export const rowOf = (exact, i) => exact.subarray(startOfRow(i), startOfRow(i + 1));
