// The loss of runs by step: a thin line for the training batches, a strong one for the validation text. Beside them the losses of the lecture.
import { make, number } from "../shared/dom.js";
import { fit, onLook, palette } from "../shared/paint.js";

const EDGE = { left: 3, right: 8.75, top: 1, bottom: 2.25 }; // rem
const MOST = 20; // nats; larger losses are drawn at the top
const LEAST = 0.01; // smaller ones, at the bottom
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 7, 10];
const NAMED_APART = 1.1; // rem between two names at the right
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]]; // one for each run, to distinguish them without colours

/**
 * @typedef {object} Series a run's
 * @property {string} name
 * @property {number[][]} train [step, loss], ...
 * @property {number[][]} val
 * @property {number} steps
 * @property {boolean} isLectures whether it is on the lecture's corpus
 *
 * @typedef {{runs: Series[], scale: string, step: number | null}} Shown `scale` is "log" or "linear", `step` is marked
 */

/**
 * { node, draw(shown), paint(context, width, height) }
 * @param {[number, string][]} lecture its losses
 * @param {(step: number) => void} onStep called for the evaluation that is pointed at, or pressed
 */
export function createChart(lecture, onStep) {
  const node = make("div", "loss-chart");
  const canvas = node.appendChild(make("canvas"));
  canvas.setAttribute("role", "img");
  canvas.dataset.testid = "loss-chart";
  /** @type {Shown | null} */
  let shown = null;

  function paint() {
    const [width, height] = [node.clientWidth, node.clientHeight];
    if (!width || !shown) return;
    paintChart(fit(canvas, width, height), width, height, shown, lecture);
    const [run] = shown.runs;
    Object.assign(node.dataset, { train: run?.train.length ?? 0, val: run?.val.length ?? 0 });
  }

  const nearest = (event) => {
    const [run] = shown?.runs ?? [];
    if (!run?.val.length) return;
    const { left, width, height } = canvas.getBoundingClientRect();
    const { x } = layOut(width, height, shown, palette().rem);
    const distances = run.val.map(([step]) => Math.abs(x(step) - (event.clientX - left)));
    onStep(run.val[distances.indexOf(Math.min(...distances))][0]);
  };
  canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && event.buttons && nearest(event));
  canvas.addEventListener("click", nearest);
  new ResizeObserver(paint).observe(node);
  onLook(paint);
  return {
    node,
    draw(what) {
      shown = what;
      canvas.setAttribute("aria-label", inWords(what.runs));
      paint();
    },
    paint: (context, width, height) => paintChart(context, width, height, shown, lecture),
  };
}

function inWords(runs) {
  if (!runs.some(({ train }) => train.length)) return "Loss by step: nothing has been measured yet.";
  const last = ({ name, val }) => `${name}: ${val.length ? `validation loss ${val.at(-1)[1].toFixed(3)} at step ${number(val.at(-1)[0])}` : "not evaluated yet"}`;
  return `Loss by step. ${runs.map(last).join("; ")}`;
}

// Where a step and a loss stand.
function layOut(width, height, { runs, scale }, rem) {
  const [left, right] = [EDGE.left * rem, width - EDGE.right * rem];
  const [top, bottom] = [EDGE.top * rem, height - EDGE.bottom * rem];
  let [lowest, highest] = [1.4, 4.4];
  for (const { train, val } of runs) {
    for (const points of [train, val]) {
      for (const [, loss] of points) if (Number.isFinite(loss)) [lowest, highest] = [Math.min(lowest, loss), Math.max(highest, loss)];
    }
  }
  const [least, most] = [Math.max(LEAST, 0.96 * lowest), Math.min(MOST, highest)];
  const steps = Math.max(1, ...runs.map(({ steps, train }) => Math.max(steps, train.at(-1)?.[0] ?? 0)));
  const share = scale === "log" ? (loss) => Math.log(loss / least) / Math.log(most / least) : (loss) => (loss - least) / (most - least);
  const y = (loss) => bottom - (bottom - top) * Math.min(1, Math.max(0, share(loss)));
  return { left, right, top, bottom, most, least, steps, x: (step) => left + ((right - left) * step) / steps, y };
}

function paintChart(context, width, height, shown, lecture) {
  const colours = palette();
  const places = layOut(width, height, shown, colours.rem);
  context.font = `${0.875 * colours.rem}px ${colours.sans}`;
  context.textBaseline = "middle";
  paintAxes(context, places, colours);
  if (shown.runs.every(({ isLectures }) => isLectures)) paintLecture(context, places, lecture, colours);
  if (shown.step !== null) paintStep(context, places, shown.step, colours);
  if (shown.runs.length > 1) paintLegend(context, places, shown.runs, colours);
  [...shown.runs.entries()].toReversed().forEach(([place, run]) => paintRun(context, places, run, place, colours));
}

function paintAxes(context, { left, right, bottom, most, least, steps, x, y }, { rem, rule, inkSoft }) {
  context.textAlign = "right";
  let before = Infinity;
  for (const tick of TICKS.filter((loss) => loss >= least && loss <= most)) {
    if (before - y(tick) < 1.4 * rem) continue;
    before = y(tick);
    context.fillStyle = rule;
    context.fillRect(left, Math.round(before), right - left, 1);
    context.fillStyle = inkSoft;
    context.fillText(String(tick), left - 0.5 * rem, before);
  }
  context.textAlign = "center";
  const unit = niceUnit(steps / 5);
  for (let step = 0; step <= steps; step += unit) context.fillText(number(step), x(step), bottom + 0.9 * rem);
  context.textAlign = "right";
  context.fillText("steps", right, bottom + 1.9 * rem);
}

const niceUnit = (least) => {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((unit) => unit >= least);
};

function paintLecture(context, { right, least, most, y }, lecture, { rem, ruleStrong, inkSoft }) {
  context.textAlign = "left";
  context.lineWidth = 1;
  let before = -Infinity;
  for (const [loss, name] of lecture) {
    if (loss < least || loss > most) continue;
    const at = Math.max(y(loss), before + NAMED_APART * rem);
    before = at;
    context.strokeStyle = ruleStrong;
    context.beginPath();
    for (const [x, height] of [[0, y(loss)], [0.25, y(loss)], [0.6, at]]) context.lineTo(right + x * rem, height);
    context.stroke();
    context.fillStyle = inkSoft;
    context.fillText(`${loss} ${name}`, right + 0.9 * rem, at);
  }
}

function paintStep(context, { top, bottom, x }, step, { accent }) {
  context.fillStyle = accent;
  context.fillRect(Math.round(x(step)), top, 1, bottom - top);
}

const colourOf = (place, { accent, heat, inkSoft, ink }) => [accent, heat, inkSoft, ink][place];

// The names of the lines, at the top right, where there is no curve.
function paintLegend(context, { right, top }, runs, colours) {
  const { rem, ink } = colours;
  context.textAlign = "right";
  for (const [place, { name }] of runs.entries()) {
    const at = top + (0.5 + 1.4 * place) * rem;
    context.strokeStyle = colourOf(place, colours);
    context.lineWidth = place ? 2 : 3;
    context.setLineDash(DASHES[place % DASHES.length]);
    context.beginPath();
    context.moveTo(right - 2.5 * rem, at);
    context.lineTo(right, at);
    context.stroke();
    context.fillStyle = ink;
    context.fillText(name, right - 3 * rem, at);
  }
  context.setLineDash([]);
}

function paintRun(context, { x, y }, { train, val }, place, colours) {
  const line = (points, width, alpha) => {
    context.globalAlpha = alpha;
    context.lineWidth = width;
    context.beginPath();
    points.forEach(([step, loss]) => context.lineTo(x(step), y(loss)));
    context.stroke();
    context.globalAlpha = 1;
  };
  context.lineJoin = "round";
  context.strokeStyle = place ? colourOf(place, colours) : colours.ink;
  line(thinned(train, x), 1, 0.35);
  context.setLineDash(DASHES[place % DASHES.length]);
  context.strokeStyle = colourOf(place, colours);
  line(val, place ? 2 : 3, 1);
  context.setLineDash([]);
  if (val.length && val.length <= 60) {
    context.fillStyle = context.strokeStyle;
    for (const [step, loss] of val) {
      context.beginPath();
      context.arc(x(step), y(loss), place ? 2 : 3.5, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

// The mean of all steps that share a pixel: thousands of them become one line.
function thinned(points, x) {
  const bins = new Map();
  for (const [step, loss] of points) {
    const at = Math.round(x(step) / 2);
    const bin = bins.get(at) ?? { step: 0, loss: 0, count: 0 };
    bins.set(at, { step: bin.step + step, loss: bin.loss + loss, count: bin.count + 1 });
  }
  return [...bins.values()].map(({ step, loss, count }) => [step / count, loss / count]);
}
