// What the view "Training" shows: a run, one of its steps, and a measure of its heads. All of it belongs to the address.
import { Emitter } from "../../shared/emitter.js";
import { Latest } from "../../shared/requests.js";
import { isUnderWay, nameInAddress } from "../../shared/runs.js";
import { admitSnapshots, readCurve, readRuns } from "../../shared/snapshots.js";
import { logShare } from "../../shared/step_axis.js";
import { nameOf } from "./formation.js";
import { History } from "./history.js";
import { Moments } from "./moments.js";

const PASSAGE = "ROMEO:\nBut, soft! what light through yonder window breaks?\n"; // short enough for the smallest networks
const SETTLE_MS = 60; // a slider that is drawn over many steps asks for those alone at which it rests
const FOLLOW_MS = 5_000; // between two looks at a run that goes on
const FIRST_MEASURE = "previous";

/**
 * @typedef {import("./formation.js").Head} Head
 * @typedef {import("../../shared/snapshots.js").SnapshotRun} Run
 * @typedef {import("../../shared/snapshots.js").Snapshot & {model: import("../../shared/models.js").Model}} Step a snapshot that can be used
 */

/** Events: "runs" (the list, or what went wrong with it), "run" (another one, or more of it), "step", "moment" (there is more of the step), "heads". */
export class Training extends Emitter {
  /** @type {Run[]} */
  runs = [];
  /** @type {Run | null} */
  run = null;
  /** @type {import("../../shared/snapshots.js").Curve} */
  curve = { train: [], val: [] };
  /** @type {Step[]} of the run */
  steps = [];
  /** @type {Error | null} */
  trouble = null;
  /** @type {Head | null} that is pointed at */
  pointed = null;
  hasLooked = false;
  #learning;
  #reading = new Latest();
  #isShown = false;
  #settling = 0;
  #following = 0;

  /** @param {import("../main.js").Learning} learning */
  constructor(learning) {
    super();
    this.#learning = learning;
    this.moments = new Moments(learning.texts);
    this.history = new History();
    this.moments.addEventListener("change", ({ detail }) => detail === this.step?.model && this.#grow());
    this.history.addEventListener("change", () => this.tell("heads"));
    learning.dice.addEventListener("change", () => this.#isShown && this.#ask());
  }

  /** The place of the step among the steps; the last one without another word. */
  get at() {
    const asked = this.#learning.address.get("step");
    const place = asked === "" ? -1 : this.steps.findLastIndex(({ step }) => step <= Number(asked));
    return place < 0 ? this.steps.length - 1 : place;
  }

  /** @returns {Step | undefined} */
  get step() {
    return this.steps[this.at];
  }

  get hasHeads() {
    return Boolean(this.step?.model.shows("attention"));
  }

  /** What there is of the step. */
  get moment() {
    return this.step && this.moments.get(this.step.model);
  }

  get measure() {
    const { measures } = this;
    return measures.find(({ name }) => name === this.#learning.address.get("measure")) ?? measures.find(({ name }) => name === FIRST_MEASURE);
  }

  /** Those that a text alone gives. */
  get measures() {
    return this.#learning.page.limits.measures.filter(({ unit }) => unit !== "nats");
  }

  /** @returns {Head | null} the chosen one */
  get head() {
    const [, layer, head] = (/^(\d+)\.(\d+)$/.exec(this.#learning.address.get("watched_head")) ?? []).map(Number);
    return this.run && layer < this.run.n_layer && head < this.run.n_head ? { layer, head } : null;
  }

  /** The text that the heads read. */
  get passage() {
    return this.#learning.address.get("passage") || PASSAGE;
  }

  /** @param {number} place among the steps */
  choose(place) {
    const to = Math.min(this.steps.length - 1, Math.max(0, place));
    if (!this.steps.length || to === this.at) return;
    this.#learning.address.keep("step", to === this.steps.length - 1 ? "" : this.steps[to].step);
    this.tell("step");
    this.#settle();
  }

  /** The step that is nearest on a logarithmic axis. @param {number} step */
  chooseNearest(step) {
    const share = ({ step }) => logShare(step, this.run.steps);
    const distance = (other) => Math.abs(share(other) - share({ step }));
    this.choose(this.steps.reduce((best, other, i) => (distance(other) < distance(this.steps[best]) ? i : best), 0));
  }

  /** @param {string} name in the address */
  chooseRun(name) {
    this.#learning.address.keep("training", name === nameInAddress(this.runs[0]) ? "" : name);
    this.#learning.address.keep("step", "");
    void this.read();
  }

  /** @param {string} name */
  chooseMeasure(name) {
    this.#learning.address.keep("measure", name === FIRST_MEASURE ? "" : name);
    this.tell("heads");
  }

  /** @param {Head | null} head */
  chooseHead(head) {
    this.#learning.address.keep("watched_head", head ? nameOf(head) : "");
    this.tell("heads");
  }

  /** @param {Head | null} head */
  pointAt(head) {
    if (head === this.pointed) return;
    this.pointed = head;
    this.tell("heads");
  }

  /** @param {string} text */
  choosePassage(text) {
    this.#learning.address.keep("passage", text === PASSAGE ? "" : text);
    this.#ask();
  }

  /** Takes what the address says now. */
  take() {
    if (!this.#isShown) return;
    const asked = this.#learning.address.get("training");
    const run = this.runs.find((each) => nameInAddress(each) === asked) ?? this.runs[0] ?? null;
    if (run !== this.run) return void this.read();
    this.#ask();
    this.tell("heads");
  }

  show() {
    this.#isShown = true;
    this.#following = setInterval(() => this.#follow(), FOLLOW_MS);
    void this.read();
  }

  hide() {
    this.#isShown = false;
    clearInterval(this.#following);
    clearTimeout(this.#settling);
    this.#reading.cancel();
    this.moments.want([]);
    this.history.leave();
  }

  /** Reads the runs, and the one that the address names. */
  async read() {
    const signal = this.#reading.begin();
    try {
      this.runs = await readRuns(signal);
      const asked = this.#learning.address.get("training");
      const run = this.runs.find((each) => nameInAddress(each) === asked) ?? this.runs[0] ?? null;
      const curve = run && !run.trouble ? await readCurve(run, signal) : { train: [], val: [] };
      if (signal.aborted) return;
      Object.assign(this, { run, curve, trouble: null });
      const models = run ? admitSnapshots(this.#learning.page.models, run) : [];
      this.steps = models.map((model) => ({ ...run.snapshots.find(({ key }) => key === model.key), model }));
    } catch (error) {
      if (signal.aborted) return;
      this.trouble = error;
    } finally {
      this.#reading.end(signal);
    }
    this.hasLooked = true;
    this.tell("run");
    this.#ask();
  }

  /** While a run goes on, it has more and more snapshots. */
  #follow() {
    if (this.run && isUnderWay(this.run) && !this.#reading.isBusy) void this.read();
  }

  /** Asks for the step again, if something of it went wrong. */
  again() {
    this.#want();
  }

  #ask() {
    this.moments.ask({ dice: this.#learning.dice.settings, passage: this.passage });
    this.tell("step");
    this.#want();
  }

  #settle() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#want(), SETTLE_MS);
  }

  #want() {
    clearTimeout(this.#settling);
    const { at, steps } = this;
    if (!this.#isShown || !steps.length) return;
    this.moments.want([at, at + 1, at - 1].map((place) => steps[place]?.model).filter(Boolean));
    this.#grow();
  }

  // What the heads do at all steps is measured once the chosen one is there: it loads all of them.
  #grow() {
    this.tell("moment");
    if (this.moment?.isOver && this.hasHeads) void this.history.read(this.run, this.passage);
  }
}
