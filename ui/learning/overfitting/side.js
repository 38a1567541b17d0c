// One of the two runs: its loss, what early stopping would do, its figures, and what it writes at its best and at its last step.
import { make, number, plural } from "../../shared/dom.js";
import { createChart } from "../../shared/loss_chart.js";
import { lowestOf } from "../../shared/points.js";
import { Latest } from "../../shared/requests.js";
import { isUnderWay, nameInAddress } from "../../shared/runs.js";
import { ServerError } from "../../shared/server.js";
import { readCurve } from "../../shared/snapshots.js";
import { tellTrouble } from "../../shared/trouble.js";
import { askCopied, CopiedText } from "./copies.js";
import { bitsOf, perplexityOf, pointsOf, stepInWords, stopsAt } from "./runs.js";

export const TEXT_CHARS = 400;
const GONE = 404;
const COLUMNS = [
  ["step", ""],
  ["training loss", "mean of the batch losses since the previous evaluation, with dropout on, in nats per character"],
  ["validation loss", "on text that the network never learns from, with dropout off, in nats per character"],
  ["bits", "bits per character: validation loss / ln 2"],
  ["perplexity", "e to the power of the validation loss: as uncertain as a uniform choice among this many characters"],
];

/** @typedef {import("./runs.js").Run} Run */
/** @typedef {import("./runs.js").Point} Point */

export class Side {
  node = make("section", "overfitting-side");
  /** @type {Run | null} */
  run = null;
  /** @type {import("./runs.js").Curve} */
  curve = { train: [], val: [] };
  /** @type {Point[]} */
  points = [];
  /** @type {Record<"best" | "last", CopiedText>} */
  texts;
  #learning;
  #select = make("select", "field");
  #about = make("p", "overfitting-about");
  #stop = make("p", "overfitting-stop");
  #trouble = make("p", "trouble");
  #table = make("table", "overfitting-figures");
  #changed;
  #lost;
  #reading = new Latest();
  #writing = new Latest();

  /**
   * @param {import("../main.js").Learning} learning
   * @param {import("./copies.js").Source} source
   * @param {{label: string, choose: (name: string) => void, changed: () => void, lost: () => void}} on `lost`: the server has its run or its weights no longer
   */
  constructor(learning, source, { label, choose, changed, lost }) {
    this.#learning = learning;
    [this.#changed, this.#lost] = [changed, lost];
    this.#select.setAttribute("aria-label", label);
    this.#select.addEventListener("change", () => choose(this.#select.value));
    this.chart = createChart([], () => {});
    const [best, last] = [new CopiedText(source, `${label}: the text at its best step`), new CopiedText(source, `${label}: the text at its last step`)];
    this.texts = { best, last };
    this.#trouble.setAttribute("role", "alert");
    const chosen = make("div", "overfitting-run");
    chosen.append(this.#select, this.#about);
    this.node.append(chosen, this.#trouble, this.chart.node, this.#stop, last.node, best.node, this.#table);
  }

  /** Shows a run. Where nothing has changed since it was shown, all stays. @param {Run[]} runs @param {Run} run */
  async take(runs, run) {
    this.#select.replaceChildren(...runs.map((each) => Object.assign(make("option", "", each.name), { value: nameInAddress(each) })));
    this.#select.value = nameInAddress(run);
    if (!isUnderWay(run) && JSON.stringify(run) === JSON.stringify(this.run)) return;
    if (!this.run || nameInAddress(run) !== nameInAddress(this.run)) this.#clear();
    this.run = run;
    this.#about.textContent = aboutOf(run);
    await this.#read();
  }

  #clear() {
    [this.curve, this.points] = [{ train: [], val: [] }, []];
    this.#writing.cancel();
    for (const text of Object.values(this.texts)) {
      text.show("", "");
      text.node.classList.remove("running");
    }
  }

  async #read() {
    const signal = this.#reading.begin();
    this.#trouble.replaceChildren();
    try {
      this.curve = await readCurve(this.run, signal);
      this.points = pointsOf(this.run, this.curve);
      this.#changed();
      await this.write();
    } catch (error) {
      if (!signal.aborted) this.#tell(this.#trouble, error, () => this.#read());
    } finally {
      this.#reading.end(signal);
    }
  }

  /** @param {number} patience @param {number[]} span losses that the axis has room for */
  draw(patience, span) {
    if (!this.run) return;
    const { curve, points, run } = this;
    const stop = stopsAt(curve.val, patience);
    const marks = stop === null ? [] : [{ step: stop, words: `early stopping: step ${number(stop)}` }];
    const series = { name: run.name, ...curve, steps: run.steps, isLectures: false };
    this.chart.draw({ runs: [series], scale: "linear", playhead: null, marks, span, hasLegend: false });
    this.#stop.textContent = stopWords(stop, patience, curve.val);
    this.#table.replaceChildren(head(), ...points.map(row));
    for (const point of points) this.texts[point.which].title = titleOf(point);
  }

  /** Writes both texts with the tab's prompt and dice, and marks what is copied. */
  async write() {
    const signal = this.#writing.begin();
    await Promise.all(this.points.map((point) => this.#writeOne(point, signal)));
    this.#writing.end(signal);
  }

  /** @param {Point} point @param {AbortSignal} signal */
  async #writeOne({ which, snapshot }, signal) {
    const text = this.texts[which];
    text.node.classList.add("running");
    let notice = "";
    try {
      await this.#learning.texts.write(
        snapshot.key,
        this.#learning.dice.settings,
        TEXT_CHARS,
        (written) => {
          notice = written.notice;
          text.show(written.prompt, written.text);
        },
        signal,
      );
      const { source, id } = this.run;
      const answer = await askCopied({ text: text.text, source, run: id }, signal);
      text.mark({ ...answer, notice });
      this.#changed();
    } catch (error) {
      if (!signal.aborted) this.#tell(text.said, error, () => this.write());
    } finally {
      if (!signal.aborted) text.node.classList.remove("running");
    }
  }

  /** Says what went wrong. @param {HTMLElement} node @param {Error} error @param {() => unknown} again */
  #tell(node, error, again) {
    tellTrouble(node, error, again);
    if (error instanceof ServerError && error.status === GONE) this.#lost();
  }

  get isWriting() {
    return this.#writing.isBusy;
  }

  /** Nobody looks any more. */
  leave() {
    this.#writing.cancel();
    for (const text of Object.values(this.texts)) text.leave();
  }
}

/** @param {Run} run */
export const dropoutOf = ({ dropout }) => (dropout ? `with dropout ${dropout}` : "without dropout");

/** @param {Run} run */
const sizeOf = ({ n_params: count }) => (count < 100_000 ? number(count) : `${(count / 1e6).toFixed(1)} M`);

/** In a line. @param {Run} run */
function aboutOf(run) {
  const dropout = run.dropout ? `dropout ${run.dropout}` : "no dropout";
  return `${sizeOf(run)} parameters, ${dropout}, ${run.train_chars ? plural(run.train_chars, "character") : "whole text"}`;
}

/** @param {Point} point */
function titleOf(point) {
  const words = stepInWords(point);
  return `${words[0].toUpperCase()}${words.slice(1)}`;
}

/** What early stopping knows at its step is what was evaluated until then. @param {number | null} stop @param {number} patience @param {number[][]} val */
function stopWords(stop, patience, val) {
  if (!val.length) return "";
  if (stop === null) return `Early stopping would not end it: the validation loss never goes ${plural(patience, "evaluation")} without a new minimum.`;
  return `Early stopping would end it at step ${number(stop)}, with the weights of step ${number(lowestOf(val, stop)[0])}.`;
}

function head() {
  const node = make("thead");
  const cells = COLUMNS.map(([name, meaning]) => Object.assign(make("th", "", name), { scope: "col", title: meaning }));
  const line = make("tr");
  line.append(...cells);
  node.append(line);
  return node;
}

/** @param {Point} point */
function row({ which, snapshot, wanted, training, validation }) {
  const line = make("tr");
  const known = (value, digits) => (typeof value === "number" ? value.toFixed(digits) : "–");
  const name = snapshot.step === wanted ? `${which} ${number(wanted)}` : `${number(snapshot.step)}, near the ${which}`;
  const step = Object.assign(make("th", "", name), { scope: "row" });
  const bits = validation && bitsOf(validation);
  const perplexity = validation && perplexityOf(validation);
  const cells = [known(training, 2), known(validation, 2), known(bits, 2), known(perplexity, 1)];
  line.dataset.point = which;
  line.append(step, ...cells.map((value) => make("td", "", value)));
  return line;
}
