// Where the branches of a prefix tree stand, and how they are painted. From left to right; the first branch of a fork goes straight
// on, the others below it, a row for each leaf. A ribbon runs under the words, as wide as the square root of its count.
import { signOf } from "../shared/dom.js";
import { wentOn } from "./prefix_tree.js";

// In rem.
const TEXT = 1.25;
const LABEL = 0.9375;
const ABOVE = 1.65; // from one row's ribbon to the next row's, without the ribbon
const LIFT = 0.42; // of the baseline over the ribbon
const WIDEST = 1.5; // ribbon
const THIN = 0.1875; // ribbon of one sample, where there is room
const THINNEST = 0.0625;
const FORK = 2.25; // the curve from a branch to the next
const GAP = 0.4; // between a count and the words
const TAIL = 9; // a leaf has at least this much room
const MIDDLE = 15; // a branch that forks again takes no more
const MOST_TAIL = 34;
const TIP = 0.5; // where somebody writes
const MARGIN = 0.25;
const MOST_READ = 400; // characters of a text that could ever be seen

export const ribbonUnit = (count) => Math.min(THIN, Math.max(THINNEST, WIDEST / Math.sqrt(count)));

// Widths are sums over characters: no kerning, so that cutting a text is cheap and exact.
export class Pen {
  #widths = new Map();

  constructor(look) {
    this.look = look;
    this.context = document.createElement("canvas").getContext("2d");
    this.text = `${TEXT * look.rem}px ${look.serif}`;
    this.note = `italic ${TEXT * 0.9 * look.rem}px ${look.serif}`;
    this.label = `${LABEL * look.rem}px ${look.sans || "system-ui, sans-serif"}`;
    this.use(this.context, this.text);
  }

  use(context, font) {
    context.font = font;
    context.textRendering = "optimizeSpeed";
  }

  widthOf(char) {
    let width = this.#widths.get(char);
    if (width === undefined) this.#widths.set(char, (width = this.context.measureText(char).width));
    return width;
  }

  measure(text, font) {
    this.use(this.context, font);
    const { width } = this.context.measureText(text);
    this.use(this.context, this.text);
    return width;
  }

  // How many of the characters fit.
  fitting(chars, room) {
    let [n, width] = [0, 0];
    while (n < chars.length && (width += this.widthOf(chars[n])) <= room) n++;
    return n;
  }
}

// Gives { items, width, height }. An item is a branch, or what stands for the hidden children of one (`hidden`):
// { node, hidden, parent, row, x (of its curve), from, to (of its ribbon), y (its ribbon's upper edge), thick, share, pieces, label }
export function layOut(root, folds, pen, room) {
  const { rem } = pen.look;
  const unit = ribbonUnit(root.count) * rem;
  const items = [];
  const rows = []; // the widest ribbon of each
  const thickOf = (count) => unit * Math.sqrt(count);

  function place(item, x, row) {
    const { node, parent, hidden } = item;
    const { shown, hidden: folded } = hidden ? { shown: [], hidden: [] } : folds.get(node);
    const forks = shown.length + Math.min(1, folded.length);
    const curve = parent && !(parent.forks === 1 && !hidden) ? FORK * rem : 0;
    item.x = x;
    item.from = x + curve;
    item.row = row;
    item.forks = forks;
    item.thick = thickOf(item.count);
    rows[row] = Math.max(rows[row] ?? 0, item.thick);
    item.label = labelOf(item);
    item.labelX = item.from + (item.label ? GAP * rem * 0.5 : 0);
    item.textX = item.labelX + (item.label ? pen.measure(item.label, pen.label) + GAP * rem : 0);
    write(item, pen, forks, room);
    items.push(item);
    let below = row;
    const under = [...shown.map((child) => ({ node: child, count: child.count })), ...(folded.length ? [{ node, hidden: folded, count: sum(folded) }] : [])];
    const all = sum(under);
    let before = 0;
    item.children = under;
    under.forEach((child, i) => {
      Object.assign(child, { parent: item, first: i === 0, share: [before / all, (before + child.count) / all] });
      before += child.count;
      below = place(child, item.to, below) + 1;
    });
    return Math.max(row, below - 1);
  }

  place({ node: root, parent: null, count: root.count, first: true, share: [0, 1] }, 0, 0);
  let y = 0;
  const tops = rows.map((thick) => {
    const top = y + ABOVE * rem;
    y = top + thick;
    return top;
  });
  for (const item of items) item.y = tops[item.row];
  const width = Math.max(room, ...items.map(({ to }) => to + MARGIN * rem));
  return { root: items[0], items, width: Math.ceil(width), height: Math.ceil(y + rem), unit };
}

const sum = (some) => some.reduce((all, { count }) => all + count, 0);

// "5 of 8" on the first branch of a fork, the bare number on the others.
function labelOf({ node, parent, hidden, first, count }) {
  if (!parent || (parent.forks === 1 && !hidden)) return "";
  return first && !hidden ? `${count} of ${wentOn(node)}` : `${count}`;
}

// Cuts the words to the room they have: the trunk at its left, a branch in its middle, a leaf at the edge of the panel.
function write(item, pen, forks, room) {
  const { rem } = pen.look;
  const { node, hidden, parent, textX } = item;
  if (hidden) {
    item.pieces = [{ text: `in ${hidden.length} more ${hidden.length === 1 ? "way" : "ways"}`, x: textX, soft: true, font: pen.note }];
    item.to = textX + pen.measure(item.pieces[0].text, pen.note);
    return;
  }
  const writing = node.ends.some(({ live }) => live);
  const tip = writing ? (TIP + GAP) * rem : 0;
  const dots = pen.widthOf("…");
  const given = Math.min(...node.samples.map(({ start }) => start.length)) - node.from; // so many of its characters nobody drew
  let parts;
  if (!parent && forks) parts = end(node.text, given, Math.min(MIDDLE * rem, room * 0.4));
  else if (forks) parts = middle(node.text, given, MIDDLE * rem);
  else parts = start(node.text, given, Math.min(MOST_TAIL * rem, Math.max(TAIL * rem, room - textX - MARGIN * rem)) - tip);
  item.pieces = [];
  let x = textX;
  for (const { chars, soft } of parts) {
    const text = chars.join("");
    const width = chars.reduce((all, char) => all + pen.widthOf(char), 0);
    if (text) item.pieces.push({ text, x, soft, font: pen.text });
    x += width;
  }
  item.tip = writing ? x + (GAP / 4) * rem : null;
  item.to = Math.max(x, textX + rem * 0.3) + tip;

  function start(text, given, most) {
    const chars = signs(text.slice(0, MOST_READ));
    const all = chars.length === text.length && pen.fitting(chars, most) === chars.length;
    const n = all ? chars.length : pen.fitting(chars, most - dots);
    return [...coloured(chars.slice(0, n), given), ...(all ? [] : [{ chars: ["…"], soft: true }])];
  }

  function end(text, given, most) {
    const cut = Math.max(0, text.length - MOST_READ);
    const chars = signs(text.slice(cut));
    const n = pen.fitting(chars.toReversed(), most);
    if (n === chars.length && !cut) return coloured(chars, given);
    const kept = pen.fitting(chars.toReversed(), most - dots);
    return [{ chars: ["…"], soft: true }, ...coloured(chars.slice(chars.length - kept), given - (text.length - kept))];
  }

  function middle(text, given, most) {
    const chars = signs(text.length > 2 * MOST_READ ? text.slice(0, MOST_READ) + text.slice(-MOST_READ) : text);
    if (pen.fitting(chars, most) === chars.length) return coloured(chars, given);
    const head = pen.fitting(chars, (most - dots) / 2);
    const tail = pen.fitting(chars.toReversed(), (most - dots) / 2);
    return [...coloured(chars.slice(0, head), given), { chars: ["…"], soft: true }, ...coloured(chars.slice(chars.length - tail), given - (text.length - tail))];
  }
}

// Characters as they can be seen: a newline is a sign, and so is a space that a branch begins with.
const signs = (text) => [...text].map((char, i) => (char === " " && i > 0 ? " " : signOf(char)));

// What was given is in soft ink, and so are the signs.
function coloured(chars, given) {
  const parts = [];
  chars.forEach((char, i) => {
    const soft = i < given || "↵␣⇥□".includes(char);
    if (parts.at(-1)?.soft === soft) parts.at(-1).chars.push(char);
    else parts.push({ chars: [char], soft });
  });
  return parts;
}

// Paints what is between two heights; `chosen` are the items on the way to the reader's branch.
export function paint(context, { items, unit }, pen, { top = 0, bottom = Infinity, chosen = new Set() } = {}) {
  const { look } = pen;
  const seen = ({ y, thick, parent }) => y + thick + look.rem > top && Math.min(y, parent?.y ?? y) - 2 * look.rem < bottom;
  const visible = items.filter(seen);
  const later = [];
  for (const item of visible) {
    if (chosen.has(item)) later.push(item);
    else ribbon(context, item, look.ruleStrong);
  }
  for (const item of later) ribbon(context, item, look.ink);
  context.textBaseline = "alphabetic";
  let font = null;
  const write = (text, x, y, colour, wanted) => {
    if (font !== wanted) pen.use(context, (font = wanted));
    context.fillStyle = colour;
    context.fillText(text, x, y);
  };
  const level = visible.filter(({ y }) => y + look.rem > top && y - 2 * look.rem < bottom);
  const baseline = ({ y }) => y - LIFT * look.rem;
  for (const item of level) if (item.label) write(item.label, item.labelX, baseline(item), chosen.has(item) ? look.ink : look.inkSoft, pen.label);
  for (const item of level) for (const { text, x, soft, font } of item.pieces) write(text, x, baseline(item), soft ? look.inkSoft : look.ink, font);
  context.fillStyle = look.accent;
  for (const item of level) if (item.tip) context.fillRect(item.tip, baseline(item) - 0.85 * look.rem, TIP * look.rem, 1.1 * look.rem);
}

// From its share of the parent's end, in a curve, and on under the words.
function ribbon(context, { parent, x, from, to, y, thick, share }, colour) {
  context.fillStyle = colour;
  context.beginPath();
  if (parent && from > x) {
    const [high, low] = share.map((part) => parent.y + part * parent.thick);
    const middle = (x + from) / 2;
    context.moveTo(x, high);
    context.bezierCurveTo(middle, high, middle, y, from, y);
    context.lineTo(to, y);
    context.lineTo(to, y + thick);
    context.lineTo(from, y + thick);
    context.bezierCurveTo(middle, y + thick, middle, low, x, low);
  } else context.rect(x, y, to - x, thick);
  context.fill();
}

// The branch at a point: on its words or its ribbon.
export function itemAt({ items }, x, y, rem) {
  const on = items.filter((item) => y > item.y - ABOVE * rem && y <= item.y + item.thick + 0.2 * rem && x >= item.x && x <= item.to + rem);
  return on.at(-1) ?? null;
}
