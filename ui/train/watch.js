// The view "Watch": the progress of a run, its loss, and what it writes with the same dice at each evaluation.
import { toCSV } from "../shared/csv.js";
import { button, make, makeText, number, plural } from "../shared/dom.js";
import { download, savePicture } from "../shared/paint.js";
import { Latest } from "../shared/requests.js";
import { actionsFor } from "./actions.js";
import { createChart } from "./chart.js";
import { Curve } from "./curve.js";
import { duration, isUnderWay, LECTURES, MOST_COMPARED, stateInWords } from "./run.js";
import { getLog } from "./server.js";

const SCALES = ["log", "linear"];

/** @param {HTMLElement} panel @param {import("./main.js").Train} train @returns {import("../shared/views.js").View} */
export function createWatch(panel, train) {
  const page = build(panel);
  const chart = createChart(train.page.limits.lecture, (step) => choose(step));
  page.figure.append(chart.node);
  /** @type {number | null} the evaluation whose sample is shown; null for the newest */
  let at = null;
  /** @type {Curve[]} of earlier runs that are compared */
  let others = [];
  let drawnBeside = 0;
  let scale = SCALES.includes(train.address.get("scale")) ? train.address.get("scale") : SCALES[0];
  const switches = SCALES.map((name) => /** @type {[string, HTMLElement]} */ ([name, button("switch", name, () => setScale(name))]));
  page.tools.append(...switches.map(([, node]) => node));
  page.slider.addEventListener("input", () => choose(train.curve.samples[Number(page.slider.value)].step));
  page.newest.addEventListener("click", () => choose(null));

  function setScale(name) {
    scale = name;
    train.address.keep("scale", name === SCALES[0] ? "" : name);
    draw();
  }

  function choose(step) {
    at = step === train.curve?.samples.at(-1)?.step ? null : step;
    draw();
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
    const { run, curve } = train;
    page.empty.hidden = Boolean(run) || !train.hasLooked;
    page.empty.textContent = train.trouble || (train.isAdmin ? "No runs yet." : "No runs yet. Unlock this tab to start one; anyone can watch.");
    page.filled.hidden = !run;
    if (!run) return;
    for (const [name, node] of switches) node.setAttribute("aria-pressed", String(name === scale));
    page.name.textContent = run.name;
    page.state.textContent = stateInWords(run);
    page.state.classList.toggle("live", isUnderWay(run));
    drawActions(run);
    void tellTrouble(run);
    page.figures.replaceChildren(...figures(run, curve));
    const asSeries = (curve, run) => ({ name: run.name, train: curve.train, val: curve.val, steps: run.steps ?? run.step, isLectures: run.corpus?.name === LECTURES && !run.corpus.own });
    const compared = others.filter(({ id }) => train.find(id)).map((curve) => asSeries(curve, train.find(curve.id)));
    const sample = curve.samples.find(({ step }) => step === at) ?? curve.samples.at(-1);
    chart.draw({ runs: [asSeries(curve, run), ...compared], scale, step: sample?.step ?? null });
    drawSample(curve, sample);
  }

  // Replaced only where other actions are possible: a focused one keeps the focus.
  let drawn = "";
  function drawActions(run) {
    const nodes = actionsFor(train, run);
    const words = `${run.id} ${nodes.map((node) => node.textContent)}`;
    if (words === drawn) return;
    drawn = words;
    page.actions.replaceChildren(...nodes);
  }

  // What went wrong, and the end of the log: for the admin alone, because it may reveal details of the machine.
  let told = "";
  const asking = new Latest();
  async function tellTrouble({ id, state, notice, why }) {
    const key = `${id} ${state} ${train.isAdmin} ${notice}`;
    if (key === told) return;
    told = key;
    const signal = asking.begin();
    page.trouble.textContent = state === "damaged" ? `This run cannot be used. ${why || "Unlock this tab to see the reason."}` : notice;
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

  function drawSample({ samples }, sample) {
    page.sample.hidden = !sample;
    if (!sample) return;
    page.slider.max = String(samples.length - 1);
    page.slider.value = String(samples.indexOf(sample));
    page.slider.setAttribute("aria-valuetext", `step ${number(sample.step)}`);
    const same = `without a prompt, at temperature ${train.sampleTemperature}, with the same dice`;
    page.when.textContent = `After ${plural(sample.step, "step")}: ${same}`;
    page.newest.hidden = sample === samples.at(-1);
    page.text.textContent = sample.text;
  }

  const redraw = () => !panel.hidden && draw();
  train.addEventListener("runs", redraw);
  train.addEventListener("runs", compare);
  train.addEventListener("curve", redraw);
  train.addEventListener("session", redraw);
  train.addEventListener("run", () => {
    at = null;
    void compare();
  });
  train.addEventListener("compare", compare);
  return {
    show: redraw,
    keys: [
      ["s", "Logarithmic or linear", () => setScale(SCALES[1 - SCALES.indexOf(scale)])],
      [".", "Next evaluation", () => move(1)],
      [",", "Previous evaluation", () => move(-1)],
    ],
    downloads: [
      ["Loss (PNG)", () => savePicture("loss.png", 1000, 520, chart.paint)],
      ["Metrics (CSV)", () => download("metrics.csv", new Blob([asCSV(train.curve)], { type: "text/csv" }))],
    ],
  };

  function move(by) {
    const { samples } = train.curve ?? { samples: [] };
    if (!samples.length) return;
    const place = at === null ? samples.length - 1 : samples.findIndex(({ step }) => step === at);
    choose(samples[Math.min(samples.length - 1, Math.max(0, place + by))].step);
  }
}

// The large numbers, from the latest measurements.
function figures(run, curve) {
  const val = curve.val.at(-1)?.[1];
  const last = curve.steps.at(-1);
  const all = [
    ["validation loss", val === undefined ? "–" : val.toFixed(3), ""],
    ["training loss", last ? last.loss.toFixed(3) : "–", ""],
    ["step", number(last?.step ?? 0), run.steps === null ? "" : `of ${number(run.steps)}`],
    ["characters/s", run.chars_per_s ? number(run.chars_per_s) : "–", ""],
    isUnderWay(run) ? ["left", run.left_s ? duration(run.left_s) : "–", ""] : ["took", run.elapsed_s ? duration(run.elapsed_s) : "–", ""],
    ["gradient norm", last ? short(last.grad_norm) : "–", ""],
    ["learning rate", last ? short(last.learning_rate) : "–", ""],
  ];
  return all.map(([name, value, more]) => {
    const node = make("div", "train-number");
    node.append(make("b", "", value), make("span", "train-unit", [name, more].filter(Boolean).join(", ")));
    return node;
  });
}

const short = (value) => (value === null || value === undefined ? "–" : value && (value < 0.001 || value >= 10_000) ? value.toExponential(1) : String(Number(value.toPrecision(2))));

function asCSV({ steps, evaluations }) {
  const lines = [...steps, ...evaluations].toSorted((a, b) => a.step - b.step);
  const usual = ["step", "loss", "val_loss", "val_loss_average", "learning_rate", "grad_norm", "elapsed_s"];
  const names = [...new Set([...usual, ...lines.flatMap(Object.keys)])]; // a task may have metrics of its own
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
  const [numbers, figure, sample] = [make("div", "watch-numbers"), make("div", "watch-figure"), make("section", "watch-sample")];
  sample.setAttribute("aria-label", "What it writes");
  const bar = make("div", "watch-sample-bar");
  const when = make("p", "watch-when");
  const slider = make("input", "watch-slider");
  Object.assign(slider, { type: "range", min: "0", step: "1" });
  slider.setAttribute("aria-label", "Evaluation");
  const newest = button("quiet", "Newest", () => {});
  bar.append(when, slider, newest);
  const text = makeText("p", "watch-text");
  text.dataset.testid = "train-sample";
  text.tabIndex = 0; // to be scrolled
  sample.append(bar, text);
  filled.append(head, actions, trouble, log, numbers, figure, sample);
  panel.append(empty, filled);
  return { empty, filled, name, state, tools, actions, trouble, log, figures: numbers, figure, sample, when, slider, newest, text };
}
