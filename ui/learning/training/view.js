// The view "Training": a network is watched while it learns. Each step of the run is there with its weights: what it writes from the same prompt and
// dice, what it expects next, and where each of its heads attends.
import { button, endOf, number, POINT_AT, readable } from "../../shared/dom.js";
import { createChart } from "../../shared/loss_chart.js";
import { valueInWords } from "../../shared/measures.js";
import { palette } from "../../shared/paint.js";
import { lastOf } from "../../shared/points.js";
import { logShare, stepAt } from "../../shared/step_axis.js";
import { openTab } from "../../shared/tabs.js";
import { tellTrouble } from "../../shared/trouble.js";
import { firstToForm, inWords, isSame, linesOf, nameOf } from "./formation.js";
import { createHeadCurves } from "./head_curves.js";
import { createHeads } from "./heads.js";
import { layOut } from "./layout.js";
import { createPlayer } from "./play.js";
import { nameInAddress, troubleOf } from "./runs.js";
import { saveChart, saveMeasures, saveTexts, saveTextsAsText } from "./save.js";
import { Training } from "./training.js";

const CAPTION =
  "A small network while it learns: each step has its own weights, and all of them get the same prompt and the same dice. " +
  "Press Play, or move the slider, and watch words form; then point at a head to see when it found its pattern.";
const FOLLOW_MS = 5_000; // between two looks at a run that goes on
const MOST_AFTER = 18; // characters of the prompt that are shown above the bars
const ROW = 1.65; // rem: a bar of the next character, and its gap
const BARS = [4, 10];

/** @param {HTMLElement} panel @param {import("../main.js").Learning} learning @returns {import("../../shared/views.js").View} */
export function createTraining(panel, learning) {
  const training = new Training(learning);
  const { history, moments } = training;
  const page = layOut(panel);
  const chart = createChart([], (step) => choose(() => training.chooseNearest(step)));
  page.loss.append(chart.node, page.slider);
  const curves = createHeadCurves({
    point: (head) => training.pointAt(head),
    choose(head, step) {
      training.chooseHead(head);
      choose(() => training.chooseNearest(step));
    },
  });
  page.curves.append(curves.node);
  const maps = createHeads({
    point: (head) => training.pointAt(head),
    choose: (head) => training.chooseHead(isSame(head, training.head) ? null : head),
    describe: headInWords,
  });
  page.about.before(maps.node);
  page.toAttention.addEventListener("click", openInAttention);
  page.toSample.addEventListener("click", writeWithIt);
  page.measure.append(...training.measures.map(({ words, name }) => new Option(words, name)));
  const player = createPlayer(
    {
      begin: () => training.at === training.steps.length - 1 && training.choose(0),
      next() {
        training.choose(training.at + 1);
        return training.at < training.steps.length - 1;
      },
      readable: (signal) => (training.step ? moments.readable(training.step.model, signal) : Promise.resolve()),
    },
    drawPlay,
  );
  let [isSeen, following] = [false, 0];

  /** Somebody takes over from Play. @param {() => void} go */
  function choose(go) {
    player.pause();
    go();
  }

  const move = (by) => choose(() => training.choose(training.at + by));
  const first = () => choose(() => training.choose(0));
  const last = () => choose(() => training.choose(training.steps.length - 1));
  const play = () => training.steps.length && void player.play();

  page.play.addEventListener("click", play);
  page.back.addEventListener("click", () => move(-1));
  page.on.addEventListener("click", () => move(1));
  page.slider.addEventListener("input", () => {
    choose(() => training.chooseNearest(stepAt(Number(page.slider.value), training.run.steps)));
    drawSlider();
  });
  page.slider.addEventListener("keydown", (event) => {
    const action = { ArrowLeft: () => move(-1), ArrowDown: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => move(1), Home: first, End: last }[event.key];
    if (!action || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    action();
  });
  page.run.addEventListener("change", () => choose(() => training.chooseRun(page.run.value)));
  page.measure.addEventListener("change", () => training.chooseMeasure(page.measure.value));
  page.passage.addEventListener("change", () => training.choosePassage(page.passage.value));

  function drawRun() {
    const { run, runs, trouble, hasLooked } = training;
    page.said.replaceChildren();
    if (trouble) tellTrouble(page.said, trouble, () => training.read());
    page.filled.hidden = !run;
    page.empty.hidden = Boolean(run) || !hasLooked || Boolean(trouble);
    page.empty.textContent = "No run on this server has kept snapshots.";
    if (!run) return;
    page.run.replaceChildren(...runs.map((each) => new Option(each.name, nameInAddress(each))));
    page.run.value = nameInAddress(run);
    page.filled.classList.toggle("without-steps", !training.steps.length);
    page.filled.classList.toggle("without-heads", !training.hasHeads);
    fit();
  }

  function drawStep() {
    const { run, step, curve } = training;
    if (!run) return;
    const series = { name: run.name, train: curve.train, val: curve.val, steps: run.steps ?? 1, isLectures: false };
    chart.draw({ runs: [series], scale: "linear", isLogTime: true, namesBest: false, playhead: step?.step ?? null });
    page.step.replaceChildren("Step ", bold(number(step?.step ?? 0)), ` of ${number(run.steps ?? 0)}`);
    page.losses.textContent = step ? lossesInWords(step, curve) : "";
    page.back.disabled = training.at <= 0;
    page.on.disabled = training.at >= training.steps.length - 1;
    drawSlider();
    drawPlay();
    drawMoment();
    drawHeads();
  }

  function drawSlider() {
    const { step, run } = training;
    page.slider.disabled = !step;
    page.slider.value = String(logShare(step?.step ?? 0, run.steps ?? 1));
    page.slider.setAttribute("aria-valuetext", `step ${number(step?.step ?? 0)}`);
  }

  function drawPlay() {
    page.play.textContent = player.isPlaying ? "Pause" : "Play";
    page.play.disabled = training.steps.length < 2;
  }

  // What the step writes, expects and attends to. What is not there yet leaves the step before in its place, faint.
  function drawMoment() {
    const { run, moment } = training;
    const { written = null, logits = null, capture = null, trouble = null } = moment ?? {};
    page.text.classList.toggle("stale", !written);
    if (written) {
      page.prompt.textContent = written.prompt;
      page.grown.textContent = written.text;
      page.text.dataset.step = String(training.step.step);
      page.text.toggleAttribute("data-done", written.isDone);
    }
    page.notice.textContent = [troubleOf(run), written?.notice, history.shown?.notice].filter(Boolean).join(" ");
    if (trouble) tellTrouble(page.said, trouble, () => training.again());
    else if (!training.trouble) page.said.replaceChildren();
    page.next.classList.toggle("stale", !logits);
    const { prompt, temperature } = learning.dice.settings;
    if (logits) page.candidates.show({ vocabulary: run.vocabulary, logits, settings: { temperature }, count: barsThatFit() });
    page.after.textContent = prompt ? `After “${readable(endOf(prompt, MOST_AFTER))}”` : "A text begins with";
    maps.draw(capture);
    maps.mark(training.pointed ?? training.head);
    drawMarked();
  }

  function drawHeads() {
    const { run, step, measure } = training;
    if (!run) return;
    const { shown, trouble } = history;
    const lines = linesOf(shown, measure.name);
    const uniform = shown?.uniform?.[measure.name];
    const marked = training.pointed ?? training.head;
    const formed = measure.unit === "share" ? firstToForm(lines, uniform) : null;
    const words = shown?.steps.length ? inWords(lines, measure, uniform) : "";
    curves.draw({ lines, measure, uniform, formed, marked, step: step?.step ?? 0, steps: run.steps ?? 1, words });
    page.measure.value = measure.name;
    page.formed.textContent = words;
    if (formed) page.formed.append(" ", button("quiet inline", "Show it", () => goTo(formed)));
    if (trouble) tellTrouble(page.formed, trouble, () => history.read(run, training.passage, true));
    maps.mark(marked);
    if (document.activeElement !== page.passage) page.passage.value = training.passage;
    drawMarked();
  }

  function goTo({ line, step }) {
    training.chooseHead(line);
    choose(() => training.chooseNearest(step));
  }

  function drawMarked() {
    const marked = training.pointed ?? training.head;
    page.marked.textContent = marked ? headInWords(marked) : `${POINT_AT} a head.`;
    page.marked.classList.toggle("nobody", !marked);
  }

  /** What a head does at this step. @param {import("./formation.js").Head} head */
  function headInWords(head) {
    const { measure, moment } = training;
    const value = moment?.capture?.stats[head.layer]?.[head.head]?.[measure.name];
    return `Head ${nameOf(head)}: ${measure.short} ${value === undefined ? "" : valueInWords(measure, value)}`.trim();
  }

  function openInAttention() {
    const { step, passage, head } = training;
    if (!step) return;
    learning.address.keep("look", passage);
    learning.address.keep("reader", step.model.key);
    if (head) learning.address.keep("head", nameOf(head));
    learning.page.tell("look", { text: passage, model: step.model });
    openTab("attention");
  }

  function writeWithIt() {
    const { step } = training;
    if (!step) return;
    void learning.page.generations.write({ ...learning.page.settings.get(), ...learning.dice.settings }, { keep: true, model: step.model });
    openTab("sample");
  }

  // Nothing is asked for while another view or another tab is shown.
  function look() {
    if (isSeen === panel.checkVisibility()) return;
    isSeen = !isSeen;
    clearInterval(following);
    if (isSeen) {
      following = setInterval(() => training.follow(), FOLLOW_MS);
      training.show();
    } else {
      player.pause();
      training.hide();
    }
  }

  // In a window that is wide enough, the view is as high as what is left of it.
  function fit() {
    if (panel.hidden) return;
    const top = page.filled.getBoundingClientRect().top + (document.fullscreenElement?.scrollTop ?? scrollY);
    page.filled.style.setProperty("--room", `${innerHeight - top}px`);
  }

  function barsThatFit() {
    const { rem } = palette();
    const room = Math.floor((page.next.clientHeight - page.after.offsetHeight) / (ROW * rem));
    return Math.min(BARS[1], Math.max(BARS[0], room));
  }

  /** The texts that were seen with these dice, in order of steps. */
  const seen = () =>
    training.steps.flatMap(({ step, val_loss, model }) => {
      const written = moments.get(model)?.written;
      return written ? [{ step, val_loss, prompt: written.prompt, text: written.text }] : [];
    });

  training.addEventListener("run", drawRun);
  training.addEventListener("step", drawStep);
  training.addEventListener("moment", drawMoment);
  training.addEventListener("heads", drawHeads);
  addEventListener("resize", fit);
  new ResizeObserver(fit).observe(learning.element);
  new ResizeObserver(look).observe(panel);
  page.filled.hidden = true;
  page.empty.hidden = true;

  return {
    caption: CAPTION,
    keys: [
      ["p", "Play or pause", play],
      ["ArrowRight", "Next step", () => move(1)],
      ["ArrowLeft", "Previous step", () => move(-1)],
      ["Home", "First step", first],
      ["End", "Last step", last],
      ["m", "Next measure of the heads", nextMeasure],
      ["a", "Open in Attention", openInAttention],
    ],
    /** @returns {import("../../shared/views.js").Entry[]} */
    get downloads() {
      const { run, measure } = training;
      if (!run) return [];
      return [
        ["Loss (PNG)", () => saveChart("loss-by-step.png", run.name, chart.paint)],
        [`Heads: ${measure.words} (PNG)`, () => saveChart("heads-by-step.png", `${run.name}: ${measure.words}`, curves.paint)],
        ["Heads, all measures (CSV)", () => saveMeasures(run, needed(history.shown), training.measures)],
        ["Texts of the steps seen (JSON)", () => saveTexts(run, learning.dice.settings, seen())],
        ["Texts of the steps seen (TXT)", () => saveTextsAsText(run, seen())],
      ];
    },
  };

  function nextMeasure() {
    const { measures, measure } = training;
    training.chooseMeasure(measures[(measures.indexOf(measure) + 1) % measures.length].name);
  }
}

/** @param {string} words */
const bold = (words) => Object.assign(document.createElement("b"), { textContent: words });

/** @param {import("./training.js").Step} step @param {import("../../shared/snapshots.js").Curve} curve */
function lossesInWords({ step, loss, val_loss }, { train, val }) {
  const [learned, held] = [loss ?? lastOf(train, step)?.[1], val_loss ?? lastOf(val, step)?.[1]];
  const words = [held !== undefined && `validation loss ${held.toFixed(2)}`, learned !== undefined && `training loss ${learned.toFixed(2)}`];
  return words.filter(Boolean).join(" · ");
}

/** @template T @param {T | null} value @returns {T} */
function needed(value) {
  if (!value) throw new Error("The heads have not been measured yet.");
  return value;
}
