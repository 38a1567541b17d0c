// How often both networks are exactly right on texts that are kept back, by length: at lengths that they were trained at, and longer.
import { make, number, percent } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";

const NETWORKS = /** @type {const} */ ([
  ["encoder-decoder", "Encoder-decoder", "accent"],
  ["gpt", "GPT", "ink"],
]);
const EDGE = { left: 3.5, right: 1, top: 1, bottom: 2.75 }; // rem
const LEVELS = [0, 0.25, 0.5, 0.75, 1];
const DOT = 0.28; // rem
const MANY = 0.05; // of the texts are left as they are: then it matters how those do that are not
const APART = 3; // rem between two lengths on the axis, at least

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Task} Task */
/** @typedef {import("./state.js").Share} Share */

/** @param {State} state */
export function createFigures(state) {
  const node = make("section", "translate-figures");
  node.setAttribute("aria-label", "How often the answers are exactly right");
  const table = make("table", "translate-table");
  const chart = make("div", "translate-chart");
  const canvas = chart.appendChild(make("canvas"));
  const title = make("h2", "", "Exactly right, on texts kept back");
  const [left, note] = [make("div", "translate-shares"), make("p", "translate-note")];
  left.append(table, note);
  node.append(title, left, chart);

  const known = () => NETWORKS.filter(([id]) => state.task?.networks[id].figures);

  function draw() {
    node.hidden = !known().length;
    if (node.hidden) return;
    table.replaceChildren(...rowsOf(state.task));
    note.textContent = inWords(state.task);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `By length of the text. ${known().map(([id, name]) => `${name}: ${lengthsInWords(state.task.networks[id].figures)}`).join(". ")}.`);
    paint();
  }

  function paint() {
    const [width, height] = [chart.clientWidth, chart.clientHeight];
    if (width && height && known().length) paintChart(fit(canvas, width, height), width, height, state.task);
  }

  new ResizeObserver(paint).observe(chart);
  onLook(paint);
  return {
    node,
    draw,
    /** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
    paint: (context, width, height) => paintChart(context, width, height, state.task),
  };
}

/** @param {Task} task */
function rowsOf({ networks }) {
  const shown = NETWORKS.filter(([id]) => networks[id].figures);
  const head = make("tr");
  head.append(make("td"), ...shown.map(([, name, colour]) => Object.assign(make("th", `is-${colour}`, name), { scope: "col" })));
  const row = (name, of) => {
    const shares = shown.map(([id]) => of(networks[id].figures));
    if (!shares.every(Boolean)) return [];
    const line = make("tr");
    line.append(Object.assign(make("th", "", name), { scope: "row" }), ...shares.map(cell));
    return [line];
  };
  const { longest } = networks[shown[0][0]];
  return [
    head,
    ...row(`Up to ${longest} characters, as in training`, ({ trained }) => trained),
    ...row("Those that the rule changes", ({ changed, copied }) => (copied > MANY ? changed : null)),
    ...row(`Longer than ${longest}`, ({ longer }) => longer),
  ];
}

/** @param {Share} share */
function cell({ n, right, low, high }) {
  const node = make("td");
  node.append(make("b", "", percent(right)), make("span", "", `${percent(low)} to ${percent(high)}`), make("span", "", `n = ${number(n)}`));
  return node;
}

/** The baseline, and what cross-attention looks at where that was measured. @param {Task} task */
function inWords({ networks }) {
  const { copied, diagonal } = networks["encoder-decoder"].figures ?? networks.gpt.figures;
  const copy = copied > MANY ? [`Copying the input would be right for ${percent(copied)}.`] : [];
  if (!diagonal) return copy.join(" ");
  const best = Math.max(...diagonal.heads.flat());
  return [...copy, `Cross-attention has its largest weight on the mirrored character in ${percent(diagonal.mean)} of all steps in the mean of all heads, and in ${percent(best)} in the best single head.`].join(" ");
}

const lengthsInWords = ({ lengths }) => lengths.map(({ from, to, right }) => `${percent(right)} at ${from} to ${to} characters`).join(", ");

/** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height @param {Task} task */
function paintChart(context, width, height, { networks }) {
  const colours = palette();
  const { rem } = colours;
  const [left, right, top, bottom] = [EDGE.left * rem, width - EDGE.right * rem, EDGE.top * rem, height - EDGE.bottom * rem];
  const shown = NETWORKS.filter(([id]) => networks[id].figures).map(([id, , colour]) => ({ lengths: networks[id].figures.lengths, colour: colours[colour] }));
  const all = shown.flatMap(({ lengths }) => lengths);
  const most = Math.max(...all.map(({ to }) => to));
  const trained = Math.max(...all.filter(({ trained }) => trained).map(({ to }) => to));
  const x = (length) => left + ((right - left) * length) / most;
  const y = (share) => bottom - (bottom - top) * share;
  const middle = ({ from, to }) => x((from + to) / 2);
  context.font = `${rem}px ${colours.sans}`;
  context.textBaseline = "middle";
  context.fillStyle = colours.sheet;
  context.fillRect(left, top, x(trained) - left, bottom - top);
  context.textAlign = "right";
  for (const level of LEVELS) {
    context.fillStyle = colours.rule;
    context.fillRect(left, Math.round(y(level)), right - left, 1);
    context.fillStyle = colours.inkSoft;
    context.fillText(`${100 * level} %`, left - 0.5 * rem, y(level));
  }
  context.textAlign = "center";
  context.fillText("characters in the text", (left + right) / 2, height - 0.7 * rem);
  let before = -Infinity;
  for (const length of [...new Set(all.map(({ to }) => to))].sort((a, b) => a - b)) {
    if (x(length) - before < APART * rem) continue;
    before = x(length);
    context.fillText(String(length), before, bottom + 0.8 * rem);
  }
  context.fillStyle = colours.ruleStrong;
  context.fillRect(x(trained), top, 1, bottom - top);
  context.fillStyle = colours.inkSoft;
  context.fillText("trained", (left + x(trained)) / 2, bottom - 0.8 * rem);
  context.fillText("longer", (x(trained) + right) / 2, top + 0.8 * rem);
  for (const { lengths, colour } of shown) paintLine(context, lengths, colour, { x: middle, y, rem });
}

function paintLine(context, lengths, colour, { x, y, rem }) {
  Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineWidth: 0.16 * rem, lineJoin: "round" });
  context.beginPath();
  for (const each of lengths) context.lineTo(x(each), y(each.right));
  context.stroke();
  context.lineWidth = 0.08 * rem;
  for (const each of lengths) {
    context.beginPath();
    context.moveTo(x(each), y(each.low));
    context.lineTo(x(each), y(each.high));
    context.stroke();
    context.beginPath();
    context.arc(x(each), y(each.right), DOT * rem, 0, 2 * Math.PI);
    context.fill();
  }
}
