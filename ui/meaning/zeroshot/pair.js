// A minimal pair: two texts that differ in one place. Whoever looks decides first; then the model says which of the two is likelier.
import { button, make, number } from "../../shared/dom.js";
import { heat } from "../../shared/heat.js";
import { inBits, timesInWords } from "./results.js";
import { SurprisalText } from "./read.js";

/** @typedef {import("./results.js").Pair} Pair */
/** @typedef {"a" | "b"} Side */
/** @type {Side[]} */
const SIDES = ["a", "b"];

/**
 * @typedef {object} Decided
 * @property {Side} right
 * @property {Side | null} you null: the model was asked without a guess
 * @property {Side} model
 * @property {Side | null} ngram null without a corpus
 *
 * @typedef {Record<"you" | "model" | "ngram", {of: number, right: number}>} Tally of the pairs that somebody has guessed
 */

export class PairOnShow {
  node = make("section", "zero-pair");
  #cards;
  #context = make("p", "zero-context");
  #verdict = make("p", "zero-verdict");
  #reading = make("p", "zero-reading");
  #below = make("div", "zero-line");

  /** @param {(side: Side) => void} guess */
  constructor(guess) {
    this.#cards = SIDES.map((side) => new Card(side, () => guess(side), this.#reading));
    this.node.setAttribute("aria-label", "Which is likelier?");
    this.#verdict.setAttribute("role", "status");
    this.#below.append(heat.legend(), this.#reading);
    this.#below.hidden = true;
    this.node.append(this.#context, ...this.#cards.map(({ node }) => node), this.#verdict, this.#below);
  }

  /** @param {Pair} pair @param {Side} right where the right text stands @param {Decided | null} decided null: nobody says a word yet @param {string} name of the model @param {Tally} tally */
  show(pair, right, decided, name, tally) {
    const [context, before] = contextOf(pair.context);
    this.#context.textContent = context;
    this.#context.hidden = !context;
    this.node.classList.toggle("decided", Boolean(decided));
    this.node.dataset.right = decided ? right : "";
    this.#below.hidden = !decided;
    this.#cards.forEach((card, i) => {
      const read = SIDES[i] === right ? pair.right : pair.wrong;
      if (decided) card.reveal(before, read, pair.from, decided.model === SIDES[i], decided.you === SIDES[i]);
      else card.show(before + read.text);
    });
    const times = timesInWords(pair.right.sum - pair.wrong.sum);
    this.#verdict.replaceChildren(...(decided ? verdictOf(decided, name, tally, times) : ["Which of the two is likelier, A or B?"]));
  }
}

/** What comes before both texts: whole lines stand above them, the beginning of their own line in front of them. @param {string} context @returns {[string, string]} */
function contextOf(context) {
  const end = context.lastIndexOf("\n") + 1;
  return [context.slice(0, end).trim(), context.slice(end)];
}

class Card {
  node = make("article", "card zero-card");
  #text;
  #guess;
  #sum = make("p", "zero-sum");

  /** @param {Side} side @param {() => void} guess @param {HTMLElement} reading */
  constructor(side, guess, reading) {
    const letter = side.toUpperCase();
    this.#text = new SurprisalText("zero-text", `Text ${letter}`, reading);
    this.#guess = button("zero-letter", letter, guess);
    this.#guess.title = `${letter} is likelier (${side})`;
    this.#guess.setAttribute("aria-label", `${letter} is likelier`);
    this.node.append(this.#guess, this.#text.node, this.#sum);
  }

  /** @param {string} text */
  show(text) {
    this.#text.show(text);
    this.#sum.textContent = "";
    this.node.classList.remove("likelier");
    this.#guess.setAttribute("aria-pressed", "false");
  }

  /** @param {string} before @param {import("./results.js").Likely} read @param {number} from @param {boolean} isLikelier @param {boolean} isGuess */
  reveal(before, { text, log_probs: logProbs, sum }, from, isLikelier, isGuess) {
    this.#text.surprise(before + text, logProbs, from);
    this.#sum.replaceChildren(inBits(sum), make("span", "", " bits"));
    this.node.classList.toggle("likelier", isLikelier);
    this.#guess.setAttribute("aria-pressed", String(isGuess));
  }
}

/**
 * "You: A ✓ 3 of 4", and the same of the model, which says how sure it is, and of the n-gram model.
 * @param {Decided} decided
 * @param {string} name
 * @param {Tally} tally
 * @param {string} times as likely
 */
function verdictOf({ right, you, model, ngram }, name, tally, times) {
  /** @type {[string, Side | null, Tally["you"], string][]} */
  const says = [
    ["You", you, tally.you, ""],
    [name, model, tally.model, `, ${times} as likely`],
    ["n-gram model", ngram, tally.ngram, ""],
  ];
  return says.flatMap(([who, side, counted, more]) => {
    if (!side) return [];
    const node = make("span", "zero-says", `${who}: `);
    const count = counted.of ? ` ${number(counted.right)} of ${number(counted.of)}` : "";
    node.append(make("b", side === right ? "right" : "", `${side.toUpperCase()} ${side === right ? "✓" : "✗"}`), more, make("span", "zero-count", count));
    return [node];
  });
}
