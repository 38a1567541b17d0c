// The map of a head with the text on both axes: rows are queries, columns are keys. Of a long text it shows as many characters as can be read; the
// whole map beside it shows which, and moves them.
import { make, signOf } from "../../shared/dom.js";
import { paintHatch } from "../../shared/heat_map.js";
import { fit } from "../../shared/paint.js";

const LEAST = { width: 0.6875, height: 0.9375 }; // rem, of a cell whose character can be read
const MOST = 3.5; // rem
const WIDE = 1.5; // a cell may be so much wider than high, to use the room
const AXIS = { width: 1.5, height: 1.375 }; // rem, beside the cells

// How many rows and columns there is room for, and how large their cells are.
function roomFor(width, height, n, rem) {
  const [w, h] = [width - AXIS.width * rem, height - AXIS.height * rem];
  const rows = Math.max(1, Math.min(n, Math.floor(h / (LEAST.height * rem))));
  const columns = Math.max(1, Math.min(n, Math.floor(w / (LEAST.width * rem))));
  const cellHeight = Math.floor(Math.min(h / rows, MOST * rem));
  return { rows, columns, cellHeight, cellWidth: Math.floor(Math.min(w / columns, WIDE * cellHeight)), left: AXIS.width * rem };
}

// Where a stretch of `size` among n begins so that it shows index i: where it is if it does, else moved on a little, or around i.
export function slide(begin, size, n, i) {
  const inRange = (value) => Math.min(n - size, Math.max(0, value));
  if (i >= begin && i < begin + size) return inRange(begin);
  if (i < begin && begin - i <= size / 4) return inRange(i);
  if (i >= begin + size && i - begin - size < size / 4) return inRange(i - size + 1);
  return inRange(i - Math.floor(size / 2));
}

// The rows and columns shown, from `top` and `first`. With no cell, or one that lies far away, the columns end with the diagonal.
function windowOn(cell, room, n, before) {
  const top = slide(before?.top ?? n, room.rows, n, cell?.row ?? n - 1);
  const kept = before && Math.abs(top - before.top) <= room.rows / 4 ? before.first : top + room.rows - room.columns;
  const first = slide(Math.max(0, kept), room.columns, n, cell?.column ?? Math.min(n - 1, top + room.rows - 1));
  return { top, first };
}

// The map: { node, draw() }. `on.pass(cell)`, `on.point(cell)` and `on.open(cell)` are called with { row, column } where somebody points at a
// cell, walks to it and clicks it.
/** @param {import("../look.js").Look} look @param {any} state @param {any} on */
export function createMap(look, state, on) {
  const node = make("div", "one-map");
  const canvas = node.appendChild(make("canvas"));
  Object.assign(node, { tabIndex: 0, role: "application" });
  node.dataset.testid = "one-head-map";
  let room = null;

  function draw({ width, height, colours }) {
    const { capture } = look;
    room = roomFor(width, height, capture.n, colours.rem);
    state.window = { ...windowOn(state.cell, room, capture.n, state.window), rows: room.rows, columns: room.columns };
    const { window } = state;
    /** @type {[number, number]} */
    const size = [room.left + room.columns * room.cellWidth, room.rows * room.cellHeight + AXIS.height * colours.rem];
    paintCells(fit(canvas, ...size), { ...state, capture, room, colours });
    Object.assign(node.dataset, { ...window, width: room.cellWidth, height: room.cellHeight, left: room.left });
  }

  function cellAt(event) {
    const { left, top } = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left - room.left, event.clientY - top];
    const [row, column] = [Math.floor(y / room.cellHeight), Math.floor(x / room.cellWidth)];
    const isIn = row >= 0 && row < room.rows && column >= 0 && column < room.columns;
    return isIn ? { row: state.window.top + row, column: state.window.first + column } : null;
  }

  canvas.addEventListener("pointermove", (event) => {
    const cell = event.pointerType === "mouse" && !state.open && cellAt(event);
    if (cell && (cell.row !== state.cell?.row || cell.column !== state.cell.column)) on.pass(cell);
  });
  canvas.addEventListener("pointerleave", () => state.open || on.pass(null));
  canvas.addEventListener("click", (event) => {
    const cell = cellAt(event);
    if (cell) on.open(cell);
  });
  node.addEventListener("keydown", (event) => {
    const { n } = look.capture;
    const { row, column } = state.cell ?? { row: n - 1, column: n - 1 };
    const page = state.window.rows;
    const to = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      PageUp: [row - page, column],
      PageDown: [row + page, column],
      Home: [row, 0],
      End: [row, row],
    }[event.key];
    if (event.key === "Enter" && state.cell) on.open(state.cell);
    else if (to) {
      const moved = Math.min(n - 1, Math.max(0, to[0]));
      on.point({ row: moved, column: Math.min(moved, Math.max(0, to[1])) }); // a later character has no weight
    } else return;
    event.preventDefault();
  });
  return { node, draw };
}

// Draws the rows and columns of a window from the picture of the whole map, on any canvas.
export function paintCells(context, { capture, picture, cell, room, window, colours }) {
  const { rows, columns, cellWidth, cellHeight, left } = room;
  const { top, first } = window;
  paintHatch(context, left, 0, columns * cellWidth, rows * cellHeight, colours);
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, first, top, columns, rows, left, 0, columns * cellWidth, rows * cellHeight);
  if (cell) paintCross(context, cell, room, window, colours);
  const [middle, bottom] = [left / 2, rows * cellHeight];
  const axis = Math.min(AXIS.height * colours.rem, 1.5 * cellHeight);
  const size = Math.min(colours.rem, Math.max(0.875 * colours.rem, cellHeight * 0.6));
  context.font = `${Math.min(size, cellHeight)}px ${colours.mono || "monospace"}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const write = (index, isHere, x, y, width, height) => {
    if (isHere) {
      context.fillStyle = colours.accent;
      context.fillRect(x - width / 2, y - height / 2, width, height);
    }
    context.fillStyle = isHere ? colours.paper : /\s/.test(capture.characters[index]) ? colours.inkSoft : colours.ink;
    context.fillText(signOf(capture.characters[index]), x, y);
  };
  for (let i = 0; i < rows; i++) write(top + i, top + i === cell?.row, middle, (i + 0.5) * cellHeight, left * 0.75, cellHeight);
  for (let j = 0; j < columns; j++) {
    write(first + j, first + j === cell?.column, left + (j + 0.5) * cellWidth, bottom + axis / 2 + 1, cellWidth, axis - 2);
  }
}

function paintCross(context, { row, column }, { rows, columns, cellWidth, cellHeight, left }, { top, first }, colours) {
  const [i, j] = [row - top, column - first];
  const [x, y] = [left + j * cellWidth, i * cellHeight];
  context.strokeStyle = colours.accent;
  context.lineWidth = 1;
  if (i >= 0 && i < rows) context.strokeRect(left + 0.5, y + 0.5, columns * cellWidth - 1, cellHeight - 1);
  if (j >= 0 && j < columns) context.strokeRect(x + 0.5, 0.5, cellWidth - 1, rows * cellHeight - 1);
  context.lineWidth = 2;
  if (i >= 0 && i < rows && j >= 0 && j < columns) context.strokeRect(x, y, cellWidth, cellHeight);
}

// The whole map, small: { node, place() }. Drag on it to choose what is shown.
/** @param {import("../look.js").Look} look @param {any} state @param {any} on */
export function createOverview(look, state, on) {
  const node = make("div", "one-overview");
  const frame = make("span", "one-frame");
  node.append(state.picture, frame);
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", "The whole map. The frame marks what is shown beside it; drag it.");
  let isHeld = false;

  function place() {
    const { top, first, rows, columns } = state.window;
    const share = (count) => `${(100 * count) / look.capture.n}%`;
    Object.assign(frame.style, { top: share(top), left: share(first), width: share(columns), height: share(rows) });
    node.hidden = rows === look.capture.n && columns === look.capture.n;
  }

  const pick = (event) => {
    const { left, top, width, height } = node.getBoundingClientRect();
    const { n } = look.capture;
    const index = (share) => Math.min(n - 1, Math.max(0, Math.floor(share * n)));
    const row = index((event.clientY - top) / height);
    on.point({ row, column: Math.min(row, index((event.clientX - left) / width)) });
  };
  node.addEventListener("pointerdown", (event) => {
    isHeld = true;
    node.setPointerCapture(event.pointerId);
    pick(event);
  });
  node.addEventListener("pointermove", (event) => isHeld && pick(event));
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => (isHeld = false));
  return { node, place };
}
