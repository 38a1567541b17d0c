// The nearest lines by both methods, side by side.
import { button, make, makeText, number, percent } from "../../shared/dom.js";
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

/** Two methods' cosines cannot be compared with each other, but with those of random lines. @param {import("./data.js").Random} random */
const inScale = ({ median, high }) => `two random lines: ${inFigures(median)}, 1 pair in 20 over ${inFigures(high)}`;

/** @param {import("./data.js").Recall} recall */
function halvesInWords({ n, methods: { embedding, tfidf } }) {
  const [ours, theirs] = [embedding, tfidf].map(({ recall }) => percent(recall[10]));
  return `Half a speech finds its other half in the first 10 of ${number(n)}: embedding ${ours}, TF-IDF ${theirs}.`;
}

/** @param {import("./state.js").Neighbours} state */
export function createLists(state) {
  const node = make("div", "neighbours-lists");
  const lists = METHODS.map(([method, title, about]) => {
    const part = make("section", "neighbours-method");
    part.dataset.method = method;
    const head = make("h2", "", title);
    head.append(make("span", "neighbours-about", ` ${about}`));
    const [scale, list, missing] = [make("p", "neighbours-key"), make("ol", "neighbours-list"), make("p", "notice")];
    part.append(head, scale, list, missing);
    node.append(part);
    return { method, scale, list, missing };
  });
  const found = make("p", "neighbours-half");
  node.append(found);

  function drawScales() {
    const { random, recall } = state.about;
    for (const { method, scale } of lists) scale.textContent = random[method] ? inScale(random[method]) : "";
    found.textContent = recall ? halvesInWords(recall) : "";
  }

  function draw() {
    const { answer } = state;
    shared.clear();
    if (!answer) return;
    for (const { method, list, missing } of lists) {
      const near = answer[method];
      list.replaceChildren(...(near ?? []).map((each) => item(each, answer.text)));
      missing.textContent = near ? "" : `TF-IDF compares the text of lines. ${answer.missing}`;
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

  state.addEventListener("about", drawScales);
  state.addEventListener("answer", draw);
  state.addEventListener("pointed", point);
  draw();
  return { node };
}
