// The score of any answer, as it is read character by character.
import { bringIntoView, labelled, make } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { tellTrouble } from "../../shared/trouble.js";
import { askOpinion, scoreInFigures } from "./opinion.js";
import { showRule } from "./pair.js";
import { ScoredText, scoreLegend } from "./scored.js";

const UNITS =
  "The reward model has learned the score after the stop sign alone: that is the large number. The colours show its scores before that, a hint at where the score comes from. Scores have no zero: only differences between answers to one request count.";
const FIRST = { request: "Insult me.", answer: "Thou art a villain and a coward, sir." };

export class AnyScore {
  node = make("form", "reward-any");
  #address;
  #request = Object.assign(make("input", "field"), { id: "reward-request", type: "text", spellcheck: false, dir: "auto", autocomplete: "off" });
  #answer = Object.assign(make("textarea", "field"), { id: "reward-answer", rows: 1, spellcheck: false, dir: "auto" });
  #said = make("p", "trouble");
  #notice = make("p", "notice");
  #result = make("div", "reward-result");
  #score = make("b", "reward-final");
  #rule = make("p", "reward-rule");
  #legend = make("div");
  #text = new ScoredText("The scored answer");
  #asking = new Latest();
  #range;

  /** @param {import("../../shared/address.js").Address} address @param {() => [number, number]} range of the colours */
  constructor(address, range) {
    [this.#address, this.#range] = [address, range];
    this.take();
    for (const [field] of this.#fields) field.addEventListener("input", () => this.#keep());
    const go = Object.assign(make("button", "button primary", "Score"), { type: "submit" });
    const fields = make("div", "reward-fields");
    fields.append(labelled("Request", this.#request), labelled("Answer", this.#answer), go);
    this.#said.setAttribute("role", "alert");
    for (const node of [this.#notice, this.#rule]) node.setAttribute("role", "status");
    const verdict = make("div", "reward-verdict");
    verdict.append(this.#score, this.#rule);
    this.#result.append(this.#text.node, this.#text.reading, verdict, this.#legend, make("p", "reward-units", UNITS));
    this.#result.hidden = true;
    this.node.append(make("h2", "", "Score any answer"), fields, this.#said, this.#notice, this.#result);
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.go();
    });
    this.#answer.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault(); // an answer is one line
      void this.go();
    });
  }

  /** @returns {[HTMLInputElement | HTMLTextAreaElement, "request" | "answer"][]} */
  get #fields() {
    return [
      [this.#request, "request"],
      [this.#answer, "answer"],
    ];
  }

  /** Takes what the address names; returns whether that is another request or answer. */
  take() {
    const given = this.#fields.map(([field, name]) => ({ field, value: this.#address.get(`scored_${name}`) || FIRST[name] }));
    const isOther = given.some(({ field, value }) => field.value !== value);
    for (const { field, value } of given) field.value = value;
    return isOther;
  }

  focus() {
    bringIntoView(this.node);
    this.#answer.focus();
  }

  leave() {
    this.#asking.cancel();
  }

  #keep() {
    for (const [field, name] of this.#fields) this.#address.keep(`scored_${name}`, field.value === FIRST[name] ? "" : field.value);
  }

  async go() {
    const signal = this.#asking.begin();
    this.#said.replaceChildren();
    try {
      const opinion = await askOpinion(this.#request.value, this.#answer.value, signal);
      if (signal.aborted) return;
      this.#result.hidden = false;
      this.#notice.textContent = opinion.notice;
      this.#text.score(opinion, this.#range());
      this.#legend.replaceChildren(scoreLegend(this.#range()));
      this.#score.textContent = scoreInFigures(opinion.score);
      showRule(this.#rule, opinion.rule);
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#said, error, () => this.go());
    } finally {
      this.#asking.end(signal);
    }
  }
}
