// Vectors of one length as rows of bars, each on a scale of its own around a zero line. A part of a vector is drawn strongly inside the whole.
import { make } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";

const LANE = 2; // rem, for the bars of a vector
const [NAMES, SCALES] = [4, 3.75]; // rem, at the left and right of them

/** @typedef {{name: string, values: number[], part?: number[]}} Vector */

/**
 * Pointing, or the left and right arrows, read a number of each vector: `tell` is called with its index, or with null.
 * @param {(index: number | null) => void} tell
 */
export function createVectors(tell) {
  const node = make("canvas", "one-bars");
  node.tabIndex = 0;
  node.setAttribute("role", "img");
  /** @type {Vector[]} */
  let vectors = [];
  /** @type {number | null} */
  let pointed = null;

  function paint() {
    const width = node.parentElement?.clientWidth;
    if (!vectors.length || !width) return;
    const colours = palette();
    paintVectors(fit(node, width, vectors.length * LANE * colours.rem), width, vectors, pointed, colours);
  }

  function point(index) {
    pointed = index;
    tell(index);
    paint();
  }

  node.addEventListener("pointermove", (event) => {
    const { left, width } = node.getBoundingClientRect();
    const { rem } = palette();
    const { length } = vectors[0].values;
    const index = Math.floor(((event.clientX - left - NAMES * rem) / (width - (NAMES + SCALES) * rem)) * length);
    point(index >= 0 && index < length ? index : null);
  });
  node.addEventListener("pointerleave", () => point(null));
  node.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const { length } = vectors[0].values;
    point(pointed === null ? 0 : (pointed + step + length) % length);
  });
  onLook(paint);
  return {
    node,
    paint,
    /** @param {Vector[]} shown @param {string} label */
    show(shown, label) {
      vectors = shown;
      node.setAttribute("aria-label", `${label} Left and right arrows read them.`);
      if (pointed !== null && pointed >= vectors[0].values.length) pointed = null;
      paint();
    },
  };
}

function paintVectors(context, width, vectors, pointed, colours) {
  const { rem } = colours;
  const style = getComputedStyle(document.documentElement);
  const [plus, minus] = ["--plus", "--minus"].map((name) => style.getPropertyValue(name).trim());
  const [left, right] = [NAMES * rem, width - SCALES * rem];
  const half = (LANE * rem) / 2 - 2;
  context.textBaseline = "middle";
  vectors.forEach(({ name, values, part }, lane) => {
    const step = (right - left) / values.length;
    const most = Math.max(...values.map(Math.abs), ...(part ?? []).map(Math.abs)) || 1;
    const zero = (lane + 0.5) * LANE * rem;
    context.fillStyle = colours.ink;
    context.textAlign = "left";
    context.font = `${rem}px ${colours.mono || "monospace"}`;
    context.fillText(name, 0, zero);
    context.fillStyle = colours.inkSoft;
    context.textAlign = "right";
    context.font = `${0.875 * rem}px ${colours.sans || "sans-serif"}`;
    context.fillText(`±${most.toFixed(2)}`, width, zero);
    const bars = (numbers, alpha) =>
      numbers.forEach((value, i) => {
        const height = (Math.abs(value) / most) * half;
        context.globalAlpha = pointed === null || pointed === i ? alpha : 0.45 * alpha;
        context.fillStyle = value < 0 ? minus : plus;
        context.fillRect(left + i * step, value < 0 ? zero : zero - height, Math.max(0.75, step - (step > 3 ? 1 : 0)), height);
      });
    bars(values, part ? 0.35 : 1);
    if (part) bars(part, 1);
    context.globalAlpha = 1;
    context.fillStyle = colours.ruleStrong;
    context.fillRect(left, zero - 0.5, right - left, 1);
  });
}
