// One measure of one run, by step or by the root of its KL: a thin line for the batches that it learns from, a strong one for the requests that are
// kept back. Tracks stand below each other and share their axis.
import { make, number } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";
import { paintSteps, placeSteps } from "../../shared/step_axis.js";
import { ticks } from "../ticks.js";
import { inFigures, pointsOf, rootsOf, titleOf } from "./runs.js";

const EDGE = { left: 3.25, right: 4, top: 0.6, bottom: 0.6, axis: 1.7 }; // rem; at the right is the value at the step
const NARROW = { left: 3, right: 0.4, top: 0.6, bottom: 0.6, axis: 1.7 }; // ... on a phone
const SMALL = { left: 0, right: 0.4, top: 0.3, bottom: 0.3, axis: 0 }; // ... and of small ones; the value of both is above them
const WIDTHS = { batches: 0.08, main: 0.2, other: 0.14, dot: 0.2 }; // rem
const BATCHES = 0.45; // opacity of the thin line
const LATER = 0.16; // ... and of what comes after the step
const ROOM = 0.06; // of the span, above and below it
const NARROW_WIDTH = 16; // rem
const LEVEL = 1.15; // rem between two numbers of the axis, at least

/**
 * @typedef {import("./runs.js").Run} Run
 *
 * @typedef {object} Shown
 * @property {Run} run
 * @property {number[]} span of the values of all runs that are shown
 * @property {number} most at the end of the axis: steps, or a root of the KL
 * @property {boolean} isByRoot
 * @property {number} step that is shown; what comes later is faint
 * @property {number | null} pointed the step that is pointed at
 * @property {boolean} hasAxis
 */

/**
 * @param {import("./runs.js").Measure} measure
 * @param {object} on
 * @param {(step: number) => void} on.choose
 * @param {(step: number | null) => void} on.point
 */
export function createTrack(measure, { choose, point }) {
  const node = make("div", "reinforcement-track");
  node.dataset.measure = measure.name;
  const title = make("p", "reinforcement-title");
  const place = make("div", "reinforcement-place");
  const canvas = place.appendChild(make("canvas"));
  node.append(title, place);
  /** @type {Shown | null} */
  let shown = null;

  function paint() {
    const [width, height] = [place.clientWidth, place.clientHeight];
    if (width && height && shown) paintTrack(fit(canvas, width, height), width, height, measure, shown);
  }

  /** The evaluation that is nearest to the pointer. @param {MouseEvent} event */
  function nearest({ clientX }) {
    if (!shown) return null;
    const { left, width, height } = canvas.getBoundingClientRect();
    const { x } = layOut(width, height, measure, shown, palette());
    const distance = (step) => Math.abs(x(step) - (clientX - left));
    const steps = pointsOf(shown.run.evaluations, measure.name).map(([step]) => step);
    return steps.reduce((best, step) => (best === null || distance(step) < distance(best) ? step : best), null);
  }

  canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(nearest(event)));
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("click", (event) => {
    const step = nearest(event);
    if (step !== null) choose(step);
  });
  new ResizeObserver(paint).observe(place);
  onLook(paint);
  return {
    node,
    measure,
    /** @param {Shown} what */
    draw(what) {
      shown = what;
      const points = pointsOf(what.run.evaluations, measure.name);
      node.toggleAttribute("data-axis", what.hasAxis);
      Object.assign(node.dataset, { points: points.length, value: inFigures(measure, valueShown(what, measure.name)) });
      title.replaceChildren(`${measure.title} `, make("b", "", node.dataset.value));
      title.title = measure.about;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", inWords(measure, what, points));
      paint();
    },
    /** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
    paint: (context, width, height) => shown && paintTrack(context, width, height, measure, shown),
    get size() {
      return [place.clientWidth, place.clientHeight];
    },
  };
}

/** @param {Shown} shown @param {string} name */
const valueShown = ({ run, step, pointed }, name) => pointsOf(run.evaluations, name).findLast(([at]) => at <= (pointed ?? step))?.[1];

/** @param {import("./runs.js").Measure} measure @param {Shown} shown @param {number[][]} points */
function inWords(measure, { run }, points) {
  if (!points.length) return `${measure.title} of ${titleOf(run)}: not measured.`;
  const [[first, from], [last, to]] = [points[0], points.at(-1)];
  return `${measure.title} of ${titleOf(run)}: ${inFigures(measure, from)} at step ${number(first)}, ${inFigures(measure, to)} at step ${number(last)}.`;
}

/** @param {number} width @param {number} height @param {import("./runs.js").Measure} measure @param {Shown} shown @param {ReturnType<typeof palette>} colours */
function layOut(width, height, measure, { run, span, most, isByRoot, hasAxis }, { rem }) {
  const isNarrow = width < NARROW_WIDTH * rem;
  const edge = !measure.isMain ? SMALL : isNarrow ? NARROW : EDGE;
  const [left, right, top] = [edge.left * rem, width - edge.right * rem, edge.top * rem];
  const bottom = height - (hasAxis ? edge.axis : edge.bottom) * rem;
  const isShare = measure.unit === "share";
  const [least, greatest] = isShare ? [0, 1] : [Math.min(...span), Math.max(...span)];
  const room = isShare ? 0 : ROOM * (greatest - least || 1);
  const [low, high] = [least - room, greatest + room];
  const roots = rootsOf(run);
  const byStep = placeSteps(left, right, most, false);
  const x = isByRoot ? (step) => left + ((right - left) * (roots.get(step) ?? 0)) / (most || 1) : byStep;
  const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
  return { rem, isNarrow, left, right, top, bottom, low, high, most, steps: most, isLog: false, x, y };
}

/** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height @param {import("./runs.js").Measure} measure @param {Shown} shown */
function paintTrack(context, width, height, measure, shown) {
  const colours = palette();
  const places = layOut(width, height, measure, shown, colours);
  const { rem, isNarrow, top, bottom, x, y } = places;
  const { run, step, pointed, isByRoot } = shown;
  const colour = measure.name === "rule" ? colours.accent : colours.ink;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.font = `${rem}px ${colours.sans}`;
  paintLevels(context, places, measure, colours);
  if (shown.hasAxis) (isByRoot ? paintRoots : paintSteps)(context, places, colours.inkSoft);
  for (const [at, stroke] of [[pointed, colours.ruleStrong], [step, colours.ink]]) {
    if (at === null) continue;
    context.fillStyle = /** @type {string} */ (stroke);
    context.fillRect(Math.round(x(/** @type {number} */ (at))), top - 0.3 * rem, 1, bottom - top + 0.6 * rem);
  }
  const points = pointsOf(run.evaluations, measure.name);
  const batches = isByRoot ? [] : pointsOf(run.steps, measure.name);
  context.strokeStyle = context.fillStyle = colour;
  const line = (all, lineWidth, alpha) => {
    Object.assign(context, { lineWidth, globalAlpha: alpha });
    context.beginPath();
    for (const [at, value] of all) context.lineTo(x(at), y(value));
    context.stroke();
  };
  const before = ([at]) => at <= step;
  const after = ([at]) => at >= step;
  const strong = (measure.isMain ? WIDTHS.main : WIDTHS.other) * rem;
  line(batches.filter(after), WIDTHS.batches * rem, BATCHES * LATER);
  line(batches.filter(before), WIDTHS.batches * rem, BATCHES);
  line(points.filter(after), strong, LATER);
  line(points.filter(before), strong, 1);
  context.globalAlpha = 1;
  const last = points.findLast(before);
  if (last) dot(context, x(last[0]), y(last[1]), (measure.isMain ? 1.5 : 1.1) * WIDTHS.dot * rem);
  if (!measure.isMain || isNarrow) return;
  context.font = `600 ${1.375 * rem}px ${colours.sans}`;
  context.textAlign = "right";
  context.fillText(inFigures(measure, valueShown(shown, measure.name)), width, (top + bottom) / 2);
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function paintLevels(context, { rem, left, right, top, bottom, low, high, y }, { unit, isMain }, { rule, inkSoft }) {
  const most = Math.max(1, Math.floor((bottom - top) / (LEVEL * rem)));
  const levels = !isMain ? [0] : unit === "number" ? ticks(low, high, most) : most >= 2 ? [0, 0.5, 1] : [0, 1];
  context.textAlign = "right";
  for (const level of levels) {
    context.fillStyle = rule;
    context.fillRect(left, Math.round(y(level)), right - left, 1);
    context.fillStyle = inkSoft;
    if (isMain) context.fillText(unit === "share" ? `${100 * level} %` : String(level).replace("-", "−"), left - 0.4 * rem, y(level));
  }
}

// The axis of the root of the KL.
function paintRoots(context, { rem, left, right, bottom, most }, colour) {
  const end = "√KL";
  context.fillStyle = colour;
  context.textAlign = "right";
  context.fillText(end, right, bottom + 1.1 * rem);
  const room = right - context.measureText(end).width - 2 * rem;
  context.textAlign = "center";
  for (const root of ticks(0, most, 5)) {
    const at = left + ((right - left) * root) / (most || 1);
    if (at < room) context.fillText(String(root), at, bottom + 1.1 * rem);
  }
}
