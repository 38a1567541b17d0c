// The view "Watch": the progress of a run, its loss, and what it writes with the same dice at each evaluation. It can be played from its first step.
import { toCSV } from "../shared/csv.js";
import { bringIntoView, button, make, makeText, number, plural } from "../shared/dom.js";
import { createChart, LOWEST } from "../shared/loss_chart.js";
import { download, savePicture } from "../shared/paint.js";
import { lastOf, lowestOf } from "../shared/points.js";
import { Latest } from "../shared/requests.js";
import { isUnderWay } from "../shared/runs.js";
import { createActions } from "./actions.js";
import { Curve } from "./curve.js";
import { createPlayback } from "./playback.js";
import { duration, isLectures, MOST_COMPARED, reasonOf, stateInWords } from "./run.js";
import { getLog } from "./server.js";

const USUAL = ["step", "loss", "val_loss", "val_loss_average", "learning_rate", "grad_norm", "elapsed_s"]; // a task may have metrics of its own
const SCALES = ["log", "linear"];
const CAPTION =
  "The loss falls while a network trains: the thick line on the validation text, which it never learns from, the thin one on the batches that it learns from. " +
  "Press Play, or point at the curve.";

/** @param {HTMLElement} panel @param {import("./main.js").Train} train @returns {import("../shared/views.js").View} */
export function createWatch(panel, train) {
  const page = build(panel);
  const chart = createChart(train.page.limits.lecture, (step) => choose(step));
  page.figure.append(chart.node);
  const actions = createActions(train, () => train.run);
  page.actions.append(...actions.nodes);
  /** @type {number | null} the playhead: what is shown is as of this step; null for the newest */
  let at = null;
  const playback = createPlayback((step, isOver) => move(isOver ? null : step));
  /** @type {Curve[]} of other runs that are compared */
  let others = [];
  let drawnBeside = 0;
  const keptScale = () => (SCALES.includes(train.address.get("scale")) ? train.address.get("scale") : SCALES[0]);
  let scale = keptScale();
  const switches = SCALES.map((name) => /** @type {[string, HTMLElement]} */ ([name, button("switch", name, () => setScale(name))]));
  page.tools.append(...switches.map(([, node]) => node));
  page.slider.addEventListener("input", () => choose(stops()[Number(page.slider.value)]));
  page.newest.addEventListener("click", () => choose(null));
  page.play.addEventListener("click", play);

  function setScale(name) {
    scale = name;
    train.address.keep("scale", name === SCALES[0] ? "" : name);
    draw();
  }

  // The steps of the evaluations so far.
  const stops = () => train.curve?.val.map(([step]) => step) ?? [];

  /** @param {number | null} step */
  function choose(step) {
    playback.pause();
    move(step === stops().at(-1) ? null : step);
  }

  /** @param {number | null} step */
  function move(step) {
    at = step;
    drawMoment();
  }

  function play() {
    if (playback.isPlaying) {
      playback.pause();
      return drawMoment();
    }
    const last = stops().at(-1);
    if (last !== undefined) playback.play(at ?? 0, last, last);
    drawMoment();
  }

  // Curves that are compared, read on while they grow.
  async function compare() {
    const ids = train.address.get("compared").split("_").filter((id) => id && id !== train.run?.id && train.find(id));
    others = ids.slice(0, MOST_COMPARED).map((id) => others.find((curve) => curve.id === id) ?? new Curve(id));
    const unread = others.filter(({ id, run }) => !run || isUnderWay(train.find(id)) || isUnderWay(run));
    let grew = false;
    for (const curve of unread) grew = (await curve.read().catch(() => false)) || grew; // what fails is asked again in a moment
    if (grew || drawnBeside !== others.length) redraw();
    drawnBeside = others.length;
  }

  function draw() {
    const { run } = train;
    page.empty.hidden = run ? !train.trouble : !train.hasLooked;
    page.empty.textContent = train.trouble || noRuns(train.isAdmin);
    page.filled.hidden = !run;
    if (!run) return;
    for (const [name, node] of switches) node.setAttribute("aria-pressed", String(name === scale));
    page.name.textContent = run.name;
    page.state.textContent = stateInWords(run);
    page.state.classList.toggle("live", isUnderWay(run));
    actions.tell();
    void tellTrouble(run);
    drawMoment();
  }

  // What changes with the playhead.
  function drawMoment() {
    const { run, curve } = train;
    if (!run || panel.hidden) return;
    const compared = others.filter(({ id }) => train.find(id)).map((curve) => seriesOf(curve, train.find(curve.id)));
    chart.draw({ runs: [seriesOf(curve, run), ...compared], scale, playhead: at, isPlaying: playback.isPlaying });
    page.figures.replaceChildren(...figures(run, curve, at ?? Infinity));
    page.details.textContent = details(run, curve, at ?? Infinity);
    drawBar(run);
    drawSample(run, curve);
  }

  function drawBar(run) {
    const steps = stops();
    page.bar.hidden = steps.length < 2;
    page.play.hidden = isUnderWay(run);
    page.play.textContent = playback.isPlaying ? "Pause" : "Play";
    const shown = at === null ? steps.length - 1 : Math.max(0, steps.findLastIndex((step) => step <= at));
    Object.assign(page.slider, { max: String(steps.length - 1), value: String(shown) });
    page.slider.setAttribute("aria-valuetext", `step ${number(steps[shown] ?? 0)}`);
    page.newest.hidden = at === null;
  }

  function drawSample(run, { samples }) {
    const sample = samples.findLast(({ step }) => step <= (at ?? Infinity));
    page.sample.hidden = !sample;
    page.filled.classList.toggle("without-text", !sample);
    if (!sample) return;
    const how = run.parent ? "" : `no prompt, temperature ${train.sampleTemperature}, `;
    page.when.textContent = `Sample after ${plural(sample.step, "step")} (${how}same dice)`;
    page.text.textContent = sample.text;
  }

  // What went wrong, and the end of the log: for the admin alone, because it may reveal details of the machine.
  let told = "";
  const asking = new Latest();
  async function tellTrouble(run) {
    const { id, state, notice, why } = run;
    const key = `${id} ${state} ${train.isAdmin} ${notice}`;
    if (key === told) return;
    told = key;
    const signal = asking.begin();
    page.trouble.textContent = state === "damaged" ? `This run cannot be used. ${why || "Unlock this tab to see the reason."}` : reasonOf(run);
    page.log.hidden = true;
    if (!["failed", "died", "damaged"].includes(state)) return;
    if (!train.isAdmin) {
      if (state === "damaged") return;
      page.trouble.textContent = why || "The run ended early. Unlock this tab to see the end of its log.";
      return;
    }
    try {
      const { error, last_lines } = await getLog(id, signal);
      if (signal.aborted) return;
      page.trouble.textContent = error || "The run crashed, or something else on the machine ended it. Resume continues from its last checkpoint.";
      page.log.hidden = !last_lines.length;
      page.log.textContent = last_lines.join("\n");
    } catch (error) {
      if (!signal.aborted) page.trouble.textContent = error.message;
    }
  }

  const redraw = () => !panel.hidden && draw();
  train.addEventListener("runs", redraw);
  train.addEventListener("runs", compare);
  train.addEventListener("curve", redraw);
  train.addEventListener("session", redraw);
  train.addEventListener("run", () => {
    playback.pause();
    at = null;
    void compare();
  });
  train.addEventListener("compare", compare);
  train.addEventListener("start", () => bringIntoView(page.filled));
  return {
    caption: CAPTION,
    show: redraw,
    hide: () => playback.pause(),
    keeps: ["scale"],
    take() {
      scale = keptScale();
      redraw();
    },
    keys: [
      ["p", "Play or pause", () => !page.play.hidden && play()],
      ["y", "Logarithmic or linear", () => setScale(SCALES[1 - SCALES.indexOf(scale)])],
      [".", "Next evaluation", () => step(1)],
      [",", "Previous evaluation", () => step(-1)],
    ],
    downloads: [
      ["Loss (PNG)", () => savePicture("loss.png", 1000, 520, chart.paint)],
      ["Metrics (CSV)", () => download("metrics.csv", new Blob([asCSV(train.curve)], { type: "text/csv" }))],
    ],
  };

  function step(by) {
    const steps = stops();
    if (!steps.length) return;
    const place = at === null ? steps.length - 1 : steps.findLastIndex((step) => step <= at);
    choose(steps[Math.min(steps.length - 1, Math.max(0, place + by))]);
  }
}

const noRuns = (isAdmin) => (isAdmin ? "No training runs yet." : "No training runs yet. Unlock this tab to start one; everyone can watch it here.");

/** @param {Curve} curve @param {import("./run.js").Run} run @returns {import("../shared/loss_chart.js").Series} */
function seriesOf(curve, run) {
  return { name: run.name, train: curve.train, val: curve.val, steps: run.steps ?? run.step, isLectures: isLectures(run) };
}

// The large numbers as of a step, each with the step where it was measured.
function figures(run, curve, until) {
  const last = curve.steps.findLast(({ step }) => step <= until);
  const time = isUnderWay(run) && until === Infinity ? [run.left_s, "remaining"] : [last?.elapsed_s, "elapsed"];
  const loss = (point) => (point ? [point[1].toFixed(3), `step ${number(point[0])}`] : ["–", ""]);
  const all = [
    [...loss(lastOf(curve.val, until)), "validation loss"],
    [...loss(lowestOf(curve.val, until)), LOWEST],
    [...loss(lastOf(curve.train, until)), "training loss"],
    [number(last?.step ?? 0), run.steps === null ? "" : `of ${number(run.steps)}`, "steps"],
    [time[0] ? duration(time[0]) : "–", "", time[1]],
  ];
  return all.map(([value, more, name]) => {
    const [node, line] = [make("div", "train-number"), make("div")];
    line.append(make("b", "", value), " ", make("span", "train-unit", more));
    node.append(line, make("span", "train-unit", name));
    return node;
  });
}

/** @param {import("./run.js").Run} run @param {Curve} curve @param {number} until */
function details({ chars_per_s }, { steps, evaluations }, until) {
  const last = steps.findLast(({ step }) => step <= until);
  const evaluated = Object.entries(evaluations.findLast(({ step }) => step <= until) ?? {}).filter(([name]) => !USUAL.includes(name));
  const own = evaluated.filter(([, value]) => value !== null).map(([name, value]) => `${name.replaceAll("_", " ")} ${short(value)}`);
  const rates = last ? [`learning rate ${short(last.learning_rate)}`, `gradient norm ${short(last.grad_norm)}`] : [];
  return [...own, ...rates, ...(chars_per_s ? [`${number(chars_per_s)} characters/s`] : [])].join(" · ");
}

const short = (value) => (value === null || value === undefined ? "–" : value && (value < 0.001 || value >= 10_000) ? value.toExponential(1) : String(Number(value.toPrecision(2))));

function asCSV({ steps, evaluations }) {
  const lines = [...steps, ...evaluations].toSorted((a, b) => a.step - b.step);
  const names = [...new Set([...USUAL, ...lines.flatMap(Object.keys)])];
  return toCSV(names, lines.map((line) => names.map((name) => line[name])));
}

function build(panel) {
  const empty = make("p", "train-empty");
  const filled = make("div", "watch");
  const head = make("div", "watch-head");
  const [name, state, tools] = [makeText("h2", "watch-name"), make("span", "watch-state"), make("div", "watch-tools")];
  state.setAttribute("role", "status");
  head.append(name, state, tools);
  const actions = make("div", "watch-actions");
  const [trouble, log] = [make("p", "trouble train-trouble"), make("pre", "train-log")];
  log.hidden = true;
  log.tabIndex = 0;
  const [numbers, details, figure, sample] = [make("div", "watch-numbers"), make("p", "watch-details"), make("div", "watch-figure"), make("section", "watch-sample")];
  sample.setAttribute("aria-label", "What it writes");
  const bar = make("div", "watch-bar");
  const play = button("button watch-play", "Play", () => {});
  const slider = make("input", "watch-slider");
  Object.assign(slider, { type: "range", min: "0", step: "1" });
  slider.setAttribute("aria-label", "Evaluation");
  const newest = button("quiet", "Newest", () => {});
  bar.append(play, slider, newest);
  const [when, text] = [make("p", "watch-when"), makeText("p", "watch-text")];
  text.dataset.testid = "train-sample";
  text.tabIndex = 0; // to be scrolled
  sample.append(when, text);
  filled.append(head, actions, trouble, log, numbers, details, figure, bar, sample);
  panel.append(empty, filled);
  return { empty, filled, name, state, tools, actions, trouble, log, figures: numbers, details, figure, bar, play, slider, newest, sample, when, text };
}
