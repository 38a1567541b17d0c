// Characters with their numbers, in rows of cells on a canvas. Only the cells in sight are drawn, so that 100,000 of them scroll as 10 do.
import { make, signOf } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";
import { hasMoved } from "./pointer.js";

const [WIDTH, HEIGHT] = [2, 3]; // rem, of a cell at its smallest
const [CHAR, NUMBER] = [1.375, 1]; // rem, likewise: the size of the character and of the number below it
const DIGIT = 0.62; // the width of a digit, as a share of its size
const SCALES = Array.from({ length: 21 }, (_, i) => 2 - i / 20); // 2 to 1, as large as fits
const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1], PageDown: [0, 4], PageUp: [0, -4] };

/**
 * @typedef {"" | "soft" | "strong" | "accent"} Mark how a cell stands out
 *
 * @typedef {object} Shown
 * @property {string[]} chars
 * @property {number[]} ids one for each character
 * @property {number} [columns] of each row; as many as fit, where it is left out
 *
 * @typedef {object} Wishes
 * @property {string} label of the box, for those who cannot see it
 * @property {number} room rem: the most height it takes; what does not fit is scrolled to
 * @property {(index: number) => Mark} markOf
 * @property {(index: number | null) => void} point called where somebody points or walks to; null where nobody points any more
 * @property {(index: number) => void} [choose] called where somebody clicks
 * @property {(index: number) => string} describe a cell in words
 */

export class Cells {
  /** @type {Shown} */
  #shown = { chars: [], ids: [] };
  #at = 0; // where the keys are
  /** @type {number | null} */
  #pointed = null;
  #layout = { columns: 1, rows: 0, scale: 1, width: 1, height: 1 };
  #drawing = 0;
  /** @type {Wishes} */
  #wishes;
  #canvas = make("canvas");
  #all = make("div", "cells-all");

  /** @param {HTMLElement} box @param {Wishes} wishes */
  constructor(box, wishes) {
    this.box = box;
    this.#wishes = wishes;
    box.classList.add("cells");
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    box.setAttribute("aria-label", wishes.label);
    this.#all.append(this.#canvas);
    box.append(this.#all);
    this.#listen();
  }

  /** @param {Shown} shown */
  show(shown) {
    this.#shown = shown;
    this.#pointed = null;
    this.#at = Math.min(this.#at, Math.max(0, shown.chars.length - 1));
    this.#layOut();
  }

  /** Draws again, as after marks have changed. */
  draw() {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = requestAnimationFrame(() => this.#paint());
  }

  #listen() {
    const { box } = this;
    const { point, choose } = this.#wishes;
    const pointAt = (index) => {
      if (index === this.#pointed) return;
      this.#pointed = index;
      point(index);
    };
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    box.addEventListener("pointermove", (event) => event.pointerType === "mouse" && hasMoved() && pointAt(this.#indexAt(event)));
    box.addEventListener("pointerleave", () => pointAt(null));
    box.addEventListener("blur", () => pointAt(null));
    box.addEventListener("click", (event) => {
      const index = this.#indexAt(event);
      if (index === null) return;
      this.#at = index;
      pointAt(index);
      choose?.(index);
    });
    box.addEventListener("keydown", (event) => {
      const to = this.#stepTo(event.key);
      if (to === null || !this.#shown.chars.length) return;
      event.preventDefault();
      this.#at = to;
      this.#reveal(to);
      box.setAttribute("aria-description", this.#wishes.describe(to));
      pointAt(to);
      choose?.(to);
    });
    new ResizeObserver(() => this.#layOut()).observe(box);
    onLook(() => this.#layOut());
  }

  /** @param {string} key */
  #stepTo(key) {
    const last = this.#shown.chars.length - 1;
    if (key === "Home" || key === "End") return key === "Home" ? 0 : last;
    if (!STEPS[key]) return null;
    const [columns, rows] = STEPS[key];
    const to = this.#at + columns + rows * this.#layout.columns;
    return to < 0 || to > last ? this.#at : to;
  }

  #layOut() {
    const { chars, ids, columns: fixed } = this.#shown;
    const { rem } = palette();
    const room = this.box.clientWidth / rem;
    if (!room) return;
    let most = 0;
    for (const id of ids) most = Math.max(most, id);
    const width = Math.max(WIDTH, String(most).length * DIGIT * NUMBER + 0.6);
    const layOut = (scale) => {
      const columns = fixed ?? Math.max(1, Math.floor(room / (scale * width)));
      return { scale, columns, rows: Math.ceil(chars.length / columns), width: scale * width * rem, height: scale * HEIGHT * rem };
    };
    const fits = ({ columns, rows, width, height }) => rows * height <= this.#wishes.room * rem && columns * width <= room * rem;
    this.#layout = SCALES.map(layOut).find(fits) ?? layOut(1);
    const { columns, rows, height } = this.#layout;
    const size = { width: Math.min(columns, chars.length) * this.#layout.width, height: rows * height };
    this.#all.style.width = fixed ? `${size.width}px` : "100%";
    this.#all.style.height = `${size.height}px`;
    const bar = this.box.offsetHeight - this.box.clientHeight; // a scrollbar below
    this.box.style.height = `${Math.min(size.height, this.#wishes.room * rem) + bar}px`;
    this.#paint();
  }

  #paint() {
    const { box } = this;
    const [boxWidth, boxHeight] = [box.clientWidth, box.clientHeight];
    if (!boxWidth || !boxHeight) return;
    const look = palette();
    const { columns, rows, width, height } = this.#layout;
    const context = fit(this.#canvas, boxWidth, boxHeight);
    const [left, top] = [box.scrollLeft, box.scrollTop];
    const { chars } = this.#shown;
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    for (let row = Math.floor(top / height); row < rows && row * height < top + boxHeight; row++) {
      for (let column = Math.floor(left / width); column < columns && column * width < left + boxWidth; column++) {
        const index = row * columns + column;
        if (index < chars.length) this.#paintCell(context, column * width - left, row * height - top, index, look);
      }
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {ReturnType<typeof palette>} look */
  #paintCell(context, x, y, index, look) {
    const { scale, width, height } = this.#layout;
    const { chars, ids } = this.#shown;
    const mark = this.#wishes.markOf(index);
    const isAccent = mark === "accent";
    if (mark) {
      context.fillStyle = { soft: look.sheet, strong: look.rule, accent: look.accent }[mark];
      context.fillRect(x + 0.5, y + 0.5, width - 1, height - 1);
    }
    const sign = signOf(chars[index]);
    const isSign = sign !== chars[index];
    context.fillStyle = isAccent ? look.paper : isSign ? look.inkSoft : look.ink;
    context.font = `${scale * CHAR * look.rem}px ${isSign ? look.sans : look.serif}`;
    context.fillText(sign, x + width / 2, y + 0.47 * height);
    context.fillStyle = isAccent ? look.paper : mark ? look.ink : look.inkSoft;
    context.font = `${scale * NUMBER * look.rem}px ${look.mono || "monospace"}`;
    context.fillText(String(ids[index]), x + width / 2, y + 0.84 * height);
  }

  /** @param {MouseEvent} event */
  #indexAt({ clientX, clientY }) {
    const { left, top } = this.#all.getBoundingClientRect();
    const { columns, width, height } = this.#layout;
    const [column, row] = [Math.floor((clientX - left) / width), Math.floor((clientY - top) / height)];
    const index = row * columns + column;
    return column >= 0 && column < columns && row >= 0 && index < this.#shown.chars.length ? index : null;
  }

  #reveal(index) {
    const { columns, width, height } = this.#layout;
    const { box } = this;
    const [x, y] = [(index % columns) * width, Math.floor(index / columns) * height];
    if (x < box.scrollLeft || x + width > box.scrollLeft + box.clientWidth) box.scrollLeft = x - box.clientWidth / 2;
    if (y < box.scrollTop || y + height > box.scrollTop + box.clientHeight) box.scrollTop = y - (box.clientHeight - height) / 2;
  }
}
