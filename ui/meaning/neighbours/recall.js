// How often each method finds the second half of a speech from its first, among speeches that no training has seen.
import { listed, make, number, percent } from "../../shared/dom.js";

const AT = ["1", "5", "10"];
const titleOf = (k) => (k === "1" ? "first" : `among ${k}`);
/** @type {[string, string][]} */
const METHODS = [
  ["embedding", "Embedding"],
  ["tfidf", "TF-IDF"],
  ["mean", "Mean of GPT states"],
  ["chance", "Chance"],
];

/** @param {import("./state.js").Neighbours} state */
export function createRecall(state) {
  const node = make("section", "neighbours-recall");
  const table = make("table");
  const about = make("p", "neighbours-key");
  node.append(make("h2", "", "Does it find the other half of a speech?"), table, about);

  function draw() {
    const recall = state.about?.recall;
    node.hidden = !recall;
    if (!recall) return;
    const most = Math.max(...METHODS.map(([name]) => recall.methods[name]?.recall[AT.at(-1)] ?? 0));
    const head = make("tr");
    head.append(make("td"), ...AT.map((k) => columnHead(titleOf(k))), columnHead("MRR"));
    const rows = METHODS.filter(([name]) => recall.methods[name]).map(([name, title]) => row(name, title, recall.methods[name], most));
    table.replaceChildren(head, ...rows);
    about.textContent = `From the first half of each of ${number(recall.n)} speeches of the last tenth of the plays, which no training has seen: how often its second half comes first, or among the nearest ${AT.slice(1).join(" or ")} of ${number(recall.n)}. MRR: mean reciprocal rank.${whereItLoses(recall)}`;
  }

  state.addEventListener("about", draw);
  draw();
  return { node };
}

/** @param {import("./data.js").Recall} recall */
function whereItLoses({ methods: { embedding, tfidf } }) {
  const lost = AT.filter((k) => embedding.recall[k] < tfidf.recall[k]).map(titleOf);
  return lost.length ? ` TF-IDF finds it more often ${listed(lost)}.` : "";
}

/** @param {string} words */
const columnHead = (words) => Object.assign(make("th", "", words), { scope: "col" });

/** @param {string} name @param {string} title @param {import("./data.js").Measured} measured @param {number} most the longest bar */
function row(name, title, { recall, mrr }, most) {
  const node = make("tr");
  node.dataset.method = name;
  const cells = AT.map((k) => {
    const cell = make("td", "neighbours-share", percent(recall[k]));
    cell.style.setProperty("--share", String(recall[k] / (most || 1)));
    return cell;
  });
  node.append(Object.assign(make("th", "", title), { scope: "row" }), ...cells, make("td", "", mrr === null ? "" : mrr.toFixed(2)));
  return node;
}
