// How often the reward model is right on comparisons that it never learned from, by the number of those that it has learned from.
import { make, number, percent } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";

const EDGE = { left: 3.25, right: 1.25, top: 1.4, bottom: 2.9 }; // rem
const CHANCE = 0.5;
const LEVELS = [0.5, 0.6, 0.7, 0.8, 0.9, 1];
const APART = { levels: 1.4, numbers: 3.2 }; // rem between two numbers, at least
const ROOM = 1.15; // on the axis, beyond both ends, as a factor

/** @typedef {import("./comparisons.js").Point} Point */

/** { node, draw(curve), paint(context, width, height) } */
export function createAccuracy() {
  const node = make("div", "reward-accuracy");
  const canvas = node.appendChild(make("canvas"));
  /** @type {Point[]} */
  let curve = [];

  function paint() {
    const [width, height] = [node.clientWidth, node.clientHeight];
    if (width && height && curve.length) paintCurve(fit(canvas, width, height), width, height, curve);
  }

  new ResizeObserver(paint).observe(node);
  onLook(paint);
  return {
    node,
    /** @param {Point[]} points */
    draw(points) {
      curve = points.toSorted((a, b) => a.comparisons - b.comparisons);
      node.dataset.points = String(curve.length);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", inWords(curve));
      paint();
    },
    /** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
    paint: (context, width, height) => paintCurve(context, width, height, curve),
  };
}

/** @param {Point[]} curve */
function inWords(curve) {
  const words = ({ kind, comparisons, accuracy }) => `${percent(accuracy)} from ${number(comparisons)} comparisons${kind === "votes" ? ", 300 of them noisy simulated votes" : ""}`;
  return `Accuracy on comparisons kept back: ${curve.map(words).join("; ")}.`;
}

/** @param {number} width @param {number} height @param {Point[]} curve @param {ReturnType<typeof palette>} colours */
function layOut(width, height, curve, { rem }) {
  const [left, right, top, bottom] = [EDGE.left * rem, width - EDGE.right * rem, EDGE.top * rem, height - EDGE.bottom * rem];
  const counts = curve.map(({ comparisons }) => comparisons);
  const [least, most] = [Math.min(...counts) / ROOM, Math.max(...counts) * ROOM];
  const lowest = Math.min(CHANCE, ...curve.map(({ low }) => low));
  const x = (count) => left + ((right - left) * Math.log(count / least)) / Math.log(most / least);
  const y = (share) => bottom - ((bottom - top) * (share - lowest)) / (1 - lowest);
  return { rem, left, right, top, bottom, x, y };
}

/** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height @param {Point[]} curve */
function paintCurve(context, width, height, curve) {
  const colours = palette();
  const places = layOut(width, height, curve, colours);
  const { rem, x, y } = places;
  context.font = `${rem}px ${colours.sans}`;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  paintLevels(context, places, colours);
  paintCounts(context, places, curve, colours);
  const byRule = curve.filter(({ kind }) => kind === "rule");
  paintBand(context, places, byRule, colours);
  Object.assign(context, { strokeStyle: colours.accent, lineWidth: 0.2 * rem });
  context.beginPath();
  for (const { comparisons, accuracy } of byRule) context.lineTo(x(comparisons), y(accuracy));
  context.stroke();
  for (const { kind, comparisons, accuracy, low, high } of curve) {
    const isRule = kind === "rule";
    Object.assign(context, { fillStyle: isRule ? colours.accent : colours.paper, strokeStyle: isRule ? colours.accent : colours.ink, lineWidth: 0.14 * rem });
    if (!isRule) line(context, [[x(comparisons), y(low)], [x(comparisons), y(high)]]);
    context.beginPath();
    context.arc(x(comparisons), y(accuracy), (isRule ? 0.26 : 0.34) * rem, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
  paintBest(context, places, byRule.at(-1), colours);
}

function line(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}

// The levels, and below them the one of a coin.
function paintLevels(context, { rem, left, right, y }, { rule, ruleStrong, inkSoft }) {
  context.textAlign = "right";
  let before = Infinity;
  for (const level of LEVELS) {
    const at = y(level);
    if (before - at < APART.levels * rem) continue;
    before = at;
    context.fillStyle = level === CHANCE ? ruleStrong : rule;
    context.fillRect(left, Math.round(at), right - left, 1);
    context.fillStyle = inkSoft;
    context.fillText(`${Math.round(100 * level)} %`, left - 0.5 * rem, at);
  }
  context.fillText("a coin", right, y(CHANCE) - 0.75 * rem);
}

function paintCounts(context, { rem, left, right, bottom, x }, curve, { inkSoft }) {
  context.fillStyle = inkSoft;
  context.textAlign = "center";
  let before = -Infinity;
  for (const count of [...new Set(curve.filter(({ kind }) => kind === "rule").map(({ comparisons }) => comparisons))]) {
    if (x(count) - before < APART.numbers * rem) continue;
    before = x(count);
    context.fillText(number(count), before, bottom + 0.9 * rem);
  }
  context.fillText("comparisons learned from", (left + right) / 2, bottom + 2.2 * rem);
}

// The 95 % intervals.
function paintBand(context, { x, y }, points, { accent }) {
  Object.assign(context, { fillStyle: accent, globalAlpha: 0.14 });
  context.beginPath();
  for (const { comparisons, high } of points) context.lineTo(x(comparisons), y(high));
  for (const { comparisons, low } of points.toReversed()) context.lineTo(x(comparisons), y(low));
  context.fill();
  context.globalAlpha = 1;
}

function paintBest(context, { rem, right, x, y }, point, { accent, paper, sans }) {
  if (!point) return;
  const words = percent(point.accuracy);
  context.font = `600 ${1.25 * rem}px ${sans}`;
  Object.assign(context, { textAlign: "right", strokeStyle: paper, lineWidth: 0.4 * rem, fillStyle: accent });
  const [at, height] = [Math.min(right, x(point.comparisons) + 0.5 * rem), y(point.accuracy) - 1.2 * rem];
  context.strokeText(words, at, height);
  context.fillText(words, at, height);
}
