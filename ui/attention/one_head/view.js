// The view "One head": its weights as a map or as lines, what it does, and how each weight is computed.
import { bringIntoView, button, CLICK, make, POINT_AT, seenHeight } from "../../shared/dom.js";
import { AVERAGE, createHeadChooser } from "../../shared/head_chooser.js";
import { paintMap } from "../../shared/heat_map.js";
import { createMapLegend } from "../../shared/map_legend.js";
import { isStage, onLook, palette } from "../../shared/paint.js";
import { Latest } from "../../shared/requests.js";
import { againButton } from "../../shared/trouble.js";
import { createAbout } from "./about.js";
import { createCell } from "./cell.js";
import { bytesOf, exists, nameOfHead, placeInWords, placeOf, strongest, weightInWords } from "./data.js";
import { createLines } from "./lines.js";
import { createMap, createOverview } from "./map.js";
import { saveLines, saveMap, saveTable } from "./save.js";

const MODES = [
  ["map", "Map", ""],
  ["lines", "Lines", "1"],
  ["all", "All lines", "all"],
]; // name, title, in the address
const CAPTION = `Each character asks: which earlier ones matter to me? ${CLICK} a weight to see how it is computed.`;
const READING = {
  map: "Each row looks at the columns.",
  lines: "Bottom: looking. Top: looked at. Wider lines are larger weights.",
};
const KEYS = {
  map: "Arrow keys move from weight to weight, Enter shows how one is computed.",
  lines: "Left and right move from character to character.",
};
const NO_QUERIES = "An average has no queries and keys: each of the layer’s heads has its own. Choose a head.";
const [LEAST_HEIGHT, LOWEST] = [19, 9]; // rem, of the map, on a phone and where it is seen whole

/** @param {HTMLElement} panel @param {import("../look.js").Look} look @returns {import("../../shared/views.js").View} */
export function createOneHead(panel, look) {
  // What the parts share: the chosen cell, { row, column }; whether it is open; the weights, also as a picture of n by n pixels; the rows and
  // columns shown.
  /** @type {{cell: {row: number, column: number, isMost?: boolean} | null, open: boolean, mode: string, bytes: Uint8Array | null, exact: Float32Array | null, picture: HTMLCanvasElement, window: any}} */
  const state = { cell: null, open: false, mode: "map", bytes: null, exact: null, picture: make("canvas"), window: null };
  const on = { point, pass, open, from: (row) => look.moveTo(row), redraw: () => draw() };
  const chooser = createHeadChooser(look);
  chooser.node.classList.add("one-chooser");
  const [map, lines, overview] = [createMap(look, state, on), createLines(look, state, on), createOverview(look, state, on)];
  const [about, behind] = [createAbout(look), createCell(look, () => open(null))];
  const [figure, words, more] = [make("div", "one-figure"), make("div", "one-words"), make("div", "one-more")];
  const [said, trouble, legend, caption] = [make("p", "one-said"), make("div", "trouble one-trouble"), createMapLegend(), make("p", "one-caption")];
  const bar = createBar(panel, look, setMode);
  const why = button("quiet one-why", "How is this weight computed?", () => open(cellToOpen()));
  said.setAttribute("aria-live", "polite");
  said.dataset.testid = "one-head-said";
  trouble.setAttribute("role", "alert");
  const beside = make("div", "one-beside");
  beside.append(overview.node, legend.node, caption);
  more.append(about.node, beside);
  figure.append(map.node, lines.node);
  words.append(said, why, trouble, behind.node, more);
  panel.append(chooser.node, figure, words);
  let text = null; // the one that the cell belongs to
  const mended = new Set(); // what the server had forgotten, until it is there again
  let mending = null;
  const asking = { weights: new Latest(), cell: new Latest() };
  const room = { width: 0, height: 0, colours: null }; // for the map; it keeps still while another character is chosen

  // Fetches what is chosen, and draws it.
  async function load() {
    leave();
    if (!look.capture || look.isBehind || panel.hidden) return;
    if (!exists(look.capture, look.head)) return look.choose(0, 0);
    const { capture, head } = look;
    Object.assign(state, { bytes: bytesOf(capture, head), exact: null });
    takeCell();
    chooser.draw();
    about.draw();
    paintMap(state.picture, state.bytes, capture.n);
    measure();
    void openCell();
    await tryTo("weights", (signal) => capture.exact(head.layer, head.head, signal), (exact) => {
      state.exact = exact;
      takeMost();
      draw();
    });
  }

  const leave = () => Object.values(asking).forEach((each) => each.cancel());

  // Asks the server. A text that it has forgotten is sent again, once; then the new capture is asked.
  async function tryTo(what, ask, take) {
    const signal = asking[what].begin();
    try {
      const answer = await ask(signal);
      if (signal.aborted) return;
      mended.delete(what);
      if (trouble.dataset.of === what) trouble.replaceChildren();
      take(answer);
    } catch (error) {
      if (signal.aborted) return;
      const isFirst = error.status === 404 && !mended.has(what);
      mended.add(what);
      if (isFirst && (await (mending ??= look.readAgain().finally(() => (mending = null))))) return;
      trouble.dataset.of = what;
      trouble.replaceChildren(make("span", "", error.message), againButton("quiet", load));
      if (what === "cell") behind.tell("The numbers behind this weight could not be fetched.");
    }
  }

  // The cell of the address at first; for another text the chosen character and its largest weight.
  function takeCell() {
    const { capture } = look;
    if (text === null) {
      const [row, column] = look.address.get("cell").split(".").map(Number);
      const isIn = Number.isInteger(row) && Number.isInteger(column) && column >= 0 && column <= row && row < capture.n;
      if (look.address.get("cell") && isIn) {
        Object.assign(state, { cell: { row, column }, open: true });
        look.moveTo(row);
      }
    } else if (text !== capture.text) Object.assign(state, { cell: null, window: null });
    text = capture.text;
    follow(look.at);
  }

  // Another character is chosen: the cell is its largest weight.
  function follow(at) {
    if (at === null) state.cell = null;
    else if (state.cell?.row !== at) state.cell = { row: at, column: strongest(state.exact ?? state.bytes, at), isMost: true };
    keepCell();
  }

  // Bytes may not separate the largest weight of a row from the next; the exact weights do.
  function takeMost() {
    if (!state.cell?.isMost || state.open) return;
    state.cell = { ...state.cell, column: strongest(state.exact, state.cell.row) };
  }

  function point(cell) {
    state.cell = cell;
    look.moveTo(cell.row);
    keepCell();
    draw();
    void openCell();
  }

  // A cell is pointed at, as long as it is; null: no longer.
  function pass(cell) {
    state.cell = cell;
    look.pointAt(cell ? cell.row : null);
    if (!cell) follow(look.at);
    keepCell();
    draw();
  }

  // The chosen cell, or the largest weight of the chosen row.
  function cellToOpen() {
    const { row, column } = state.cell ?? { row: look.at ?? look.capture.n - 1, column: Infinity };
    return column <= row ? state.cell : { row, column: strongest(state.exact ?? state.bytes, row) };
  }

  // Opens a cell; null closes it, and so does the one that is open.
  function open(cell) {
    if (state.open && cell?.row === state.cell.row && cell.column === state.cell.column) cell = null;
    state.open = Boolean(cell) && cell.column <= cell.row;
    if (cell) {
      if (state.mode !== "map") setMode("map");
      point(cell);
      bringIntoView(behind.node); // on a phone it is below the map
    } else {
      keepCell();
      draw();
      map.node.focus({ preventScroll: true });
    }
  }

  function keepCell() {
    if (!state.cell) state.open = false;
    look.address.keep("cell", state.open ? `${state.cell.row}.${state.cell.column}` : "");
  }

  async function openCell() {
    asking.cell.cancel();
    if (!state.open || state.mode !== "map") return;
    const { layer, head } = look.head;
    const { row, column } = state.cell;
    if (column > row) behind.tell("No character attends to a later one: there is no weight here.");
    else if (head === AVERAGE) behind.tell(NO_QUERIES);
    else {
      const ask = (signal) => look.capture.cell(layer, head, row, column, signal);
      await tryTo("cell", ask, (answer) => behind.show(answer, { row, column }));
    }
  }

  function setMode(mode) {
    if (mode !== state.mode) state.window = null;
    state.mode = mode;
    look.address.keep("lines", MODES.find(([name]) => name === mode)[2]);
    bar.show(mode);
    draw();
    void openCell();
  }

  function measure() {
    if (panel.hidden) return;
    Object.assign(room, { width: figure.clientWidth, height: heightOf(figure), colours: palette() });
    draw();
  }

  function draw() {
    if (!state.bytes || panel.hidden) return;
    const isMap = state.mode === "map";
    map.node.hidden = !isMap;
    lines.node.hidden = isMap;
    behind.node.hidden = !(isMap && state.open);
    why.hidden = !behind.node.hidden || look.head.head === AVERAGE;
    more.hidden = !behind.node.hidden;
    panel.classList.toggle("opened", !behind.node.hidden);
    (isMap ? map : lines).draw(room);
    overview.place();
    legend.node.hidden = !isMap;
    const kind = isMap ? "map" : "lines";
    caption.textContent = READING[kind];
    said.replaceChildren(...(isMap ? cellInWords() : [state.exact ? lines.told() : "…"]));
    (isMap ? map : lines).node.setAttribute("aria-label", `${nameOfHead(look.head)}. ${KEYS[kind]}`);
  }

  function cellInWords() {
    const { capture } = look;
    if (!state.cell) return [`${POINT_AT} the map: each row is a query, each column a key.`];
    const { row, column } = state.cell;
    const [from, to] = [placeInWords(capture, row), placeInWords(capture, column)];
    if (column > row) return [`${from} cannot attend to ${to}, which comes later.`];
    return [`${from} attends to ${to} with weight `, make("b", "", state.exact ? weightInWords(state.exact[placeOf(row, column)]) : "…")];
  }

  look.addEventListener("capture", load);
  look.addEventListener("head", load);
  look.addEventListener("taken", () => text === null && load());
  look.addEventListener("at", () => {
    if (panel.hidden || !state.bytes || text === null || state.cell?.row === look.at) return;
    follow(look.at);
    draw();
    void openCell();
  });
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !state.open) return;
    event.preventDefault();
    open(null);
  });
  new ResizeObserver(measure).observe(figure);
  addEventListener("resize", measure);
  onLook(() => {
    if (state.bytes) paintMap(state.picture, state.bytes, look.capture.n);
    measure();
  });

  const next = () => setMode(MODES[(MODES.findIndex(([name]) => name === state.mode) + 1) % MODES.length][0]);
  const weights = () => look.capture.exact(look.head.layer, look.head.head);
  const savePicture = async () => {
    state.exact = await weights();
    if (state.mode === "map") saveMap(look, state.picture, about.node.querySelector(".one-does").textContent);
    else saveLines(look, lines.told(), lines.size(), lines.paint);
  };
  const takeMode = () => setMode(MODES.find(([, , word]) => word === look.address.get("lines"))?.[0] ?? "map");
  takeMode();
  return {
    caption: CAPTION,
    keeps: ["lines", "cell", "look", "reader"],
    take() {
      text = null;
      Object.assign(state, { cell: null, open: false });
      takeMode();
      void load();
    },
    show() {
      bar.node.hidden = false;
      void load();
    },
    hide() {
      bar.node.hidden = true;
      leave();
    },
    keys: [
      ["m", "Map, lines, all lines", next],
      [",", "Previous head", () => chooser.step(-1)],
      [".", "Next head", () => chooser.step(1)],
      ["h", "Show how this weight is computed", () => state.bytes && open(cellToOpen())],
    ],
    downloads: [
      ["This head (PNG)", savePicture],
      ["This head, exact (CSV)", async () => saveTable(look, await weights())],
    ],
  };
}

// From where the map begins to the lower edge of the window, in pixels.
function heightOf(figure) {
  const { rem } = palette();
  if (!isStage()) return Math.max(LEAST_HEIGHT * rem, seenHeight() * 0.55);
  const top = figure.getBoundingClientRect().top + (document.fullscreenElement?.scrollTop ?? scrollY);
  return Math.max(LOWEST * rem, seenHeight() - top - 0.5 * rem);
}

// Beside the names of the views, while this one is shown; where the panel fills the screen, in it.
function createBar(panel, look, setMode) {
  const node = make("div", "one-bar");
  const modes = MODES.map(([name, title]) => ({ name, choice: button("switch", title, () => setMode(name)) }));
  const larger = button("quiet", "Enlarge", () => {
    if (document.fullscreenElement === panel) void document.exitFullscreen();
    else panel.requestFullscreen().catch(() => look.say("This browser does not allow full screen here."));
  });
  const place = () => {
    const isLarge = document.fullscreenElement === panel;
    larger.textContent = isLarge ? "Back" : "Enlarge";
    (isLarge ? panel.firstChild : look.element.querySelector(".look-tools")).prepend(node);
  };
  node.append(...modes.map(({ choice }) => choice), larger);
  node.hidden = true;
  document.addEventListener("fullscreenchange", place);
  place();
  return { node, show: (mode) => modes.forEach(({ name, choice }) => choice.setAttribute("aria-pressed", String(name === mode))) };
}
