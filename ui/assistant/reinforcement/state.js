// What the view "Reinforcement" shows: two runs, and a step of them. All of it belongs to the address.
import { Emitter } from "../../shared/emitter.js";
import { Latest } from "../../shared/requests.js";
import { isUnderWay, nameInAddress } from "../../shared/runs.js";
import { evaluatedSteps, readRuns } from "./runs.js";

const FOLLOW_MS = 3_000; // between two looks at a run that goes on

/** @typedef {import("./runs.js").Run} Run */

/** Events: "runs" (others, or more of them, or what went wrong), "step" (another one is shown or pointed at). */
export class Reinforcement extends Emitter {
  /** @type {Run[]} */
  runs = [];
  /** @type {Run[]} the two that are shown; one, where there is no other */
  shown = [];
  /** @type {number[]} at which one of them was evaluated */
  steps = [];
  /** @type {number | null} */
  pointed = null;
  /** @type {Error | null} */
  trouble = null;
  hasLooked = false;
  #address;
  #reading = new Latest();
  #following = 0;
  #awaited = ""; // a run that was started here, until the server lists it

  /** @param {import("../../shared/address.js").Address} address */
  constructor(address) {
    super();
    this.#address = address;
  }

  /** The place of the step among the steps; the last one without another word. */
  get at() {
    const asked = this.#address.get("policy_step");
    const place = asked === "" ? -1 : this.steps.findLastIndex((step) => step <= Number(asked));
    return place < 0 ? this.steps.length - 1 : place;
  }

  get step() {
    return this.steps[this.at] ?? 0;
  }

  get isByRoot() {
    return this.#address.get("policy_axis") === "kl";
  }

  /** @param {number} place among the steps */
  choose(place) {
    const to = Math.min(this.steps.length - 1, Math.max(0, place));
    if (!this.steps.length || to === this.at) return;
    this.#address.keep("policy_step", to === this.steps.length - 1 ? "" : this.steps[to]);
    this.tell("step");
  }

  /** @param {number | null} step */
  point(step) {
    if (step === this.pointed) return;
    this.pointed = step;
    this.tell("step");
  }

  /** @param {boolean} isByRoot */
  chooseAxis(isByRoot) {
    this.#address.keep("policy_axis", isByRoot ? "kl" : "");
    this.tell("runs");
  }

  /** @param {number} side @param {string} name */
  chooseRun(side, name) {
    const names = this.shown.map((run, i) => (i === side ? name : nameInAddress(run)));
    this.#address.keep("policies", names.join() === this.#defaults.map(nameInAddress).join() ? "" : names.join());
    this.#take();
  }

  /** Shows a run that was started a moment ago as soon as there is something of it. @param {number} side @param {string} id */
  follow(side, id) {
    this.#awaited = nameInAddress({ source: "run", id });
    this.chooseRun(side, this.#awaited);
  }

  /** Takes what the address says now. */
  take() {
    if (this.runs.length) this.#take();
  }

  show() {
    this.#following = setInterval(() => (this.#awaited || this.runs.some(isUnderWay)) && !this.#reading.isBusy && void this.read(), FOLLOW_MS);
    void this.read();
  }

  hide() {
    clearInterval(this.#following);
    this.#reading.cancel();
  }

  async read() {
    const signal = this.#reading.begin();
    try {
      this.runs = await readRuns(signal);
      this.trouble = null;
    } catch (error) {
      if (signal.aborted) return;
      this.trouble = error;
    } finally {
      this.#reading.end(signal);
    }
    this.hasLooked = true;
    this.#take();
  }

  /** The first run with a penalty, and the first without one: those that are shipped come first. */
  get #defaults() {
    const usable = this.runs.filter(({ trouble }) => !trouble);
    const first = usable.find(({ kl_weight: weight }) => weight > 0) ?? usable[0];
    const second = usable.find((run) => run !== first && run.kl_weight === 0) ?? usable.find((run) => run !== first);
    return [first, second].filter(Boolean);
  }

  #take() {
    const asked = this.#address.get("policies").split(",");
    if (this.runs.some((run) => nameInAddress(run) === this.#awaited)) this.#awaited = "";
    const find = (name) => this.runs.find((run) => nameInAddress(run) === name && !run.trouble);
    this.shown = this.#defaults.map((run, i) => find(asked[i]) ?? run);
    this.steps = evaluatedSteps(this.shown);
    this.pointed = null;
    this.tell("runs");
  }
}
