// The chosen head of the view "One head": its weights, its largest weight, and how they are put into words.
import { shareOf } from "../../shared/capture.js";
import { number, percent, quoted } from "../../shared/dom.js";
import { AVERAGE } from "../../shared/head_chooser.js";

export const nameOfHead = ({ layer, head }) => `Layer ${layer}, ${head === AVERAGE ? "average of its heads" : `head ${head}`}`;

export function exists({ n_layer, n_head }, { layer, head }) {
  const isIn = (index, count) => Number.isInteger(index) && index >= 0 && index < count;
  return isIn(layer, n_layer) && (head === AVERAGE || isIn(head, n_head));
}

// Where a cell of the causal half is kept; a row begins at its column 0.
export const placeOf = (row, column) => (row * (row + 1)) / 2 + column;

// The causal half of a head, or of the mean over a layer's heads, as bytes for drawing.
export function bytesOf(capture, { layer, head }) {
  const half = placeOf(capture.n, 0);
  const of = (h) => capture.bytes.subarray(capture.offset(layer, h), capture.offset(layer, h) + half);
  if (head !== AVERAGE) return of(head);
  const sum = new Float64Array(half);
  for (let h = 0; h < capture.n_head; h++) of(h).forEach((byte, i) => (sum[i] += shareOf(byte)));
  return Uint8Array.from(sum, (weight) => Math.round(255 * Math.sqrt(weight / capture.n_head)));
}

// The column with the largest weight in a row, from any numbers that grow with the weights.
export function strongest(values, row) {
  const weights = values.subarray(placeOf(row, 0), placeOf(row + 1, 0));
  return weights.indexOf(weights.reduce((most, weight) => Math.max(most, weight), 0));
}

// "‘h’ at 13".
export function placeInWords(capture, index) {
  return `${quoted(capture.characters[index])} at ${number(capture.place(index))}`;
}

// A weight to four digits.
export function digits(weight) {
  if (weight === 0) return "0";
  if (weight >= 0.001) return weight.toFixed(4);
  const [mantissa, exponent] = weight.toExponential(2).split("e");
  const power = [...String(Math.abs(Number(exponent)))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
  return `${mantissa} · 10⁻${power.join("")}`;
}

export const weightInWords = (weight) => `${digits(weight)} (${percent(weight).replace(" ", "\u00a0")})`;

// A number that may be negative, with a true minus.
export const signed = (value, places = 4) => value.toFixed(places).replace("-", "−");
