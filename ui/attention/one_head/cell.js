// How one weight is computed, from the query of the row and the key of the column, and what the head does with it: the column's value, times the
// weight, is a part of what the head writes into the residual stream.
import { button, make, number } from "../../shared/dom.js";
import { digits, placeInWords, signed } from "./data.js";
import { createVectors } from "./vectors.js";

/** @typedef {Object<"q" | "k" | "v" | "output" | "written" | "contribution", number[]>} CellVectors */
/** @typedef {CellVectors & Object<"product" | "scaled" | "row_max" | "row_sum" | "weight", number>} CellAnswer the server's */

// { node, show(answer, cell), tell(words) }: `answer` is the server's, for a cell { row, column }.
/** @param {import("../look.js").Look} look @param {() => void} close */
export function createCell(look, close) {
  const node = make("section", "one-cell");
  node.setAttribute("aria-label", "How this weight is computed");
  const head = make("div", "one-cell-head");
  const channel = make("span", "one-channel");
  head.append(make("h3", "one-title", "How this weight is computed"), channel, button("quiet", "Close", close));
  /** @type {CellAnswer | null} */
  let shown = null;
  const compared = createVectors((i) => say(i, ({ q, k }) => `${signed(q[i], 3)} × ${signed(k[i], 3)} = ${signed(q[i] * k[i], 3)}`));
  const carried = createVectors((i) => say(i, ({ v, weight, output }) => `v ${signed(v[i], 3)}, times the weight ${signed(weight * v[i], 3)}, of ${signed(output[i], 3)}`));
  const added = createVectors((i) => say(i, ({ written, contribution }) => `${signed(contribution[i], 3)} of ${signed(written[i], 3)}`));
  const parts = [compared, carried, added];
  const [sums, writes] = [make("div", "one-sums"), make("div", "one-sums")];
  sums.setAttribute("aria-live", "polite");
  sums.dataset.testid = "one-head-sums";
  writes.dataset.testid = "one-head-writes";
  node.append(head, compared.node, sums, carried.node, added.node, writes);

  function say(index, words) {
    channel.textContent = index === null || !shown ? "" : `Number ${index}: ${words(shown)}`;
  }

  /** @param {CellAnswer} answer @param {{row: number, column: number}} cell */
  function show(answer, { row, column }) {
    shown = answer;
    const { q, k, v, output, written, contribution, product, scaled, row_max, row_sum, weight } = answer;
    const [from, to] = [placeInWords(look.capture, row), placeInWords(look.capture, column)];
    const less = row_max < 0 ? "+" : "−";
    for (const { node } of parts) node.hidden = false;
    compared.show(
      [{ name: "q", values: q }, { name: "k", values: k }, { name: "q × k", values: q.map((value, i) => value * k[i]) }],
      `The query of ${from}, the key of ${to}, ${q.length} numbers each, and their products, as bars.`,
    );
    sums.replaceChildren(
      line("Product", `q · k = ${signed(product)}`, `the sum of the ${number(q.length)} products`),
      line("Scaled", `${signed(product)} / √${q.length} = ${signed(scaled)}`, `the largest of the row is ${signed(row_max)}`),
      line(
        "Softmax",
        `exp(${signed(scaled)} ${less} ${Math.abs(row_max).toFixed(4)}) / ${row_sum.toFixed(4)} = ${digits(Math.exp(scaled - row_max) / row_sum)}`,
        `${row_sum.toFixed(4)} is the sum of exp over the row; the map shows ${digits(weight)}`,
      ),
    );
    carried.show(
      [{ name: "v", values: v }, { name: "Σ w·v", values: output, part: v.map((value) => weight * value) }],
      `The value of ${to}, and the sum of all values, each times its weight, as bars.`,
    );
    added.show([{ name: "added", values: written, part: contribution }], `What the head adds to the stream at ${from}, ${number(written.length)} channels, as bars.`);
    const [length, own] = [norm(written), norm(contribution)];
    const share = length ? dot(contribution, written) / length ** 2 : 0;
    writes.replaceChildren(
      line("Output", "Σ w·v", `values × weights, added up; full colour: ${to}`),
      line("Added", `length ${length.toFixed(3)}`, `${number(written.length)} numbers, added to the stream`),
      line("Share", `${signed(100 * share, 1)}\u00a0%`, `of it comes from ${to} (length ${own.toFixed(3)})`),
    );
  }

  // Words instead of numbers.
  function tell(words) {
    shown = null;
    channel.textContent = "";
    for (const { node } of parts) node.hidden = true;
    sums.replaceChildren(make("p", "", words));
    writes.replaceChildren();
  }

  new ResizeObserver(() => parts.forEach(({ paint }) => paint())).observe(node);
  return { node, show, tell };
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const norm = (vector) => Math.sqrt(dot(vector, vector));

function line(name, sum, words) {
  const node = make("p");
  node.append(make("span", "one-sum-name", name), make("span", "one-sum", sum), make("span", "one-sum-words", words));
  return node;
}
