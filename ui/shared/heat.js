// Colours the characters of text nodes by surprisal without an element for each: CSS highlights heat-1 to heat-7, one for each whole bit
// (heat.css); below one bit the paper stays as it is. Chromium walks through all ranges whenever anything changes, so only elements in or near
// the visible part of the page keep their ranges in the highlights.
import { placesIn } from "./characters.js";
import { make } from "./dom.js";
import { range } from "./marks.js";

const STEPS = 8;
const NEARLY = "25%"; // of the window, around it
const highlights = Array.from({ length: STEPS }, () => new Highlight());
highlights.slice(1).forEach((highlight, i) => CSS.highlights.set(`heat-${i + 1}`, highlight));

const painted = new WeakMap(); // text node -> { seen, stretches: [{ from, to (characters), step, range }] in order }
const inside = new WeakMap(); // element -> its painted text nodes
const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) for (const node of inside.get(target)) show(node, isIntersecting);
  },
  { rootMargin: NEARLY },
);

const stepOf = (bits) => Math.min(STEPS - 1, Math.max(0, Math.floor(bits)));
const add = ({ step, range }) => highlights[step].add(range);
const remove = ({ step, range }) => highlights[step].delete(range);

function show(node, seen) {
  const known = painted.get(node);
  if (!known || known.seen === seen) return;
  known.seen = seen;
  known.stretches.forEach(seen ? add : remove);
}

// Colours the characters of a text node from number `from` on; `bits` has only theirs, so that a text that grows is painted by its new
// characters. What was painted from there on before is painted over. The node must have its parent.
function paint(node, bits, from = 0) {
  const known = painted.get(node) ?? begin(node);
  const { stretches } = known;
  const fresh = [];
  while (stretches.at(-1)?.to >= from) {
    const last = stretches.pop();
    remove(last);
    if (last.from < from) fresh.push({ ...last, to: from });
  }
  Array.from(bits, stepOf).forEach((step, i) => {
    const before = fresh.at(-1);
    if (before?.step === step) before.to++;
    else fresh.push({ from: from + i, to: from + i + 1, step });
  });
  const place = placesIn(node.data);
  for (const stretch of fresh) {
    if (stretch.step === 0) continue;
    stretch.range = range(node, place(stretch.from), place(stretch.to));
    if (known.seen) add(stretch);
    stretches.push(stretch);
  }
}

function begin(node) {
  const known = { seen: true, stretches: [] };
  const element = node.parentElement;
  painted.set(node, known);
  inside.set(element, (inside.get(element) ?? new Set()).add(node));
  sight.unobserve(element); // so that its state is reported again
  sight.observe(element);
  return known;
}

// Removes the colours. Call this before the text of a node is replaced.
function clear(node) {
  show(node, false);
  painted.delete(node);
}

// The legend of the scale, to stand beside a coloured text.
function legend() {
  const scale = make("p", "heat-legend", "surprisal, bits: ");
  const steps = make("span", "heat-steps");
  for (let step = 0; step < STEPS; step++) {
    const swatch = make("span", "heat-step", step < STEPS - 1 ? `${step} ` : `${step}+`);
    swatch.style.background = `var(--heat-${step})`;
    steps.append(swatch);
  }
  scale.append(steps);
  return scale;
}

export const heat = { paint, clear, legend };
