// The loss of runs by step: a thin line for the training batches, a strong one for the validation text. Beside them the losses of the lecture.
import { make, number } from "./dom.js";
import { fit, onLook, palette } from "./paint.js";
import { lastOf, lowestOf } from "./points.js";
import { paintSteps, placeSteps } from "./step_axis.js";

export const LOWEST = "lowest validation loss"; // one name for one figure, in all views

const EDGE = { left: 3, right: 1, lecture: 10, lectureNarrow: 4.5, top: 1, bottom: 2.5 }; // rem; `lecture` at the right where its losses are named
const NARROW = 32; // rem; on a phone the lecture's losses have no names, and the best point has fewer words
const LEGEND = { width: 13, height: 3.5 }; // rem, at the top right
const MOST = 20; // nats; larger losses are drawn at the top
const LEAST = 0.01; // smaller ones, at the bottom
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 7, 10];
const NAME_AT = 0.5; // rem from the top: the name of the axis of losses
const TICK_APART = 1.4; // rem between two losses on it, and from its name
const NAMED_APART = 1.25; // rem between two names at the right
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]]; // one for each run, to distinguish them without colours
const WIDTHS = { training: 0.11, validation: 0.21, other: 0.15, best: 0.5 }; // rem
const TRAINING = 0.6; // opacity of the training line
const LATER = 0.18; // ... and of what comes after the playhead
const BINS = 0.125; // rem: steps that share one are drawn as their mean

/**
 * @typedef {object} Series a run's
 * @property {string} name
 * @property {number[][]} train [step, loss], ...
 * @property {number[][]} val
 * @property {number} steps
 * @property {boolean} isLectures whether it is on the lecture's corpus
 *
 * @typedef {object} Shown
 * @property {Series[]} runs the first is the one that is watched
 * @property {string} scale of the loss, "log" or "linear"
 * @property {boolean} [isLogTime] whether the axis of steps is logarithmic
 * @property {boolean} [namesBest] whether the lowest point of a run that stands alone is named
 * @property {number | null} playhead the step that is marked: of the first run, what comes later is faint
 * @property {boolean} [isPlaying] then what comes later is not drawn at all
 * @property {number | null} [pointed] the step that is pointed at
 * @property {{step: number, words: string}[]} [marks] steps with a name
 * @property {number[]} [span] losses that the axis has room for too, so that several charts have one scale
 * @property {boolean} [hasLegend] false where the page has one, and says more about the lowest loss
 */

/**
 * { node, draw(shown), paint(context, width, height) }
 * @param {[number, string][]} lecture its losses
 * @param {(step: number) => void} onStep called for the evaluation that is pressed
 */
export function createChart(lecture, onStep) {
  const node = make("div", "loss-chart");
  const canvas = node.appendChild(make("canvas"));
  canvas.setAttribute("aria-label", "Loss by step"); // until there is something to say
  canvas.dataset.testid = "loss-chart";
  const reading = node.appendChild(make("p", "chart-reading"));
  reading.hidden = true;
  /** @type {Shown | null} */
  let shown = null;
  /** @type {number | null} the step that is pointed at */
  let pointed = null;

  function paint() {
    const [width, height] = [node.clientWidth, node.clientHeight];
    if (!width || !shown) return;
    paintChart(fit(canvas, width, height), width, height, { ...shown, pointed }, lecture);
    const [run] = shown.runs;
    Object.assign(node.dataset, { train: run?.train.length ?? 0, val: run?.val.length ?? 0, playhead: shown.playhead ?? "" });
    drawReading(width, height);
  }

  function drawReading(width, height) {
    reading.hidden = pointed === null;
    if (pointed === null) return;
    reading.textContent = [`Step ${number(pointed)}`, ...shown.runs.map((run) => readingOf(run, pointed, shown.runs.length > 1))].join("\n");
    const { x, rem } = layOut(width, height, shown, palette());
    const at = x(pointed);
    const isLeft = at > width / 2;
    Object.assign(reading.style, { left: isLeft ? "" : `${at + 0.75 * rem}px`, right: isLeft ? `${width - at + 0.75 * rem}px` : "" });
  }

  // The evaluation that is nearest to the pointer; a step of the training where there is none yet.
  const nearest = ({ clientX }) => {
    const [run] = shown?.runs ?? [];
    const points = run?.val.length ? run.val : (run?.train ?? []);
    if (!points.length) return null;
    const { left, width, height } = canvas.getBoundingClientRect();
    const { x } = layOut(width, height, shown, palette());
    const steps = points.map(([step]) => step);
    const distanceOf = (step) => Math.abs(x(step) - (clientX - left));
    return steps.reduce((best, step) => (distanceOf(step) < distanceOf(best) ? step : best));
  };
  const choose = (event) => {
    const step = nearest(event);
    if (step !== null) onStep(step);
  };
  const point = (step) => {
    if (step === pointed) return;
    pointed = step;
    paint();
  };
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    point(nearest(event));
    if (event.buttons) choose(event);
  });
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("click", choose);
  new ResizeObserver(paint).observe(node);
  onLook(paint);
  return {
    node,
    /** @param {Shown} what */
    draw(what) {
      if (what.runs[0]?.name !== shown?.runs[0]?.name) pointed = null;
      shown = what;
      canvas.setAttribute("role", "img"); // not before there are words for it
      canvas.setAttribute("aria-label", inWords(what.runs));
      paint();
    },
    paint: (context, width, height) => paintChart(context, width, height, shown, lecture),
  };
}

function inWords(runs) {
  if (!runs.some(({ train }) => train.length)) return "Loss by step: nothing has been measured yet.";
  const last = ({ name, val }) => {
    if (!val.length) return `${name}: not evaluated yet`;
    const [[step, loss], [bestStep, best]] = [val.at(-1), lowestOf(val)];
    return `${name}: validation loss ${loss.toFixed(3)} at step ${number(step)}, ${LOWEST} ${best.toFixed(3)} at step ${number(bestStep)}`;
  };
  return `Loss by step. ${runs.map(last).join("; ")}`;
}

function readingOf({ name, train, val }, step, isNamed) {
  const [validation, training] = [lastOf(val, step), lastOf(train, step)];
  const losses = [validation && `validation loss ${validation[1].toFixed(3)}`, training && `training loss ${training[1].toFixed(3)}`];
  return (isNamed ? `${name}: ` : "") + (losses.filter(Boolean).join(", ") || "not there yet");
}

const hasLecture = (runs) => runs.every(({ isLectures }) => isLectures);

// Where a step and a loss stand.
function layOut(width, height, { runs, scale, isLogTime: isLog = false, span = [] }, { rem }) {
  const isNarrow = width < NARROW * rem;
  const margin = hasLecture(runs) ? (isNarrow ? EDGE.lectureNarrow : EDGE.lecture) : EDGE.right;
  const [left, right] = [EDGE.left * rem, width - margin * rem];
  const [top, bottom] = [EDGE.top * rem, height - EDGE.bottom * rem];
  let [lowest, highest] = [Math.min(1.4, ...span), Math.max(4.4, ...span)];
  for (const { train, val } of runs) {
    for (const points of [train, val]) {
      for (const [, loss] of points) if (Number.isFinite(loss)) [lowest, highest] = [Math.min(lowest, loss), Math.max(highest, loss)];
    }
  }
  const [least, most] = [Math.max(LEAST, 0.94 * lowest), Math.min(MOST, highest)];
  const steps = Math.max(1, ...runs.map(({ steps, train }) => Math.max(steps, train.at(-1)?.[0] ?? 0)));
  const share = scale === "log" ? (loss) => Math.log(loss / least) / Math.log(most / least) : (loss) => (loss - least) / (most - least);
  const y = (loss) => bottom - (bottom - top) * Math.min(1, Math.max(0, share(loss)));
  return { rem, isNarrow, left, right, top, bottom, most, least, steps, isLog, x: placeSteps(left, right, steps, isLog), y };
}

function paintChart(context, width, height, shown, lecture) {
  const colours = palette();
  const places = layOut(width, height, shown, colours);
  context.font = `${colours.rem}px ${colours.sans}`;
  context.textBaseline = "middle";
  paintAxes(context, places, colours);
  if (hasLecture(shown.runs)) paintLecture(context, places, lecture, colours);
  if (shown.playhead !== null) paintStep(context, places, shown.playhead, colours.accent);
  if (typeof shown.pointed === "number") paintStep(context, places, shown.pointed, colours.ruleStrong);
  for (const mark of shown.marks ?? []) paintMark(context, places, mark, colours);
  const hasLegend = shown.hasLegend ?? true;
  if (hasLegend) paintLegend(context, places, shown.runs, colours);
  [...shown.runs.entries()].toReversed().forEach(([place, run]) => paintRun(context, places, run, place, place ? {} : shown, colours));
  const [first] = shown.runs;
  const isNamed = shown.runs.length === 1 && (shown.namesBest ?? true);
  if (first) paintBest(context, places, first.val, { until: shown.playhead ?? Infinity, isNamed, hasLegend }, colours);
}

function paintAxes(context, places, { rule, inkSoft }) {
  const { rem, left, right, most, least, y } = places;
  context.textAlign = "right";
  context.fillStyle = inkSoft;
  context.fillText("loss", left - 0.5 * rem, NAME_AT * rem);
  let before = Infinity;
  for (const tick of TICKS.filter((loss) => loss >= least && loss <= most)) {
    if (Math.min(before - y(tick), y(tick) - NAME_AT * rem) < TICK_APART * rem) continue;
    before = y(tick);
    context.fillStyle = rule;
    context.fillRect(left, Math.round(before), right - left, 1);
    context.fillStyle = inkSoft;
    context.fillText(String(tick), left - 0.5 * rem, before);
  }
  paintSteps(context, places, inkSoft);
}

function paintLecture(context, { rem, isNarrow, right, top, least, most, y }, lecture, { ruleStrong, inkSoft, sans }) {
  context.textAlign = "left";
  context.lineWidth = 1;
  context.fillStyle = inkSoft;
  context.font = `italic ${rem}px ${sans}`;
  const title = isNarrow ? ["lecture"] : ["figures from", "the lecture"];
  title.forEach((words, line) => context.fillText(words, right + 0.9 * rem, top + NAMED_APART * line * rem));
  context.font = `${rem}px ${sans}`;
  let before = top + NAMED_APART * (title.length - 1) * rem;
  for (const [loss, name] of lecture) {
    if (loss < least || loss > most) continue;
    const at = Math.max(y(loss), before + NAMED_APART * rem);
    before = at;
    context.strokeStyle = ruleStrong;
    context.beginPath();
    for (const [x, height] of [[0, y(loss)], [0.25, y(loss)], [0.6, at]]) context.lineTo(right + x * rem, height);
    context.stroke();
    context.fillText(isNarrow ? String(loss) : `${loss} ${name}`, right + 0.9 * rem, at);
  }
}

function paintStep(context, { top, bottom, x }, step, colour) {
  context.fillStyle = colour;
  context.fillRect(Math.round(x(step)), top, 1, bottom - top);
}

// A line at a step, with its name beside it, at its top.
function paintMark(context, { rem, left, right, top, bottom, x }, { step, words }, { inkSoft, paper }) {
  const at = x(step);
  context.strokeStyle = inkSoft;
  context.lineWidth = 1;
  context.setLineDash([4, 3]);
  context.beginPath();
  context.moveTo(at, top);
  context.lineTo(at, bottom);
  context.stroke();
  context.setLineDash([]);
  const isLeft = at + context.measureText(words).width + rem > right && at > (left + right) / 2;
  context.textAlign = isLeft ? "right" : "left";
  const [from, height] = [at + (isLeft ? -0.4 : 0.4) * rem, top];
  Object.assign(context, { strokeStyle: paper, lineWidth: 0.4 * rem, fillStyle: inkSoft });
  context.strokeText(words, from, height);
  context.fillText(words, from, height);
}

const colourOf = (place, { accent, heat, inkSoft, ink }) => [accent, heat, inkSoft, ink][place];

// What the lines are, at the top right, where there is no curve. Several runs have their names there.
function paintLegend(context, { rem, right, top }, runs, colours) {
  const own = [
    { name: "validation loss", colour: colours.accent, width: WIDTHS.validation, dashes: [], alpha: 1 },
    { name: "training loss", colour: colours.ink, width: WIDTHS.training, dashes: [], alpha: TRAINING },
  ];
  const several = runs.map(({ name }, place) => {
    const width = place ? WIDTHS.other : WIDTHS.validation;
    return { name: place ? name : `${name} (thin: training)`, colour: colourOf(place, colours), width, dashes: DASHES[place % DASHES.length], alpha: 1 };
  });
  context.textAlign = "right";
  for (const [place, { name, colour, width, dashes, alpha }] of (runs.length > 1 ? several : own).entries()) {
    const at = top + (0.6 + 1.5 * place) * rem;
    context.globalAlpha = alpha;
    context.strokeStyle = colour;
    context.lineWidth = width * rem;
    context.setLineDash(dashes);
    context.beginPath();
    context.moveTo(right - 2.5 * rem, at);
    context.lineTo(right, at);
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = colours.ink;
    context.fillText(name, right - 3 * rem, at);
  }
  context.setLineDash([]);
}

/** @param {CanvasRenderingContext2D} context @param {*} places @param {Series} run @param {number} place @param {Partial<Shown>} playing @param {*} colours */
function paintRun(context, { rem, x, y }, { train, val }, place, { playhead = null, isPlaying = false }, colours) {
  const line = (points, width, alpha, dashes) => {
    context.globalAlpha = alpha;
    context.lineWidth = width * rem;
    context.setLineDash(dashes);
    context.beginPath();
    points.forEach(([step, loss]) => context.lineTo(x(step), y(loss)));
    context.stroke();
  };
  const bothLines = (isSeen, alpha) => {
    context.strokeStyle = place ? colourOf(place, colours) : colours.ink;
    line(thinned(train.filter(isSeen), x, BINS * rem), WIDTHS.training, TRAINING * alpha, []);
    context.strokeStyle = context.fillStyle = colourOf(place, colours);
    const points = val.filter(isSeen);
    line(points, place ? WIDTHS.other : WIDTHS.validation, alpha, DASHES[place % DASHES.length]);
    context.setLineDash([]);
    if (points.length > 60) return;
    for (const [step, loss] of points) dot(context, x(step), y(loss), (place ? 0.14 : 0.22) * rem);
  };
  context.lineJoin = "round";
  if (playhead !== null && !isPlaying) bothLines(([step]) => step >= playhead, LATER);
  bothLines(([step]) => playhead === null || step <= playhead, 1);
  context.globalAlpha = 1;
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

// A ring at the best point. Where there is one run, its loss stands above the curve, with a rim of paper where it crosses another line.
function paintBest(context, { rem, isNarrow, left, right, top, x, y }, val, { until, isNamed, hasLegend }, { accent, paper, sans }) {
  const best = lowestOf(val, until);
  if (!best) return;
  const [step, loss] = best;
  Object.assign(context, { strokeStyle: accent, fillStyle: accent, lineWidth: 0.14 * rem, textAlign: "center" });
  context.beginPath();
  context.arc(x(step), y(loss), WIDTHS.best * rem, 0, 2 * Math.PI);
  context.stroke();
  if (!isNamed) return;
  const words = isNarrow || !hasLegend ? `lowest ${loss.toFixed(3)}` : `${LOWEST} ${loss.toFixed(3)} at step ${number(step)}`;
  context.font = `600 ${rem}px ${sans}`;
  const half = context.measureText(words).width / 2;
  const crossed = (middle) => val.filter(([each]) => each <= until && Math.abs(x(each) - middle) < half + rem).map(([, each]) => y(each));
  const heightAt = (middle) => Math.min(y(loss) - 1.7 * rem, Math.min(...crossed(middle)) - 1.2 * rem);
  let middle = Math.min(Math.max(x(step), left + half), right - half);
  if (hasLegend && heightAt(middle) < top + LEGEND.height * rem) middle = Math.max(left + half, Math.min(middle, right - LEGEND.width * rem - half));
  const height = Math.max(top, heightAt(middle));
  Object.assign(context, { strokeStyle: paper, lineWidth: 0.4 * rem });
  context.strokeText(words, middle, height);
  context.fillText(words, middle, height);
  context.font = `${rem}px ${sans}`;
}

// The mean of all steps that share a bin of this many pixels: thousands of them become one line.
function thinned(points, x, width) {
  const bins = new Map();
  for (const [step, loss] of points) {
    const at = Math.round(x(step) / width);
    const bin = bins.get(at) ?? { step: 0, loss: 0, count: 0 };
    bins.set(at, { step: bin.step + step, loss: bin.loss + loss, count: bin.count + 1 });
  }
  return [...bins.values()].map(({ step, loss, count }) => [step / count, loss / count]);
}
