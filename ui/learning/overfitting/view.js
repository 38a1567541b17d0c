// The view "Overfitting": a network that learns a small text by heart, without and with dropout, and what of its texts is copied.
import { labelled, make, number, percent } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { nameInAddress } from "../../shared/runs.js";
import { readRuns } from "../../shared/snapshots.js";
import { tellTrouble } from "../../shared/trouble.js";
import { Check } from "./check.js";
import { Source } from "./copies.js";
import { isUsable, stepInWords } from "./runs.js";
import { saveCharts, saveCurves, saveTexts } from "./save.js";
import { dropoutOf, Side } from "./side.js";

const CAPTION =
  "The training loss keeps falling, but the loss on unseen text turns and rises: the network learns its text by heart. Dropout delays and softens this. What is copied word for word is marked; point at it to see its source.";
const UNITS =
  "Losses are in nats per character; dropout is on for the training loss and off for the validation loss. Bits per character: loss / ln 2. Perplexity: e to the power of the loss. " +
  "Early stopping ends a run after as many evaluations as its patience without a new minimum of the validation loss.";
const NO_RUNS = "No run has snapshots. Train one with snapshots to see it here.";
const DEFAULTS = ["shipped/overfit", "shipped/overfit-dropout"];
const [PATIENCE, MOST_PATIENCE] = [3, 99];

/** @typedef {import("./runs.js").Point} Point */

/** @param {HTMLElement} panel @param {import("../main.js").Learning} learning @returns {import("../../shared/views.js").View} */
export function createOverfitting(panel, learning) {
  const view = new Overfitting(panel, learning);
  return {
    caption: CAPTION,
    show: () => view.show(),
    keeps: ["overfit", "patience", "checked"],
    take: () => view.take(),
    hide: () => view.hide(),
    keys: [
      ["]", "Next copied stretch", () => view.step(1)],
      ["[", "Previous copied stretch", () => view.step(-1)],
      ["c", "Check any text", () => view.check.focus()],
      ["Ctrl Enter", "Check it, while typing"],
    ],
    /** @returns {import("../../shared/views.js").Entry[]} */
    get downloads() {
      if (!view.isReady) return [];
      return [
        ["Both curves (CSV)", () => saveCurves(view.sides)],
        ["Texts and what is copied (JSON)", () => saveTexts(view.sides, learning.dice.settings)],
        ["Charts (PNG)", () => saveCharts(view.sides)],
      ];
    },
  };
}

class Overfitting {
  #learning;
  #summary = make("p", "overfitting-summary");
  #missing = make("p", "notice");
  #trouble = make("p", "trouble");
  #patience = make("input", "field");
  /** @type {import("./runs.js").Run[]} */
  #runs = [];
  #reading = new Latest();
  #isShown = false;
  #isStale = false;

  /** @param {HTMLElement} panel @param {import("../main.js").Learning} learning */
  constructor(panel, learning) {
    this.#learning = learning;
    const source = new Source(panel);
    const [changed, lost] = [() => this.#draw(), () => void this.#read()];
    const side = (label, place) => new Side(learning, source, { label, choose: (name) => this.#choose(place, name), changed, lost });
    this.sides = [side("First run", 0), side("Second run", 1)];
    this.check = new Check(learning, source);
    const both = make("div", "overfitting-sides");
    both.append(...this.sides.map(({ node }) => node));
    for (const node of [this.#summary, this.#missing]) node.setAttribute("role", "status");
    this.#trouble.setAttribute("role", "alert");
    panel.append(this.#summary, this.#missing, this.#trouble, this.#legend(), both, make("p", "overfitting-units", UNITS), this.check.node);
    learning.dice.addEventListener("change", () => {
      this.#isStale = true;
      if (this.#isShown) this.#write();
    });
  }

  get isReady() {
    return this.sides.every(({ points }) => points.length);
  }

  show() {
    this.#isShown = true;
    if (this.#isStale) this.#write();
    void this.#read();
  }

  take() {
    this.#takePatience();
    this.check.take();
    if (!this.#runs.length) return;
    this.#take();
    this.#draw();
  }

  hide() {
    this.#isShown = false;
    this.#reading.cancel();
    this.#isStale ||= this.sides.some((side) => side.isWriting);
    for (const side of this.sides) side.leave();
    this.check.text.leave();
  }

  /** Goes to a copied stretch of a text on the view. @param {number} by */
  step(by) {
    const texts = [...this.sides.flatMap(({ texts }) => [texts.last, texts.best]), this.check.text];
    const all = texts.flatMap((text) => (text.answer?.stretches ?? []).map((_, index) => ({ text, index })));
    if (!all.length) return;
    const at = all.findIndex(({ text, index }) => text.here === index);
    const { text, index } = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length];
    text.go(index);
  }

  /** Reads the runs: there may be others by now, or more of one, or the server may have other weights. */
  async #read() {
    const signal = this.#reading.begin();
    this.#trouble.replaceChildren();
    try {
      this.#runs = (await readRuns(signal)).filter(isUsable);
      if (!this.#runs.length) this.#trouble.textContent = NO_RUNS;
      else this.#take();
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#trouble, error, () => this.#read());
    } finally {
      this.#reading.end(signal);
    }
  }

  /** Shows the runs that the address names, or the two that are made for it. */
  #take() {
    const asked = this.#learning.address.get("overfit").split(",");
    const find = (name) => this.#runs.find((run) => nameInAddress(run) === name);
    const chosen = DEFAULTS.map((name, i) => find(asked[i]) ?? find(name) ?? this.#runs[i] ?? this.#runs[0]);
    this.sides.forEach((side, i) => void side.take(this.#runs, chosen[i]));
    this.check.offer(chosen);
  }

  /** @param {number} place @param {string} name */
  #choose(place, name) {
    const names = this.sides.map(({ run }, i) => (i === place ? name : nameInAddress(run)));
    this.#learning.address.keep("overfit", names.join() === DEFAULTS.join() ? "" : names.join());
    this.#take();
  }

  #write() {
    this.#isStale = false;
    for (const side of this.sides) void side.write();
  }

  get #span() {
    return this.sides.flatMap(({ curve: { train, val } }) => [...train, ...val].map(([, loss]) => loss)).filter((loss) => loss > 0);
  }

  #draw() {
    const span = this.#span;
    const ends = span.length ? [span.reduce((a, b) => Math.min(a, b)), span.reduce((a, b) => Math.max(a, b))] : [];
    const patience = Number(this.#patience.value);
    for (const side of this.sides) side.draw(patience, ends);
    this.#missing.textContent = this.sides.flatMap(({ texts }) => [texts.last, texts.best]).find(({ answer }) => answer?.trouble)?.answer.trouble ?? "";
    this.#summary.replaceChildren(...this.sides.map((side) => make("span", "", `${inWords(side, this.sides)} `)));
  }

  #takePatience() {
    const given = Number(this.#learning.address.get("patience"));
    const isGiven = Number.isInteger(given) && given >= 1 && given <= MOST_PATIENCE;
    this.#patience.value = String(isGiven ? given : PATIENCE);
  }

  #legend() {
    const node = make("div", "overfitting-legend");
    const key = (name, words) => {
      const part = make("span", "overfitting-key", words);
      part.dataset.key = name;
      return part;
    };
    Object.assign(this.#patience, { id: "overfitting-patience", type: "number", min: "1", max: String(MOST_PATIENCE), step: "1", required: true });
    this.#takePatience();
    this.#patience.addEventListener("input", () => {
      if (!this.#patience.checkValidity()) return;
      const patience = Number(this.#patience.value);
      this.#learning.address.keep("patience", patience === PATIENCE ? "" : patience);
      this.#draw();
    });
    const patience = labelled("Early stopping: patience, in evaluations", this.#patience, "overfitting-patience");
    node.append(key("validation", "validation loss"), key("training", "training loss"), key("copied", "copied word for word"), patience);
    return node;
  }
}

/** Of a step that stands for the best one and the last one. @param {Point} best @param {Point} last */
function sameInWords(best, last) {
  if (best.snapshot.step === best.wanted) return "that is its best step";
  return best.wanted === last.wanted ? "its best step is the last one" : `no step nearer to its best one, ${number(best.wanted)}, was kept`;
}

/** "At its last step, 1,500, the network without dropout copies 84 % of its text; at its best step, 300, 2 %." @param {Side} side @param {Side[]} sides */
function inWords({ run, points, texts }, sides) {
  const [best, last] = points;
  if (!best || texts.last.share === null || texts.best.share === null) return "";
  const isTold = new Set(sides.map((side) => side.run?.dropout)).size > 1;
  const who = isTold ? `the network ${dropoutOf(run)}` : `“${run.name}”`;
  const [atBest, atLast] = [best, last].map((point) => `at ${point.snapshot.step === point.wanted ? "its " : ""}${stepInWords(point)}`);
  const compared = best.snapshot.step === last.snapshot.step ? sameInWords(best, last) : `${atBest}, ${percent(texts.best.share)}`;
  return `${atLast.replace("a", "A")}, ${who} copies ${percent(texts.last.share)} of its text; ${compared}.`;
}
