// The Train tab: the admin starts runs, anyone watches them.
import { Emitter } from "../shared/emitter.js";
import { page } from "../shared/page.js";
import { isUnderWay } from "../shared/runs.js";
import { askSession, getRuns, hasSession, LOST, session } from "../shared/session.js";
import { followTabs } from "../shared/tabs.js";
import { createToolbar } from "../shared/toolbar.js";
import { tellTrouble } from "../shared/trouble.js";
import { Views } from "../shared/views.js";
import { Curve } from "./curve.js";
import { createForm } from "./form.js";
import { createFromHub } from "./from_hub.js";
import { createLock } from "./lock.js";
import { createRuns } from "./runs.js";
import { isRecording } from "./run.js";
import { createWatch } from "./watch.js";

/** @typedef {import("./run.js").Run} Run */

/** @type {[string, string, (panel: HTMLElement, train: Train) => import("../shared/views.js").View][]} */
const VIEWS = [
  ["watch", "Watch", createWatch],
  ["runs", "All runs", createRuns],
  ["hub", "From the Hub", createFromHub],
];
const LOCKED = 401; // status
const LOOK_MS = 2_000; // between two questions, while a run is under way
const IDLE_MS = 10_000; // ... and while none is

/**
 * The runs on this machine, and the one that is watched. Events: "runs" (they were asked for again), "run" (another one is watched), "curve"
 * (its curve grew), "start" (a run was started here), "session" (whether this browser may act has changed), "compare" (other runs are compared).
 */
export class Train extends Emitter {
  /** @type {Run[]} the newest first; the recording of the shipped model's training comes last */
  runs = [];
  /** @type {number | null} the step that the default model's weights are from */
  stepInUse = null;
  /** @type {string | null} the run of the default model */
  inUse = null;
  sampleTemperature = 0;
  trouble = ""; // why there can be no runs
  /** @type {Run | null} the one that is watched */
  run = null;
  /** @type {Curve | null} its metrics and samples so far */
  curve = null;
  hasLooked = false; // whether the server has listed the runs
  isAdmin = hasSession();
  #acting = false; // whether an action is under way
  /** @type {{name_chars: number, corpus_bytes: number} | null} known once this browser may act */
  limits = null;
  #chosen = "";

  /** @param {HTMLElement} element @param {import("../shared/page.js").Page} page */
  constructor(element, page) {
    super();
    this.element = element;
    this.page = page;
    this.address = page.address;
    /** @type {Views<Train>} */
    this.views = new Views(element, { address: page.address, key: "train", ids: "train-" });
    this.#chosen = page.address.get("run_shown");
    page.models.addEventListener("default", () => void this.look().catch(() => {}));
    this.address.addEventListener("go", ({ detail }) => this.#go(detail));
    session.addEventListener("change", () => this.checkSession());
  }

  /** Another address was taken. @param {Set<string>} changed */
  #go(changed) {
    this.#chosen = this.address.get("run_shown");
    if (this.hasLooked && changed.has("run_shown")) {
      const known = this.find(this.#chosen) || !this.#chosen;
      if (known) this.watch(this.#chosen, true);
      else void this.look().catch(() => {});
      this.tell("runs");
    }
    if (changed.has("compared")) this.tell("compare");
  }

  /**
   * Watches a run: the chosen one, else the one under way, else the one that was watched before, else the newest. The recording gives way to
   * any run, unless it was chosen.
   * @param {string} id
   * @param {boolean} [isFresh] the one before does not count
   */
  watch(id = this.#chosen, isFresh = false) {
    this.#chosen = id;
    this.address.keep("run_shown", id);
    const before = !isFresh && this.run && !isRecording(this.run) ? this.find(this.run.id) : undefined;
    const run = this.find(id) ?? this.runs.find(isUnderWay) ?? before ?? this.runs[0] ?? null;
    if (run?.id !== this.run?.id) {
      this.curve?.leave();
      this.curve = run && new Curve(run.id);
      this.run = run;
      this.tell("run");
      void this.grow();
    }
    this.run = run;
  }

  /** @param {string} id */
  find(id) {
    return this.runs.find((run) => run.id === id);
  }

  async look() {
    this.#chosen = this.address.get("run_shown"); // another tab may have chosen
    const { runs, recording, trouble, in_use, step_in_use, sample_temperature } = await getRuns();
    Object.assign(this, { runs: recording ? [...runs, recording] : runs, trouble, inUse: in_use, stepInUse: step_in_use, sampleTemperature: sample_temperature, hasLooked: true });
    if (this.#chosen && !this.find(this.#chosen)) {
      this.say("The run that was shown here has been deleted.");
      this.watch("");
    }
    this.watch();
    this.tell("runs");
    await this.grow();
  }

  async grow() {
    const { curve } = this;
    if (curve && (await curve.read()) && curve === this.curve) this.tell("curve");
  }

  /**
   * Does what the admin asked for, and says what went wrong; null then.
   * @template T
   * @param {() => Promise<T>} work
   * @param {(words: string) => void} say
   * @returns {Promise<T | null>}
   */
  async act(work, say = (words) => this.say(words)) {
    if (this.#acting) return null; // a double click
    this.#acting = true;
    say("");
    try {
      const answer = await work();
      await this.look();
      return answer;
    } catch (error) {
      if (error.status !== LOCKED || !session.isLost) say(error.message); // that it is lost is said already
      return null;
    } finally {
      this.#acting = false;
    }
  }

  checkSession() {
    if (this.isAdmin === hasSession()) return;
    this.isAdmin = hasSession();
    this.tell("session");
    if (session.isLost) this.say(LOST);
  }

  /** Says what went wrong, with a way to try again. @param {Error} error @param {() => unknown} again */
  fail(error, again) {
    this.say(error.message);
    tellTrouble(this.element.querySelector(".train-said"), error, again);
  }

  /** Says something above the views. @param {string} words @param {boolean} [isError] @param {...HTMLElement} more what can be done about it */
  say(words, isError = true, ...more) {
    const said = this.element.querySelector(".train-said");
    said.className = `train-said ${isError ? "trouble" : "notice"}`;
    said.replaceChildren(...(words ? [words, ...more] : []));
  }
}

/** Given by gr.HTML. @param {HTMLElement} element */
export async function start(element) {
  const train = new Train(element, await page);
  createLock(train, element.querySelector(".train-lock"));
  createForm(train, element.querySelector(".train-form"));
  train.views.create(train, VIEWS);
  train.views.show(train.address.get("train"));
  createToolbar(train, (words) => train.say(words));
  train.tell("session");
  if (train.isAdmin) void askSession().then(() => train.checkSession(), () => {}); // it may have ended meanwhile
  void follow(train);
  followTabs(train.address);
  element.dataset.ready = "";
}

/** Asks for the state of the runs, as long as somebody is looking. @param {Train} train */
async function follow(train) {
  let failed = false;
  const again = () => train.look().catch((error) => train.fail(error, again));
  for (;;) {
    if (!document.hidden && train.element.checkVisibility()) {
      try {
        await train.look();
        if (failed) {
          train.say("");
          void askSession().then(() => train.checkSession(), () => {}); // it may have been restarted
        }
        failed = false;
      } catch (error) {
        if (!failed) train.fail(error, again);
        failed = true;
      }
    }
    const isLive = train.runs.some(isUnderWay);
    await new Promise((rested) => setTimeout(rested, !train.element.checkVisibility() || isLive ? LOOK_MS : IDLE_MS));
  }
}
