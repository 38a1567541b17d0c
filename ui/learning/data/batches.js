// The corpus, cut into training and validation text, and a batch of random chunks as the lecture draws it: what goes in (x) and what should
// come out (y), and the examples that one chunk is made of.
import { first } from "../../shared/characters.js";
import { drawSeed } from "../../shared/dice.js";
import { button, labelled, make, number, quoted } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { postForJSON } from "../../shared/server.js";
import { againButton, tellTrouble } from "../../shared/trouble.js";
import { Cells } from "./cells.js";
import { createExamples } from "./examples.js";
import { createSlider } from "./slider.js";
import { createSplit } from "./split.js";

const ROOM = 20; // rem, for the cells of x, and of y
const SHORT = 10; // a chunk of at most as many characters leaves room for its examples beside it
const SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
const EXCERPT = 160; // characters of a part of the text that are shown: its beginning
const OWN = "text"; // in the address: the chunks are from the typed text

/**
 * What POST /learning/chunks answers (ui/web/chunks.py).
 * @typedef {object} Batch
 * @property {number} batch_size
 * @property {number} block_size
 * @property {number} seed
 * @property {number} characters of the training text
 * @property {number[]} starts
 * @property {number[][]} x
 * @property {number[][]} y
 * @property {string[]} texts each a character longer than its chunk
 */

/**
 * @param {HTMLElement} part
 * @param {import("../main.js").Learning} learning
 * @param {import("./text.js").EncodedText} text
 * @param {import("./corpus.js").Corpus} corpus
 */
export function createBatches(part, learning, text, corpus) {
  const { address } = learning;
  const ranges = learning.page.limits.chunks;
  const page = build(part);
  const split = createSplit(page.split);
  const asking = new Latest();
  /** @type {Batch | null} */
  let batch = null;
  /** @type {string[][]} the characters of each chunk and its last target */
  let rows = [];
  let row = 0; // the one that is opened
  /** @type {number | null} the place in it whose example is pointed at */
  let at = null;
  let drawn = ""; // what the batch was asked with

  const question = () => ({
    ...{ batch_size: batchSize.value, block_size: blockSize.value, seed: seed() },
    ...(usesText() ? { text: text.typed, model: learning.page.models.primary.key } : {}),
  });
  const kept = (name, setting) => {
    const value = Number(address.get(name) || ranges[setting].default);
    return Number.isInteger(value) && value >= ranges[setting].low && value <= ranges[setting].high ? value : ranges[setting].default;
  };
  const keep = (name, setting, value) => address.keep(name, value === ranges[setting].default ? "" : value);
  const seed = () => kept("batch", "seed");
  const usesText = () => corpus.known === null || address.get("from") === OWN;

  const slider = (name, setting, words) =>
    createSlider(page.controls, {
      label: words,
      values: SIZES.filter((size) => size <= ranges[setting].high),
      value: kept(name, setting),
      change(value) {
        keep(name, setting, value);
        void draw();
      },
    });
  const batchSize = slider("rows", "batch_size", "Batch size");
  const blockSize = slider("block", "block_size", "Block size");
  const [inputs, targets] = [0, 1].map((shift) => createGrid(shift));

  /** x is shifted by 0 characters, y by 1. @param {number} shift */
  function createGrid(shift) {
    const grid = page.grids[shift];
    const size = () => batch.block_size;
    return new Cells(grid.cells, {
      label: `${shift ? "y, the targets" : "x, the inputs"}. A row for each chunk; arrow keys move from character to character.`,
      room: ROOM,
      markOf(index) {
        const [line, column] = [Math.floor(index / size()), index % size()];
        if (line !== row) return "";
        if (at === null) return "soft";
        if (shift) return column === at ? "accent" : "soft";
        return column <= at ? "strong" : "soft";
      },
      point: (index) => follow(index !== null && Math.floor(index / size()) === row ? index % size() : null),
      choose: (index) => open(Math.floor(index / size()), index % size()),
      describe: (index) => describe(Math.floor(index / size()), index % size(), shift),
    });
  }

  const describe = (line, column, shift) =>
    `Row ${line + 1}, place ${column + 1}: ${quoted(rows[line][column + shift])}, number ${(shift ? batch.y : batch.x)[line][column]}`;

  /** @param {number} line @param {number | null} column */
  function open(line, column) {
    if (!batch) return;
    row = Math.min(batch.batch_size - 1, Math.max(0, line));
    address.keep("row", row || "");
    examples.show({ row, chars: rows[row], x: batch.x[row], y: batch.y[row] });
    split.mark(batch, row);
    follow(column);
  }

  /** @param {number | null} column */
  function follow(column) {
    at = column;
    inputs.draw();
    targets.draw();
    examples.mark(column);
  }

  const examples = createExamples(page.examples, follow);

  async function draw() {
    const asked = question();
    drawn = JSON.stringify(asked);
    const signal = asking.begin();
    try {
      show(await postForJSON("./learning/chunks", asked, signal));
      page.trouble.replaceChildren();
    } catch (error) {
      if (signal.aborted) return;
      drawn = "";
      tellTrouble(page.trouble, error, draw);
    } finally {
      asking.end(signal);
    }
    page.result.classList.toggle("stale", page.trouble.hasChildNodes());
  }

  /** @param {Batch} answer */
  function show(answer) {
    batch = answer;
    rows = batch.texts.map((chunk) => [...chunk]);
    page.result.hidden = false;
    page.result.classList.toggle("long", batch.block_size > SHORT);
    const shape = `${number(batch.batch_size)} × ${number(batch.block_size)}`;
    page.grids.forEach(({ shape: node }) => (node.textContent = shape));
    inputs.show({ chars: rows.flatMap((chars) => chars.slice(0, -1)), ids: batch.x.flat(), columns: batch.block_size });
    targets.show({ chars: rows.flatMap((chars) => chars.slice(1)), ids: batch.y.flat(), columns: batch.block_size });
    open(row, null);
  }

  function another() {
    const next = drawSeed();
    page.seed.value = String(next);
    keep("batch", "seed", next);
    void draw();
  }

  function showCorpus() {
    const { known, trouble } = corpus;
    page.notice.replaceChildren();
    if (trouble) page.notice.append(`${trouble} Until then, chunks are drawn from your text. `, againButton("quiet inline", () => corpus.read()));
    page.source.hidden = !known;
    page.from.value = usesText() ? OWN : "corpus";
    if (known) page.from.options[0].textContent = known.name;
    split.show(usesText() ? describeText(text) : { ...known, kinds: known.vocabulary.length });
    if (batch) split.mark(batch, row);
  }

  /** What has changed since the batch was drawn makes another one. */
  function refresh() {
    if (!corpus.known && !corpus.trouble) return; // it is being read
    row = Math.trunc(Number(address.get("row"))) || 0;
    showCorpus();
    if (JSON.stringify(question()) !== drawn) void draw();
  }

  /** Takes what the address says now. */
  function take() {
    batchSize.value = kept("rows", "batch_size");
    blockSize.value = kept("block", "block_size");
    page.seed.value = String(seed());
    if (batch && JSON.stringify(question()) === drawn) open(Math.trunc(Number(address.get("row"))) || 0, null);
  }

  page.from.addEventListener("change", () => {
    address.keep("from", page.from.value === OWN ? OWN : "");
    refresh();
  });
  Object.assign(page.seed, { min: String(ranges.seed.low), max: String(ranges.seed.high), step: "1", value: String(seed()) });
  page.seed.addEventListener("change", () => {
    if (!page.seed.reportValidity()) return;
    keep("batch", "seed", Number(page.seed.value));
    void draw();
  });
  page.controls.append(page.seedField, button("button", "Another batch", another));
  page.controls.addEventListener("submit", (event) => event.preventDefault());
  for (const [one, other] of [page.grids, [...page.grids].reverse()].map((grids) => grids.map(({ cells }) => cells))) {
    one.addEventListener("scroll", () => {
      [other.scrollLeft, other.scrollTop] = [one.scrollLeft, one.scrollTop];
    });
  }
  return {
    refresh,
    take,
    another,
    /** @param {number} step */
    move: (step) => open(row + step, null),
    get batch() {
      return batch;
    },
  };
}

/** The typed text as the split shows it. @param {import("./text.js").EncodedText} text */
function describeText({ chars, trainChars }) {
  const parts = [chars.slice(0, trainChars), chars.slice(trainChars)].map((part) => ({ characters: part.length, begins: first(part.join(""), EXCERPT) }));
  return { name: "Your text", characters: chars.length, kinds: new Set(chars).size, parts };
}

function build(part) {
  const notice = make("p", "notice");
  notice.setAttribute("role", "status");
  const split = make("section", "split");
  const controls = make("form", "data-controls");
  controls.setAttribute("aria-label", "How chunks are drawn");
  const from = Object.assign(make("select", "field"), { id: "data-from" });
  from.append(new Option("", "corpus"), new Option("Your text", OWN));
  const source = labelled("Chunks of", from, "data-control");
  const seed = Object.assign(make("input", "field"), { id: "data-seed", type: "number", required: true });
  const seedField = labelled("Seed", seed, "data-control");
  controls.append(source);
  const trouble = make("p", "trouble");
  trouble.setAttribute("role", "alert");
  const result = make("div", "batch");
  result.hidden = true;
  const grids = [
    ["x", "inputs"],
    ["y", "targets"],
  ].map(([name, words]) => {
    const [node, title, shape, cells] = [make("section", "batch-grid"), make("h3", "data-title"), make("span", "batch-shape"), make("div")];
    title.append(make("b", "batch-name", name), ` ${words} `, shape);
    node.append(title, cells);
    result.append(node);
    return { cells, shape };
  });
  const examples = result.appendChild(make("section", "examples"));
  part.append(notice, split, controls, trouble, result);
  return { notice, split, controls, from, source, seed, seedField, trouble, result, grids, examples };
}
