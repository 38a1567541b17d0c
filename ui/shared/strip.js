// A distribution laid out on [0, 1) in vocabulary order, each character as wide as it is probable, and the die that fell on one of them.
import { make, nameOf, percent, signOf } from "./dom.js";
import { edges, ranking } from "./distribution.js";
import { fit, onLook, palette } from "./paint.js";

const [LABELS, BAND] = [1.5, 1.625]; // rem: what stands above the characters, and they themselves
const LEAST_DIGITS = 3;
const MOST_DIGITS = 12;

// A throw and the interval that it fell into, as short as they can be written without the throw seeming to lie outside.
export function inDigits(die, low, high) {
  let digits = LEAST_DIGITS;
  const seems = (value, more = 0) => Number(value.toFixed(digits + more));
  while (digits < MOST_DIGITS && (seems(low) > seems(die, 1) || seems(die, 1) >= seems(high))) digits++;
  return { die: die.toFixed(digits + 1), low: low.toFixed(digits), high: high.toFixed(digits) };
}

// The strip: { node, draw(probabilities, { vocabulary, die, id }) }. `die` and `id` (the character it fell on) may be left out.
export function createStrip() {
  const node = make("div", "strip");
  const canvas = node.appendChild(make("canvas"));
  let shown = null;
  const paint = () => {
    const width = node.clientWidth;
    if (!width || !shown) return;
    const look = palette();
    const height = stripHeight(look);
    paintStrip(fit(canvas, width, height), width, height, shown.probabilities, { ...shown.what, look });
  };
  new ResizeObserver(paint).observe(node);
  onLook(paint);
  return {
    node,
    draw(probabilities, what) {
      shown = { probabilities, what };
      canvas.setAttribute("role", "img"); // not before there are words for it
      canvas.setAttribute("aria-label", describe(probabilities, shown.what));
      paint();
    },
  };
}

const stripHeight = (look) => (LABELS + BAND) * look.rem;

function describe(probabilities, { die, id, vocabulary }) {
  if (id !== undefined && die !== undefined && die !== null) {
    const { low, high } = intervalOf(probabilities, id);
    const words = inDigits(die, low, high);
    return `The die, ${words.die}, falls on ${nameOf(vocabulary[id])}, which lies from ${words.low} to ${words.high}.`;
  }
  const widest = ranking(probabilities).slice(0, 5);
  const words = widest.map((other) => `${nameOf(vocabulary[other])} ${percent(probabilities[other])}`);
  return `All characters laid out from 0 to 1 in the order of the vocabulary. The widest: ${words.join(", ")}.`;
}

export function intervalOf(probabilities, id) {
  const ends = edges(probabilities);
  return { low: id ? ends[id - 1] : 0, high: ends[id] };
}

function paintStrip(context, width, height, probabilities, { die, id, vocabulary, look }) {
  const band = BAND * look.rem;
  const top = height - band;
  const ends = edges(probabilities);
  context.font = `${look.rem}px ${look.mono || "monospace"}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  let seen = 0;
  vocabulary.forEach((char, i) => {
    if (!probabilities[i]) return;
    const [left, right] = [(i ? ends[i - 1] : 0) * width, ends[i] * width];
    context.fillStyle = i === id ? look.accent : seen++ % 2 ? look.sheet : look.rule;
    context.fillRect(left, top, i === id ? Math.max(1, right - left) : right - left, band);
    const sign = signOf(char);
    if (context.measureText(sign).width + 4 > right - left) return;
    context.fillStyle = i === id ? look.paper : look.ink;
    context.fillText(sign, (left + right) / 2, top + band / 2);
  });
  context.strokeStyle = look.ruleStrong;
  context.lineWidth = 1;
  context.strokeRect(0.5, top + 0.5, width - 1, band - 1);
  paintAxis(context, width, top, { die, look });
}

// The ends of the axis, and the die as a needle with its number.
function paintAxis(context, width, top, { die, look }) {
  context.font = `${0.875 * look.rem}px ${look.mono || "monospace"}`;
  context.textBaseline = "middle";
  const [middle, digit] = [top - 0.75 * look.rem, context.measureText("0").width];
  const thrown = die !== undefined && die !== null;
  const x = thrown ? Math.min(width - 1, Math.max(1, die * width)) : 0;
  const label = thrown ? die.toFixed(LEAST_DIGITS + 1) : "";
  const half = context.measureText(label).width / 2;
  const at = Math.min(width - half, Math.max(half, x)); // the number stays on the canvas
  context.fillStyle = look.inkSoft;
  context.textAlign = "left";
  if (!thrown || at - half > 2 * digit) context.fillText("0", 0, middle);
  context.textAlign = "right";
  if (!thrown || at + half < width - 2 * digit) context.fillText("1", width, middle);
  if (!thrown) return;
  context.fillStyle = look.accent;
  context.textAlign = "center";
  context.fillText(label, at, middle);
  context.beginPath();
  context.moveTo(x - 0.3 * look.rem, top - 0.3 * look.rem);
  context.lineTo(x + 0.3 * look.rem, top - 0.3 * look.rem);
  context.lineTo(x, top + 0.25 * look.rem);
  context.fill();
  context.fillStyle = look.paper; // the needle goes through what it hit
  context.fillRect(x - 0.75, top + 0.3 * look.rem, 1.5, BAND * look.rem);
}
