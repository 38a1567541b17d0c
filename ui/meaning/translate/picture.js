// The weights of a head as a picture, one pixel for each; what is masked, or not written yet, is left blank.
import { fillPixels } from "../../shared/heat_map.js";

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./translated.js").Weights} weights
 * @param {import("./kinds.js").About} kind
 * @param {number} last the last row that is shown
 */
export function paintWeights(canvas, { rows, columns, values }, { mask }, last) {
  const isShown = (row, column) => row <= last && (mask !== "causal" || column <= row);
  fillPixels(canvas, columns, rows, (row, column) => (isShown(row, column) ? values[row * columns + column] : null));
}
