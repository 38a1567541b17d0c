// The lines of a head: the text twice, below as queries, above as keys. A line is as wide and dark as its weight is large.
import { make, percent, plural, signOf } from "../../shared/dom.js";
import { fit } from "../../shared/paint.js";
import { placeInWords, placeOf } from "./data.js";
import { slide } from "./map.js";

const THIN = 0.05; // smaller weights are hidden, and counted, ...
const MOST_THIN = 3; // ... except the largest of a row, since with uniform attention none may have 5 %; but none ...
const FAR_LESS = 0.1; // ... below this share of the row's largest
const LEAST_WIDTH = { lines: 0.75, all: 1.5 }; // rem, of a character
const MOST_WIDTH = 3.5;
const BAND = 1.75; // rem, of a text

// The weights of some rows, of all columns or of one: those that are drawn, and what is left out.
function linesOf(exact, rows, column = null) {
  const drawn = [];
  const thin = { count: 0, weight: 0 };
  let total = 0;
  for (const row of rows) {
    const least = leastShown(exact, row);
    for (let j = column ?? 0; j <= (column ?? row) && j <= row; j++) {
      const weight = exact[placeOf(row, j)];
      total += weight;
      if (weight > 0 && weight >= least) drawn.push({ row, column: j, weight });
      else {
        thin.count++;
        thin.weight += weight;
      }
    }
  }
  return { drawn, thin, total };
}

// The smallest weight of a row that is drawn.
function leastShown(exact, row) {
  const sorted = exact.slice(placeOf(row, 0), placeOf(row + 1, 0)).sort();
  return Math.min(THIN, Math.max(sorted.at(-MOST_THIN) ?? 0, FAR_LESS * sorted.at(-1)));
}

const range = (begin, end) => Array.from({ length: end - begin }, (_, i) => begin + i);

// { node, draw(), told(), size(), paint() }: `state.mode` says whether it draws the lines of the chosen character or of all that are shown.
/** @param {import("../look.js").Look} look @param {any} state @param {any} on */
export function createLines(look, state, on) {
  const node = make("div", "one-lines");
  const canvas = node.appendChild(make("canvas"));
  Object.assign(node, { tabIndex: 0, role: "application" });
  node.dataset.testid = "one-head-lines";
  let room = null;
  let begin = null;
  let own = null; // the chosen character, if it was pointed at here: the text keeps still below the pointer
  let pointed = null; // { index, isAbove }: the character under the pointer

  function draw({ width, height, colours }) {
    const { n } = look.capture;
    if (pointed?.index >= n) pointed = null; // the text is a shorter one now
    const columns = Math.max(1, Math.min(n, Math.floor(width / (LEAST_WIDTH[state.mode] * colours.rem))));
    begin = slide(begin ?? n, columns, n, pointed?.isAbove ? pointed.index : look.at ?? n - 1);
    const lead = (look.at ?? n) - begin;
    if (look.at !== own && lead < columns / 3) begin = Math.max(0, look.at - Math.floor((2 * columns) / 3)); // its weights are to the left
    room = { begin, columns, cell: Math.min(width / columns, MOST_WIDTH * colours.rem), height, band: BAND * colours.rem };
    state.window = { top: begin, first: begin, rows: columns, columns };
    paint(fit(canvas, room.cell * columns, height), colours);
    Object.assign(node.dataset, { lines: state.exact ? find().drawn.length : "", cell: room.cell, begin });
  }

  function paint(context, colours) {
    paintLines(context, { ...room, capture: look.capture, found: state.exact && find(), here: here(), chosen: look.at, colours });
  }

  // The character whose lines are drawn, or null for all.
  function here() {
    if (pointed) return pointed;
    return state.mode === "all" || look.at === null ? null : { index: look.at, isAbove: false };
  }

  function find() {
    const { index, isAbove } = here() ?? {};
    const rows = range(room.begin, room.begin + room.columns);
    if (isAbove) return linesOf(state.exact, rows.filter((row) => row >= index), index);
    return linesOf(state.exact, index === undefined ? rows : [index]);
  }

  // What is drawn, in words.
  function told() {
    const { drawn, thin, total } = find();
    const { index, isAbove } = here() ?? {};
    const whose = index === undefined ? `${plural(room.columns, "character")} shown` : placeInWords(look.capture, index);
    const outside = drawn.filter(({ column }) => column < room.begin).length;
    const beyond = outside ? `, ${outside} beyond the left edge` : "";
    const carried = `${percent(total ? thin.weight / total : 0)} of the attention${isAbove ? " it gets from what is shown" : ""}`;
    const hidden = thin.count ? `${plural(thin.count, "weaker line")} hidden (${carried}).` : "No line is hidden.";
    return `${whose}: ${plural(drawn.length, "line")}${beyond}. ${hidden}`.replaceAll(" %", "\u00a0%");
  }

  function point(event) {
    const { left, top } = canvas.getBoundingClientRect();
    const [column, y] = [Math.floor((event.clientX - left) / room.cell), event.clientY - top];
    const band = 2 * room.band;
    const isAbove = y < band;
    const isOn = column >= 0 && column < room.columns && (isAbove || y > room.height - band);
    const index = room.begin + column;
    if (pointed?.index === index && pointed.isAbove === isAbove && isOn) return;
    pointed = isOn ? { index, isAbove } : null;
    own = isOn && !isAbove ? index : null;
    look.pointAt(own);
    on.redraw();
  }

  canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(event));
  canvas.addEventListener("click", (event) => {
    point(event);
    if (pointed && !pointed.isAbove) on.from(pointed.index);
  });
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    look.pointAt(null);
    on.redraw();
  });
  node.addEventListener("keydown", (event) => {
    const { n } = look.capture;
    const at = look.at ?? n;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: n - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    on.from(Math.min(n - 1, Math.max(0, to)));
  });
  return { node, draw, told, paint, size: () => ({ width: room.cell * room.columns, height: room.height }) };
}

// Draws both texts and the lines between them, on any canvas. Among all lines, those of the chosen character stand out.
function paintLines(context, { begin, columns, cell, height, band, capture, found, here, chosen, colours }) {
  const x = (index) => (index - begin + 0.5) * cell;
  const [from, to, middle] = [height - band, band, height / 2];
  const isStrong = ({ row }) => Boolean(here) || row === chosen;
  const drawn = found ? [...found.drawn.filter((line) => !isStrong(line)), ...found.drawn.filter(isStrong)] : [];
  context.lineCap = "round";
  for (const line of drawn) {
    const { row, column, weight } = line;
    context.strokeStyle = isStrong(line) ? colours.accent : colours.inkSoft;
    context.globalAlpha = isStrong(line) ? 0.3 + 0.7 * weight : 0.2 + 0.4 * weight;
    context.lineWidth = isStrong(line) ? 1 + 5 * weight : 0.75 + 0.1 * cell * weight;
    context.beginPath();
    context.moveTo(x(row), from);
    context.bezierCurveTo(x(row), middle, x(column), middle, x(column), to);
    context.stroke();
  }
  context.globalAlpha = 1;
  context.font = `${1.0625 * colours.rem}px ${colours.mono || "monospace"}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const ends = new Set(found?.drawn.flatMap(({ row, column }) => [`below ${row}`, `above ${column}`]));
  for (let index = begin; index < begin + columns; index++) {
    for (const isAbove of [true, false]) {
      const isHere = here ? here.index === index && here.isAbove === isAbove : index === chosen && !isAbove;
      const y = isAbove ? band / 2 : height - band / 2;
      if (isHere) {
        context.fillStyle = colours.accent;
        context.fillRect(x(index) - cell / 2, y - band / 2 + 2, cell, band - 4);
      }
      const isEnd = ends.has(`${isAbove ? "above" : "below"} ${index}`);
      context.fillStyle = isHere ? colours.paper : isEnd ? colours.ink : colours.inkSoft;
      context.fillText(signOf(capture.characters[index]), x(index), y);
    }
  }
}
