// The view "Tree": the samples of one model, merged where they begin alike.
import { button, endOf, make, number, plural, POINT_AT, quoted, readable } from "../../shared/dom.js";
import { firstChar } from "../../shared/prefix_tree.js";
import { TreeCanvas } from "../../shared/tree_canvas.js";
import { ribbonUnit } from "../../shared/tree_drawing.js";
import { saveTree } from "../../shared/tree_picture.js";
import { continueFrom, createCard } from "./card.js";

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
  const toggle = button("quiet inline tree-toggle", "", () => tree.toggle());
  const card = createCard(tab);
  const empty = make("p", "empty", EMPTY);
  folded.append(foldedWords, toggle);
  folded.hidden = true; // until there is a tree
  const choice = make("p", "tree-models");
  head.append(title, choice, legend, folded);

  /** @type {Model | null} whose samples are shown; null for the newest generation's */
  let wanted = null;
  const model = () => tab.generations.current.find((generation) => generation.model === wanted)?.model ?? tab.generations.list.at(-1)?.model;
  const own = () => tab.generations.current.filter((generation) => generation.model === model());
  const rank = (code) => model().idOf(String.fromCodePoint(code)) ?? model().vocabulary.length + code;
  const take = () => (wanted = tab.models.find(tab.address.get("tree")) ?? null);
  take();
  const tree = new TreeCanvas(panel, {
    samples: () => samplesOf(own()),
    rank,
    isSame: (a, b) => a.generation === b.generation && a.index === b.index,
    grown,
    pointed: (item, root) => card.show(item, root),
    act: ({ node }) => continueFrom(tab, node),
  });
  tree.canvas.setAttribute("aria-description", KEYS);
  tree.canvas.dataset.testid = "tree";
  panel.append(head, card.node, tree.node, empty);

  function grown(root) {
    panel.classList.toggle("tree-is-empty", !root);
    empty.hidden = Boolean(root);
    if (root) describe(root);
  }

  function describe(root) {
    setText(title, titleOf(own(), isOne()));
    drawModels();
    drawLegend(legend, root.count);
    const away = tree.folded;
    const samples = away.reduce((sum, { count }) => sum + count, 0);
    folded.hidden = !away.length && !tree.isUnfolded;
    setText(foldedWords, away.length ? `${plural(samples, "sample")} folded away in ${plural(away.length, "place")}. ` : "");
    setText(toggle, away.length ? "Show all" : "Fold small branches");
    tree.canvas.setAttribute("aria-label", inWords(root));
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
    tree.begin();
    /** @type {HTMLElement | null} */ (choice.querySelector("[aria-pressed=true]"))?.focus();
  }

  tab.generations.addEventListener("change", () => tree.redraw());
  tab.generations.addEventListener("grow", () => tree.redraw());

  function save() {
    if (!saveTree("soliloquy-tree.png", titleOf(own(), isOne()), samplesOf(own()), rank)) throw new Error(EMPTY);
  }

  return {
    caption: CAPTION,
    keeps: ["tree"],
    take() {
      take();
      tree.begin();
    },
    show() {
      tree.show();
    },
    hide() {
      tree.hide();
      card.hide();
    },
    downloads: [["Picture of the tree (PNG)", save]],
    keys: [["o", "Show all branches, or fold the small ones", () => !folded.hidden && toggle.click()]],
  };
}

/** @param {Generation[]} generations */
const samplesOf = (generations) =>
  generations.flatMap((generation) => generation.texts.map((text, index) => ({ generation, index, start: generation.start, text, live: generation.live })));

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
