// Where the branches of a prefix tree are, and how they are painted. From left to right; the first branch of a fork continues its row, the
// others go below it, one row for each leaf. A ribbon generations under the words, as wide as the square root of its count.
import { charsIn, first, last } from "./characters.js";
import { signOf } from "./dom.js";
import { wentOn } from "./prefix_tree.js";

// In rem.
const TEXT = 1.25;
const LABEL = 0.9375;
const ABOVE = 1.65; // from one row's ribbon to the next row's, without the ribbon
const LIFT = 0.42; // of the baseline over the ribbon
const WIDEST = 1.5; // ribbon
const THIN = 0.1875; // ribbon of one sample, where there is room
const THINNEST = 0.0625;
const FORK = 2; // from a branch to the next
const NARROW = 30; // a panel with less room than this has
const NARROW_FORK = 1.375; // ... and no "of 8"
const BEND = 0.5; // radius of the curves between them
const STUB = 5; // ribbon of a single sample: what comes after its first characters is of no interest to the tree
const GAP = 0.4; // between a count and the words
const TAIL = 9; // a leaf has at least this much room
const NARROW_TAIL = 4; // ... in a narrow panel
const MIDDLE = 15; // a branch that forks again takes no more
const NARROW_MIDDLE = 3.5; // ... in a narrow panel
const TIP = 0.5; // where somebody writes
const MARGIN = 0.25;
const MOST_READ = 200; // characters of a text that could ever be seen

export const ribbonUnit = (count) => Math.min(THIN, Math.max(THINNEST, WIDEST / Math.sqrt(count)));

// Widths are sums over characters: no kerning, so that cutting a text is cheap and exact.
export class Pen {
  #widths = new Map(); // of characters of a text
  #measured = new Map(); // of words in any font

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
    const key = `${font} ${text}`;
    let width = this.#measured.get(key);
    if (width !== undefined) return width;
    this.use(this.context, font);
    this.#measured.set(key, (width = this.context.measureText(text).width));
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
// { node, hidden, parent, children, x (where it leaves its parent), from, to (of its words), y (its ribbon's upper edge), thick, ... }
export function layOut(root, folds, pen, room) {
  const { rem } = pen.look;
  const unit = ribbonUnit(root.count) * rem;
  const isNarrow = room < NARROW * rem;
  const fork = (isNarrow ? NARROW_FORK : FORK) * rem;
  const items = [];
  const rows = []; // the widest ribbon of each
  const thickOf = (count) => unit * Math.sqrt(count);

  function place(item, x, row) {
    const { node, parent, hidden } = item;
    const { shown, hidden: folded } = hidden ? { shown: [], hidden: [] } : folds.get(node);
    const forks = shown.length + Math.min(1, folded.length);
    const curve = parent && !(parent.forks === 1 && !hidden) ? fork : 0;
    item.x = x;
    item.from = x + curve;
    item.row = row;
    item.forks = forks;
    item.thick = thickOf(item.count);
    rows[row] = Math.max(rows[row] ?? 0, item.thick);
    item.label = labelOf(item, isNarrow);
    item.labelX = item.from + (item.label ? GAP * rem * 0.5 : 0);
    item.textX = item.labelX + (item.label ? pen.measure(item.label, pen.label) + GAP * rem : 0);
    write(item, pen, forks, room);
    items.push(item);
    let below = row;
    const under = shown.map((child) => ({ node: child, count: child.count }));
    if (folded.length) under.push({ node, hidden: folded, count: sum(folded) });
    const all = sum(under);
    let before = 0;
    item.children = under;
    under.forEach((child, i) => {
      Object.assign(child, { parent: item, first: i === 0, share: (before + child.count / 2) / all });
      before += child.count;
      below = place(child, item.to, below) + 1;
    });
    lanes(item, fork, BEND * rem);
    return Math.max(row, below - 1);
  }

  place({ node: root, parent: null, count: root.count, first: true }, 0, 0);
  let y = 0;
  const tops = rows.map((thick) => {
    const top = y + ABOVE * rem;
    y = top + thick;
    return top;
  });
  for (const item of items) item.y = tops[item.row];
  const width = Math.max(room, ...items.map(({ to }) => to + MARGIN * rem));
  return { root: items[0], items, width: Math.ceil(width), height: Math.ceil(y + rem) };
}

const sum = (some) => some.reduce((all, { count }) => all + count, 0);

// The branches below the first one go down side by side, the nearest at the right. Where there is no room for that they overlap.
function lanes({ children, to }, fork, bend) {
  const below = children.filter(({ first }) => !first).toReversed();
  const all = below.reduce((sum, { thick }) => sum + thick, 0);
  const squeeze = Math.min(1, (fork - 2 * bend) / all);
  let x = to + bend;
  for (const child of below) {
    child.lane = x + (child.thick * squeeze) / 2;
    x += child.thick * squeeze;
  }
}

// "5 of 8" on the branches of a fork; the bare number where there is little room.
function labelOf({ node, parent, hidden, count }, isNarrow) {
  if (!parent || hidden || parent.forks === 1) return "";
  return isNarrow ? `${count}` : `${count} of ${wentOn(node)}`;
}

// Cuts the words to the room they have: the trunk at its left, a branch in its middle, a leaf at the edge of the panel.
function write(item, pen, forks, room) {
  const { rem } = pen.look;
  const isNarrow = room < NARROW * rem;
  const { node, hidden, parent, textX } = item;
  if (hidden) {
    const text = parent.forks === 1 ? `… ${hidden.length} ways` : `+ ${item.count} more`;
    item.pieces = [{ text, x: textX, soft: true, font: pen.note }];
    item.to = textX + pen.measure(text, pen.note);
    return;
  }
  const writing = node.ends.some(({ live }) => live);
  const tip = writing ? (TIP + GAP) * rem : 0;
  const dots = pen.widthOf("…");
  const own = Math.min(...node.samples.map(({ start }) => start.length)) - node.from;
  const given = charsIn(node.text.slice(0, Math.max(0, own))); // how many of its characters were not drawn
  let parts;
  if (!parent && forks) parts = end(node.text, given, Math.min(MIDDLE * rem, room * 0.4));
  else if (forks) parts = middle(node.text, given, (isNarrow ? NARROW_MIDDLE : MIDDLE) * rem);
  else parts = start(node.text, given, Math.max((isNarrow ? NARROW_TAIL : TAIL) * rem, room - textX - MARGIN * rem) - tip);
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
    const chars = signs(first(text, MOST_READ));
    const all = chars.length === charsIn(text) && pen.fitting(chars, most) === chars.length;
    const n = all ? chars.length : pen.fitting(chars, most - dots);
    return [...coloured(chars.slice(0, n), given), ...(all ? [] : [{ chars: ["…"], soft: true }])];
  }

  function end(text, given, most) {
    const [chars, count] = [signs(last(text, MOST_READ)), charsIn(text)];
    if (pen.fitting(chars.toReversed(), most) === count) return coloured(chars, given);
    const kept = pen.fitting(chars.toReversed(), most - dots);
    return [{ chars: ["…"], soft: true }, ...coloured(chars.slice(chars.length - kept), given - (count - kept))];
  }

  function middle(text, given, most) {
    const count = charsIn(text);
    const chars = signs(count > 2 * MOST_READ ? first(text, MOST_READ) + last(text, MOST_READ) : text);
    if (pen.fitting(chars, most) === chars.length) return coloured(chars, given);
    const head = pen.fitting(chars, (most - dots) / 2);
    const tail = pen.fitting(chars.toReversed(), (most - dots) / 2);
    const rest = coloured(chars.slice(chars.length - tail), given - (count - tail));
    return [...coloured(chars.slice(0, head), given), { chars: ["…"], soft: true }, ...rest];
  }
}

// Characters as they can be seen: a newline is a sign, and so is a space that a branch begins with.
const signs = (text) => [...text].map((char, i) => (char === " " && i > 0 ? " " : signFor(char)));
const knownSigns = new Map(); // looking up what kind a character is takes its time

function signFor(char) {
  let sign = knownSigns.get(char);
  if (!sign) knownSigns.set(char, (sign = signOf(char)));
  return sign;
}

// What the prompt gave is in soft ink, and so are the signs.
function coloured(chars, given) {
  const parts = [];
  chars.forEach((char, i) => {
    const soft = i < given || "↵␣⇥□".includes(char);
    if (parts.at(-1)?.soft === soft) parts.at(-1).chars.push(char);
    else parts.push({ chars: [char], soft });
  });
  return parts;
}

// Paints what is between two heights. The samples of the reader's branch are a stream in ink, from the root on.
export function paint(context, { items }, pen, { top = 0, bottom = Infinity, active = null } = {}) {
  const { look } = pen;
  const { rem } = look;
  const visible = items.filter(({ y, thick, parent }) => y + thick + rem > top && Math.min(y, parent?.y ?? y) - 2 * rem < bottom);
  for (const item of visible) ribbon(context, item, item.thick, rem, look.ruleStrong);
  const chosen = new Set();
  for (let item = active; item; item = item.parent) {
    chosen.add(item);
    ribbon(context, item, active.thick, rem, look.ink);
  }
  context.textBaseline = "alphabetic";
  let font = null;
  const write = (text, x, y, colour, wanted) => {
    if (font !== wanted) pen.use(context, (font = wanted));
    context.fillStyle = colour;
    context.fillText(text, x, y);
  };
  const level = visible.filter(({ y }) => y + rem > top && y - 2 * rem < bottom);
  const baseline = ({ y }) => y - LIFT * rem;
  const inkOf = (isSoft) => (isSoft ? look.inkSoft : look.ink);
  for (const item of level) if (item.label) write(item.label, item.labelX, baseline(item), inkOf(!chosen.has(item)), pen.label);
  for (const item of level) for (const { text, x, soft, font } of item.pieces) write(text, x, baseline(item), inkOf(soft), font);
  context.fillStyle = look.accent;
  for (const item of level) if (item.tip) context.fillRect(item.tip, baseline(item) - 0.85 * rem, TIP * rem, 1.1 * rem);
}

// Out of the parent's end, down in its lane, and on under the words.
function ribbon(context, { parent, first, share, lane, x, from, to, y, thick, count, children }, width, rem, colour) {
  const end = count > 1 || children.length ? to : Math.min(to, from + STUB * rem);
  context.fillStyle = context.strokeStyle = colour;
  if (!parent || first) {
    context.fillRect(x - 0.5, y, end - x + 0.5, width); // no seam between two branches
    return;
  }
  const half = thick / 2;
  const leaves = parent.y + Math.min(parent.thick - half, Math.max(half, share * parent.thick));
  const arrives = y + width / 2;
  const bend = Math.min(Math.max(BEND * rem, half), (arrives - leaves) / 2);
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(x - 0.5, leaves);
  context.arcTo(lane, leaves, lane, arrives, Math.min(bend, lane - x));
  context.arcTo(lane, arrives, from, arrives, Math.min(bend, from - lane));
  context.lineTo(end, arrives);
  context.stroke();
}

// The branch at a point: on its words or its ribbon.
export function itemAt({ items }, x, y, rem) {
  const on = items.filter((item) => y > item.y - ABOVE * rem && y <= item.y + item.thick + 0.2 * rem && x >= item.x && x <= item.to + rem);
  return on.at(-1) ?? null;
}
