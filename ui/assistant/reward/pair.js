// Two answers to one request. Whoever looks decides first; then the rule and the reward model say what they think.
import { button, make, percent } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { tellTrouble } from "../../shared/trouble.js";
import { askOpinion, preference, scoreInFigures } from "./opinion.js";
import { ScoredText, scoreLegend } from "./scored.js";

/** @typedef {import("./votes.js").Side} Side */
/** @type {Side[]} */
const SIDES = ["a", "b"];

export class PairOnShow {
  node = make("section", "reward-pair");
  #cards;
  #bar = make("div", "reward-bar");
  #opinion = make("p", "reward-opinion");
  #said = make("p", "trouble");
  #legend = make("div");
  #asking = new Latest();
  /** @type {import("./votes.js").Pair | null} */
  #pair = null;
  /** @type {import("./votes.js").Vote | undefined} */
  #vote;
  /** @type {[number, number]} */
  #range = [0, 1];
  #judged;

  /** @param {{vote: (side: Side) => void, judged: (scores: [number, number]) => void}} on `judged`: the reward model has @param {HTMLElement} moves to other pairs */
  constructor({ vote, judged }, moves) {
    this.#judged = judged;
    this.#cards = SIDES.map((side) => new Card(side, () => vote(side)));
    const cards = make("div", "reward-cards");
    cards.append(...this.#cards.map(({ node }) => node));
    this.#said.setAttribute("role", "alert");
    this.#opinion.setAttribute("role", "status");
    this.#bar.setAttribute("role", "img");
    this.node.setAttribute("aria-label", "Which answer is better?");
    const line = make("div", "reward-line");
    line.append(this.#opinion, moves);
    this.node.append(cards, this.#bar, line, this.#said, this.#legend);
  }

  /**
   * @param {import("./votes.js").Pair} pair
   * @param {import("./votes.js").Vote | undefined} vote on it: without one, nobody says a word
   * @param {[number, number]} range of the colours
   */
  show(pair, vote, range) {
    const isOther = pair !== this.#pair;
    [this.#pair, this.#vote, this.#range] = [pair, vote, range];
    this.node.dataset.vote = vote?.better ?? "";
    this.#cards.forEach((card, i) => card.show(pair[SIDES[i]], vote, isOther));
    this.#legend.replaceChildren(...(vote ? [scoreLegend(range)] : []));
    if (isOther || !vote) this.#cover();
    if (vote) void this.#ask();
  }

  /** Nobody waits for an opinion any more. */
  leave() {
    this.#asking.cancel();
  }

  #cover() {
    this.#said.replaceChildren();
    this.#bar.replaceChildren(make("span", "reward-unknown", "?"));
    this.#bar.setAttribute("aria-label", "The reward model has not been asked yet");
    this.#opinion.textContent = "Which answer is better, A or B?";
  }

  async #ask() {
    const signal = this.#asking.begin();
    const { request } = this.#pair;
    this.#said.replaceChildren();
    try {
      const opinions = await Promise.all(SIDES.map((side) => askOpinion(request, this.#pair[side], signal)));
      if (signal.aborted) return;
      this.#reveal(opinions);
    } catch (error) {
      if (signal.aborted) return;
      this.#opinion.textContent = "";
      tellTrouble(this.#said, error, () => this.#ask());
    } finally {
      this.#asking.end(signal);
    }
  }

  /** @param {import("./opinion.js").Opinion[]} opinions */
  #reveal(opinions) {
    this.#cards.forEach((card, i) => card.reveal(opinions[i], this.#range));
    const [a, b] = opinions.map(({ score }) => score);
    const ofA = preference(a, b);
    const parts = [ofA, 1 - ofA].map((share, i) => {
      const part = make("span", "reward-share", `${SIDES[i].toUpperCase()} ${percent(share)}`);
      part.style.flexGrow = String(share);
      part.classList.toggle("preferred", share > 0.5);
      return part;
    });
    this.#bar.replaceChildren(...parts);
    this.#bar.setAttribute("aria-label", `The reward model: A is better with ${percent(ofA)}, B with ${percent(1 - ofA)}`);
    this.#opinion.replaceChildren(...verdictOf(this.#vote, opinions));
    this.#judged([a, b]);
  }
}

class Card {
  node = make("article", "card reward-card");
  #side;
  #text;
  #better;
  #score = make("p", "reward-score");
  #rule = make("p", "reward-rule");

  /** @param {Side} side @param {() => void} vote */
  constructor(side, vote) {
    this.#side = side;
    const letter = side.toUpperCase();
    this.#text = new ScoredText(`Answer ${letter}`);
    this.#better = button("button reward-vote", `${letter} is better`, vote);
    this.#better.title = `${letter} is better (${side})`;
    const head = make("header", "reward-card-head");
    head.append(make("b", "reward-letter", letter), this.#better, this.#score);
    this.node.append(head, this.#text.node, this.#text.reading, this.#rule);
  }

  /** @param {string} text @param {import("./votes.js").Vote | undefined} vote @param {boolean} isOther */
  show(text, vote, isOther) {
    this.#better.setAttribute("aria-pressed", String(vote?.better === this.#side));
    this.node.classList.toggle("chosen", vote?.better === this.#side);
    if (!isOther && vote) return;
    this.#text.show(text);
    this.#score.textContent = this.#rule.textContent = "";
  }

  /** @param {import("./opinion.js").Opinion} opinion @param {[number, number]} range */
  reveal(opinion, range) {
    const { rule, score } = opinion;
    this.#text.score(opinion, range);
    this.#score.textContent = scoreInFigures(score);
    showRule(this.#rule, rule);
  }
}

/** What the rule says of an answer, and why. @param {HTMLElement} node @param {import("./opinion.js").Opinion["rule"]} rule */
export function showRule(node, rule) {
  node.classList.toggle("obeys", Boolean(rule?.obeys));
  if (rule) node.replaceChildren(make("b", "", rule.obeys ? "✓ obeys" : "✗ does not obey"), ` ${rule.why}`);
  else node.replaceChildren("No rule knows this request.");
}

/** "You: A. The rule: A. The reward model: B." @param {import("./votes.js").Vote} vote @param {import("./opinion.js").Opinion[]} opinions on A and B */
function verdictOf({ better, by }, opinions) {
  const [a, b] = opinions.map(({ score }) => score);
  const says = [...(by === "rule" ? [] : [["You", better.toUpperCase()]]), ["The rule", choiceOfRule(opinions)], ["The reward model", a > b ? "A" : "B"]];
  return says.map(([who, side]) => {
    const node = make("span", "reward-says", `${who}: `);
    node.append(make("b", "", side));
    return node;
  });
}

/** Which answer it accepts. @param {import("./opinion.js").Opinion[]} opinions on A and B */
function choiceOfRule(opinions) {
  const [a, b] = opinions.map(({ rule }) => rule?.obeys);
  if (a === undefined) return "none";
  if (a === b) return a ? "both" : "neither";
  return a ? "A" : "B";
}
