// The view "Training": a network is watched while it learns. Each step of the run is there with its weights: what it writes from the same prompt and
// dice, what it expects next, and where each of its heads attends.
import { seenHeight } from "../../shared/dom.js";
import { createPlayer } from "../../shared/play.js";
import { stepAt } from "../../shared/step_axis.js";
import { openTab } from "../../shared/tabs.js";
import { Drawing } from "./drawing.js";
import { nameOf } from "./formation.js";
import { layOut } from "./layout.js";
import { saveChart, saveMeasures, saveTexts, saveTextsAsText } from "./save.js";
import { Training } from "./training.js";

const CAPTION =
  "A small network while it learns: each step has its own weights, and all of them get the same prompt and the same dice. " +
  "Press Play, or move the slider, and watch words form; then point at a head to see when it found its pattern.";

/** @param {HTMLElement} panel @param {import("../main.js").Learning} learning @returns {import("../../shared/views.js").View} */
export function createTraining(panel, learning) {
  const training = new Training(learning);
  const { history, moments } = training;
  const page = layOut(panel);
  const drawing = new Drawing(page, training, learning.dice, goTo);
  const player = createPlayer(
    {
      begin: () => training.at === training.steps.length - 1 && training.choose(0),
      next() {
        training.choose(training.at + 1);
        return training.at < training.steps.length - 1;
      },
      readable: (signal) => (training.step ? moments.readable(training.step.model, signal) : Promise.resolve()),
    },
    () => drawing.play(player.isPlaying),
  );

  /** Somebody takes over from Play. @param {() => void} go */
  function choose(go) {
    player.pause();
    go();
  }

  /** @param {number} step the nearest one is chosen @param {import("./formation.js").Head} [head] */
  function goTo(step, head) {
    if (head) training.chooseHead(head);
    choose(() => training.chooseNearest(step));
  }

  const move = (by) => choose(() => training.choose(training.at + by));
  const first = () => choose(() => training.choose(0));
  const last = () => choose(() => training.choose(training.steps.length - 1));
  const play = () => training.steps.length && void player.play();

  function nextMeasure() {
    const { measures, measure } = training;
    training.chooseMeasure(measures[(measures.indexOf(measure) + 1) % measures.length].name);
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

  // In a window that is wide enough, the view is as high as what is left of it.
  function fit() {
    if (panel.hidden) return;
    const top = page.filled.getBoundingClientRect().top + (document.fullscreenElement?.scrollTop ?? scrollY);
    page.filled.style.setProperty("--room", `${seenHeight() - top}px`);
  }

  /** The texts that were seen with these dice, in order of steps. */
  const seen = () =>
    training.steps.flatMap(({ step, val_loss, model }) => {
      const written = moments.get(model)?.written;
      return written ? [{ step, val_loss, prompt: written.prompt, text: written.text }] : [];
    });

  page.play.addEventListener("click", play);
  page.back.addEventListener("click", () => move(-1));
  page.on.addEventListener("click", () => move(1));
  page.slider.addEventListener("input", () => {
    goTo(stepAt(Number(page.slider.value), training.run.steps));
    drawing.slider();
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
  page.toAttention.addEventListener("click", openInAttention);
  page.toSample.addEventListener("click", writeWithIt);
  training.addEventListener("run", () => {
    drawing.run();
    fit();
  });
  training.addEventListener("step", () => {
    drawing.step();
    drawing.play(player.isPlaying);
  });
  training.addEventListener("moment", () => drawing.moment());
  training.addEventListener("heads", () => drawing.heads());
  addEventListener("resize", fit);
  new ResizeObserver(fit).observe(learning.element);

  return {
    caption: CAPTION,
    show: () => training.show(),
    keeps: ["training", "step", "measure", "watched_head", "passage"],
    take: () => choose(() => training.take()),
    hide() {
      player.pause();
      training.hide();
    },
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
        ["Loss (PNG)", () => saveChart("loss-by-step.png", run.name, drawing.chart.paint)],
        [`Heads: ${measure.words} (PNG)`, () => saveChart("heads-by-step.png", `${run.name}: ${measure.words}`, drawing.curves.paint)],
        ["Heads, all measures (CSV)", () => saveMeasures(run, needed(history.shown), training.measures)],
        ["Texts of the steps seen (JSON)", () => saveTexts(run, learning.dice.settings, seen())],
        ["Texts of the steps seen (TXT)", () => saveTextsAsText(run, seen())],
      ];
    },
  };
}

/** @template T @param {T | null} value @returns {T} */
function needed(value) {
  if (!value) throw new Error("The heads have not been measured yet.");
  return value;
}
