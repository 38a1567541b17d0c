// The axis of steps below a chart: even, or logarithmic, as a run keeps its snapshots.
import { number } from "./dom.js";

const TICK_APART = 5.5; // rem between two numbers of steps
const LOG_APART = 2.75; // ... on a logarithmic axis, where most of them are short

const EARLY = 0.01; // of the steps: up to there a logarithmic axis is nearly even, so that step 0 has a place

/** Where a step stands on a logarithmic axis, from 0 to 1. @param {number} step @param {number} steps at its end */
export const logShare = (step, steps) => Math.log1p(step / (EARLY * steps)) / Math.log1p(1 / EARLY);

/** The step that stands there. @param {number} share @param {number} steps */
export const stepAt = (share, steps) => EARLY * steps * Math.expm1(share * Math.log1p(1 / EARLY));

/**
 * Where a step stands between two edges, in the edges' units.
 * @param {number} left
 * @param {number} right
 * @param {number} steps at the right edge
 * @param {boolean} isLog
 * @returns {(step: number) => number}
 */
export function placeSteps(left, right, steps, isLog) {
  return (step) => left + (right - left) * (isLog ? logShare(step, steps) : step / steps);
}

/**
 * Draws the numbers of the steps.
 * @param {CanvasRenderingContext2D} context with its font
 * @param {{rem: number, left: number, right: number, bottom: number, steps: number, isLog: boolean, x: (step: number) => number}} places
 * @param {string} colour
 */
export function paintSteps(context, { rem, left, right, bottom, steps, isLog, x }, colour) {
  const end = number(steps);
  const room = right - context.measureText(end).width - 2 * rem;
  context.fillStyle = colour;
  context.textAlign = "center";
  let before = -Infinity;
  for (const step of isLog ? roundSteps(steps) : evenSteps(steps, (steps * TICK_APART * rem) / (right - left))) {
    const at = x(step);
    if (at >= room || (isLog && at - before < LOG_APART * rem)) continue;
    context.fillText(step === 0 ? "step 0" : number(step), at, bottom + 1.1 * rem);
    before = at;
  }
  context.textAlign = "right";
  context.fillText(end, right, bottom + 1.1 * rem);
}

function evenSteps(steps, least) {
  const unit = niceUnit(least);
  return Array.from({ length: Math.ceil(steps / unit) }, (_, i) => i * unit);
}

const niceUnit = (least) => {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((unit) => unit >= least);
};

function roundSteps(steps) {
  const powers = Array.from({ length: 1 + Math.floor(Math.log10(Math.max(1, steps))) }, (_, i) => 10 ** i);
  return [0, ...powers.flatMap((power) => [power, 2 * power, 5 * power]).filter((step) => step <= steps)];
}
