// Shades the characters of text nodes without an element for each, with CSS highlights. Chromium walks through all ranges whenever anything
// changes, so only elements in or near the visible part of the page keep their ranges in the highlights.
import { placesIn } from "./characters.js";
import { range } from "./marks.js";

const NEARLY = "25%"; // of the window, around it

/** @typedef {{from: number, to: number, step: number, range?: AbstractRange}} Stretch characters of one shade */

export class Shades {
  /** @type {Highlight[]} of each step, the first of which has no shade */
  #highlights;
  /** @type {WeakMap<Text, {seen: boolean, stretches: Stretch[]}>} in order */
  #painted = new WeakMap();
  /** @type {WeakMap<Element, Set<Text>>} the painted text nodes of an element */
  #inside = new WeakMap();
  #sight = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) for (const node of this.#inside.get(target)) this.#show(node, isIntersecting);
    },
    { rootMargin: NEARLY },
  );

  /** @param {string[]} names of the highlights of steps 1, 2, ... in the style sheets; step 0 leaves the paper as it is */
  constructor(names) {
    this.#highlights = ["", ...names].map(() => new Highlight());
    names.forEach((name, i) => CSS.highlights.set(name, this.#highlights[i + 1]));
  }

  /**
   * Shades the characters of a text node from number `from` on; `steps` has only theirs, so that a text that grows is painted by its new
   * characters. What was painted from there on before is painted over. The node must have its parent.
   * @param {Text} node
   * @param {number[]} steps
   * @param {number} [from]
   */
  paint(node, steps, from = 0) {
    const known = this.#painted.get(node) ?? this.#begin(node);
    const { stretches } = known;
    /** @type {Stretch[]} */
    const fresh = [];
    while (stretches.at(-1)?.to >= from) {
      const last = stretches.pop();
      this.#remove(last);
      if (last.from < from) fresh.push({ ...last, to: from });
    }
    steps.forEach((step, i) => {
      const before = fresh.at(-1);
      if (before?.step === step) before.to++;
      else fresh.push({ from: from + i, to: from + i + 1, step });
    });
    const place = placesIn(node.data);
    for (const stretch of fresh) {
      if (stretch.step === 0) continue;
      stretch.range = range(node, place(stretch.from), place(stretch.to));
      if (known.seen) this.#add(stretch);
      stretches.push(stretch);
    }
  }

  /** Removes the shades. Call this before the text of a node is replaced. @param {Text} node */
  clear(node) {
    this.#show(node, false);
    this.#painted.delete(node);
  }

  /** @param {Stretch} stretch */
  #add({ step, range }) {
    this.#highlights[step].add(range);
  }

  /** @param {Stretch} stretch */
  #remove({ step, range }) {
    this.#highlights[step].delete(range);
  }

  /** @param {Text} node @param {boolean} seen */
  #show(node, seen) {
    const known = this.#painted.get(node);
    if (!known || known.seen === seen) return;
    known.seen = seen;
    for (const stretch of known.stretches) {
      if (seen) this.#add(stretch);
      else this.#remove(stretch);
    }
  }

  /** @param {Text} node */
  #begin(node) {
    /** @type {{seen: boolean, stretches: Stretch[]}} */
    const known = { seen: true, stretches: [] };
    const element = node.parentElement;
    this.#painted.set(node, known);
    this.#inside.set(element, (this.#inside.get(element) ?? new Set()).add(node));
    this.#sight.unobserve(element); // so that its state is reported again
    this.#sight.observe(element);
    return known;
  }
}
