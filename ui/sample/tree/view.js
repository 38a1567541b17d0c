// The view "Tree": the samples of one model, merged where they begin alike. What is far down a long tree is painted when it is scrolled to.
import { button, endOf, make, number, plural, POINT_AT, quoted, readable, seenHeight } from "../../shared/dom.js";
import { fit, onLook, palette, savePicture } from "../../shared/paint.js";
import { fadeEnds } from "../../shared/tabs.js";
import { find, firstChar, pathTo, prefixTree, unfold } from "./prefix_tree.js";
import { continueFrom, createCard } from "./card.js";
import { itemAt, layOut, paint, Pen, ribbonUnit } from "./drawing.js";

const MOST_ROWS = 60; // before small branches are folded
const PICTURE_ROWS = 150; // in a picture; browsers draw none higher than 16,384 pixels
const PICTURE_WIDTH = 1120;
const NAMED = 8; // branches in the description for screen readers
const SHOWN = 40; // characters of a text in a sentence
const CAPTION = `The latest samples, merged where they begin alike; a fork is where they diverge. ${POINT_AT} a branch to see how likely it was.`;
const EMPTY = "No samples yet. Press Generate: the tree grows as they are written.";
const KEYS = "Arrow keys move through the tree. Enter continues from a branch, or opens folded ones.";

/** @typedef {import("../main.js").SampleTab} SampleTab */
/** @typedef {import("../../shared/generations.js").Generation} Generation */
/** @typedef {import("../../shared/models.js").Model} Model */

/** @param {HTMLElement} panel @param {SampleTab} tab @returns {import("../../shared/views.js").View} */
export function createTree(panel, tab) {
  const head = make("div", "tree-head");
  const title = make("p", "tree-title");
  const legend = make("p", "tree-legend");
  const folded = make("p", "tree-folded");
  const foldedWords = make("span");
  const toggle = button("quiet inline tree-toggle", "", () => change({ whole: tree.items.some(({ hidden }) => hidden), opened: [] }));
  const card = createCard(tab);
  const scroller = make("div", "tree-scroll");
  const space = make("div", "tree-space");
  const canvas = make("canvas", "tree-canvas");
  const empty = make("p", "empty", EMPTY);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-description", KEYS);
  canvas.dataset.testid = "tree";
  folded.append(foldedWords, toggle);
  folded.hidden = true; // until there is a tree
  const choice = make("p", "tree-models");
  head.append(title, choice, legend, folded);
  space.append(canvas);
  scroller.append(space);
  panel.append(head, card.node, scroller, empty);

  /** @type {Model | null} whose samples are shown; null for the newest generation's */
  let wanted = null;
  const model = () => tab.generations.current.find((generation) => generation.model === wanted)?.model ?? tab.generations.list.at(-1)?.model;
  const own = () => tab.generations.current.filter((generation) => generation.model === model());
  const rank = (code) => model().idOf(String.fromCodePoint(code)) ?? model().vocabulary.length + code;
  const state = { whole: false, opened: [], selected: null, hovered: null };
  const take = () => (wanted = tab.models.find(tab.address.get("tree")) ?? null);
  take();
  const markEnds = fadeEnds(scroller);
  let [pen, tree, isShown, frame, stale] = [new Pen(palette()), null, false, 0, true];

  // What is drawn and where, for scripts that read the page.
  /** @type {*} */ (canvas).branches = () => (tree?.items ?? []).map(shown);

  function shown({ node, hidden, count, label, parent, from, to, y }) {
    const { left, top } = canvas.getBoundingClientRect();
    const x = left + (from + Math.min(to, from + 40)) / 2 - scroller.scrollLeft;
    const begins = pathTo(node).reduce((text, { text: more }) => text + more, "");
    const words = { begins, from: node.from, count, label, hidden: hidden?.length ?? 0, live: node.live, isRoot: !parent };
    return { ...words, x, y: top + y - 6 - scroller.scrollTop };
  }

  function change(changes) {
    Object.assign(state, changes);
    redraw();
  }

  function redraw(isStale = true) {
    stale ||= isStale;
    if (isShown && !frame) frame = requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    if (stale) grow();
    if (!tree) return;
    const [width, height] = [scroller.clientWidth, Math.min(scroller.clientHeight, tree.height)];
    const context = fit(canvas, width, height);
    context.translate(-scroller.scrollLeft, -scroller.scrollTop);
    const active = itemOf(state.hovered ?? state.selected);
    paint(context, tree, pen, { top: scroller.scrollTop, bottom: scroller.scrollTop + height, active });
    card.show(active, tree.root.node);
  }

  function grow() {
    stale = false;
    const samples = samplesOf(own());
    const root = prefixTree(samples, rank);
    panel.classList.toggle("tree-is-empty", !root);
    empty.hidden = Boolean(root);
    if (!root) {
      tree = null;
      Object.assign(state, { whole: false, opened: [], selected: null, hovered: null });
      return;
    }
    const opened = new Set(state.opened.map((place) => nodeOf(root, place)));
    const folds = unfold(root, state.whole ? Infinity : MOST_ROWS, (node) => opened.has(node));
    tree = layOut(root, folds, pen, scroller.clientWidth);
    const { top } = scroller.getBoundingClientRect();
    scroller.style.setProperty("--tree-room", `${seenHeight() - top - scrollY}px`);
    space.style.width = `${tree.width}px`;
    space.style.height = `${tree.height}px`;
    markEnds();
    describe(root);
  }

  function describe(root) {
    setText(title, titleOf(own(), isOne()));
    drawModels();
    drawLegend(legend, root.count);
    const away = tree.items.filter(({ hidden }) => hidden);
    const samples = away.reduce((sum, { count }) => sum + count, 0);
    folded.hidden = !away.length && !state.whole && !state.opened.length;
    setText(foldedWords, away.length ? `${plural(samples, "sample")} folded away in ${plural(away.length, "place")}. ` : "");
    setText(toggle, away.length ? "Show all" : "Fold small branches");
    canvas.setAttribute("aria-label", inWords(root));
  }

  const isOne = () => tab.models.list.length < 2 && tab.generations.current.every((generation) => generation.model === model());

  // A tree for each of the models on the page.
  function drawModels() {
    const all = [...new Set(tab.generations.current.map((generation) => generation.model))];
    const words = all.map((one) => `${one.key} ${one === model()}`).join();
    choice.hidden = all.length < 2;
    if (choice.dataset.of === words) return;
    choice.dataset.of = words;
    const switches = all.map((one) => {
      const node = button("switch", one.name, () => chooseModel(one));
      node.setAttribute("aria-pressed", String(one === model()));
      return node;
    });
    choice.replaceChildren(...switches);
  }

  /** @param {Model} one */
  function chooseModel(one) {
    wanted = one;
    tab.address.keep("tree", one === tab.generations.list.at(-1).model ? "" : one.key);
    change({ opened: [], selected: null, hovered: null });
    /** @type {HTMLElement | null} */ (choice.querySelector("[aria-pressed=true]"))?.focus();
  }

  // Where the reader is survives the growth of the tree: a character of a sample.
  function placeOf({ node, hidden }) {
    const { generation, index } = node.samples[0];
    return { generation, index, at: node.from, isRoot: !node.parent, hidden: Boolean(hidden) };
  }

  function nodeOf(root, { generation, index, at, isRoot }) {
    return isRoot ? root : find(root, (sample) => sample.generation === generation && sample.index === index, at);
  }

  function itemOf(place) {
    if (!place || !tree) return null;
    const node = nodeOf(tree.root.node, place);
    const exact = tree.items.find((item) => item.node === node && Boolean(item.hidden) === place.hidden);
    if (exact) return exact;
    const way = new Set(pathTo(node)); // its branch is folded: the last before it that is not
    return tree.items.findLast((item) => way.has(item.node) && !item.hidden) ?? null;
  }

  function select(item) {
    if (!item) return;
    change({ selected: placeOf(item), hovered: null });
    const { rem } = pen.look;
    const [top, bottom] = [item.y - 2 * rem, item.y + item.thick + rem];
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = bottom - scroller.clientHeight;
    const right = item.from + 6 * rem;
    if (item.x < scroller.scrollLeft) scroller.scrollLeft = item.x - rem;
    else if (right > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = right - scroller.clientWidth;
  }

  function act(item) {
    if (!item.hidden) continueFrom(tab, item.node);
    else change({ opened: [...state.opened, placeOf(item)], selected: placeOf(item.parent), hovered: null });
  }

  const under = ({ clientX, clientY }) => {
    const { left, top } = canvas.getBoundingClientRect();
    return tree && itemAt(tree, clientX - left + scroller.scrollLeft, clientY - top + scroller.scrollTop, pen.look.rem);
  };

  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const item = under(event);
    canvas.style.cursor = item ? "pointer" : "";
    const active = itemOf(state.hovered);
    if (item !== active) {
      state.hovered = item && placeOf(item);
      redraw(false);
    }
  });
  canvas.addEventListener("pointerleave", () => {
    state.hovered = null;
    redraw(false);
  });
  canvas.addEventListener("click", (event) => {
    const item = under(event);
    if (item?.hidden) act(item);
    else if (item) select(item);
    else change({ selected: null });
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !tree) return;
    const item = itemOf(state.selected);
    if (event.key === "Enter" && item) act(item);
    else if (STEPS[event.key]) select(item ? STEPS[event.key](item) : tree.root);
    else return;
    event.preventDefault();
  });
  scroller.addEventListener("scroll", () => redraw(false), { passive: true });
  new ResizeObserver(() => redraw()).observe(panel);
  addEventListener("resize", () => redraw());
  onLook(() => {
    pen = new Pen(palette());
    redraw();
  });
  tab.generations.addEventListener("change", () => redraw());
  tab.generations.addEventListener("grow", () => redraw());

  function save() {
    const root = prefixTree(samplesOf(own()), rank);
    if (!root) throw new Error(EMPTY);
    const look = { ...palette(), rem: 16 };
    const ink = new Pen(look);
    const picture = layOut(root, unfold(root, PICTURE_ROWS), ink, PICTURE_WIDTH);
    const away = picture.items.filter(({ hidden }) => hidden).reduce((sum, { count }) => sum + count, 0);
    const leftOut = away ? ` The smallest branches, ${plural(away, "sample")}, are folded away.` : "";
    const note = `Width of a branch: the square root of its count.${leftOut}`;
    const [edge, line] = [32, 28];
    savePicture("soliloquy-tree.png", picture.width + 2 * edge, picture.height + 2 * edge + 2 * line, (context) => {
      ink.use(context, `600 22px ${look.serif}`);
      context.fillStyle = look.ink;
      context.fillText(titleOf(own(), isOne()), edge, edge + 18);
      ink.use(context, ink.label);
      context.fillStyle = look.inkSoft;
      context.fillText(note, edge, edge + 18 + line);
      context.translate(edge, edge + 2 * line);
      paint(context, picture, ink);
    });
  }

  return {
    caption: CAPTION,
    keeps: ["tree"],
    take() {
      take();
      change({ opened: [], selected: null, hovered: null });
    },
    show() {
      isShown = true;
      redraw();
    },
    hide() {
      isShown = false;
      card.hide();
    },
    downloads: [["Picture of the tree (PNG)", save]],
    keys: [["o", "Show all branches, or fold the small ones", () => !folded.hidden && toggle.click()]],
  };
}

/** @param {Generation[]} generations */
const samplesOf = (generations) =>
  generations.flatMap((generation) => generation.texts.map((text, index) => ({ generation, index, start: generation.start, text, live: generation.live })));

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

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Generation[]} generations @param {boolean} isOne whether there is no other model */
function titleOf(generations, isOne) {
  const samples = generations.reduce((sum, { texts }) => sum + texts.length, 0);
  const prompts = [...new Set(generations.map(({ view }) => view.prompt))];
  const temperatures = [...new Set(generations.map(({ view }) => view.temperature))].toSorted((a, b) => a - b);
  const one = prompts[0] ? `“${readable(endOf(prompts[0], SHOWN))}”` : "an empty prompt";
  const after = prompts.length > 1 ? `${number(prompts.length)} prompts` : one;
  return `${plural(samples, "sample")}${isOne ? "" : ` by ${generations[0].model.name}`} after ${after}, temperature ${temperatures.join(", ")}`;
}

// Ribbons as they are drawn here.
function drawLegend(legend, count) {
  if (legend.dataset.count === String(count)) return;
  legend.dataset.count = String(count);
  const counts = [...new Set([1, Math.round(count / 4), count])].filter((n) => n > 0);
  const strokes = counts.map((n) => {
    const stroke = make("span", "tree-stroke");
    stroke.style.height = `${ribbonUnit(count) * Math.sqrt(n)}rem`;
    const entry = make("span", "tree-entry");
    entry.append(stroke, number(n));
    return entry;
  });
  const all = make("span", "tree-strokes");
  all.append(...strokes);
  legend.replaceChildren("Width: square root of the count ", all);
}

// The description for screen readers.
function inWords(root) {
  const { count, children } = root;
  const begin = root.to ? `begin with “${readable(endOf(root.text, SHOWN))}”` : "begin differently: the prompts have nothing in common";
  const named = children.slice(0, NAMED).map((child) => `${number(child.count)} continue with ${quoted(firstChar(child))}`);
  const others = children.length > NAMED ? `, the others in ${children.length - NAMED} more ways` : "";
  const forks = children.length ? `; after that ${named.join(", ")}${others}.` : ", and none has diverged.";
  if (count === 1) return `Tree of 1 sample: “${readable(endOf(root.text, SHOWN))}”.`;
  return `Tree of ${number(count)} samples: all ${begin}${forks}`;
}
