// How similar two sentences are, by three measures, each beside what it says of texts that do not belong together.
import { bringIntoView, button, labelled, make } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { tellTrouble } from "../../shared/trouble.js";
import { askSimilarity } from "./data.js";
import { inFigures } from "./lists.js";

/** @type {[string, string, string][]} what they are to each other, and both */
const PAIRS = [
  ["Paraphrase", "My father was murdered.", "They have killed the old king."],
  ["Opposite", "I love thee, my lady.", "I hate thee, my lady."],
  ["Same words", "Give me my sword.", "Give me my supper."],
];
const [[, ...FIRST]] = PAIRS;
/** @type {["embedding" | "tfidf" | "mean", string][]} */
const MEASURES = [
  ["embedding", "Embedding"],
  ["tfidf", "TF-IDF"],
  ["mean", "Mean of GPT states"],
];
const KEY = "Bar: cosine. Grey band: 95\u00a0% of pairs of texts that do not belong together; the mark is their median.";

export class TwoSentences {
  node = make("form", "neighbours-two");
  #state;
  #address;
  #fields = ["a", "b"].map((name) => Object.assign(make("input", "field"), { id: `neighbours-${name}`, type: "text", spellcheck: false, dir: "auto", autocomplete: "off" }));
  #said = make("p", "trouble");
  #notice = make("p", "notice");
  #bars = make("div", "neighbours-bars");
  #key = make("p", "neighbours-key", KEY);
  #asking = new Latest();
  /** @type {import("./data.js").Similarity | null} */
  shown = null;

  /** @param {import("./state.js").Neighbours} state @param {import("../../shared/address.js").Address} address */
  constructor(state, address) {
    [this.#state, this.#address] = [state, address];
    const [a, b] = this.#fields;
    this.#fill();
    for (const field of this.#fields) field.addEventListener("input", () => this.#keep());
    const go = Object.assign(make("button", "button", "Compare"), { type: "submit" });
    const fields = make("div", "neighbours-fields");
    const chips = PAIRS.map(([name, ...pair]) => button("button neighbours-chip", name, () => this.#take(pair)));
    const row = make("div", "neighbours-chips");
    row.append(go, ...chips);
    fields.append(labelled("First", a), labelled("Second", b), row);
    this.#said.setAttribute("role", "alert");
    this.#notice.setAttribute("role", "status");
    this.#key.hidden = true;
    this.node.append(make("h2", "", "How similar are two sentences?"), fields, this.#said, this.#bars, this.#key, this.#notice);
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.go();
    });
    state.addEventListener("about", () => {
      for (const field of this.#fields) field.title = `1 to ${state.about.sentence_chars} characters`;
      this.#draw();
    });
  }

  focus() {
    bringIntoView(this.node);
    this.#fields[0].focus();
  }

  leave() {
    this.#asking.cancel();
  }

  /** Fills in the sentences of the address; returns whether they are others. */
  #fill() {
    const given = [this.#address.get("similar_a") || FIRST[0], this.#address.get("similar_b") || FIRST[1]];
    const isOther = this.#fields.some(({ value }, i) => value !== given[i]);
    this.#fields.forEach((field, i) => (field.value = given[i]));
    return isOther;
  }

  /** Takes what the address says now. */
  take() {
    if (this.#fill() && this.shown) void this.go();
  }

  /** @param {string[]} pair */
  #take(pair) {
    this.#fields.forEach((field, i) => (field.value = pair[i]));
    this.#keep();
    void this.go();
  }

  #keep() {
    this.#fields.forEach((field, i) => this.#address.keep(["similar_a", "similar_b"][i], field.value === FIRST[i] ? "" : field.value));
  }

  async go() {
    const signal = this.#asking.begin();
    this.#said.replaceChildren();
    try {
      const [a, b] = this.#fields.map(({ value }) => value);
      this.shown = await askSimilarity(a, b, signal);
      this.#draw();
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#said, error, () => this.go());
    } finally {
      this.#asking.end(signal);
    }
  }

  #draw() {
    const { shown } = this;
    if (!shown) return;
    const random = this.#state.about?.recall?.random ?? {};
    this.#key.hidden = !Object.keys(random).length;
    this.#bars.replaceChildren(...MEASURES.filter(([name]) => shown[name] !== null).map(([name, title]) => bar(title, shown[name], random[name])));
    this.#notice.textContent = [shown.notice, shown.missing && `TF-IDF needs the plays. ${shown.missing}`].filter(Boolean).join(" ");
  }
}

/** @param {string} title @param {number} score @param {{median: number, high: number}} [random] */
function bar(title, score, random) {
  const node = make("div", "neighbours-bar");
  const track = make("div", "neighbours-track");
  track.setAttribute("role", "img");
  const among = random ? `; texts that do not belong together have a median of ${inFigures(random.median)}, and 95 % of them at most ${inFigures(random.high)}` : "";
  track.setAttribute("aria-label", `${title}: ${inFigures(score)}${among}`);
  const fill = make("div", "neighbours-fill");
  fill.style.width = share(score);
  track.append(fill);
  if (random) {
    const [band, median] = [make("div", "neighbours-band"), make("div", "neighbours-median")];
    band.style.width = share(random.high);
    median.style.left = share(random.median);
    track.append(band, median);
  }
  node.append(make("span", "neighbours-measure", title), track, make("b", "neighbours-figure", inFigures(score)));
  return node;
}

/** @param {number} score */
const share = (score) => `${100 * Math.max(0, Math.min(1, score))}%`;
