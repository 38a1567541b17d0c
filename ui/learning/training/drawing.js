// Draws the view "Training": the run, the chosen step with what it writes, expects and attends to, and the heads by step.
import { button, endOf, make, number, POINT_AT, readable } from "../../shared/dom.js";
import { createChart } from "../../shared/loss_chart.js";
import { valueInWords } from "../../shared/measures.js";
import { palette } from "../../shared/paint.js";
import { nameInAddress } from "../../shared/runs.js";
import { logShare } from "../../shared/step_axis.js";
import { tellTrouble } from "../../shared/trouble.js";
import { firstToForm, inWords, isSame, linesOf, nameOf } from "./formation.js";
import { createHeadCurves } from "./head_curves.js";
import { createHeads } from "./heads.js";
import { troubleOf } from "./runs.js";

const MOST_AFTER = 18; // characters of the prompt that are shown above the bars
const ROW = 1.65; // rem: a bar of the next character, and its gap
const BARS = [4, 10];

/** @typedef {import("./formation.js").Head} Head */

export class Drawing {
  #page;
  #training;
  #dice;
  #goTo;
  #maps;
  #said = ""; // of when the heads form

  /**
   * @param {ReturnType<typeof import("./layout.js").layOut>} page
   * @param {import("./training.js").Training} training
   * @param {import("../../shared/fixed_dice.js").FixedDice} dice
   * @param {(step: number, head?: Head) => void} goTo called where somebody chooses the step nearest to one, and perhaps a head
   */
  constructor(page, training, dice, goTo) {
    [this.#page, this.#training, this.#dice, this.#goTo] = [page, training, dice, goTo];
    const point = (head) => training.pointAt(head);
    this.chart = createChart([], goTo);
    this.curves = createHeadCurves({ point, choose: (head, step) => goTo(step, head) });
    this.#maps = createHeads({
      point,
      choose: (head) => training.chooseHead(isSame(head, training.head) ? null : head),
      describe: (head) => this.#headInWords(head),
    });
    page.loss.append(this.chart.node, page.slider);
    page.curves.append(this.curves.node);
    page.about.before(this.#maps.node);
    page.measure.append(...training.measures.map(({ words, name }) => new Option(words, name)));
    page.filled.hidden = page.empty.hidden = true;
  }

  run() {
    const [page, { run, runs, trouble, hasLooked, steps, hasHeads }] = [this.#page, this.#training];
    page.said.replaceChildren();
    if (trouble) tellTrouble(page.said, trouble, () => this.#training.read());
    page.filled.hidden = !run;
    page.empty.hidden = Boolean(run) || !hasLooked || Boolean(trouble);
    page.empty.textContent = "No run on this server has kept snapshots.";
    if (!run) return;
    page.run.replaceChildren(...runs.map((each) => new Option(each.name, nameInAddress(each))));
    page.run.value = nameInAddress(run);
    page.filled.classList.toggle("without-steps", !steps.length);
    page.filled.classList.toggle("without-heads", !hasHeads);
  }

  step() {
    const [page, { run, step, curve, at, steps }] = [this.#page, this.#training];
    if (!run) return;
    const series = { name: run.name, train: curve.train, val: curve.val, steps: run.steps ?? 1, isLectures: false };
    this.chart.draw({ runs: [series], scale: "linear", isLogTime: true, namesBest: false, playhead: step?.step ?? null });
    page.step.replaceChildren("Step ", make("b", "", number(step?.step ?? 0)), ` of ${number(run.steps ?? 0)}`);
    page.losses.textContent = step ? lossesInWords(step) : "";
    page.back.disabled = at <= 0;
    page.on.disabled = at >= steps.length - 1;
    this.slider();
    this.moment();
    this.heads();
  }

  slider() {
    const [page, { step, run }] = [this.#page, this.#training];
    page.slider.disabled = !step;
    page.slider.value = String(logShare(step?.step ?? 0, run.steps ?? 1));
    page.slider.setAttribute("aria-valuetext", `step ${number(step?.step ?? 0)}`);
  }

  /** @param {boolean} isPlaying */
  play(isPlaying) {
    this.#page.play.textContent = isPlaying ? "Pause" : "Play";
    this.#page.play.disabled = this.#training.steps.length < 2;
  }

  /** What the step writes, expects and attends to. What is not there yet leaves the step before in its place, faint. */
  moment() {
    const [page, training] = [this.#page, this.#training];
    const { run, moment } = training;
    const { written = null, logits = null, capture = null, trouble = null } = moment ?? {};
    page.text.classList.toggle("stale", !written);
    if (written) {
      page.prompt.textContent = written.prompt;
      page.grown.textContent = written.text;
      page.text.dataset.step = String(training.step.step);
      page.text.toggleAttribute("data-done", written.isDone);
    }
    page.notice.textContent = [troubleOf(run), written?.notice, training.history.shown?.notice].filter(Boolean).join(" ");
    if (trouble) tellTrouble(page.said, trouble, () => training.again());
    else if (!training.trouble) page.said.replaceChildren();
    page.candidates.node.classList.toggle("stale", !logits);
    const { prompt, temperature } = this.#dice.settings;
    if (logits) page.candidates.show({ vocabulary: run.vocabulary, logits, settings: { temperature }, count: this.#barsThatFit() });
    page.after.textContent = prompt ? `After “${readable(endOf(prompt, MOST_AFTER))}”` : "A text begins with";
    this.#maps.draw(capture);
    this.#markHead();
  }

  heads() {
    const [page, { run, step, measure, history, passage }] = [this.#page, this.#training];
    if (!run) return;
    const { shown, trouble } = history;
    const lines = linesOf(shown, measure.name);
    const uniform = shown?.uniform?.[measure.name];
    const formed = measure.unit === "share" ? firstToForm(lines, uniform) : null;
    const words = shown?.steps.length ? inWords(lines, measure, uniform) : "";
    this.curves.draw({ lines, measure, uniform, formed, marked: this.#marked, step: step?.step ?? 0, steps: run.steps ?? 1, words });
    page.measure.value = measure.name;
    const said = JSON.stringify([words, formed?.step, formed?.line, trouble?.message]);
    if (said !== this.#said) {
      this.#said = said; // otherwise it stays as it is: somebody's focus may be in it
      page.formed.textContent = words;
      if (formed) page.formed.append(" ", button("quiet inline", "Show it", () => this.#goTo(formed.step, formed.line)));
      if (trouble) tellTrouble(page.formed, trouble, () => history.read(run, passage, true));
    }
    if (document.activeElement !== page.passage) page.passage.value = passage;
    this.#markHead();
  }

  get #marked() {
    return this.#training.pointed ?? this.#training.head;
  }

  #markHead() {
    const [page, marked] = [this.#page, this.#marked];
    this.#maps.mark(marked);
    page.marked.textContent = marked ? this.#headInWords(marked) : `${POINT_AT} a head.`;
    page.marked.classList.toggle("nobody", !marked);
  }

  /** What a head does at this step. @param {Head} head */
  #headInWords(head) {
    const { measure, moment } = this.#training;
    const value = moment?.capture?.stats[head.layer]?.[head.head]?.[measure.name];
    return `Head ${nameOf(head)}: ${measure.short} ${value === undefined ? "" : valueInWords(measure, value)}`.trim();
  }

  #barsThatFit() {
    const { next, after } = this.#page;
    const room = Math.floor((next.clientHeight - after.offsetHeight) / (ROW * palette().rem));
    return Math.min(BARS[1], Math.max(BARS[0], room));
  }
}

/** @param {import("../../shared/snapshots.js").Snapshot} snapshot */
function lossesInWords({ loss, val_loss }) {
  const held = val_loss === null ? "validation loss not evaluated here" : `validation loss ${val_loss.toFixed(2)}`;
  return loss === null ? held : `${held} · training loss ${loss.toFixed(2)}`;
}
