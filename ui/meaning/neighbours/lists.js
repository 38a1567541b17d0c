// The nearest lines by both methods, side by side.
import { button, make, makeText, number } from "../../shared/dom.js";
import { mark, range } from "../../shared/marks.js";
import { sharedStretches } from "./shared_letters.js";

/** @type {[import("./data.js").Method, string, string][]} */
const METHODS = [
  ["embedding", "By embedding", "what goes with it"],
  ["tfidf", "By TF-IDF", "most letters in common"],
];
const shared = mark("neighbours-shared");

/** A cosine, with a minus sign that is one. @param {number} score */
export const inFigures = (score) => score.toFixed(2).replace("-", "−");

/** @param {import("./state.js").Neighbours} state */
export function createLists(state) {
  const node = make("div", "neighbours-lists");
  const lists = METHODS.map(([method, title, about]) => {
    const part = make("section", "neighbours-method");
    part.dataset.method = method;
    const head = make("h2", "", title);
    head.append(make("span", "neighbours-about", ` ${about}`));
    const [list, missing] = [make("ol", "neighbours-list"), make("p", "notice")];
    part.append(head, list, missing);
    node.append(part);
    return { method, list, missing };
  });

  function draw() {
    const { answer } = state;
    shared.clear();
    if (!answer) return;
    for (const { method, list, missing } of lists) {
      const found = answer[method];
      list.replaceChildren(...(found ?? []).map((near) => item(near, answer.text)));
      missing.textContent = found ? "" : `TF-IDF compares the text of lines. ${answer.missing}`;
    }
    point();
  }

  /** @param {import("./data.js").Near} near @param {string} sentence */
  function item({ line, score, text, speaker, play, position }, sentence) {
    const node = make("li");
    const body = button("neighbours-line", "", () => state.askFor(line));
    const words = makeText("span", "neighbours-text", text ?? `At character ${number(position)} of the corpus`);
    if (text) for (const [from, to] of sharedStretches(text, sentence)) shared.add(range(words.firstChild, from, to));
    body.append(make("span", "neighbours-score", inFigures(score)), words, make("span", "neighbours-source", `${speaker}, ${play}`));
    body.dataset.line = String(line);
    body.addEventListener("pointerenter", () => state.point(line));
    body.addEventListener("focus", () => state.point(line));
    node.append(body);
    return node;
  }

  function point() {
    for (const body of /** @type {NodeListOf<HTMLElement>} */ (node.querySelectorAll(".neighbours-line"))) {
      body.toggleAttribute("data-pointed", Number(body.dataset.line) === state.pointed);
    }
  }

  state.addEventListener("answer", draw);
  state.addEventListener("pointed", point);
  draw();
  return { node };
}
