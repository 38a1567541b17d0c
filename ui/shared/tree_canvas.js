// The prefix tree of samples on a canvas: branches are pointed at, chosen with keys, folded and opened. What is far down a long tree is painted
// when it is scrolled to.
import { make, seenHeight } from "./dom.js";
import { fit, onLook, palette } from "./paint.js";
import { find, pathTo, prefixTree, unfold } from "./prefix_tree.js";
import { fadeEnds } from "./tabs.js";
import { itemAt, layOut, paint, Pen } from "./tree_drawing.js";

const MOST_ROWS = 60; // before small branches are folded

/**
 * @typedef {object} Source
 * @property {() => any[]} samples see prefix_tree.js
 * @property {(code: number) => number} rank of branches that as many samples went
 * @property {(a: any, b: any) => boolean} isSame whether two are the same sample, which has grown meanwhile
 * @property {(root: any | null) => void} grown called when the tree is another one; null: there are no samples
 * @property {(item: any | null, root: any) => void} pointed called when it is painted, with the reader's branch
 * @property {(item: any) => void} [act] called when Enter is pressed on a branch
 */

export class TreeCanvas {
  node = make("div", "tree-scroll");
  canvas = make("canvas", "tree-canvas");
  /** @type {ReturnType<typeof layOut> | null} */
  tree = null;
  #space = make("div", "tree-space");
  #source;
  #pen = new Pen(palette());
  #markEnds;
  #isShown = false;
  #frame = 0;
  #isStale = true;
  #isWhole = false;
  /** @type {any[]} places whose folded branches are opened */
  #opened = [];
  /** @type {any} */
  #selected = null;
  /** @type {any} */
  #hovered = null;

  /** @param {HTMLElement} panel whatever it holds: if its size changes, so may the room for the tree @param {Source} source */
  constructor(panel, source) {
    this.#source = source;
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.#space.append(this.canvas);
    this.node.append(this.#space);
    this.#markEnds = fadeEnds(this.node);
    // What is drawn and where, for scripts that read the page.
    /** @type {*} */ (this.canvas).branches = () => (this.tree?.items ?? []).map((item) => this.#about(item));
    this.#listen(panel);
  }

  show() {
    this.#isShown = true;
    this.redraw();
  }

  hide() {
    this.#isShown = false;
  }

  /** @param {boolean} [isStale] whether there are other samples, or another room for them */
  redraw(isStale = true) {
    this.#isStale ||= isStale;
    if (this.#isShown && !this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  /** Forgets where the reader was: other samples are to be drawn. */
  begin() {
    this.#opened = [];
    this.#selected = this.#hovered = null;
    this.redraw();
  }

  /** What is folded away: branches of the drawing that stand for others. */
  get folded() {
    return this.tree?.items.filter(({ hidden }) => hidden) ?? [];
  }

  /** Whether branches are shown that would otherwise be folded. */
  get isUnfolded() {
    return this.#isWhole || this.#opened.length > 0;
  }

  /** Shows all branches, or folds the small ones. */
  toggle() {
    this.#isWhole = this.folded.length > 0;
    this.#opened = [];
    this.redraw();
  }

  /** Chooses a branch of the drawing and scrolls to it. @param {any} item */
  select(item) {
    if (!item) return;
    this.#selected = this.#placeOf(item);
    this.#hovered = null;
    this.redraw();
    const { rem } = this.#pen.look;
    const scroller = this.node;
    const [top, bottom] = [item.y - 2 * rem, item.y + item.thick + rem];
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = bottom - scroller.clientHeight;
    const right = item.from + 6 * rem;
    if (item.x < scroller.scrollLeft) scroller.scrollLeft = item.x - rem;
    else if (right > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = right - scroller.clientWidth;
  }

  #draw() {
    this.#frame = 0;
    if (this.#isStale) this.#grow();
    if (!this.tree) return;
    const { scrollTop, scrollLeft, clientWidth, clientHeight } = this.node;
    const height = Math.min(clientHeight, this.tree.height);
    const context = fit(this.canvas, clientWidth, height);
    context.translate(-scrollLeft, -scrollTop);
    const active = this.#itemOf(this.#hovered ?? this.#selected);
    paint(context, this.tree, this.#pen, { top: scrollTop, bottom: scrollTop + height, active });
    this.#source.pointed(active, this.tree.root.node);
  }

  #grow() {
    this.#isStale = false;
    const root = prefixTree(this.#source.samples(), this.#source.rank);
    if (root) {
      const opened = new Set(this.#opened.map((place) => this.#nodeOf(root, place)));
      const folds = unfold(root, this.#isWhole ? Infinity : MOST_ROWS, (node) => opened.has(node));
      this.tree = layOut(root, folds, this.#pen, this.node.clientWidth);
      const { top } = this.node.getBoundingClientRect();
      this.node.style.setProperty("--tree-room", `${seenHeight() - top - (document.fullscreenElement?.scrollTop ?? scrollY)}px`);
      this.#space.style.width = `${this.tree.width}px`;
      this.#space.style.height = `${this.tree.height}px`;
      this.#markEnds();
    } else {
      this.tree = null;
      this.#isWhole = false;
      this.#opened = [];
      this.#selected = this.#hovered = null;
    }
    this.#source.grown(root);
  }

  // Where the reader is survives the growth of the tree: a character of a sample.
  #placeOf({ node, hidden }) {
    return { sample: node.samples[0], at: node.from, isRoot: !node.parent, hidden: Boolean(hidden) };
  }

  #nodeOf(root, { sample, at, isRoot }) {
    return isRoot ? root : find(root, (other) => this.#source.isSame(sample, other), at);
  }

  #itemOf(place) {
    if (!place || !this.tree) return null;
    const { items, root } = this.tree;
    const node = this.#nodeOf(root.node, place);
    const exact = items.find((item) => item.node === node && Boolean(item.hidden) === place.hidden);
    if (exact) return exact;
    const way = new Set(pathTo(node)); // its branch is folded: the last before it that is not
    return items.findLast((item) => way.has(item.node) && !item.hidden) ?? null;
  }

  #act(item) {
    if (!item.hidden) return this.#source.act?.(item);
    this.#opened = [...this.#opened, this.#placeOf(item)];
    this.#selected = this.#placeOf(item.parent);
    this.#hovered = null;
    this.redraw();
  }

  #under({ clientX, clientY }) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const { scrollLeft, scrollTop } = this.node;
    return this.tree && itemAt(this.tree, clientX - left + scrollLeft, clientY - top + scrollTop, this.#pen.look.rem);
  }

  #about({ node, hidden, count, label, parent, from, to, y }) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const x = left + (from + Math.min(to, from + 40)) / 2 - this.node.scrollLeft;
    const begins = pathTo(node).reduce((text, { text: more }) => text + more, "");
    const words = { begins, from: node.from, count, label, hidden: hidden?.length ?? 0, live: node.live, isRoot: !parent };
    return { ...words, x, y: top + y - 6 - this.node.scrollTop };
  }

  /** @param {HTMLElement} panel */
  #listen(panel) {
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "mouse") return;
      const item = this.#under(event);
      canvas.style.cursor = item ? "pointer" : "";
      if (item === this.#itemOf(this.#hovered)) return;
      this.#hovered = item && this.#placeOf(item);
      this.redraw(false);
    });
    canvas.addEventListener("pointerleave", () => {
      this.#hovered = null;
      this.redraw(false);
    });
    canvas.addEventListener("click", (event) => {
      const item = this.#under(event);
      if (item?.hidden) this.#act(item);
      else if (item) this.select(item);
      else {
        this.#selected = null;
        this.redraw();
      }
    });
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.tree) return;
      const item = this.#itemOf(this.#selected);
      if (event.key === "Enter" && item) this.#act(item);
      else if (STEPS[event.key]) this.select(item ? STEPS[event.key](item) : this.tree.root);
      else return;
      event.preventDefault();
    });
    this.node.addEventListener("scroll", () => this.redraw(false), { passive: true });
    new ResizeObserver(() => this.redraw()).observe(panel);
    addEventListener("resize", () => this.redraw());
    onLook(() => {
      this.#pen = new Pen(palette());
      this.redraw();
    });
  }
}

// Where an arrow key leads from a branch. At the last branch of a fork, down goes on with the next of the fork before it.
const STEPS = {
  ArrowRight: ({ children }) => children[0],
  ArrowLeft: ({ parent }) => parent,
  ArrowUp: (item) => item.parent && (beside(item, -1) ?? item.parent),
  ArrowDown: function down(item) {
    return item.parent && (beside(item, 1) ?? down(item.parent));
  },
};
const beside = (item, step) => item.parent.children[item.parent.children.indexOf(item) + step];
