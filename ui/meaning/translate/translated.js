// What a network has written: its characters, the likeliest ones at each step, and all weights of attention.
import { AVERAGE } from "../../shared/head_chooser.js";

const FULL_WEIGHT = 65_535;

/** @typedef {"encoder" | "decoder" | "cross" | "gpt"} Kind */
/** @typedef {{layer: number, head: number | "average"}} Head */
/** @typedef {{rows: number, columns: number, values: Float64Array}} Weights */

/**
 * @typedef {object} Step
 * @property {[string, number][]} top the likeliest characters, with their probabilities
 * @property {[string, number, number][]} beams text, log-probability, and place in the step before
 */

/** The end sign, on an axis and in a sentence; as an input it is the start sign. */
export const SIGN = "■";

export class Translated {
  #attention;
  /** @type {Map<string, Weights>} */
  #known = new Map();

  /** @param {any} answer of one network */
  constructor(answer) {
    /** @type {string} */
    this.trouble = answer.trouble;
    /** @type {string} */
    this.text = answer.text ?? "";
    /** @type {boolean} */
    this.ended = answer.ended ?? false;
    /** @type {boolean} */
    this.isRight = answer.is_right ?? false;
    /** @type {string[]} what was read and written, with the end sign */
    this.source = [...(answer.source ?? "")];
    this.target = [...(answer.target ?? "")];
    /** @type {Step[]} */
    this.steps = answer.steps ?? [];
    this.#attention = answer.attention ?? {};
  }

  /** How many layers and heads a kind of attention has. @param {string} name */
  shapeOf(name) {
    const [n_layer, n_head] = this.#attention[name]?.shape ?? [0, 0];
    return { n_layer, n_head };
  }

  /** The weights of a head, or the mean over a layer's heads. @param {string} name @param {Head} head @returns {Weights | null} */
  weights(name, { layer, head }) {
    const found = this.#attention[name];
    if (!found) return null;
    const key = `${name} ${layer} ${head}`;
    if (!this.#known.has(key)) this.#known.set(key, read(found, layer, head));
    return this.#known.get(key);
  }
}

/** @param {{shape: number[], weights: string, numbers?: Uint16Array}} found @param {number} layer @param {number | "average"} head */
function read(found, layer, head) {
  const [, n_head, rows, columns] = found.shape;
  found.numbers ??= new Uint16Array(Uint8Array.from(atob(found.weights), (byte) => byte.charCodeAt(0)).buffer);
  const heads = head === AVERAGE ? [...Array(n_head).keys()] : [head];
  const values = new Float64Array(rows * columns);
  for (const each of heads) {
    const from = (layer * n_head + each) * values.length;
    for (let i = 0; i < values.length; i++) values[i] += found.numbers[from + i] / FULL_WEIGHT / heads.length;
  }
  return { rows, columns, values };
}

/** The weights of a row. @param {Weights} weights @param {number} row */
export const rowOf = ({ columns, values }, row) => values.subarray(row * columns, (row + 1) * columns);
