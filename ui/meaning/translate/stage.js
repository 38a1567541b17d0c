// The input and below it the answer, character by character: bars and lines show where the character being written looks. The GPT's answer stands below.
import { make } from "../../shared/dom.js";
import { palette } from "../../shared/paint.js";
import { kindOf, signed } from "./kinds.js";
import { rowOf } from "./translated.js";

const CELL = [0.8125, 2.25]; // rem: the narrowest and the widest character
const LEAST_LINE = 0.12; // of attention; fainter lines would be a fog
const [BARS, GAP] = [1.5, 2.5]; // rem, as in translate.css
const NAMESPACE = "http://www.w3.org/2000/svg";

/** @typedef {import("./state.js").State} State */

/** @param {State} state */
export function createStage(state) {
  const node = make("div", "translate-stage");
  const labels = make("div", "translate-labels");
  const frame = Object.assign(make("div", "translate-frame"), { tabIndex: 0 });
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "The input and both answers, character by character");
  const rows = {
    source: createRow(labels, "translate-source", "Input"),
    target: createRow(labels, "translate-target", "Answer", (step) => state.chooseStep(step)),
    gpt: createRow(labels, "translate-gpt", "GPT"),
  };
  const lines = document.createElementNS(NAMESPACE, "svg");
  lines.setAttribute("class", "translate-lines");
  lines.setAttribute("aria-hidden", "true");
  frame.append(rows.source.node, lines, rows.target.node, rows.gpt.node);
  node.append(labels, frame);
  let cell = 0; // pixels

  function build() {
    const { translated, gpt, right } = state;
    node.hidden = !state.shown;
    if (!state.shown) return;
    rows.source.fill(state.shown.source);
    rows.target.fill(translated?.target ?? [], right);
    rows.gpt.fill(gpt?.target ?? [], right);
    rows.target.judge(translated);
    rows.gpt.judge(gpt);
    measure();
  }

  function measure() {
    const { rem } = palette();
    const most = Math.max(...Object.values(rows).map(({ chars }) => chars.length), 1);
    cell = Math.min(CELL[1] * rem, Math.max(CELL[0] * rem, Math.floor(frame.clientWidth / most)));
    frame.style.setProperty("--cell", `${cell}px`);
    Object.entries({ width: cell * most, height: GAP * rem }).forEach(([name, value]) => lines.setAttribute(name, String(value)));
    draw();
  }

  function draw() {
    if (!state.shown) return;
    const { step, length } = state;
    rows.target.show(step);
    rows.gpt.show(step === length - 1 ? Infinity : step);
    drawAttention(step);
    const written = rows.target.chars[step];
    if (written && frame.scrollWidth > frame.clientWidth) frame.scrollLeft = written.offsetLeft - frame.clientWidth / 2;
  }

  /** @param {number} step */
  function drawAttention(step) {
    const cross = kindOf("cross");
    const weights = state.translated?.steps.length ? state.translated.weights(cross.name, state.headOf(cross)) : null;
    const now = weights ? rowOf(weights, step) : [];
    const most = Math.max(...now, 0);
    rows.source.chars.forEach((char, i) => {
      char.style.setProperty("--weight", `${(BARS * (now[i] ?? 0)).toFixed(3)}rem`);
      char.classList.toggle("looked-at", most > 0 && now[i] === most);
    });
    const drawn = weights ? [...Array(step + 1).keys()] : [];
    const ofRow = (row) => [...rowOf(weights, row)].flatMap((weight, column) => (weight < LEAST_LINE ? [] : [line(row, column, weight, row === step)]));
    lines.replaceChildren(...drawn.flatMap(ofRow));
  }

  /** @param {number} row @param {number} column @param {number} weight @param {boolean} isNow */
  function line(row, column, weight, isNow) {
    const path = document.createElementNS(NAMESPACE, "path");
    const [from, to, height] = [(column + 0.5) * cell, (row + 0.5) * cell, GAP * palette().rem];
    path.setAttribute("d", `M${from} 0C${from} ${height / 2} ${to} ${height / 2} ${to} ${height}`);
    path.setAttribute("class", isNow ? "now" : "");
    path.style.strokeOpacity = String(isNow ? 0.25 + 0.75 * weight : 0.6 * weight);
    path.style.strokeWidth = `${(isNow ? 0.06 + 0.24 * weight : 0.06).toFixed(3)}rem`;
    return path;
  }

  new ResizeObserver(() => state.shown && measure()).observe(frame);
  return { node, build, draw };
}

/**
 * A row of characters, and its name.
 * @param {HTMLElement} labels
 * @param {string} className
 * @param {string} name
 * @param {(place: number) => void} [choose] called with the place of the character that is pressed
 */
function createRow(labels, className, name, choose) {
  const label = make("p", `translate-label ${className}-label`, name);
  const mark = make("b", "translate-mark");
  mark.setAttribute("role", "img");
  label.append(" ", mark);
  labels.append(label);
  const node = make("p", `translate-row ${className}`);
  /** @type {HTMLElement[]} */
  let chars = [];
  if (choose) node.addEventListener("click", ({ target }) => chars.includes(/** @type {HTMLElement} */ (target)) && choose(chars.indexOf(/** @type {HTMLElement} */ (target))));
  mark.hidden = true;
  return {
    node,
    get chars() {
      return chars;
    },
    /** @param {string[]} texts @param {string} [right] the right answer: the first character that differs from it is marked */
    fill(texts, right) {
      const wanted = right === undefined ? texts : [...right, "\n"];
      const wrong = texts.findIndex((char, i) => wanted[i] !== char);
      chars = texts.map((char, i) => {
        const one = make("span", "translate-char", signed(char));
        one.classList.toggle("wrong", i === wrong);
        one.classList.toggle("sign", char === "\n");
        return one;
      });
      node.replaceChildren(...chars);
    },
    /** Shows the characters up to one, which is the newest. @param {number} last */
    show(last) {
      chars.forEach((char, i) => {
        char.classList.toggle("unwritten", i > last);
        char.classList.toggle("now", i === last);
      });
    },
    /** @param {import("./translated.js").Translated | null} translated */
    judge(translated) {
      mark.hidden = !translated?.steps.length;
      if (mark.hidden) return;
      mark.textContent = translated.isRight ? "✓" : "✗";
      mark.setAttribute("aria-label", translated.isRight ? "right" : "wrong");
      mark.classList.toggle("is-right", translated.isRight);
    },
  };
}
