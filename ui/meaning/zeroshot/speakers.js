// The part "Who said it?": a text as a speech of each of ten speakers, and how much of the answer is memory.
import { charsIn } from "../../shared/characters.js";
import { button, labelOf, make, number, percent } from "../../shared/dom.js";
import { heat } from "../../shared/heat.js";
import { Latest } from "../../shared/requests.js";
import { tellTrouble } from "../../shared/trouble.js";
import { SurprisalText } from "./read.js";
import { askSpeakers, wholePercent } from "./results.js";

const FIRST = "O Romeo, Romeo! wherefore art thou Romeo?\nDeny thy father and refuse thy name;";
/** @type {[string, string][]} who says it in the plays, and what */
const EXAMPLES = [
  ["Juliet", FIRST],
  ["Romeo", "But, soft! what light through yonder window breaks?\nIt is the east, and Juliet is the sun."],
  ["King Richard II", "What must the king do now? must he submit?\nThe king shall do it."],
  ["Nobody", "I have bought apples, and I shall sell them at the fair tomorrow."],
];
/** @type {["trained" | "held_out" | "examples", string][]} */
const QUESTIONS = [
  ["trained", "Speeches it was trained on"],
  ["held_out", "New speeches, by name alone"],
  ["examples", "New speeches, after one of each speaker"],
];
const MET = "Four of these five speakers it met in training."; // a test counts them
const MEMORY = "It is mostly memory: an example of each speaker does not help it.";

/** @typedef {import("./results.js").SpokenBy} SpokenBy */

export class Speakers {
  node = make("section", "zero-speakers");
  /** @type {SpokenBy | null} */
  found = null;
  #zero;
  #field = Object.assign(make("textarea", "field"), { id: "zero-speech", rows: 3, spellcheck: false, dir: "auto" });
  #count = make("p", "zero-count");
  #said = make("p", "trouble");
  #notice = make("p", "notice");
  #result = make("div", "zero-result");
  #rows = make("ol", "zero-names");
  #reading = make("p", "zero-reading");
  #text = new SurprisalText("zero-text", "The text as its speech", this.#reading);
  #as = make("p", "zero-as");
  #figures = make("aside", "zero-figures");
  #asking = new Latest();
  #of = ""; // what was found belongs to this
  #chosen = 0; // whose speech the colours are for

  /** @param {import("./view.js").ZeroShot} zero */
  constructor(zero) {
    this.#zero = zero;
    this.#said.setAttribute("role", "alert");
    this.#notice.setAttribute("role", "status");
    this.take();
    const form = make("form", "zero-form");
    const go = Object.assign(make("button", "button primary", "Ask the model"), { type: "submit" });
    const chips = make("div", "zero-actions");
    chips.append(go, ...EXAMPLES.map(([title, text]) => button("quiet", title, () => this.#use(text))));
    const line = make("div", "zero-line");
    line.append(labelOf("Text", this.#field), this.#count);
    form.append(line, this.#field, chips);
    const below = make("div", "zero-line");
    below.append(heat.legend(), this.#reading);
    this.#result.append(this.#rows, this.#as, this.#text.node, below);
    this.#result.hidden = true;
    const main = make("div", "zero-main");
    main.append(form, this.#said, this.#notice, this.#result);
    this.node.append(main, this.#figures);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.go();
    });
    this.#field.addEventListener("input", () => {
      this.#keep();
      this.#drawCount();
    });
    this.#field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      void this.go();
    });
  }

  show() {
    this.#drawFigures();
    this.#drawCount();
    if (this.#of !== this.#asked) void this.go();
  }

  /** Takes what the address says now. */
  take() {
    this.#field.value = this.#zero.address.get("speech") || FIRST;
  }

  leave() {
    this.#asking.cancel();
  }

  /** The model is another one, or the results have come. */
  draw() {
    if (this.node.checkVisibility()) this.show();
  }

  get #asked() {
    return JSON.stringify([this.#field.value, this.#zero.key]);
  }

  #keep() {
    this.#zero.address.keep("speech", this.#field.value === FIRST ? "" : this.#field.value);
  }

  /** @param {string} text */
  #use(text) {
    this.#field.value = text;
    this.#keep();
    this.#drawCount();
    void this.go();
  }

  /** How long the text is, of the most that the server reads. */
  #drawCount() {
    const most = this.#zero.results?.max_speech_chars;
    const length = charsIn(this.#field.value);
    this.#count.textContent = most ? `${number(length)} of at most ${number(most)} characters` : "";
    this.#count.classList.toggle("over", length > most);
  }

  async go() {
    const signal = this.#asking.begin();
    this.#said.replaceChildren();
    const asked = this.#asked;
    try {
      const found = await askSpeakers({ text: this.#field.value, model: this.#zero.key }, signal);
      if (signal.aborted) return;
      [this.found, this.#of, this.#chosen] = [found, asked, 0];
      this.#notice.textContent = found.notice;
      this.#result.hidden = false;
      this.#draw();
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#said, error, () => this.go());
    } finally {
      this.#asking.end(signal);
      this.#result.classList.toggle("stale", Boolean(this.found) && this.#of !== this.#asked);
    }
  }

  #draw() {
    const shares = sharesOf(this.found.speakers.map(({ sum }) => sum));
    const rows = this.found.speakers.map(({ name }, i) => {
      const item = make("li");
      const opener = button("zero-name", "", () => {
        this.#chosen = i;
        this.#mark();
      });
      const bar = make("span", "zero-share");
      bar.style.setProperty("--share", String(shares[i]));
      opener.append(make("span", "zero-title", inTitleCase(name)), bar, make("span", "zero-figure", percent(shares[i])));
      item.append(opener);
      return item;
    });
    this.#rows.replaceChildren(...rows);
    this.#mark();
  }

  /** Colours the text as the speech of the chosen one. */
  #mark() {
    const { name, log_probs: logProbs } = this.found.speakers[this.#chosen];
    [...this.#rows.children].forEach((item, i) => item.firstElementChild.setAttribute("aria-pressed", String(i === this.#chosen)));
    const [who] = EXAMPLES.find(([, text]) => text === this.found.text) ?? [];
    const really = who ? ` (in the plays ${who === "Nobody" ? "nobody says it" : `${who} says it`})` : "";
    this.#as.textContent = `As a speech of ${inTitleCase(name)}${really}:`;
    this.#text.surprise(this.found.text, logProbs);
  }

  #drawFigures() {
    const { speakers } = this.#zero.results ?? {};
    this.#figures.hidden = !speakers;
    if (!speakers) return;
    const questions = QUESTIONS.map(([name, title]) => questionOf(title, speakers[name], name === "held_out" ? MET : ""));
    const plain = ["The line is chance.", ...(isMemory(speakers) ? [MEMORY] : [])].join(" ");
    this.#figures.replaceChildren(make("h2", "", "How often it is right"), make("p", "zero-plain", plain), ...questions);
  }
}

/** How probable each is, if one of them said it. @param {number[]} sums log-probabilities, in nats */
function sharesOf(sums) {
  const most = Math.max(...sums);
  const weights = sums.map((sum) => Math.exp(sum - most));
  const all = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / all);
}

/** @param {string} name as it stands in the plays */
const inTitleCase = (name) => name.toLowerCase().replace(/(^|[\s-])(\p{L})/gu, (_, before, letter) => before + letter.toUpperCase()).replace(/\b(I{1,3}|Iv|Vi?)\b/gi, (roman) => roman.toUpperCase());

/** Whether chance is below the interval. @param {import("./results.js").SpeakersMeasured} measured */
const isAbove = ({ low, chance }) => low > chance;

/** Whether it knows speakers by name alone, and examples do not help it. @param {import("./results.js").Speakers} speakers */
const isMemory = ({ trained, held_out: heldOut, examples }) => isAbove(trained) && isAbove(heldOut) && !isAbove(examples);

/** @param {string} title @param {import("./results.js").SpeakersMeasured} measured @param {string} more */
function questionOf(title, measured, more) {
  const { candidates, n, right, low, high, chance } = measured;
  const node = make("section", "zero-question");
  const bar = make("div", "zero-question-bar");
  for (const [name, value] of Object.entries({ share: right, low, high, chance })) bar.style.setProperty(`--${name}`, String(value));
  bar.setAttribute("aria-hidden", "true");
  const figure = make("b", "", wholePercent(right));
  const verdict = isAbove(measured) ? "better than chance" : "no better than chance";
  const words = make("p", "", [`of ${n} among ${candidates}: ${verdict}, ${wholePercent(chance)}.`, more].filter(Boolean).join(" "));
  node.append(make("h3", "", title), bar, figure, words);
  return node;
}
