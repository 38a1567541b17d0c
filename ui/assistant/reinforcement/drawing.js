// Draws the view "Reinforcement": for each measure a track of both runs, and what both write at the step that is shown.
import { make, makeText, number } from "../../shared/dom.js";
import { nameInAddress } from "../../shared/runs.js";
import { tellTrouble } from "../../shared/trouble.js";
import { layOut } from "./layout.js";
import { areAlike, inFigures, inWords, isHacked, MEASURES, penaltyOf, pointsOf, rootsOf, textsAt, titleOf } from "./runs.js";
import { createTrack } from "./track.js";

const NO_RUNS = "No policy has been trained on this server, and none is shipped with it.";

/** @typedef {import("./runs.js").Run} Run */

export class Drawing {
  page;
  #state;
  /** @type {ReturnType<typeof createTrack>[][]} for each measure, one for each run */
  #tracks;

  /** @param {HTMLElement} panel @param {import("./state.js").Reinforcement} state @param {(step: number) => void} choose @param {HTMLElement[]} trainings */
  constructor(panel, state, choose, trainings) {
    this.#state = state;
    const on = { choose, point: (step) => state.point(step) };
    this.#tracks = MEASURES.map((measure) => [createTrack(measure, on), createTrack(measure, on)]);
    this.page = layOut(panel, this.#tracks, trainings);
  }

  /** Those of both runs that are in sight. */
  get tracksShown() {
    return this.#tracks.filter(([{ measure }]) => measure.isMain || !this.#state.isByRoot);
  }

  runs() {
    const { page } = this;
    const { shown, runs, steps, trouble, hasLooked, isByRoot } = this.#state;
    page.said.replaceChildren();
    if (trouble) tellTrouble(page.said, trouble, () => this.#state.read());
    page.filled.hidden = !shown.length;
    page.empty.textContent = shown.length || trouble || !hasLooked ? "" : NO_RUNS;
    page.notice.textContent = runs.map(({ name, trouble }) => trouble && `${name} cannot be shown: ${trouble}`).filter(Boolean).join(" ");
    if (!shown.length) return;
    page.filled.classList.toggle("alone", shown.length === 1);
    page.filled.classList.toggle("by-root", isByRoot);
    Object.assign(page.slider, { min: "0", max: String(steps.length - 1), step: "1" });
    page.axis.setAttribute("aria-pressed", String(isByRoot));
    page.heads.forEach((head, side) => this.#drawHead(head, shown[side]));
    page.words.forEach((node, side) => this.#drawWords(node, shown[side]));
    this.step();
  }

  /** @param {{node: HTMLElement, title: HTMLElement, select: HTMLSelectElement}} head @param {Run | undefined} run */
  #drawHead({ node, title, select }, run) {
    const { runs } = this.#state;
    node.hidden = !run;
    if (!run) return;
    title.textContent = isHacked(run) ? `${penaltyOf(run)}: reward hacking` : `${penaltyOf(run)}, ${run.reward === "rule" ? "rewarded by the rule" : "learned reward"}`;
    const usable = runs.filter(({ trouble }) => !trouble);
    const names = usable.map(nameInAddress);
    const isOther = names.join() !== [...select.options].map(({ value }) => value).join(); // else it stays: somebody may be choosing
    if (isOther) select.replaceChildren(...usable.map((each) => new Option(titleOf(each), nameInAddress(each))));
    select.value = nameInAddress(run);
    select.hidden = usable.length < 3;
  }

  /** @param {HTMLElement} node @param {Run | undefined} run */
  #drawWords(node, run) {
    node.hidden = !run;
    if (!run) return;
    node.dataset.run = sideOf(run);
    node.textContent = `${inWords(run)} ${run.about}`.trim();
  }

  step() {
    const { page } = this;
    const { shown, steps, at, step, pointed, isByRoot } = this.#state;
    if (!shown.length) return;
    page.step.replaceChildren("Step ", make("b", "", number(step)), ` of ${number(steps.at(-1) ?? 0)}`);
    page.slider.value = String(at);
    page.slider.setAttribute("aria-valuetext", `step ${number(step)}`);
    page.back.disabled = at <= 0;
    page.on.disabled = at >= steps.length - 1;
    const most = isByRoot ? Math.max(...shown.flatMap((run) => [...rootsOf(run).values()])) : Math.max(...steps, ...shown.map(({ steps }) => steps.step?.at(-1) ?? 0));
    const last = this.#tracks.findLast(([{ measure }]) => measure.isMain);
    for (const pair of this.tracksShown) {
      const { name } = pair[0].measure;
      const isShared = name !== "reward" || areAlike(shown);
      shown.forEach((run, side) => pair[side].draw({ run, span: spanOf(isShared ? shown : [run], name, isByRoot), most, isByRoot, step, pointed, hasAxis: pair === last }));
    }
    this.#drawTexts(step);
  }

  /** What both runs answer to the same requests. @param {number} step */
  #drawTexts(step) {
    const { shown } = this.#state;
    const texts = shown.map((run) => textsAt(run, step));
    const count = Math.max(0, ...texts.map(({ length }) => length));
    const rows = Array.from({ length: count }, (_, i) => {
      const row = make("div", "reinforcement-row");
      const request = texts.find((all) => all[i])?.[i].request ?? "";
      row.append(makeText("p", "reinforcement-request", request), ...texts.map((all, side) => answer(all[i], shown[side], request)));
      return row;
    });
    this.page.texts.dataset.step = String(step);
    this.page.texts.replaceChildren(...rows);
  }

  /** @param {boolean} isPlaying */
  play(isPlaying) {
    this.page.play.textContent = isPlaying ? "Pause" : "Play";
  }
}

/** Shown where both runs stand below each other. @param {Run} run */
const sideOf = (run) => (run.kl_weight ? "KL on" : "KL off");

/** All values of a measure that are drawn. @param {Run[]} runs @param {string} name @param {boolean} isByRoot */
function spanOf(runs, name, isByRoot) {
  const tables = runs.flatMap(({ steps, evaluations }) => (isByRoot ? [evaluations] : [steps, evaluations]));
  const values = tables.flatMap((table) => pointsOf(table, name).map(([, value]) => value));
  return values.length ? [values.reduce((a, b) => Math.min(a, b), name === "reward" ? Infinity : 0), values.reduce((a, b) => Math.max(a, b))] : [0, 1];
}

/** @param {import("./runs.js").Text | undefined} text @param {Run} run @param {string} request that its row is about */
function answer(text, run, request) {
  const node = make("article", "reinforcement-answer");
  node.dataset.run = sideOf(run);
  if (!text) return node;
  const verdict = make("p", "reinforcement-verdict");
  const rule = make("b", "", text.obeys ? "✓" : "✗");
  rule.setAttribute("aria-label", text.obeys ? "obeys" : "does not obey");
  rule.setAttribute("role", "img");
  verdict.append(rule, ` ${text.score === null ? "" : inFigures(MEASURES[0], text.score)}`);
  node.classList.toggle("obeys", text.obeys);
  const own = text.request === request ? "" : `${text.request} `;
  node.append(makeText("p", "reinforcement-text", own + text.answer), verdict);
  return node;
}
