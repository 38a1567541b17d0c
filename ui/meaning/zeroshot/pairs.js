// The part "Minimal pairs": the kinds, the pairs of one of them to guess, and how accuracy grows from model to model.
import { button, make, number } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { tellTrouble } from "../../shared/trouble.js";
import { createGrowth } from "./growth.js";
import { createKinds, figuresOf } from "./kinds.js";
import { PairOnShow } from "./pair.js";
import { askPairs } from "./results.js";

/** @typedef {import("./pair.js").Side} Side */
/** @typedef {import("./pair.js").Decided} Decided */
/** @typedef {import("./results.js").Pair} Pair */

const OTHER = { a: "b", b: "a" };

export class Pairs {
  node = make("section", "zero-pairs");
  growth;
  /** @type {Map<number, Pair>} of the kind, under the judge, by place */
  known = new Map();
  #zero;
  #kinds;
  #pair;
  #title = make("h2");
  #about = make("p", "zero-about");
  #said = make("p", "trouble");
  #ofKind = button("switch", "This kind alone", () => this.#switchGrowth());
  #place = make("p", "zero-place");
  #reading = new Latest();
  #count = 0; // pairs of the kind
  #of = ""; // whose pairs are known
  #judge = ""; // who has decided
  /** @type {Map<string, Side | null>} what was guessed, by kind and place; null: the model was asked without a guess */
  #guesses = new Map();
  /** @type {Map<string, Decided>} what came of it, under the judge */
  #decided = new Map();

  /** @param {import("./view.js").ZeroShot} zero */
  constructor(zero) {
    this.#zero = zero;
    this.#kinds = createKinds((kind) => this.choose(kind));
    this.#pair = new PairOnShow((side) => this.guess(side));
    this.growth = createGrowth((judge) => zero.judge(judge.id));
    this.#said.setAttribute("role", "alert");
    const head = make("header", "zero-line");
    const moves = make("div", "zero-moves");
    const ask = button("button", "Ask the model", () => this.guess(null));
    ask.title = "Ask the model without a guess (m)";
    const [back, on] = [button("button zero-move", "‹", () => this.move(-1)), button("button zero-move", "›", () => this.move(1))];
    back.setAttribute("aria-label", "Previous pair");
    on.setAttribute("aria-label", "Next pair");
    moves.append(ask, this.#place, back, on);
    head.append(this.#title, moves);
    const main = make("div", "zero-main");
    const grows = make("header", "zero-line");
    grows.append(make("h2", "", "How it grows"), this.#ofKind);
    main.append(head, this.#about, this.#said, this.#pair.node, grows, this.growth.node);
    this.node.append(this.#kinds.node, main);
  }

  /** The kind that is shown. */
  get kind() {
    const { kinds } = this.#zero.results;
    return kinds.find(({ id }) => id === this.#zero.address.get("kind")) ?? this.#first;
  }

  /** The kind that is shown at first: one that an n-gram model does not see. */
  get #first() {
    const { kinds } = this.#zero.results;
    return kinds.find(({ counted, reach }) => counted && reach === "far") ?? kinds[0];
  }

  /** The place of the pair that is shown, from 0. */
  get at() {
    const asked = Math.trunc(Number(this.#zero.address.get("minimal"))) || 1;
    return Math.max(0, Math.min((this.#count || Infinity) - 1, asked - 1));
  }

  show() {
    this.draw();
    void this.#read();
  }

  /** Takes what the address says now. */
  take() {
    if (!this.#zero.results?.kinds.length || this.#of === this.#whose) return;
    this.known.clear();
    [this.#of, this.#count] = ["", 0];
  }

  leave() {
    this.#reading.cancel();
  }

  draw() {
    const { results, judged, ngram, name } = this.#zero;
    if (!results?.kinds.length) return;
    const { kind } = this;
    this.#kinds.draw(results, judged, ngram);
    this.#kinds.mark(kind.id);
    this.#title.textContent = kind.title;
    const figures = figuresOf(kind, judged, ngram).join(", ");
    this.#about.textContent = [kind.about, figures && `Right: ${figures}.`].filter(Boolean).join("\n");
    const isOfKind = this.#zero.address.get("growth") === "kind";
    this.#ofKind.setAttribute("aria-pressed", String(isOfKind));
    this.growth.draw({ judges: results.models, kind: isOfKind ? kind.id : "", title: isOfKind ? kind.title : "Mean of the kinds counted", judge: judged?.id ?? "" });
    this.#place.textContent = this.#count ? `pair ${number(this.at + 1)} of ${number(this.#count)}` : "";
    const pair = this.known.get(this.at);
    const isStale = !pair || this.#of !== this.#whose;
    this.#pair.node.classList.toggle("stale", isStale);
    if (isStale) return;
    const key = this.#key;
    const decided = this.#guesses.has(key) ? this.#decide(key, pair) : null;
    this.#pair.show(pair, this.#right, decided, name, this.#tally);
  }

  get #key() {
    return `${this.kind.id} ${this.at}`;
  }

  get #whose() {
    return `${this.kind.id} ${this.#zero.key}`;
  }

  /** Where the right text stands: by a coin that shows the same each time. @returns {Side} */
  get #right() {
    return [...this.#key].reduce((sum, char) => (31 * sum + char.codePointAt(0)) % 1_009, 7) % 2 ? "a" : "b";
  }

  /** @param {string} key @param {Pair} pair @returns {Decided} */
  #decide(key, { right, wrong, ngram }) {
    const place = this.#right;
    const side = (isRight) => /** @type {Side} */ (isRight ? place : OTHER[place]);
    const decided = { right: place, you: this.#guesses.get(key), model: side(right.sum > wrong.sum), ngram: ngram ? side(ngram.right > ngram.wrong) : null };
    this.#decided.set(key, decided);
    return decided;
  }

  /** @param {Side | null} you */
  guess(you) {
    if (!this.known.has(this.at) || this.#of !== this.#whose) return;
    this.#guesses.set(this.#key, you);
    this.draw();
  }

  /** @param {number} by */
  move(by) {
    if (this.#count) this.#goTo((this.at + by + this.#count) % this.#count);
  }

  /** @param {string} kind */
  choose(kind) {
    if (kind === this.kind.id) return;
    this.#zero.address.keep("kind", kind === this.#first.id ? "" : kind);
    this.#count = 0;
    this.#goTo(0);
  }

  /** The kind before or after. @param {number} by */
  moveKind(by) {
    const { kinds } = this.#zero.results;
    this.choose(kinds.at((kinds.indexOf(this.kind) + by) % kinds.length).id);
  }

  /** @param {number} at */
  #goTo(at) {
    this.#zero.address.keep("minimal", at ? at + 1 : "");
    this.show();
  }

  #switchGrowth() {
    const { address } = this.#zero;
    address.keep("growth", address.get("growth") ? "" : "kind");
    this.draw();
  }

  async #read() {
    const { results, key } = this.#zero;
    if (!results?.kinds.length || (this.known.has(this.at) && this.#of === this.#whose)) return;
    const signal = this.#reading.begin();
    const [whose, from, kind] = [this.#whose, this.at, this.kind.id];
    this.#said.replaceChildren();
    try {
      const { n, pairs } = await askPairs({ kind, from, model: key }, signal);
      if (signal.aborted) return;
      if (this.#of !== whose) {
        this.known.clear();
        if (this.#judge !== key) this.#decided.clear();
        [this.#of, this.#judge, this.#count] = [whose, key, n];
      }
      pairs.forEach((pair, i) => this.known.set(from + i, pair));
      this.draw();
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#said, error, () => this.#read());
    } finally {
      this.#reading.end(signal);
    }
  }

  /** How often each was right on the pairs that somebody has guessed. */
  get #tally() {
    const all = [...this.#decided.values()].filter(({ you }) => you);
    const of = (who) => ({ of: all.filter((each) => each[who]).length, right: all.filter((each) => each[who] === each.right).length });
    return { you: of("you"), model: of("model"), ngram: of("ngram") };
  }
}
