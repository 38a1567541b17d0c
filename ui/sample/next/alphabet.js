// The whole alphabet: a column for each character of the vocabulary, the probability that is sampled from in ink, the raw one behind it.
import { percent, signOf } from "../../shared/dom.js";
import { ENOUGH } from "./draws.js";

const LEAST_PITCH = 9.6; // pixels from bar to bar, while all stand in one row
const FOLDED_PITCH = 1.3; // ... and when they do not fit into one
const FOLDED_HEIGHT = 7.5; // rem
const HEIGHT = 18; // rem, of all in one row
const [TOP, BOTTOM] = [0.5, 1.5]; // rem above and below the bars
const CHAR = 1.5; // the size of a character on the axis, at most, for the room it has
const SCALES = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1]; // what the axis may end at

// How the columns are folded into rows on a canvas of this width. Where text is large, one row counts more than the size of its characters.
function layOut(count, width, rem) {
  if (width >= count * LEAST_PITCH) return { perRow: count, rows: 1, pitch: width / count };
  const rows = Math.ceil(count / Math.max(1, Math.floor(width / (FOLDED_PITCH * rem))));
  const perRow = Math.ceil(count / rows);
  return { perRow, rows, pitch: width / perRow };
}

function heightOf({ vocabulary }, width, { rem }) {
  const { rows } = layOut(vocabulary.length, width, rem);
  return Math.round((rows > 1 ? rows * FOLDED_HEIGHT : HEIGHT) * rem);
}

const idsOf = ({ byAlphabet, vocabulary, order }) => (byAlphabet ? [...vocabulary.keys()] : order);

function idAt(shown, { width, height, look }, x, y) {
  const ids = idsOf(shown);
  const { perRow, rows, pitch } = layOut(ids.length, width, look.rem);
  const row = Math.min(rows - 1, Math.max(0, Math.floor((y / height) * rows)));
  return ids[row * perRow + Math.min(perRow - 1, Math.max(0, Math.floor(x / pitch)))] ?? null;
}

/**
 * Draws on any canvas.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./chart.js").Room} room
 * @param {any} shown the view's state
 */
function paint(context, { width, height, look }, shown) {
  const ids = idsOf(shown);
  const { perRow, rows, pitch } = layOut(ids.length, width, look.rem);
  const most = Math.max(...shown.probabilities, ...shown.raw);
  const scale = SCALES.find((end) => most <= end) ?? 1;
  for (let row = 0; row < rows; row++) {
    const top = (row * height) / rows + TOP * look.rem;
    const base = ((row + 1) * height) / rows - BOTTOM * look.rem;
    const y = (p) => base - Math.min(1, p / scale) * (base - top);
    paintGrid(context, width, scale, y, look);
    ids.slice(row * perRow, (row + 1) * perRow).forEach((id, i) => paintBar(context, i * pitch, pitch, y, id, shown, look));
    paintScale(context, width, scale, y, look);
  }
}

function paintGrid(context, width, scale, y, look) {
  context.fillStyle = look.rule;
  for (const p of [scale, scale / 2]) context.fillRect(0, Math.round(y(p)), width, 1);
  context.fillStyle = look.ruleStrong;
  context.fillRect(0, Math.round(y(0)), width, 1);
}

// What the lines stand for, at the right, where bars sorted by probability are low.
function paintScale(context, width, scale, y, look) {
  context.font = `${0.875 * look.rem}px ${look.sans}`;
  context.textAlign = "right";
  context.textBaseline = "top";
  for (const p of [scale, scale / 2]) {
    const words = percent(p);
    context.fillStyle = look.paper;
    const room = context.measureText(words).width + 8;
    context.fillRect(width - room, y(p) + 2, room, look.rem);
    context.fillStyle = look.inkSoft;
    context.fillText(words, width, y(p) + 3);
  }
}

function paintBar(context, left, pitch, y, id, { probabilities, raw, isRaw, vocabulary, draws, hit, pointed }, look) {
  const [p, before] = [probabilities[id], raw[id]];
  const bar = (share, value) => [left + (pitch * (1 - share)) / 2, y(value), pitch * share, y(0) - y(value)];
  if (id === pointed) {
    context.fillStyle = look.rule;
    context.fillRect(left, y(1), pitch, y(0) - y(1) + BOTTOM * look.rem);
  }
  const [x, top, w, h] = bar(0.8, before);
  if (p > 0) {
    context.fillStyle = isRaw ? look.rule : look.ruleStrong;
    context.fillRect(x, top, w, h);
  }
  context.strokeStyle = look.ruleStrong;
  context.lineWidth = 1;
  if (h > 1) context.strokeRect(x + 0.5, top + 0.5, w - 1, h - 0.5);
  context.fillStyle = id === hit ? look.accent : look.ink;
  context.fillRect(...bar(0.5, p));
  context.fillStyle = id === hit ? look.accent : p > 0 ? look.ink : look.inkSoft;
  context.font = `${id === hit || id === pointed ? "bold " : ""}${Math.min(0.875 * look.rem, pitch * CHAR)}px ${look.mono || "monospace"}`;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  context.fillText(signOf(vocabulary[id]), left + pitch / 2, y(0) + 1.05 * look.rem);
  if (draws.goal >= ENOUGH && p > 0) paintCount(context, left + pitch / 2, y, draws, id, p, look);
}

// The expected range as a line with two ends, the share that came as a dot; both can be read on ink and on paper.
function paintCount(context, x, y, draws, id, p, look) {
  const { low, high } = draws.expected(p);
  const [from, to] = [y(low / draws.goal), y(high / draws.goal)];
  if (!draws.counts[id] && from - to < 2) return; // it is hardly expected, and did not come
  const ends = 0.18 * look.rem;
  const stroke = (colour, width) => {
    [context.strokeStyle, context.lineWidth] = [colour, width];
    context.beginPath();
    for (const end of [from, to]) {
      context.moveTo(x - ends, end);
      context.lineTo(x + ends, end);
    }
    context.moveTo(x, from);
    context.lineTo(x, to);
    context.stroke();
  };
  stroke(look.paper, 3.5);
  stroke(look.ink, 1.5);
  context.beginPath();
  context.arc(x, y(draws.counts[id] / draws.goal), 0.18 * look.rem, 0, 2 * Math.PI);
  [context.fillStyle, context.strokeStyle, context.lineWidth] = [look.accent, look.paper, 2];
  context.stroke();
  context.fill();
}

export const alphabet = { heightOf, idsOf, idAt, paint };
