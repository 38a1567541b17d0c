// One round on the wall: its texts as a mosaic, or as a tree with what came next at a branch.
import { make, makeText, number, plural, POINT_AT, readable, endOf, listed, inFull, signOf, percent } from "../../shared/dom.js";
import { next } from "../../shared/logits.js";
import { firstChar, pathTo, wentOn } from "../../shared/prefix_tree.js";
import { Latest } from "../../shared/requests.js";
import { admitNamed } from "../../shared/snapshots.js";
import { TreeCanvas } from "../../shared/tree_canvas.js";
import { tellTrouble } from "../../shared/trouble.js";
import { Mosaic } from "./mosaic.js";
import { nextAt, Shares, whatCame } from "./shares.js";

/** @typedef {import("../../shared/classroom.js").Round} Round */
/** @typedef {import("../../shared/classroom.js").ClassText} ClassText */
/** @typedef {import("../../shared/models.js").Model} Model */

const WAIT_MS = 150; // how long a pointer rests before logits are fetched
const BEFORE = 40; // characters of the way to a branch
const NAMED = 12; // of those who went a way
const KEYS = "Arrow keys move through the tree.";

export class Stage {
  node = make("section", "wall-stage");
  mosaic = new Mosaic();
  /** @type {Round | null} */
  round = null;
  /** @type {ClassText[]} */
  texts = [];
  #title = makeText("h3", "wall-stage-title");
  #empty = make("div", "wall-empty");
  #branches = make("div", "wall-branches");
  #path = makeText("p", "wall-path");
  #facts = make("p", "wall-facts");
  #said = make("p", "trouble");
  #tree;
  #shares;
  #models;
  #part = "";
  #isAbreast = false;
  #way = "";
  #key = ""; // of what the branch's facts were drawn from
  #asking = new Latest();
  #waiting = 0;
  /** @type {Map<string, number[]>} logits by what was read */
  #logits = new Map();
  /** @type {any} */
  #branch = null;

  /** @param {import("../../shared/models.js").Models} models */
  constructor(models) {
    this.#models = models;
    this.#shares = new Shares((char) => this.#goOn(char));
    this.#tree = new TreeCanvas(this.node, {
      samples: () => this.samples(),
      rank: (code) => this.model?.idOf(String.fromCodePoint(code)) ?? code,
      isSame: (a, b) => a.sample === b.sample,
      grown: (root) => this.#describe(root),
      pointed: (item, root) => this.#point(item, root),
    });
    this.#tree.canvas.setAttribute("aria-description", KEYS);
    this.#tree.canvas.dataset.testid = "class-tree";
    const card = make("div", "wall-card");
    card.setAttribute("role", "status");
    card.append(this.#path, this.#facts);
    const aside = make("div", "wall-aside");
    this.#said.setAttribute("role", "alert");
    aside.append(card, this.#shares.node, this.#said);
    this.#branches.append(this.#tree.node, aside);
    this.node.append(this.#title, this.#empty, this.mosaic.node, this.#branches);
  }

  /** @returns {Model | undefined} the round's */
  get model() {
    return this.round && this.#models.find(this.round.model);
  }

  /**
   * @param {Round} round
   * @param {ClassText[]} texts
   * @param {"mosaic" | "tree"} part
   * @param {boolean} isAbreast whether another round stands beside it
   * @param {string} way what all texts begin with, those of a round beside it too
   */
  show(round, texts, part, isAbreast, way) {
    const isOther = round.id !== this.round?.id;
    const isNew = isOther || texts !== this.texts || part !== this.#part || isAbreast !== this.#isAbreast || way !== this.#way;
    this.#way = way;
    this.round = round;
    this.texts = texts;
    this.#part = part;
    this.#isAbreast = isAbreast;
    if (isOther) {
      this.#logits.clear();
      this.#key = "";
      this.#tree.begin();
      if (!this.model) void admitNamed(this.#models, [round.model]).then(() => this.#tree.redraw(), () => {});
    }
    this.#title.hidden = !isAbreast;
    this.#title.textContent = `${inFull(round)} · ${plural(texts.length, "text")}`;
    this.#drawEmpty();
    this.node.classList.toggle("wall-stage-narrow", isAbreast);
    this.mosaic.node.hidden = part !== "mosaic" || !texts.length;
    this.#branches.hidden = part !== "tree" || !texts.length;
    if (!isNew) return;
    if (part === "mosaic") this.mosaic.show(texts);
    if (part === "tree") this.#tree.show();
    else this.#leaveTree();
    this.#tree.redraw();
  }

  /** While it is not seen, nothing is asked for. */
  hide() {
    this.#leaveTree();
  }

  #leaveTree() {
    this.#tree.hide();
    clearTimeout(this.#waiting);
    this.#asking.cancel();
    this.#key = "";
  }

  /** Shows all branches, or folds the small ones. */
  toggle() {
    this.#tree.toggle();
  }

  /** Its texts as the tree takes them. */
  samples() {
    return this.texts.map(({ sample, text, name }) => ({ sample, name, start: this.round.prompt, text, live: false }));
  }

  #drawEmpty() {
    this.#empty.hidden = this.texts.length > 0;
    if (this.texts.length) return this.#empty.replaceChildren();
    const { open, prompt, writing } = this.round;
    const words = !open ? "Nobody threw the dice in this round." : writing ? "The first texts are being written …" : "Everybody throws the dice once: press the button on your phone.";
    this.#empty.replaceChildren(makeText("p", "wall-empty-prompt", prompt ? readable(endOf(prompt, BEFORE)) : "(an empty prompt)"), make("p", "wall-empty-words", words));
  }

  #describe(root) {
    if (!root) return;
    const ways = root.children.length ? `; after that ${whatCame(root)}` : "";
    this.#tree.canvas.setAttribute("aria-label", `Tree of ${plural(root.count, "text")}: all begin with “${readable(endOf(root.text, BEFORE))}”${ways}.`);
  }

  /** Where the reader points: the whole tree if nowhere. */
  #point(item, root) {
    this.#branch = item ?? this.#tree.tree.root;
    const { hidden, node: whole } = this.#branch;
    const node = !item && this.#way.length < whole.to ? until(whole, this.#way.length) : whole;
    const names = node.samples.map(({ name }) => name).filter(Boolean);
    const key = [root.count, node.from, node.to, node.count, node.samples[0].sample, Boolean(hidden), names.length, this.model?.key].join();
    if (key === this.#key) return;
    this.#key = key;
    const way = pathTo(node).map(({ text }) => text).join("");
    const first = node.parent ? firstChar(node) : "";
    const [before, after] = [way.slice(0, node.parent ? node.from : node.to), way.slice(node.from + first.length)];
    this.#path.replaceChildren(make("span", "wall-before", readable(endOf(before, BEFORE))));
    if (first && !hidden) this.#path.append(make("b", "wall-first", signOf(first)), make("span", "wall-before", readable(after)));
    this.#facts.textContent = hidden ? `${plural(this.#branch.count, "text")} in ${hidden.length} more ways. Click to see them.` : factsOf(whole, names);
    clearTimeout(this.#waiting);
    this.#asking.cancel();
    this.#said.textContent = "";
    const { model } = this;
    if (!model || hidden || !node.children.length) {
      this.#shares.clear();
      if (!model) this.#said.textContent = `The model ${this.round.model_name} is no longer here: true probabilities cannot be shown.`;
      return;
    }
    const read = (this.round.prompt ? "" : model.start) + way;
    const known = this.#logits.get(read);
    if (known) this.#shares.show(nextAt(node, model, known, this.round), this.#isAbreast);
    else this.#waiting = setTimeout(() => void this.#ask(node, read, model), WAIT_MS);
  }

  async #ask(node, read, model) {
    const signal = this.#asking.begin();
    try {
      const { logits } = await next(read, model, signal);
      if (signal.aborted) return;
      this.#logits.set(read, logits);
      this.#shares.show(nextAt(node, model, logits, this.round), this.#isAbreast);
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#said, error, () => this.#ask(node, read, model));
    } finally {
      this.#asking.end(signal);
    }
  }

  /** @param {string} char */
  #goOn(char) {
    const item = this.#branch?.children.find(({ node, hidden }) => !hidden && firstChar(node) === char);
    this.#tree.select(item ?? this.#branch?.children.find(({ hidden }) => hidden?.some((node) => firstChar(node) === char)));
  }
}

/** The beginning of a tree, as far as the tree beside it goes the same way. @param {any} root @param {number} to */
const until = (root, to) => ({ ...root, text: root.text.slice(0, to), to, ends: [], children: [{ ...root, text: root.text.slice(to), from: to }] });

/** @param {any} node */
const allOf = ({ count }) => (count === 2 ? "Both texts" : `All ${plural(count, "text")}`);

/** @param {any} node @param {string[]} names */
function factsOf(node, names) {
  if (!node.parent && !node.children.length) return node.count > 1 ? `${allOf(node)} are the same.` : "One text: nothing to compare it with yet.";
  if (!node.parent) return `${allOf(node)} begin like this. ${POINT_AT} a branch.`;
  const ways = `${number(node.count)} of ${number(wentOn(node))} went on like this (${percent(node.count / wentOn(node))}).`;
  if (!names.length) return ways;
  const others = node.count - Math.min(names.length, NAMED);
  return `${ways} ${listed([...names.slice(0, NAMED), ...(others ? [`${plural(others, "other")}`] : [])])}.`;
}
