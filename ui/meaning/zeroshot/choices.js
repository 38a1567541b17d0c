// The part "Choices": a beginning and some endings of one's own; which of them the model finds likeliest, in three ways to count.
import { button, endOf, labelled, make, readable, shortened } from "../../shared/dom.js";
import { heat } from "../../shared/heat.js";
import { Latest } from "../../shared/requests.js";
import { tellTrouble } from "../../shared/trouble.js";
import { agreementInWords, drawOrders, FORMULA } from "./orders.js";
import { SurprisalText } from "./read.js";
import { askChoices } from "./results.js";

const MOST = 8; // endings
const LEAST = 2;
const MOST_BEFORE = 28; // characters of the beginning that stand in front of an ending
const MOST_OF_WORD = 12; // characters that are quoted
const EXAMPLES = [
  { title: "Thou …", beginning: "I know thou ", endings: ["art my friend.", "are my friend.", "is my friend."] },
  { title: "The king is …", beginning: "The king is ", endings: ["dead.", "not yet come.", "a cabbage.", "gone to France to fetch his daughter."] },
  { title: "Good …", beginning: "Good ", endings: ["morrow, cousin.", "morning, cousin.", "evening, cousin."] },
  { title: "Rhyme", beginning: "So long as men can breathe or eyes can see,\nSo long lives this, and this gives life to ", endings: ["thee.", "you.", "him."] },
];

export class Choices {
  node = make("section", "zero-choices");
  /** @type {import("./results.js").Choices | null} */
  found = null;
  #zero;
  #form = make("form", "zero-form");
  #beginning = Object.assign(make("textarea", "field"), { id: "zero-beginning", rows: 2, spellcheck: false, dir: "auto" });
  #joint = make("p", "zero-label");
  #list = make("ol", "zero-fields");
  #add = button("quiet", "Add an ending", () => this.#append("").focus());
  #said = make("p", "trouble");
  #notice = make("p", "notice");
  #result = make("div", "zero-result");
  #asking = new Latest();
  #of = ""; // what was found belongs to this

  /** @param {import("./view.js").ZeroShot} zero */
  constructor(zero) {
    this.#zero = zero;
    this.#said.setAttribute("role", "alert");
    this.#notice.setAttribute("role", "status");
    const go = Object.assign(make("button", "button primary", "Compare"), { type: "submit" });
    const chips = make("div", "zero-chips");
    chips.setAttribute("role", "group");
    chips.setAttribute("aria-label", "Examples");
    chips.append(...EXAMPLES.map((example) => button("quiet", example.title, () => this.#use(example))));
    const actions = make("div", "zero-actions");
    actions.append(go, this.#add);
    this.#form.append(chips, labelled("Beginning", this.#beginning), this.#joint, this.#list, actions);
    const main = make("div", "zero-main");
    main.append(this.#said, this.#notice, this.#result);
    this.node.append(this.#form, main);
    this.take();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.go();
    });
    this.#form.addEventListener("input", () => {
      this.#keep();
      this.#drawJoint();
    });
    this.#beginning.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      void this.go();
    });
  }

  show() {
    if (this.#of !== this.#asked) void this.go();
  }

  /** Takes what the address says now. */
  take() {
    const { address } = this.#zero;
    const given = address.get("endings");
    this.#fill(given ? { beginning: address.get("beginning"), endings: given.split("\n") } : EXAMPLES[0]);
  }

  leave() {
    this.#asking.cancel();
  }

  /** The model is another one. */
  draw() {
    if (this.node.checkVisibility()) this.show();
  }

  get #fields() {
    return /** @type {HTMLInputElement[]} */ ([...this.#list.querySelectorAll("input")]);
  }

  get #endings() {
    return this.#fields.map(({ value }) => value).filter((ending) => ending.trim());
  }

  get #asked() {
    return JSON.stringify([this.#beginning.value, this.#endings, this.#zero.key]);
  }

  /** @param {{beginning: string, endings: string[]}} example */
  #use(example) {
    this.#fill(example);
    this.#keep();
    void this.go();
  }

  /** @param {{beginning: string, endings: string[]}} example */
  #fill({ beginning, endings }) {
    this.#beginning.value = beginning;
    this.#drawJoint();
    this.#list.replaceChildren();
    for (const ending of endings.slice(0, MOST)) this.#append(ending);
    while (this.#fields.length < LEAST) this.#append("");
  }

  /** @param {string} ending */
  #append(ending) {
    const item = make("li", "zero-field");
    const field = Object.assign(make("input", "field"), { type: "text", value: ending, spellcheck: false, dir: "auto", autocomplete: "off" });
    const remove = button("quiet", "×", () => {
      item.remove();
      this.#number();
      this.#keep();
      this.#fields[0].focus();
    });
    item.append(field, remove);
    this.#list.append(item);
    this.#number();
    return field;
  }

  #number() {
    const fields = this.#fields;
    fields.forEach((field, i) => {
      field.setAttribute("aria-label", `Ending ${i + 1}`);
      const remove = /** @type {HTMLButtonElement} */ (field.nextElementSibling);
      remove.setAttribute("aria-label", `Remove ending ${i + 1}`);
      remove.hidden = fields.length <= LEAST;
    });
    this.#add.hidden = fields.length >= MOST;
  }

  #keep() {
    const [{ beginning, endings }, { address }] = [EXAMPLES[0], this.#zero];
    const now = this.#endings.join("\n");
    const isFirst = this.#beginning.value === beginning && now === endings.join("\n");
    address.keep("beginning", isFirst ? "" : this.#beginning.value);
    address.keep("endings", isFirst ? "" : now);
  }

  async go() {
    const signal = this.#asking.begin();
    this.#said.replaceChildren();
    const [beginning, endings, asked] = [this.#beginning.value, this.#endings, this.#asked];
    try {
      const found = await askChoices({ beginning, endings, model: this.#zero.key }, signal);
      if (signal.aborted) return;
      [this.found, this.#of] = [found, asked];
      this.#notice.replaceChildren(found.notice, ...this.#together(found));
      this.#draw(found);
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#said, error, () => this.go());
    } finally {
      this.#asking.end(signal);
      this.#result.classList.toggle("stale", Boolean(this.found) && this.#of !== this.#asked);
    }
  }

  /** A word that was begun in the beginning goes on in an ending, which is seldom meant. @param {import("./results.js").Choices} found */
  #together({ notice, beginning, endings }) {
    const joined = /\w$/.test(beginning) && endings.find(({ text }) => /^\w/.test(text));
    if (!joined) return [];
    const word = endOf(/\w+$/.exec(beginning)[0], MOST_OF_WORD) + shortened(/^\w+/.exec(joined.text)[0], MOST_OF_WORD);
    const add = button("quiet", "Add a space", () => this.#use({ beginning: `${beginning} `, endings: this.#endings }));
    return [`${notice && " "}“${word}” is read as one word, and ranked as that. `, add];
  }

  /** The end of the beginning, where a space can be seen. */
  #drawJoint() {
    const { value } = this.#beginning;
    const shown = readable(endOf(value, MOST_OF_WORD)).replace(/ $/, "␣");
    this.#joint.textContent = value ? `Endings follow “${shown}”` : "Endings follow a newline";
  }

  /** @param {import("./results.js").Choices} found */
  #draw(found) {
    const agreement = make("p", "zero-agreement", agreementInWords(found));
    agreement.setAttribute("role", "status");
    const texts = make("div", "zero-texts");
    const reading = make("p", "zero-reading");
    for (const i of found.orders.sum) {
      const { text, log_probs: logProbs } = found.endings[i];
      const read = new SurprisalText("zero-text", `Ending ${i + 1}`, reading);
      texts.append(read.node);
      read.surprise(endOf(found.beginning, MOST_BEFORE) + text, logProbs);
    }
    const line = make("div", "zero-line");
    line.append(heat.legend(), reading);
    this.#result.replaceChildren(agreement, make("p", "zero-formula", FORMULA), drawOrders(found), texts, line);
  }
}
