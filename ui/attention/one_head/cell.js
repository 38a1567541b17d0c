// How one weight is computed: the query of the row, the key of the column, their products, and softmax.
import { button, make, number } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";
import { digits, placeInWords, signed } from "./data.js";

const LANE = 2.75; // rem, for the bars of a vector
const [NAMES, SCALES] = [4, 3.75]; // rem, at the left and right of them
/** @type {[string, (answer: {q: number[], k: number[]}) => number[]][]} */
const LANES = [
  ["q", ({ q }) => q],
  ["k", ({ k }) => k],
  ["q × k", ({ q, k }) => q.map((value, i) => value * k[i])],
];

// { node, show(answer, cell), tell(words) }: `answer` is the server's, for a cell { row, column }.
/** @param {import("../look.js").Look} look @param {() => void} close */
export function createCell(look, close) {
  const node = make("section", "one-cell");
  node.setAttribute("aria-label", "Queries and keys behind a weight");
  const head = make("div", "one-cell-head");
  const [channel, canvas, sums] = [make("span", "one-channel"), make("canvas", "one-bars"), make("div", "one-sums")];
  head.append(make("h3", "one-title", "Behind this weight"), channel, button("quiet", "Close", close));
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  sums.setAttribute("aria-live", "polite");
  sums.dataset.testid = "one-head-sums";
  node.append(head, canvas, sums);
  let shown = null;
  let pointed = null;

  function paint() {
    if (!shown || !node.clientWidth) return;
    const colours = palette();
    const height = LANES.length * LANE * colours.rem;
    paintVectors(fit(canvas, node.clientWidth, height), node.clientWidth, shown, pointed, colours);
  }

  function point(index) {
    pointed = index;
    const { q, k } = shown;
    const [a, b, product] = index === null ? [] : [q[index], k[index], q[index] * k[index]].map((value) => signed(value, 3));
    channel.textContent = index === null ? "" : `Number ${index}: ${a} × ${b} = ${product}`;
    paint();
  }

  function show(answer, { row, column }) {
    shown = answer;
    const { q, product, scaled, row_max, row_sum, weight } = answer;
    const raised = Math.exp(scaled - row_max);
    const less = row_max < 0 ? "+" : "−";
    canvas.hidden = false;
    const whose = `The query of ${placeInWords(look.capture, row)}, the key of ${placeInWords(look.capture, column)}`;
    canvas.setAttribute("aria-label", `${whose}, ${q.length} numbers each, and their products, as bars. Left and right arrows read them.`);
    sums.replaceChildren(
      line("Product", `q · k = ${signed(product)}`, `the sum of the ${number(q.length)} products`),
      line("Scaled", `${signed(product)} / √${q.length} = ${signed(scaled)}`, `the largest of the row is ${signed(row_max)}`),
      line(
        "Softmax",
        `exp(${signed(scaled)} ${less} ${Math.abs(row_max).toFixed(4)}) / ${row_sum.toFixed(4)} = ${digits(raised / row_sum)}`,
        `${row_sum.toFixed(4)} is the sum of exp over the row; the map shows ${digits(weight)}`,
      ),
    );
    point(pointed !== null && pointed < q.length ? pointed : null);
  }

  // Words instead of numbers.
  function tell(words) {
    shown = null;
    channel.textContent = "";
    canvas.hidden = true;
    sums.replaceChildren(make("p", "", words));
  }

  canvas.addEventListener("pointermove", (event) => {
    const { left, width } = canvas.getBoundingClientRect();
    const { rem } = palette();
    const index = Math.floor(((event.clientX - left - NAMES * rem) / (width - (NAMES + SCALES) * rem)) * shown.q.length);
    point(index >= 0 && index < shown.q.length ? index : null);
  });
  canvas.addEventListener("pointerleave", () => shown && point(null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !shown) return;
    event.preventDefault();
    const { length } = shown.q;
    point(pointed === null ? 0 : (pointed + step + length) % length);
  });
  new ResizeObserver(paint).observe(node);
  onLook(paint);
  return { node, show, tell };
}

function line(name, sum, words) {
  const node = make("p");
  node.append(make("span", "one-sum-name", name), make("span", "one-sum", sum), make("span", "one-sum-words", words));
  return node;
}

// Draws the vectors and their products, each on a scale of its own around a zero line.
function paintVectors(context, width, answer, pointed, colours) {
  const { rem } = colours;
  const style = getComputedStyle(document.documentElement);
  const [plus, minus] = ["--plus", "--minus"].map((name) => style.getPropertyValue(name).trim());
  const [left, right] = [NAMES * rem, width - SCALES * rem];
  const step = (right - left) / answer.q.length;
  const half = (LANE * rem) / 2 - 3;
  context.textBaseline = "middle";
  LANES.forEach(([name, valuesOf], lane) => {
    const values = valuesOf(answer);
    const most = Math.max(...values.map(Math.abs)) || 1;
    const zero = (lane + 0.5) * LANE * rem;
    context.fillStyle = colours.ink;
    context.textAlign = "left";
    context.font = `${rem}px ${colours.mono || "monospace"}`;
    context.fillText(name, 0, zero);
    context.fillStyle = colours.inkSoft;
    context.textAlign = "right";
    context.font = `${0.875 * rem}px ${colours.sans || "sans-serif"}`;
    context.fillText(`±${most.toFixed(2)}`, width, zero);
    values.forEach((value, i) => {
      const height = (Math.abs(value) / most) * half;
      context.globalAlpha = pointed === null || pointed === i ? 1 : 0.45;
      context.fillStyle = value < 0 ? minus : plus;
      context.fillRect(left + i * step, value < 0 ? zero : zero - height, Math.max(1, step - 1), height);
    });
    context.globalAlpha = 1;
    context.fillStyle = colours.ruleStrong;
    context.fillRect(left, zero - 0.5, right - left, 1);
  });
}
