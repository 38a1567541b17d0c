// The network as a picture, from the text to the die: the residual stream as the line that it is, with the branches that leave it and add to
// it again. Its parts open the views that show them.
import { button, make } from "../shared/dom.js";
import { palette } from "../shared/paint.js";
import { describe, inWords } from "./grid.js";
import { pointAtHead } from "./text.js";

/** @typedef {import("./look.js").Look} Look */
/** @typedef {{node: HTMLButtonElement, off?: (number | string)[], isShown?: () => boolean, words?: () => string}} Part */

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 62; // rem, from which on the names of the views, the network and the tools have room beside each other
const PIPS = [[7, 7], [17, 7], [12, 12], [7, 17], [17, 17]]; // of the die

/** @param {Look} look @param {() => void} editText */
export function createNetwork(look, editText) {
  const node = /** @type {HTMLElement} */ (look.element.querySelector(".network"));
  const fold = button("disclosure network-fold", "The network", () => open(node.dataset.open === undefined));
  node.before(fold);
  /** @type {Part[][]} from left to right, each from top to bottom */
  let columns = [];
  let shape = "";

  /** @param {boolean} isOpen on phones, where it is folded at first */
  function open(isOpen) {
    node.toggleAttribute("data-open", isOpen);
    fold.setAttribute("aria-expanded", String(isOpen));
  }

  function build() {
    const { model, n_layer, n_head } = look.capture;
    if (shape === `${model.key} ${n_layer} ${n_head}`) return;
    shape = `${model.key} ${n_layer} ${n_head}`;
    node.style.setProperty("--heads", String(n_head));
    const blocks = Array.from({ length: n_layer }, (_, layer) => createBlock(look, layer, n_head));
    const [start, end] = [createStart(look, editText), createEnd(look)];
    node.replaceChildren(start.node, ...blocks.map((block) => block.node), end.node);
    columns = [start, ...blocks, end].flatMap((part) => part.columns);
    columns.flat().forEach(({ node }, i) => (node.tabIndex = i ? -1 : 0));
  }

  function mark() {
    if (!look.capture) return;
    node.dataset.view = look.views.shown;
    for (const { node, off, isShown } of columns.flat()) {
      node.toggleAttribute("data-off", Boolean(off) && look.isOff(off));
      node.toggleAttribute("data-chosen", String(off) === `${look.head.layer},${look.head.head}`);
      if (isShown?.()) node.setAttribute("aria-current", "true");
      else node.removeAttribute("aria-current");
    }
  }

  function draw() {
    build();
    for (const { node, words } of columns.flat()) if (words) name(node, words());
    mark();
  }

  // It is one stop of the Tab key; arrow keys lead to the next part that way.
  node.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    const x = columns.findIndex((column) => column.some((part) => part.node === event.target));
    if (!step || x < 0) return;
    event.preventDefault();
    const y = columns[x].findIndex((part) => part.node === event.target) + step[1];
    const column = columns[x + step[0]] ?? [];
    const next = step[0] ? column[Math.min(y, column.length - 1)] : columns[x][y];
    if (!next) return;
    columns[x].forEach((part) => (part.node.tabIndex = -1));
    next.node.tabIndex = 0;
    next.node.focus();
  });

  open(false);
  const bar = node.parentElement;
  new ResizeObserver(() => bar.toggleAttribute("data-stacked", bar.clientWidth < WIDE * palette().rem)).observe(bar);
  look.addEventListener("capture", draw);
  for (const event of ["head", "row", "view"]) look.addEventListener(event, mark);
}

/** Text, embedding and position: where the stream begins. @param {Look} look @param {() => void} editText */
function createStart(look, editText) {
  const node = make("div", "net-start");
  const text = part(button("net-box", "text", editText), "The text: enter another one");
  const position = { ...part(button("net-box net-position", "position", () => look.views.show("off")), "The embedding of the position"), off: ["positions"] };
  const embedding = { ...part(button("net-box net-embed", "embed", () => readStream(look, 0)), "The embedding of the character: read the stream after it"), isShown: isRow(look, 0) };
  const plus = make("span", "net-plus");
  position.node.append(plus);
  node.append(text.node, position.node, embedding.node, make("span", "net-line"));
  return { node, columns: [[text], [position, embedding]] };
}

/** A block: its heads and its MLP, each of which reads the stream and adds to it. @param {Look} look @param {number} layer @param {number} n_head */
function createBlock(look, layer, n_head) {
  const node = make("div", "net-block");
  const all = part(button("net-name", `Layer ${layer}`, () => look.views.show("all")), `Layer ${layer}: all heads`);
  const heads = make("div", "net-heads");
  /** @type {Part[]} */
  const cells = Array.from({ length: n_head }, (_, head) => {
    const cell = button("net-head", "", () => {
      look.choose(layer, head);
      look.views.show("one");
    });
    cell.addEventListener("pointerenter", () => pointAtHead(look, { layer, head }));
    cell.addEventListener("pointerleave", () => pointAtHead(look, null));
    return {
      node: cell,
      off: [layer, head],
      isShown: () => look.views.shown === "one" && look.head.layer === layer && (look.head.head === head || look.head.head === "average"),
      words: () => `Layer ${layer}, head ${head}: ${inWords(look, describe(look, layer, head))}`,
    };
  });
  const mlp = { ...part(button("net-box net-mlp", "MLP", () => look.views.show("off")), `Layer ${layer}: the MLP`), off: ["mlp", layer] };
  const stream = {
    ...part(button("net-stream", "", () => readStream(look, layer + 1)), `The residual stream after layer ${layer}`),
    isShown: isRow(look, layer + 1),
  };
  heads.append(...cells.map(({ node }) => node), make("span", "net-plus"));
  mlp.node.append(make("span", "net-plus"));
  stream.node.append(make("span", "net-line"), make("span", "net-tap"));
  node.append(all.node, heads, mlp.node, stream.node);
  return { node, columns: [[all, ...cells, stream], [mlp]] };
}

/** The norm, the output head and the die: where the stream ends. @param {Look} look */
function createEnd(look) {
  const node = make("div", "net-end");
  const logits = part(button("net-box", "logits", () => readStream(look, null)), "The output head: read the network’s answer");
  node.append(make("span", "net-line"), make("span", "net-box", "norm"), logits.node, createDie());
  return { node, columns: [[logits]] };
}

/** @param {HTMLButtonElement} node @param {string} words @returns {Part} */
function part(node, words) {
  name(node, words);
  return { node };
}

function name(node, words) {
  node.title = words;
  node.setAttribute("aria-label", words);
}

/** @param {Look} look @param {number | null} row */
function readStream(look, row) {
  look.chooseRow(row === look.capture.n_layer ? null : row);
  look.views.show("lens");
}

/** @param {Look} look @param {number} row */
const isRow = (look, row) => () => look.views.shown === "lens" && Math.min(look.row ?? Infinity, look.capture.n_layer) === row;

function createDie() {
  const die = document.createElementNS(SVG, "svg");
  die.setAttribute("viewBox", "0 0 24 24");
  die.setAttribute("class", "net-die");
  die.setAttribute("role", "img");
  die.setAttribute("aria-label", "The die, which draws the next character");
  const add = (tag, attributes) => {
    const shape = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    die.append(shape);
  };
  add("rect", { x: 2, y: 2, width: 20, height: 20, rx: 4 });
  for (const [cx, cy] of PIPS) add("circle", { cx, cy, r: 2 });
  return die;
}
