// The kinds of attention: whose rows attend to whose columns.
import { SIGN } from "./translated.js";

/** @typedef {import("./translated.js").Kind} Kind */
/** @typedef {import("./translated.js").Translated} Translated */

/**
 * @typedef {object} About
 * @property {Kind} id
 * @property {string} name of the weights in an answer
 * @property {boolean} isGPT whose they are
 * @property {string} title
 * @property {string} mask in a word
 * @property {string} about
 * @property {boolean} isWritten whether its last rows belong to what is being written
 */

/** @type {About[]} */
export const KINDS = [
  { id: "encoder", name: "encoder", isGPT: false, title: "Encoder self-attention", mask: "full", about: "Every character of the input attends to the whole input, before and after it.", isWritten: false },
  { id: "decoder", name: "decoder", isGPT: false, title: "Masked self-attention", mask: "causal", about: "The character being written attends only to what is written before it.", isWritten: true },
  { id: "cross", name: "cross", isGPT: false, title: "Cross-attention", mask: "cross", about: "The character being written attends to the whole input, through the encoder.", isWritten: true },
  { id: "gpt", name: "decoder", isGPT: true, title: "GPT self-attention", mask: "causal", about: "Input and answer are one text: a single causal map does the work of all three.", isWritten: true },
];

/** @param {string} id */
export const kindOf = (id) => KINDS.find((kind) => kind.id === id) ?? KINDS[2];

/**
 * What stands at the rows and at the columns of a kind's map.
 * @param {About} kind
 * @param {Translated} translated by the network whose they are
 */
export function axesOf({ id }, { source, target }) {
  const [read, written] = [source.map(signed), target.map(signed)];
  if (id === "encoder") return { rows: read, columns: read };
  if (id === "cross") return { rows: written, columns: read };
  if (id === "decoder") return { rows: written, columns: [SIGN, ...written.slice(0, -1)] };
  return { rows: [...read.slice(0, -1), ...written], columns: [...read, ...written.slice(0, -1)] }; // the end sign of the input writes the first
}

/** The row that writes a character. @param {About} kind @param {Translated} translated @param {number} step */
export const rowOfStep = ({ id }, { source }, step) => (id === "gpt" ? source.length - 1 + step : id === "encoder" ? -1 : step);

/** A character on an axis: the end sign, a newline, as a sign of its own. @param {string} char */
export const signed = (char) => (char === "\n" ? SIGN : char === " " ? "␣" : char);
