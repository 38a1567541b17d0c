// The map of the chosen kind of attention, with its characters on both axes: rows attend to columns. The row of the character being written is framed.
import { make, percent, seenHeight } from "../../shared/dom.js";
import { paintHatch } from "../../shared/heat_map.js";
import { fit, isStage, onLook, palette } from "../../shared/paint.js";
import { axesOf, rowOfStep } from "./kinds.js";
import { paintWeights } from "./picture.js";
import { SIGN } from "./translated.js";

const MOST_CELL = 2; // rem
const READABLE = 0.75; // rem, of a cell whose character can be read
const AXIS = 1.5; // rem, beside the cells
const HEIGHT = [17, 26]; // rem
const MOST_WIDE = 1.6; // times as wide as high a cell may be

/** @typedef {import("./state.js").State} State */
/** @typedef {{row: number, column: number}} Cell */

/** @param {State} state */
export function createMap(state) {
  const node = make("figure", "translate-map");
  const frame = Object.assign(make("div", "translate-canvas"), { tabIndex: 0 });
  const canvas = frame.appendChild(make("canvas"));
  const said = make("figcaption", "translate-said");
  said.setAttribute("aria-live", "polite");
  frame.setAttribute("role", "application");
  frame.setAttribute("aria-roledescription", "map of weights");
  node.append(frame, said);
  const picture = make("canvas");
  /** @type {Cell | null} pointed at */
  let cell = null;
  /** @type {Room | null} */
  let room = null;

  function draw() {
    const { kind, head, step } = state;
    const translated = state.translatedBy(kind);
    const weights = translated?.steps.length ? translated.weights(kind.name, head) : null;
    node.hidden = !weights;
    if (!weights || !node.clientWidth) return;
    const axes = axesOf(kind, translated);
    const now = rowOfStep(kind, translated, step);
    const last = kind.isWritten ? now : axes.rows.length;
    if (cell && (cell.row > last || cell.column >= weights.columns)) cell = null;
    paintWeights(picture, weights, kind, last);
    const colours = palette();
    room = layOut(node.clientWidth, heightFor(frame, colours.rem), weights, colours.rem);
    const seen = { kind, axes, now, first: rowOfStep(kind, translated, 0), last, cell, picture, weights };
    paintMap(fit(canvas, room.width, room.height), room, seen, colours);
    frame.setAttribute("aria-label", `${kind.title}. ${kind.about} Arrow keys move from weight to weight.`);
    said.replaceChildren(...inWords(seen));
    node.dataset.kind = kind.id;
  }

  /** @param {PointerEvent | MouseEvent} event @returns {Cell | null} */
  function cellAt({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor((clientY - box.top) / room.cellHeight);
    const column = Math.floor((clientX - box.left - room.left) / room.cellWidth);
    return row >= 0 && row < room.rows && column >= 0 && column < room.columns ? { row, column } : null;
  }

  /** @param {Cell | null} at */
  function point(at) {
    if (at?.row === cell?.row && at?.column === cell?.column) return;
    cell = at;
    draw();
  }

  canvas.addEventListener("pointermove", (event) => room && point(cellAt(event)));
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("click", (event) => {
    const { kind } = state;
    const at = room && cellAt(event);
    if (!at || !kind.isWritten) return;
    const first = rowOfStep(kind, state.translatedBy(kind), 0);
    if (at.row >= first) state.chooseStep(at.row - first);
  });
  frame.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!by || !room) return;
    event.preventDefault();
    const from = cell ?? { row: Math.max(0, rowOfStep(state.kind, state.translatedBy(state.kind), state.step)), column: 0 };
    const within = (index, count) => Math.max(0, Math.min(count - 1, index));
    point({ row: within(from.row + by[0], room.rows), column: within(from.column + by[1], room.columns) });
  });
  frame.addEventListener("blur", () => point(null));
  new ResizeObserver(draw).observe(node);
  onLook(draw);

  return {
    node,
    draw,
    /** The whole map, for a file. @param {number} size of a cell, in pixels @returns {{width: number, height: number, paint: (context: CanvasRenderingContext2D) => void}} */
    forFile(size) {
      const { kind, head } = state;
      const translated = state.translatedBy(kind);
      const weights = translated.weights(kind.name, head);
      const axes = axesOf(kind, translated);
      const whole = make("canvas");
      paintWeights(whole, weights, kind, axes.rows.length);
      const [left, axis] = [1.5 * size, 1.5 * size];
      const place = { rows: weights.rows, columns: weights.columns, cellWidth: size, cellHeight: size, left, axis, width: left + size * weights.columns, height: axis + size * weights.rows };
      const paint = (context) => paintMap(context, place, { kind, axes, now: -1, last: axes.rows.length, cell: null, picture: whole, weights }, palette());
      return { width: place.width, height: place.height, paint };
    },
  };
}

/**
 * @typedef {object} Room
 * @property {number} rows
 * @property {number} columns
 * @property {number} cellWidth pixels
 * @property {number} cellHeight
 * @property {number} left where the cells begin
 * @property {number} axis the height of what is written below them
 * @property {number} width
 * @property {number} height
 */

// On a projector the map ends with the window.
function heightFor(frame, rem) {
  const [least, most] = HEIGHT;
  if (!isStage()) return most * rem;
  const top = frame.getBoundingClientRect().top + (document.fullscreenElement?.scrollTop ?? scrollY);
  return Math.max(least * rem, Math.min(most * rem, seenHeight() - top - 3 * rem));
}

/** @param {number} width @param {number} height @param {{rows: number, columns: number}} size @param {number} rem @returns {Room} */
function layOut(width, height, { rows, columns }, rem) {
  const axis = AXIS * rem;
  const cellHeight = Math.min((height - axis) / rows, MOST_CELL * rem);
  const cellWidth = Math.min((width - axis) / columns, MOST_WIDE * cellHeight);
  return { rows, columns, cellWidth, cellHeight, left: axis, axis, width: axis + cellWidth * columns, height: axis + cellHeight * rows };
}

/** @param {CanvasRenderingContext2D} context @param {Room} room @param {any} seen @param {ReturnType<typeof palette>} colours */
function paintMap(context, room, { kind, axes, now, last, cell, picture }, colours) {
  const { rows, columns, cellWidth, cellHeight, left, axis } = room;
  const [width, height] = [columns * cellWidth, rows * cellHeight];
  paintHatch(context, left, 0, width, height, colours);
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0, columns, rows, left, 0, width, height);
  if (kind.id === "gpt") paintPart(context, room, axes, colours);
  if (now >= 0) frameRow(context, room, now, 2, colours.accent);
  if (cell) {
    frameRow(context, room, cell.row, 1, colours.accent);
    context.strokeRect(left + cell.column * cellWidth + 0.5, 0.5, cellWidth - 1, height - 1);
  }
  const size = Math.min(colours.rem, 1.15 * Math.max(READABLE * colours.rem, Math.min(cellHeight, cellWidth * 1.6)));
  context.font = `${size}px ${colours.mono || "monospace"}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const write = (sign, isHere, room, x, y) => {
    if (!isHere && room < READABLE * colours.rem) return;
    context.fillStyle = isHere ? colours.accent : sign === "␣" || sign === SIGN ? colours.inkSoft : colours.ink;
    context.fillText(sign, x, y);
  };
  axes.rows.forEach((sign, i) => i <= last && write(sign, i === now || i === cell?.row, cellHeight, left / 2, (i + 0.5) * cellHeight));
  axes.columns.forEach((sign, i) => write(sign, i === cell?.column, cellWidth * 1.3, left + (i + 0.5) * cellWidth, height + axis / 2));
}

// Where the input ends and the answer begins, in the map of a GPT.
function paintPart(context, { cellWidth, cellHeight, left, rows, columns }, axes, { inkSoft }) {
  const read = axes.columns.indexOf(SIGN); // the row that writes the first character
  context.fillStyle = inkSoft;
  context.fillRect(left, read * cellHeight - 0.5, columns * cellWidth, 1);
  context.fillRect(left + (read + 1) * cellWidth - 0.5, 0, 1, rows * cellHeight);
}

function frameRow(context, { cellWidth, cellHeight, left, columns }, row, lineWidth, colour) {
  context.strokeStyle = colour;
  context.lineWidth = lineWidth;
  context.strokeRect(left, row * cellHeight, columns * cellWidth, cellHeight);
}

/** What is pointed at, or what the map shows. @param {any} seen */
function inWords({ kind, axes, first, last, cell, weights }) {
  if (!cell) return [kind.about];
  const { row, column } = cell;
  const [from, to] = [axes.rows[row], axes.columns[column]].map((sign) => `‘${sign}’`);
  if (row > last) return [`${from} is not written yet.`];
  if (kind.mask === "causal" && column > row) return [`${from} cannot attend to ${to}, which comes later.`];
  const share = make("b", "", percent(Math.max(weights.values[row * weights.columns + column], Number.EPSILON))); // what is sent as 0 is only small
  return kind.isWritten && row >= first ? [`While ${from} is written, ${to} has `, share, " of the attention."] : [`${from} attends to ${to} with `, share, " of its attention."];
}
