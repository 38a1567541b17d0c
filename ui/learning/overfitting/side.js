// One of the two runs: its loss, what early stopping would do, its figures, and what it writes at its best and at its last step.
import { make, number, plural } from "../../shared/dom.js";
import { createChart } from "../../shared/loss_chart.js";
import { Latest } from "../../shared/requests.js";
import { postForJSON } from "../../shared/server.js";
import { readCurve } from "../../shared/snapshots.js";
import { tellTrouble } from "../../shared/trouble.js";
import { CopiedText } from "./copies.js";
import { bitsOf, nameOf, partNameOf, perplexityOf, pointsOf, stopsAt } from "./runs.js";

export const TEXT_CHARS = 400;
const COLUMNS = [
  ["step", ""],
  ["training loss", "mean of the steps since the evaluation before, in nats per character"],
  ["validation loss", "on text that the network never learns from, in nats per character"],
  ["bits", "bits per character: validation loss / ln 2"],
  ["perplexity", "e to the power of the validation loss: guessing among so many characters would be as hard"],
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
  #reading = new Latest();
  #writing = new Latest();

  /**
   * @param {import("../main.js").Learning} learning
   * @param {import("./copies.js").Source} source
   * @param {{label: string, choose: (name: string) => void, changed: () => void}} on
   */
  constructor(learning, source, { label, choose, changed }) {
    this.#learning = learning;
    this.#changed = changed;
    this.#select.setAttribute("aria-label", label);
    this.#select.addEventListener("change", () => choose(this.#select.value));
    this.chart = createChart([], () => {});
    const [best, last] = [new CopiedText(source, `${label}: the text at its best step`), new CopiedText(source, `${label}: the text at its last step`)];
    this.texts = { best, last };
    this.#trouble.setAttribute("role", "alert");
    this.node.append(this.#select, this.#about, this.#trouble, this.chart.node, this.#stop, this.#table, best.node, last.node);
  }

  /** @param {Run[]} runs @param {Run} run */
  async take(runs, run) {
    this.#select.replaceChildren(...runs.map((each) => Object.assign(make("option", "", each.name), { value: nameOf(each) })));
    this.#select.value = nameOf(run);
    if (run === this.run) return;
    this.run = run;
    [this.curve, this.points] = [{ train: [], val: [] }, []];
    this.#about.textContent = `${sizeOf(run)} parameters, ${dropoutOf(run)}, on ${partNameOf(run)}`;
    this.#writing.cancel();
    for (const text of Object.values(this.texts)) {
      text.show("", "");
      text.node.classList.remove("running");
    }
    await this.#read();
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
      if (!signal.aborted) tellTrouble(this.#trouble, error, () => this.#read());
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
    this.#stop.textContent = stopWords(stop, patience, points);
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
      const answer = await postForJSON("./learning/copied", { text: text.text, source, run: id }, signal);
      text.mark({ ...answer, notice });
      this.#changed();
    } catch (error) {
      if (!signal.aborted) tellTrouble(text.said, error, () => this.write());
    } finally {
      if (!signal.aborted) text.node.classList.remove("running");
    }
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

/** @param {Point} point */
function titleOf({ which, snapshot, wanted }) {
  if (which === "last") return `Last step: ${number(snapshot.step)}`;
  if (snapshot.step === wanted) return `Best step: ${number(wanted)}`;
  return `Step ${number(snapshot.step)}, the nearest that was kept to the best one, ${number(wanted)}`;
}

/** @param {number | null} stop @param {number} patience @param {Point[]} points */
function stopWords(stop, patience, [best]) {
  if (!best) return "";
  const rule = `${plural(patience, "evaluation")} in a row without a new lowest validation loss`;
  if (stop === null) return `Early stopping would not end this run: it never has ${rule}.`;
  return `Early stopping would end this run at step ${number(stop)}, after ${rule}, with the weights of step ${number(best.wanted)}.`;
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
function row({ which, snapshot, training, validation }) {
  const line = make("tr");
  const known = (value, digits) => (value === undefined ? "–" : value.toFixed(digits));
  const step = Object.assign(make("th", "", `${which} ${number(snapshot.step)}`), { scope: "row" });
  const bits = validation && bitsOf(validation);
  const perplexity = validation && perplexityOf(validation);
  const cells = [known(training, 2), known(validation, 2), known(bits, 2), known(perplexity, 1)];
  line.dataset.point = which;
  line.append(step, ...cells.map((value) => make("td", "", value)));
  return line;
}
