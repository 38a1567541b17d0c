// The probability of one character by layer, as a line.
import { make, percent } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";
import { nameOfRow } from "./data.js";

const HEIGHT = 6.5; // rem
const EDGE = { left: 3.4, right: 0.6, top: 0.5, bottom: 1.5 }; // rem
const MOST_NAMES = 12; // below the axis

// `onRow(row)` is called for the layer that is pointed at, with null where none is any more.
export function createLensChart(onRow) {
  const node = make("div", "lens-chart");
  const canvas = node.appendChild(make("canvas"));
  canvas.setAttribute("role", "img");
  /** @type {{values: number[], row: number} | null} */
  let shown = null;

  function paint() {
    const width = node.clientWidth;
    if (!width || !shown) return;
    const colours = palette();
    const height = HEIGHT * colours.rem;
    const places = layOut(width, height, shown.values, colours.rem);
    paintChart(fit(canvas, width, height), places, shown, { ...colours, font: getComputedStyle(node).fontFamily });
  }

  canvas.addEventListener("pointermove", (event) => {
    const { left, width } = canvas.getBoundingClientRect();
    const { rem } = palette();
    const { x } = layOut(width, HEIGHT * rem, shown.values, rem);
    const distances = x.map((place) => Math.abs(place - (event.clientX - left)));
    const row = distances.indexOf(Math.min(...distances));
    if (row !== shown.row) onRow(row);
  });
  canvas.addEventListener("pointerleave", () => onRow(null));
  new ResizeObserver(paint).observe(node);
  onLook(paint);
  return {
    node,
    draw(values, row, words) {
      shown = { values, row };
      canvas.setAttribute("aria-label", `${words}: ${values.map((value, i) => `${nameOfRow(i)} ${percent(value)}`).join(", ")}`);
      paint();
    },
  };
}

function layOut(width, height, values, rem) {
  const [left, right] = [EDGE.left * rem, width - EDGE.right * rem];
  const [top, bottom] = [EDGE.top * rem, height - EDGE.bottom * rem];
  const x = values.map((_, i) => left + ((right - left) * i) / Math.max(1, values.length - 1));
  return { left, right, x, y: (value) => bottom - (bottom - top) * value, bottom };
}

function paintChart(context, { left, right, x, y, bottom }, { values, row }, colours) {
  const { rem } = colours;
  context.font = `${0.875 * rem}px ${colours.font}`;
  context.fillStyle = colours.inkSoft;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of [0, 0.5, 1]) {
    context.fillText(`${100 * value} %`, left - 0.5 * rem, y(value));
    context.fillStyle = colours.rule;
    context.fillRect(left, Math.round(y(value)), right - left, 1);
    context.fillStyle = colours.inkSoft;
  }
  context.textAlign = "center";
  const step = Math.ceil(values.length / MOST_NAMES);
  x.forEach((place, i) => {
    if (i % step) return;
    context.fillStyle = i === row ? colours.ink : colours.inkSoft;
    context.fillText(i ? String(i - 1) : "emb.", place, bottom + 0.9 * rem);
  });
  context.strokeStyle = colours.ink;
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.beginPath();
  values.forEach((value, i) => context.lineTo(x[i], y(value)));
  context.stroke();
  values.forEach((value, i) => {
    context.beginPath();
    context.arc(x[i], y(value), i === row ? 5.5 : 3, 0, 2 * Math.PI);
    context.fillStyle = i === row ? colours.accent : colours.ink;
    context.fill();
  });
}
