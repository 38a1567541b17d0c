// All texts of a round at once: the newest, or the one that was chosen, is the largest, and all become smaller as more come.
import { first } from "../../shared/characters.js";
import { button, isRightToLeft, make, makeText, seenHeight, settle } from "../../shared/dom.js";
import { palette } from "../../shared/paint.js";

/** @typedef {import("../../shared/classroom.js").ClassText} ClassText */
/** @typedef {{x: number, y: number, width: number, height: number, font: number}} Tile in pixels */

const CELL = 2.1; // how wide a tile is, by its height
const LARGE = 5; // of how many small ones the largest takes the room
const NEXT = 3; // tiles that come after the largest and are larger than the others
const EMPTY = 2; // how much worse a mosaic with holes is
const FEW = 24; // so many texts are laid so that their letters are as large as the room allows
const [WIDE, FRONT] = [8, 1.25]; // the most of few abreast; how much larger the first one's letters are
const ENOUGH = 1.6; // rem: letters that the back row reads; until the first one has them, its letters count most
const PARTS = Array.from({ length: 15 }, (_, i) => 0.2 + i / 25); // of the room, for the first of few
const [LINE, CHAR, SPARE] = [1.3, 0.5, 1.02]; // of a text, by the size of its letters
const [LARGEST, SMALLEST] = [3.5, 0.5]; // letters, in rem
const FITTING = 0.8; // of the small tiles, when many, have letters of one size; texts with more lines have smaller ones
const [LOWEST, HIGHEST] = [10, 40]; // the mosaic, in rem
const [NARROW, LOWEST_NARROW] = [24, 26]; // a mosaic as wide as a phone, which is scrolled anyway
const GAP = 4;
const BELOW = 0.75; // rem, below the mosaic
const NAMED = 3; // a tile of fewer lines shows no name
const MOVING = 80; // more tiles take their places at once: so many at a time would stutter
const KNOWN = 4000; // texts that stay measured
const ROUGH = 8; // a mosaic has up to a part in so many more places than texts
export const PAD = 0.4; // around a text, in letters

/** A text as a tile shows it: without empty lines. @param {string} text */
export const shownText = (text) => text.replace(/^\n+/, "").replace(/\n{2,}/g, "\n");

/**
 * Where the tiles are: the first is the largest.
 * @param {string[]} texts
 * @param {number} width
 * @param {number} height
 * @param {number} rem
 * @returns {Tile[]}
 */
export function layTiles(texts, width, height, rem) {
  if (texts.length <= FEW) return layFew(texts, width, height, rem);
  const { places, columns, rows } = arrange(capacityFor(texts.length), (width + GAP) / (height + GAP));
  const [cellWidth, cellHeight] = [(width + GAP) / columns, (height + GAP) / rows];
  const tiles = places.slice(0, texts.length).map(({ row, column, side }) => {
    return { x: column * cellWidth, y: row * cellHeight, width: side * cellWidth - GAP, height: side * cellHeight - GAP, font: 0 };
  });
  const fonts = tiles.map((tile, i) => Math.min(LARGEST * rem, Math.max(SMALLEST * rem, fittingFont(texts[i], tile))));
  const isSmall = (i) => i > NEXT || (i > 0 && places[i].side === 1);
  const small = fonts.filter((_, i) => isSmall(i)).toSorted((a, b) => b - a);
  const common = Math.floor(2 * small[Math.floor(FITTING * (small.length - 1))]) / 2;
  return tiles.map((tile, i) => ({ ...tile, font: isSmall(i) ? Math.min(common, fonts[i]) : fonts[i] }));
}

/**
 * Few texts: the first at the left or at the top, the others in rows, in whichever way their letters are the largest.
 * @param {string[]} texts
 * @param {number} width
 * @param {number} height
 * @param {number} rem
 * @returns {Tile[]}
 */
function layFew(texts, width, height, rem) {
  const size = (text, place) => Math.min(LARGEST * rem, Math.max(SMALLEST * rem, fittingFont(text, place)));
  const [front, ...others] = texts;
  const whole = { x: 0, y: 0, width, height };
  if (!others.length) return texts.map(() => ({ ...whole, font: size(front, whole) }));
  let best = null;
  let most = -Infinity;
  for (const part of PARTS) {
    const [along, down] = [Math.round(part * width), Math.round(part * height)];
    for (const [first, rest] of [
      [{ ...whole, width: along }, { ...whole, x: along + GAP, width: width - along - GAP }],
      [{ ...whole, height: down }, { ...whole, y: down + GAP, height: height - down - GAP }],
    ]) {
      const large = size(front, first);
      for (let columns = 1; columns <= Math.min(WIDE, others.length); columns++) {
        const places = inRows(others.length, columns, rest);
        if (places.some((place) => place.width * place.height > first.width * first.height)) continue;
        const small = Math.min(large / FRONT, ...others.map((text, i) => size(text, places[i])));
        const worth = Math.log(small) + 2 * Math.log(Math.min(large, ENOUGH * rem));
        if (worth <= most) continue;
        most = worth;
        best = [{ ...first, font: large }, ...places.map((place) => ({ ...place, font: Math.max(SMALLEST * rem, small) }))];
      }
    }
  }
  return best;
}

/** So many tiles in rows; those of the last row share its width. @param {number} count @param {number} columns @param {{x: number, y: number, width: number, height: number}} room */
function inRows(count, columns, { x, y, width, height }) {
  const rows = Math.ceil(count / columns);
  const high = (height + GAP) / rows;
  return Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i / columns);
    const wide = (width + GAP) / (row < rows - 1 ? columns : count - row * columns);
    return { x: x + (i - row * columns) * wide, y: y + row * high, width: wide - GAP, height: high - GAP };
  });
}

/** With how many places: not another number for each text, so that the tiles keep their size for a while. @param {number} count */
function capacityFor(count) {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(count / ROUGH)));
  return Math.ceil(count / step) * step;
}

/** How large letters may be for a text to fit. @param {string} text @param {{width: number, height: number}} tile */
function fittingFont(text, { width, height }) {
  const paragraphs = widthsOf(text);
  const fits = (font) => {
    const room = width / font - 2 * PAD;
    return room > 2 && linesIn(paragraphs, room) * LINE + 2 * PAD <= height / font;
  };
  let [low, high] = [1, 200];
  while (high - low > 0.25) {
    const middle = (low + high) / 2;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** @type {Map<string, number[][]>} how wide the words of texts are, by paragraph, in letters */
const measured = new Map();
const PROBE = 50; // pixels: letters that are measured

/** @param {string} text */
function widthsOf(text) {
  const known = measured.get(text);
  if (known) return known;
  const context = document.createElement("canvas").getContext("2d");
  context.font = `${PROBE}px ${palette().serif}`;
  const widths = text.split("\n").map((line) => line.split(/(?<= )/).map((word) => (context.measureText(word).width / PROBE) * SPARE));
  if (measured.size > KNOWN) measured.clear();
  measured.set(text, widths);
  return widths;
}

/** How many lines they take, broken at words. @param {number[][]} paragraphs @param {number} room */
function linesIn(paragraphs, room) {
  let lines = 0;
  for (const words of paragraphs) {
    lines++;
    let at = 0;
    for (const word of words) {
      if (at && at + word > room) {
        lines++;
        at = 0;
      }
      lines += Math.max(0, Math.ceil(word / room) - 1); // a word longer than a line is broken anywhere
      at += word > room ? word % room : word;
    }
  }
  return lines;
}

/** @type {Map<string, ReturnType<typeof arrange>>} the last ones, by number and shape: most refreshes move nothing */
const arranged = new Map();

/**
 * Squares in a grid that has few holes and whose cells are about as wide as they should be.
 * @param {number} count
 * @param {number} shape width by height
 * @returns {{places: {row: number, column: number, side: number}[], columns: number, rows: number}}
 */
function arrange(count, shape) {
  const key = `${count} ${shape.toFixed(2)}`;
  const known = arranged.get(key);
  if (known) return known;
  const side = Math.max(1, Math.round(Math.sqrt((count - 1) / LARGE)));
  const middle = Math.max(1, Math.floor(side / 2));
  const sides = Array.from({ length: count }, (_, i) => (i === 0 ? side : i <= NEXT ? middle : 1));
  const cells = sides.reduce((sum, side) => sum + side * side, 0);
  const likely = Math.sqrt((cells * shape) / CELL);
  let best = null;
  let least = Infinity;
  for (let columns = Math.max(side, Math.floor(likely * 0.7)); columns <= Math.max(side, Math.ceil(likely * 1.5)); columns++) {
    const places = place(sides, columns);
    const rows = Math.max(...places.map(({ row, side }) => row + side));
    const holes = columns * rows - cells;
    const loss = Math.abs(Math.log((shape * rows) / columns / CELL)) + (EMPTY * holes) / (columns * rows);
    if (loss < least) [best, least] = [{ places, columns, rows }, loss];
  }
  if (arranged.size > 8) arranged.clear();
  arranged.set(key, best);
  return best;
}

/** The first free place of each square, row by row. @param {number[]} sides @param {number} columns */
function place(sides, columns) {
  /** @type {boolean[][]} */
  const taken = [];
  let from = 0; // no cell before this one is free
  const isFree = (row, column, side) => {
    if (column + side > columns) return false;
    for (let y = row; y < row + side; y++) for (let x = column; x < column + side; x++) if (taken[y]?.[x]) return false;
    return true;
  };
  return sides.map((side) => {
    let at = from;
    while (!isFree(Math.floor(at / columns), at % columns, side)) at++;
    const [row, column] = [Math.floor(at / columns), at % columns];
    for (let y = row; y < row + side; y++) for (let x = column; x < column + side; x++) (taken[y] ??= [])[x] = true;
    while (taken[Math.floor(from / columns)]?.[from % columns]) from++;
    return { row, column, side };
  });
}

/** @typedef {{node: HTMLButtonElement, who: HTMLElement, words: HTMLElement, name: string, text: string | null, size: string}} Placed */

/** Gives a tile its size and as much of its text as it has room for, in whole lines. @param {Placed} placed @param {Tile} tile */
function resize({ node, words, name, text }, { width, height, font }) {
  Object.assign(node.style, { width: `${width}px`, height: `${height}px`, fontSize: `${font}px`, padding: `${PAD * font}px` });
  const all = Math.max(1, Math.floor((height / font - 2 * PAD) / LINE));
  node.classList.toggle("wall-tile-nameless", all < NAMED);
  const lines = name && all >= NAMED ? all - 1 : all;
  words.style.maxHeight = `${lines * LINE}em`;
  words.textContent = first(shownText(text), Math.ceil((lines + 1) * (width / font / CHAR) * 1.5));
}

export class Mosaic {
  node = make("div", "wall-mosaic");
  /** @type {Map<number, Placed>} by sample */
  #tiles = new Map();
  /** @type {ClassText[]} */
  #texts = [];
  /** @type {number | null} the sample that was chosen to be the largest */
  #chosen = null;
  #laid = ""; // what the tiles were laid for

  constructor() {
    this.node.setAttribute("role", "group");
    this.node.setAttribute("aria-label", "Texts, the newest first");
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("focusin", ({ target }) => this.#reach(/** @type {Element} */ (target)));
    const sizes = new ResizeObserver(() => this.#lay()); // what stands above it may take more or less room, and so may a bar below the page
    for (const node of [this.node, document.documentElement]) sizes.observe(node);
    addEventListener("resize", () => this.#lay());
    document.fonts.ready.then(() => {
      measured.clear();
      this.#lay();
    });
  }

  /**
   * The tiles of texts that are there already stay, with the focus: after a connection was lost all texts come again.
   * @param {ClassText[]} texts in the order in which they came
   */
  show(texts) {
    this.#texts = texts;
    const samples = new Set(texts.map(({ sample }) => sample));
    for (const sample of this.#tiles.keys()) if (!samples.has(sample)) this.#tiles.delete(sample);
    for (const text of texts) this.#write(text);
    if (!samples.has(this.#chosen)) this.#chosen = null;
    settle(this.node, texts.map(({ sample }) => this.#tiles.get(sample).node));
    this.#lay();
  }

  /** Makes the text before or after the largest one the largest. @param {number} by 1: an older one */
  step(by) {
    const order = this.#order();
    if (!order.length) return;
    const at = this.#texts.toReversed().findIndex(({ sample }) => sample === order[0].sample);
    const next = this.#texts.toReversed()[at + by];
    if (next) this.#choose(next.sample);
  }

  /** @param {ClassText} text */
  #write({ sample, text, name }) {
    const tile = this.#tiles.get(sample) ?? this.#create(sample);
    if (tile.text === text && tile.name === name) return;
    if (tile.text !== text && this.#chosen === sample) this.#chosen = null; // that of another round
    Object.assign(tile, { text, name, size: "" });
    tile.who.textContent = name;
    tile.node.setAttribute("aria-label", name ? `${name}: ${text}` : text);
    this.#laid = "";
  }

  /** @param {number} sample @returns {Placed} */
  #create(sample) {
    const node = button("wall-tile", "", () => this.#choose(this.#chosen === sample ? null : sample));
    const [who, words] = [makeText("span", "wall-tile-name"), makeText("span", "wall-tile-text")];
    node.append(who, words);
    node.dataset.sample = String(sample);
    node.tabIndex = -1; // until it is laid
    const tile = { node, who, words, name: "", text: null, size: "" };
    this.#tiles.set(sample, tile);
    return tile;
  }

  /** @param {number | null} sample */
  #choose(sample) {
    this.#chosen = sample;
    this.#lay();
  }

  #order() {
    const newest = this.#texts.toReversed();
    const at = newest.findIndex(({ sample }) => sample === this.#chosen);
    return at > 0 ? [newest[at], ...newest.slice(0, at), ...newest.slice(at + 1)] : newest;
  }

  #lay() {
    const order = this.#order();
    if (!order.length || !this.node.checkVisibility()) return;
    const { rem } = palette();
    const { top } = this.node.getBoundingClientRect();
    const room = seenHeight() - (top + (document.fullscreenElement?.scrollTop ?? scrollY)) - BELOW * rem;
    const width = this.node.clientWidth;
    const lowest = (width < NARROW * rem ? LOWEST_NARROW : LOWEST) * rem;
    const height = Math.floor(Math.min(HIGHEST * rem, Math.max(lowest, room)));
    const words = order.map(({ text, name }) => (name ? `${name}\n` : "") + shownText(text));
    const laid = JSON.stringify([width, height, rem, words, order.map(({ sample }) => sample)]);
    if (laid === this.#laid) return;
    this.#laid = laid;
    this.node.style.height = `${height}px`;
    const tiles = layTiles(words, width, height, rem);
    this.node.classList.toggle("wall-mosaic-moves", order.length <= MOVING);
    if (!this.node.contains(document.activeElement)) this.#reach(this.#tiles.get(order[0].sample).node);
    order.forEach(({ sample }, i) => {
      const tile = this.#tiles.get(sample);
      const { node } = tile;
      const { x, y, width, height, font } = tiles[i];
      node.style.transform = `translate(${x}px, ${y}px)`;
      const size = `${width} ${height} ${font}`;
      if (tile.size !== size) resize(tile, tiles[i]);
      tile.size = size;
      node.classList.toggle("wall-tile-large", i === 0);
    });
  }

  /** Lets the Tab key reach this tile alone; the arrows go to the others. @param {Element} reached */
  #reach(reached) {
    for (const { node } of this.#tiles.values()) node.tabIndex = node === reached ? 0 : -1;
  }

  #key(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const order = this.#order();
    const at = order.findIndex(({ sample }) => this.#tiles.get(sample).node === document.activeElement);
    if (!by || at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = order[at + (isRightToLeft(this.node) ? -by : by)];
    if (!next) return;
    event.preventDefault();
    this.#tiles.get(next.sample).node.focus();
  }
}
