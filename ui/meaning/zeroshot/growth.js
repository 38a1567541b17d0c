// How what a model knows grows: of every model, how often it is right, by its loss on text that it has not seen.
import { make } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";
import { wholePercent } from "./results.js";

const EDGE = { left: 3.25, right: 1.5, top: 1, bottom: 2.9 }; // rem
const GROUPS = ["n-gram", "ladder", "shipped", "snapshot"]; // whose losses are of the same text
const LEVELS = [0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
const LEVEL_APART = 1.5; // rem, at least
const TICKS = [4, 3, 2.5, 2, 1.5, 1]; // nats
const COIN = 0.5;
const NEAR = 1.5; // rem from a point within which it is pointed at
const [DOT, RING] = [0.26, 0.5]; // rem

/** @typedef {import("./results.js").Judge} Judge */
/**
 * @typedef {object} Shown
 * @property {Judge[]} judges
 * @property {string} kind "" for the mean of all
 * @property {string} title of the kind
 * @property {string} judge the id of the one that is marked
 */

/** { node, draw(shown), paint(context, width, height) } @param {(judge: Judge) => void} choose */
export function createGrowth(choose) {
  const node = make("div", "zero-growth");
  const canvas = node.appendChild(make("canvas"));
  canvas.setAttribute("role", "img");
  const reading = node.appendChild(make("p", "chart-reading"));
  reading.hidden = true;
  /** @type {Shown | null} */
  let shown = null;

  function paint() {
    const [width, height] = [node.clientWidth, node.clientHeight];
    if (width && height && shown) paintGrowth(fit(canvas, width, height), width, height, shown);
  }

  /** @param {MouseEvent} event */
  function nearest({ clientX, clientY }) {
    if (!shown) return null;
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const { rem, points } = layOut(width, height, shown, palette());
    const distance = (point) => Math.hypot(point.x - (clientX - left), point.y - (clientY - top));
    const best = points.reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
    return best && distance(best) < NEAR * rem ? best : null;
  }

  /** @param {ReturnType<typeof nearest>} point */
  function read(point) {
    reading.hidden = !point;
    canvas.style.cursor = point ? "pointer" : "";
    if (!point) return;
    reading.textContent = inWords(point.judge, shown.kind);
    const isLeft = point.x > node.clientWidth / 2;
    Object.assign(reading.style, { left: isLeft ? "" : `${point.x + 12}px`, right: isLeft ? `${node.clientWidth - point.x + 12}px` : "" });
  }

  canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && read(nearest(event)));
  canvas.addEventListener("pointerleave", () => read(null));
  canvas.addEventListener("click", (event) => {
    const point = nearest(event);
    if (point?.judge.key) choose(point.judge);
  });
  new ResizeObserver(paint).observe(node);
  onLook(paint);
  return {
    node,
    /** @param {Shown} what */
    draw(what) {
      shown = what;
      const models = comparable(what.judges);
      node.hidden = !models.length;
      node.dataset.points = String(models.length);
      node.dataset.judge = models.some(({ id }) => id === what.judge) ? what.judge : "";
      canvas.setAttribute("aria-label", `${what.title}, by validation loss. ${models.map((model) => inWords(model, what.kind)).join("; ")}.`);
      paint();
    },
    /** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
    paint: (context, width, height) => shown && paintGrowth(context, width, height, shown),
  };
}

/** Those whose losses can be compared. @param {Judge[]} judges */
const comparable = (judges) => judges.filter((judge) => GROUPS.includes(judge.group) && judge.val_loss !== null);

/** @param {Judge} judge @param {string} kind "" for the mean of all @returns {import("./results.js").Share | undefined} */
export const shareOf = (judge, kind) => (kind ? judge.kinds[kind] : judge.mean);

/** "quick, step 500: 81 %, loss 1.62". @param {Judge} judge @param {string} kind */
function inWords(judge, kind) {
  return `${judge.name}: ${wholePercent(shareOf(judge, kind)?.right ?? NaN)}, loss ${judge.val_loss.toFixed(2)}`;
}

/** @param {number} width @param {number} height @param {Shown} shown @param {ReturnType<typeof palette>} colours */
function layOut(width, height, { judges, kind }, { rem }) {
  const [left, right, top, bottom] = [EDGE.left * rem, width - EDGE.right * rem, EDGE.top * rem, height - EDGE.bottom * rem];
  const models = comparable(judges).filter((judge) => shareOf(judge, kind));
  const losses = models.map(({ val_loss: loss }) => loss);
  const [best, worst] = [Math.min(...losses) - 0.08, Math.max(...losses) + 0.08];
  const levels = judges.flatMap((judge) => shareOf(judge, kind)?.right ?? []);
  const least = Math.min(COIN, ...levels) - 0.02;
  const x = (loss) => left + ((right - left) * Math.log(worst / loss)) / Math.log(worst / best);
  const y = (share) => bottom - ((bottom - top) * (share - least)) / (1 - least);
  const points = models.map((judge) => ({ judge, x: x(judge.val_loss), y: y(shareOf(judge, kind).right) }));
  return { rem, left, right, top, bottom, least, best, worst, x, y, points };
}

/** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height @param {Shown} shown */
function paintGrowth(context, width, height, shown) {
  const colours = palette();
  const places = layOut(width, height, shown, colours);
  context.font = `${places.rem}px ${colours.sans}`;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  paintLevels(context, places, shown, colours);
  paintLosses(context, places, colours);
  paintRuns(context, places, colours);
  for (const point of places.points) paintPoint(context, places, point, shown.judge, colours);
  paintNames(context, places, shown.judge, colours);
}

// Shares, and the levels of a coin and of the n-gram model.
function paintLevels(context, { rem, left, right, least, y }, { judges, kind }, { rule, ruleStrong, inkSoft }) {
  context.textAlign = "right";
  let before = Infinity;
  for (const level of LEVELS) {
    if (level < least || before - y(level) < LEVEL_APART * rem) continue;
    before = y(level);
    context.fillStyle = rule;
    context.fillRect(left, Math.round(before), right - left, 1);
    context.fillStyle = inkSoft;
    context.fillText(wholePercent(level), left - 0.5 * rem, before);
  }
  Object.assign(context, { strokeStyle: ruleStrong, lineWidth: 1.5, textAlign: "left" });
  context.setLineDash([0.35 * rem, 0.35 * rem]);
  const ngram = judges.find(({ group }) => group === "n-gram");
  for (const share of [COIN, ngram && shareOf(ngram, kind)?.right]) {
    if (typeof share !== "number") continue;
    context.beginPath();
    context.moveTo(left, y(share));
    context.lineTo(right, y(share));
    context.stroke();
  }
  context.setLineDash([]);
}

function paintLosses(context, { rem, left, right, bottom, best, worst, x }, { inkSoft }) {
  context.fillStyle = inkSoft;
  context.textAlign = "center";
  for (const loss of TICKS) if (loss >= best && loss <= worst) context.fillText(loss.toFixed(1), x(loss), bottom + 0.9 * rem);
  context.fillText("validation loss (lower is better) →", (left + right) / 2, bottom + 2.1 * rem);
}

// The snapshots of a run are joined in the order of its steps.
function paintRuns(context, { rem, points }, { ruleStrong }) {
  Object.assign(context, { strokeStyle: ruleStrong, lineWidth: 0.12 * rem });
  for (const some of Map.groupBy(points.filter(({ judge }) => judge.group === "snapshot"), ({ judge }) => judge.run).values()) {
    context.beginPath();
    for (const { x, y } of some.toSorted((a, b) => a.judge.step - b.judge.step)) context.lineTo(x, y);
    context.stroke();
  }
}

function paintPoint(context, { rem }, { judge, x, y }, marked, { ink, inkSoft, accent, paper }) {
  context.fillStyle = { shipped: accent, ladder: ink, "n-gram": paper }[judge.group] ?? inkSoft;
  context.beginPath();
  if (judge.group === "ladder") context.rect(x - DOT * rem, y - DOT * rem, 2 * DOT * rem, 2 * DOT * rem);
  else context.arc(x, y, (judge.group === "snapshot" ? 0.8 : 1.4) * DOT * rem, 0, 2 * Math.PI);
  context.fill();
  if (judge.group === "n-gram") {
    Object.assign(context, { strokeStyle: ink, lineWidth: 0.14 * rem });
    context.stroke();
  }
  if (judge.id !== marked) return;
  for (const [colour, width] of [[paper, 0.35], [accent, 0.15]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width * rem });
    context.beginPath();
    context.arc(x, y, RING * rem, 0, 2 * Math.PI);
    context.stroke();
  }
}

// Names where there is room for them, below or above their points: of the coin, of the one that is marked, of the shipped model and the
// n-gram model, and of the rungs.
function paintNames(context, { rem, left, right, top, bottom, y, points }, marked, { ink, inkSoft, paper }) {
  const rank = ({ judge }) => (judge.id === marked ? 0 : ["shipped", "n-gram"].includes(judge.group) ? 1 : judge.group === "ladder" ? 2 : 3);
  const taken = points.map((point) => ({ left: point.x - DOT * rem, right: point.x + DOT * rem, top: point.y - DOT * rem, bottom: point.y + DOT * rem }));
  /** @param {string} words @param {number} middle @param {number} at height of the point @param {string} colour */
  function name(words, middle, at, colour) {
    const wide = context.measureText(words).width;
    const x = Math.min(right, Math.max(left + wide, middle + wide / 2)); // its right end
    for (const down of [1, -1]) {
      const place = at + down * rem;
      const box = { left: x - wide - 0.3 * rem, right: x + 0.3 * rem, top: place - 0.6 * rem, bottom: place + 0.6 * rem };
      if (box.top < top - rem || box.bottom > bottom + 0.2 * rem || taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      Object.assign(context, { textAlign: "right", strokeStyle: paper, lineWidth: 0.35 * rem, fillStyle: colour });
      context.strokeText(words, x, place);
      context.fillText(words, x, place);
      return true;
    }
    return false;
  }
  if (!name("a coin", right, y(COIN), inkSoft)) name("a coin", left, y(COIN), inkSoft);
  for (const { judge, x, y: at } of points.filter((each) => rank(each) < 3).toSorted((a, b) => rank(a) - rank(b))) name(judge.name, x, at, ink);
}

const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
