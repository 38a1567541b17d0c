// The endings in three orders beside each other: lines lead from each ending to its place in the next order, so that they cross where two disagree.
import { listed, make, makeText, readable, shortened } from "../../shared/dom.js";
import { inBits } from "./results.js";

const SVG = "http://www.w3.org/2000/svg";
/** @type {[import("./results.js").Order, string, string][]} */
export const ORDERS = [
  ["sum", "Sum", "of all characters: short endings win"],
  ["per_character", "Per character", "the mean: length no longer counts"],
  ["corrected", "Corrected", "how much the beginning adds"],
];
export const FORMULA = "In bits. Corrected = log₂ P(ending | beginning) − log₂ P(ending | newline)";
const MOST_OF_ENDING = 24; // characters that are quoted
const [CELL, GAP] = [28, 8]; // of 100 parts of the width: three cells and two gaps

/** @param {import("./results.js").Choices} choices */
export function drawOrders(choices) {
  const { endings, orders } = choices;
  const node = make("div", "zero-orders");
  node.style.setProperty("--endings", String(endings.length));
  const lines = document.createElementNS(SVG, "svg");
  lines.setAttribute("viewBox", `0 0 100 ${endings.length}`);
  lines.setAttribute("preserveAspectRatio", "none");
  lines.setAttribute("aria-hidden", "true");
  const parts = endings.map(() => /** @type {Element[]} */ ([]));
  const columns = ORDERS.map(([order, title, about], column) => {
    const list = make("ol", "zero-order");
    const best = bestOf(choices, order);
    orders[order].forEach((i, place) => {
      const item = make("li", "zero-place-of");
      item.append(makeText("span", "zero-ending", readable(endings[i].text)), make("b", "", inFigures(endings[i][order], order)));
      item.classList.toggle("best", best.includes(i));
      list.append(item);
      parts[i].push(item);
      if (column) parts[i].push(lines.appendChild(lineBetween(column, orders[ORDERS[column - 1][0]].indexOf(i), place)));
    });
    const head = make("header", "zero-order-head");
    head.append(make("h3", "", title), make("p", "", about));
    const part = make("section");
    part.append(head, list);
    return part;
  });
  // One ending is followed by its line.
  const mark = (chosen) => parts.forEach((some, i) => some.forEach((part) => part.classList.toggle("marked", i === chosen)));
  const first = orders.sum[0];
  parts.forEach((some, i) => {
    for (const part of some) {
      part.addEventListener("pointerenter", () => mark(i));
      part.addEventListener("pointerleave", () => mark(first));
    }
  });
  mark(first);
  node.append(lines, ...columns);
  return node;
}

/** @param {number} column of the order that it leads to @param {number} from a place @param {number} to */
function lineBetween(column, from, to) {
  const line = document.createElementNS(SVG, "line");
  const right = column * (CELL + GAP);
  for (const [name, value] of Object.entries({ x1: right - GAP, x2: right, y1: from + 0.5, y2: to + 0.5 })) line.setAttribute(name, String(value));
  return line;
}

/** @param {number} nats @param {import("./results.js").Order} order */
const inFigures = (nats, order) => inBits(nats, order === "per_character" ? 2 : 1);

/** The places of the best endings: several, if their figures are the same. @param {import("./results.js").Choices} choices @param {import("./results.js").Order} order */
function bestOf({ endings, orders }, order) {
  const figures = (i) => inFigures(endings[i][order], order);
  return orders[order].filter((i) => figures(i) === figures(orders[order][0])).toSorted((a, b) => a - b);
}

/** "All three orders prefer “dead.”", or who prefers what. @param {import("./results.js").Choices} choices */
export function agreementInWords(choices) {
  const name = (i) => `“${shortened(readable(choices.endings[i].text.trim()), MOST_OF_ENDING).replace(/[.,;:]$/, "")}”`;
  const found = ORDERS.map(([order, title]) => ({ title, best: bestOf(choices, order) }));
  const said = [...Map.groupBy(found, ({ best }) => best.join())].map(([, some]) => {
    const [{ best }, who] = [some[0], some.length === ORDERS.length ? "All three orders" : listed(some.map(({ title }) => title))];
    if (best.length > 1) return `${who}: a tie of ${listed(best.map(name))}`;
    return `${who} ${some.length > 1 ? "prefer" : "prefers"} ${name(best[0])}`;
  });
  const preferred = new Set(found.flatMap(({ best }) => (best.length > 1 ? [] : best)));
  return `${preferred.size > 1 ? "The orders disagree: " : ""}${said.join("; ")}.`;
}
