// The view "All heads": a heat map for each head, in the order of the layers or of what they do.
import { button, CLICK, make, seenHeight } from "../shared/dom.js";
import { paintMap, paintRow } from "../shared/heat_map.js";
import { valueInWords } from "../shared/measures.js";
import { isStage, onLook, palette } from "../shared/paint.js";
import { bytesOf } from "./one_head/data.js";
import { pointAtHead } from "./text.js";

/** @typedef {import("./look.js").Look} Look */

const MIXED = "no pattern"; // none that is measured stands out
const CAPTION = `Each map is one head; each row is a character, coloured where it attends. ${CLICK} a character, then look at the maps.`;
const [LEAST, LOWEST] = [3.5, 2.4]; // rem: a map's least size, on a phone and where all of them are seen at once
const MOST_COLUMNS = 14; // with more, the labels cannot be read
const [GAP, ROW, BELOW] = [0.4, 0.7, 0.5]; // rem: between tiles, the row below a map, below the grid

/** What a head does: on held-out text where that was measured, else on this text. @param {Look} look @param {number} layer @param {number} head @returns {import("../shared/capture.js").Stats} */
export function describe(look, layer, head) {
  const table = look.measured?.heads;
  if (!table) return look.capture.stats[layer][head];
  return table.find((entry) => entry.layer === layer && entry.head === head);
}

/** The head with the clearest behaviour. @param {Look} look */
export function clearest(look) {
  const heads = look.capture.stats.flatMap((row, layer) => row.map((_, head) => ({ layer, head })));
  const excess = ({ layer, head }) => describe(look, layer, head).excess ?? -Infinity;
  return heads.reduce((best, head) => (excess(head) > excess(best) ? head : best));
}

/** A measure of a head in words, as "prev. char 83 %"; of its label, if none is given. @param {Look} look @param {import("../shared/capture.js").Stats} stats @param {string} [name] */
export function inWords(look, stats, name = stats.label) {
  const measure = measureOf(look, name);
  if (!measure) return MIXED;
  const value = valueInWords(measure, stats[name]);
  return measure.unit === "share" ? `${measure.short} ${value}` : value;
}

/** @param {Look} look @param {string} name */
export const measureOf = (look, name) => look.page.limits.measures.find((measure) => measure.name === name);

/** @param {HTMLElement} panel @param {Look} look @returns {import("../shared/views.js").View} */
export function createGrid(panel, look) {
  const bar = make("div", "grid-bar"); // beside the network, to leave the room to the maps
  const [label, order, said, masked] = [make("label", "", "Order heads: "), make("select", "field grid-order"), make("span", "grid-said"), make("span", "grid-masked")];
  const grid = make("div", "grid");
  label.append(order);
  masked.append(make("span", "grid-hatch"), "the future: masked");
  bar.append(label, said, masked);
  bar.hidden = true;
  panel.append(grid);
  look.element.querySelector(".look-tools").prepend(bar);
  /** @type {ReturnType<typeof drawTile>[]} */
  let tiles = [];
  let stale = true;
  let arranged = ""; // by which measure the heads are ordered
  /** @type {import("../shared/models.js").Model | null} whose heads are drawn */
  let model = null;

  function build() {
    const { capture } = look;
    const measures = look.page.limits.measures.filter(({ name }) => name !== "worth" || look.measured?.heads[0]?.worth !== undefined);
    order.replaceChildren(new Option("by layer", ""), ...measures.map(({ name, words }) => new Option(`by ${words}`, name)));
    takeOrder();
    model = capture.model;
    tiles = [];
    for (let layer = 0; layer < capture.n_layer; layer++) {
      for (let head = 0; head < capture.n_head; head++) tiles.push(drawTile(look, layer, head));
    }
    said.textContent = `measured on ${look.measured ? "validation text" : "this text"}`;
    order.title = `What the heads do was ${said.textContent}`;
    arrange();
  }

  function takeOrder() {
    const kept = look.address.get("order");
    order.value = [...order.options].some(({ value }) => value === kept) ? kept : "";
  }

  function arrange() {
    const measure = (arranged = order.value);
    look.address.keep("order", measure);
    const value = ({ layer, head }) => describe(look, layer, head)[measure] ?? -Infinity;
    const sorted = measure ? [...tiles].toSorted((a, b) => value(b) - value(a)) : tiles;
    for (const tile of tiles) {
      const stats = describe(look, tile.layer, tile.head);
      const known = measureOf(look, measure || stats.label);
      tile.score.textContent = measure ? valueInWords(known, stats[measure]) : (known?.short ?? MIXED);
      tile.node.title = `Layer ${tile.layer}, head ${tile.head}: ${known ? `${known.words}, ${valueInWords(known, stats[known.name])}` : MIXED}`;
    }
    grid.replaceChildren(...sorted.map(({ node }) => node));
  }

  // The maps are as large as fits into the window, with one or more layers in a line. A narrow or low window is scrolled.
  function fit() {
    if (!look.capture || panel.hidden) return;
    const { rem } = palette();
    const { n_layer, n_head } = look.capture;
    const top = grid.getBoundingClientRect().top + (document.fullscreenElement?.scrollTop ?? scrollY);
    const [width, height] = [grid.clientWidth / rem + GAP, (seenHeight() - top) / rem - BELOW];
    const isWhole = isStage();
    const most = Math.max(1, Math.min(MOST_COLUMNS, Math.floor(width / ((isWhole ? LOWEST : LEAST) + GAP))));
    const shapes = isWhole ? Array.from({ length: Math.floor(most / n_head) }, (_, i) => i + 1) : [];
    const sizeWith = (layers) => {
      const own = width / (layers * n_head) - GAP;
      const label = 1.15 * Math.min(0.9375, 0.175 * own); // as attention.css has it
      return Math.min(own, height / Math.ceil(n_layer / layers) - GAP - ROW - label);
    };
    const best = shapes.reduce((best, layers) => (sizeWith(layers) > sizeWith(best) ? layers : best), 1);
    const columns = shapes.length ? best * n_head : Math.ceil(n_head / Math.ceil(n_head / most));
    grid.style.setProperty("--columns", String(columns));
    grid.style.setProperty("--map", `${shapes.length ? Math.max(LOWEST, sizeWith(best)) : width / columns - GAP}rem`);
  }

  function draw() {
    const { capture } = look;
    if (!capture || panel.hidden) {
      stale = true;
      return;
    }
    stale = false;
    if (model !== capture.model || tiles.length !== capture.n_layer * capture.n_head) build();
    else if (!look.measured || arranged !== order.value) arrange(); // the scores are this text's
    fit();
    for (const { layer, head, map } of tiles) {
      paintMap(map, bytesOf(capture, { layer, head }), capture.n);
      map.style.imageRendering = capture.n > map.clientWidth ? "auto" : "pixelated"; // made smaller, a thin line must not fall between pixels
    }
    follow();
    choose();
    markOff();
  }

  // Every head shows what the chosen character attends to.
  function follow() {
    const { capture, at } = look;
    if (!capture || panel.hidden) return;
    for (const { layer, head, row, line } of tiles) {
      paintRow(row, at === null ? null : capture.row(layer, head, at), capture.n);
      line.style.transform = `translateY(${at === null ? -110 : (100 * (at + 0.5)) / capture.n}%)`;
    }
  }

  const choose = () => tiles.forEach(({ node, layer, head }) => node.classList.toggle("chosen", layer === look.head.layer && head === look.head.head));
  const markOff = () => tiles.forEach(({ node, layer, head }) => node.classList.toggle("silent", look.isOff([layer, head])));

  order.addEventListener("change", arrange);
  look.addEventListener("capture", draw);
  look.addEventListener("at", follow);
  look.addEventListener("head", choose);
  onLook(draw);
  addEventListener("resize", fit);
  new ResizeObserver(fit).observe(look.element); // what stands above the maps may take more or less room
  return {
    caption: CAPTION,
    keeps: ["order"],
    take() {
      takeOrder();
      if (model && model === look.capture?.model) arrange();
    },
    show() {
      bar.hidden = false;
      if (stale) draw();
      else fit();
    },
    hide: () => (bar.hidden = true),
  };
}

/** @param {Look} look @param {number} layer @param {number} head */
function drawTile(look, layer, head) {
  const node = button("tile", "", () => {
    look.choose(layer, head);
    look.views.show("one");
  });
  node.dataset.head = `${layer}.${head}`;
  const [frame, map, row, line] = [make("span", "tile-frame"), make("canvas", "tile-map"), make("canvas", "tile-row"), make("span", "tile-line")];
  const [name, score] = [make("span", "tile-name", `${layer}.${head}`), make("span", "tile-score")];
  frame.append(map, name, line);
  node.append(frame, row, score);
  node.setAttribute("aria-label", `Layer ${layer}, head ${head}`);
  frame.addEventListener("pointermove", (event) => {
    const { top, height } = frame.getBoundingClientRect();
    pointAtHead(look, { layer, head });
    if (look.pinned === null) look.pointAt(Math.floor(((event.clientY - top) / height) * look.capture.n)); // a chosen one is followed from head to head
  });
  node.addEventListener("pointerleave", () => {
    pointAtHead(look, null);
    look.pointAt(null);
  });
  node.addEventListener("focus", () => pointAtHead(look, { layer, head }));
  node.addEventListener("blur", () => pointAtHead(look, null));
  return { layer, head, node, map, row, line, score };
}
