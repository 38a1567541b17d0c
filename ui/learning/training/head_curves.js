// A measure of all heads by step: one line for each head, of which one is marked.
import { make, number } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";
import { paintSteps, placeSteps } from "../../shared/step_axis.js";
import { isSame, nameOf, threshold } from "./formation.js";

const EDGE = { left: 3, right: 1, top: 0.75, bottom: 2 }; // rem
const WIDTHS = { head: 0.1, marked: 0.22, ring: 0.4 }; // rem
const NEAR = 1.5; // rem from a line within which it is pointed at

/**
 * @typedef {import("./formation.js").Head} Head
 *
 * @typedef {object} Shown
 * @property {import("./formation.js").Line[]} lines
 * @property {import("../../shared/limits.js").Measure} measure
 * @property {number | null | undefined} uniform the measure of uniform attention
 * @property {{line: Head, step: number, value: number} | null} formed where it first reaches the threshold
 * @property {Head | null} marked
 * @property {number} step of the playhead
 * @property {number} steps of the run
 * @property {string} words for those who do not see it
 */

/**
 * @param {object} on
 * @param {(head: Head, step: number) => void} on.choose
 * @param {(head: Head | null) => void} on.point
 */
export function createHeadCurves({ choose, point }) {
  const node = make("div", "training-curves");
  const canvas = node.appendChild(make("canvas"));
  /** @type {Shown | null} */
  let shown = null;

  function paint() {
    const [width, height] = [node.clientWidth, node.clientHeight];
    if (width && shown) paintCurves(fit(canvas, width, height), width, height, shown);
  }

  /** The line and the step that are nearest to the pointer. @param {PointerEvent | MouseEvent} event */
  function nearest({ clientX, clientY }) {
    if (!shown) return null;
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const { rem, x, y } = layOut(width, height, shown, palette());
    const points = shown.lines.flatMap((line) => line.points.map(([step, value]) => ({ line, step, at: Math.hypot(x(step) - (clientX - left), y(value) - (clientY - top)) })));
    const best = points.reduce((a, b) => (b.at < (a?.at ?? Infinity) ? b : a), null);
    return best && best.at < NEAR * rem ? best : null;
  }

  canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(nearest(event)?.line ?? null));
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("click", (event) => {
    const best = nearest(event);
    if (best) choose(best.line, best.step);
  });
  new ResizeObserver(paint).observe(node);
  onLook(paint);
  return {
    node,
    /** @param {Shown} what */
    draw(what) {
      shown = what;
      for (const [name, value] of [["role", "img"], ["aria-label", what.words]]) {
        if (what.words) canvas.setAttribute(name, value);
        else canvas.removeAttribute(name); // until there are words for it
      }
      Object.assign(node.dataset, { lines: what.lines.length, points: Math.max(0, ...what.lines.map(({ points }) => points.length)), marked: what.marked ? nameOf(what.marked) : "" });
      paint();
    },
    /** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
    paint: (context, width, height) => shown && paintCurves(context, width, height, shown),
  };
}

/** @param {number} width @param {number} height @param {Shown} shown @param {ReturnType<typeof palette>} colours */
function layOut(width, height, { lines, measure, uniform, steps }, { rem }) {
  const [left, right, top, bottom] = [EDGE.left * rem, width - EDGE.right * rem, EDGE.top * rem, height - EDGE.bottom * rem];
  const highest = Math.max(uniform ?? 0, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const most = measure.unit !== "share" ? Math.max(1, highest) : highest > 0.5 ? 1 : 0.5;
  const y = (value) => bottom - ((bottom - top) * value) / most;
  return { rem, left, right, top, bottom, most, steps, isLog: true, x: placeSteps(left, right, steps, true), y };
}

/** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height @param {Shown} shown */
function paintCurves(context, width, height, shown) {
  const colours = palette();
  const places = layOut(width, height, shown, colours);
  const { rem, top, bottom, x } = places;
  context.font = `${rem}px ${colours.sans}`;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  paintLevels(context, places, shown, colours);
  paintSteps(context, places, colours.inkSoft);
  context.fillStyle = colours.accent;
  context.fillRect(Math.round(x(shown.step)), top, 1, bottom - top);
  context.strokeStyle = colours.ruleStrong;
  for (const line of shown.lines) if (!isSame(line, shown.marked)) paintLine(context, places, line, WIDTHS.head);
  context.strokeStyle = context.fillStyle = colours.accent;
  for (const line of shown.lines) {
    if (!isSame(line, shown.marked)) continue;
    paintLine(context, places, line, WIDTHS.marked);
    for (const [step, value] of line.points) dot(context, x(step), places.y(value), WIDTHS.marked * rem);
  }
  if (shown.formed) paintFormed(context, places, shown.formed, colours);
}

// Levels of the measure. Uniform attention is dashed, and dotted the share from which on a head is said to do something.
function paintLevels(context, { rem, left, right, most, y }, { measure, uniform }, { rule, ruleStrong, inkSoft }) {
  const isShare = measure.unit === "share";
  const levels = [0, most / 2, most];
  context.textAlign = "right";
  for (const level of levels) {
    context.fillStyle = rule;
    context.fillRect(left, Math.round(y(level)), right - left, 1);
    context.fillStyle = inkSoft;
    context.fillText(isShare ? `${100 * level} %` : level.toFixed(most < 10 ? 1 : 0), left - 0.4 * rem, y(level));
  }
  context.strokeStyle = ruleStrong;
  context.lineWidth = 1;
  const lines = [[uniform, 0.35], [isShare ? threshold(uniform) : null, 0.12]].filter(([level]) => typeof level === "number" && level <= most);
  for (const [level, dash] of lines) {
    context.setLineDash([dash * rem, dash * rem]);
    context.beginPath();
    context.moveTo(left, y(level));
    context.lineTo(right, y(level));
    context.stroke();
  }
  context.setLineDash([]);
}

function paintLine(context, { rem, x, y }, { points }, width) {
  context.lineWidth = width * rem;
  context.beginPath();
  points.forEach(([step, value]) => context.lineTo(x(step), y(value)));
  context.stroke();
}

// A ring where the first head reaches the threshold, with its step at the left, where the lines are lower.
function paintFormed(context, { rem, left, x, y }, { step, value }, { ink, paper, sans }) {
  Object.assign(context, { strokeStyle: ink, lineWidth: 0.12 * rem });
  context.beginPath();
  context.arc(x(step), y(value), WIDTHS.ring * rem, 0, 2 * Math.PI);
  context.stroke();
  const words = `step ${number(step)}`;
  context.font = `600 ${rem}px ${sans}`;
  const at = Math.max(left + context.measureText(words).width, x(step) - 0.75 * rem);
  Object.assign(context, { textAlign: "right", strokeStyle: paper, lineWidth: 0.35 * rem, fillStyle: ink });
  context.strokeText(words, at, y(value) - 0.6 * rem);
  context.fillText(words, at, y(value) - 0.6 * rem);
  context.font = `${rem}px ${sans}`;
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}
