// How often each method finds the second half of a speech from its first, among speeches that no training has seen.
import { listed, make, number, percent } from "../../shared/dom.js";

const AT = ["1", "5", "10"];
const titleOf = (k) => (k === "1" ? "first" : `among ${k}`);
/** @type {[string, string][]} */
const METHODS = [
  ["embedding", "Embedding"],
  ["tfidf", "TF-IDF"],
  ["mean", "Mean of GPT states"],
  ["length", "Length alone"],
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
    const head = make("tr");
    head.append(make("td"), ...AT.map((k) => columnHead(titleOf(k))), columnHead("MRR"));
    const rows = METHODS.filter(([name]) => recall.methods[name]).map(([name, title]) => row(name, title, recall.methods[name]));
    table.replaceChildren(head, ...rows);
    about.textContent = `From the first half of each of ${number(recall.n)} speeches of the last tenth of the plays, which no training has seen: how often its second half comes first, or among the nearest ${AT.slice(1).join(" or ")} of ${number(recall.n)}. MRR: mean reciprocal rank. A full bar is 100 %. ${verdictOf(recall)} ${withoutLength(recall)}`;
  }

  state.addEventListener("about", draw);
  draw();
  return { node };
}

/** By which figures the embedding is better, and by which TF-IDF. @param {import("./data.js").Recall} recall */
function verdictOf({ methods: { embedding, tfidf } }) {
  /** @type {[string, number][]} */
  const leads = [...AT.map((k) => /** @type {[string, number]} */ ([`at ${k}`, embedding.recall[k] - tfidf.recall[k]])), ["by MRR", embedding.mrr - tfidf.mrr]];
  const side = (name, sign) => {
    const titles = leads.filter(([, lead]) => sign * lead > 0).map(([title]) => title);
    return titles.length ? [`${name} is ahead ${listed(titles)}.`] : [];
  };
  return [...side("The embedding", 1), ...side("TF-IDF", -1)].join(" ");
}

/** What is left where length says nothing. @param {import("./data.js").Recall} recall */
function withoutLength({ methods, long }) {
  if (!long) return "";
  const at = AT.at(-1);
  const of = (name) => percent(long.methods[name].recall[at]);
  return `The halves of a short speech are about equally long, so length alone finds ${percent(methods.length.recall[at])} among ${at}. Of the ${number(long.n)} speeches whose halves are both long, the embedding finds ${of("embedding")}, TF-IDF ${of("tfidf")}.`;
}

/** @param {string} words */
const columnHead = (words) => Object.assign(make("th", "", words), { scope: "col" });

/** @param {string} name @param {string} title @param {import("./data.js").Measured} measured */
function row(name, title, { recall, mrr }) {
  const node = make("tr");
  node.dataset.method = name;
  const cells = AT.map((k) => {
    const cell = make("td", "neighbours-share", percent(recall[k]));
    cell.style.setProperty("--share", String(recall[k]));
    return cell;
  });
  node.append(Object.assign(make("th", "", title), { scope: "row" }), ...cells, make("td", "", mrr === null ? "" : mrr.toFixed(2)));
  return node;
}
