// A field for any text: what of it is copied from what a run learned from, or from the whole training text.
import { charsIn } from "../../shared/characters.js";
import { bringIntoView, labelOf, make, number } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { nameInAddress } from "../../shared/runs.js";
import { tellTrouble } from "../../shared/trouble.js";
import { askCopied, CopiedText } from "./copies.js";
import { isOnAll, partNameOf } from "./runs.js";

const WHOLE = "whole";

export class Check {
  node = make("form", "overfitting-check");
  #learning;
  #field = make("textarea", "field");
  #against = make("select", "field");
  #count = make("span", "overfitting-count");
  #said = make("p", "trouble");
  #asking = new Latest();
  /** @type {CopiedText} */
  text;

  /** @param {import("../main.js").Learning} learning @param {import("./copies.js").Source} source */
  constructor(learning, source) {
    this.#learning = learning;
    this.text = new CopiedText(source, "The text that was checked");
    this.text.node.hidden = true;
    this.#build();
  }

  #build() {
    Object.assign(this.#field, { id: "overfitting-any", rows: 3, spellcheck: false, dir: "auto" });
    this.#against.id = "overfitting-against";
    const go = Object.assign(make("button", "button primary", "Check"), { type: "submit" });
    const actions = make("div", "overfitting-actions");
    actions.append(labelOf("Compare with", this.#against), this.#against, go, this.#count);
    this.#said.setAttribute("role", "alert");
    this.node.append(make("h3", "", "Check another text"), labelOf("Any text", this.#field), this.#field, actions, this.#said, this.text.node);
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#go();
    });
    this.#field.addEventListener("input", () => this.#take());
    this.#field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      void this.#go();
    });
    this.take();
  }

  /** Takes the text of the address. */
  take() {
    this.#field.value = this.#learning.address.get("checked");
    this.#take();
  }

  /** What texts can be compared with. @param {import("./runs.js").Run[]} runs those that are shown */
  offer(runs) {
    const chosen = this.#against.value;
    const parts = new Map(runs.toReversed().map((run) => [`${run.corpus} ${run.train_chars}`, run]));
    const others = [...parts.values()].toReversed().filter((run) => !isOnAll(run)); // that text is offered in any case
    const options = others.map((run) => Object.assign(make("option", "", `what ${run.name} learned from: ${partNameOf(run)}`), { value: nameInAddress(run) }));
    this.#against.replaceChildren(...options, Object.assign(make("option", "", "all of Tiny Shakespeare's training text"), { value: WHOLE }));
    if ([...this.#against.options].some(({ value }) => value === chosen)) this.#against.value = chosen;
  }

  focus() {
    this.#field.focus();
  }

  get #most() {
    return this.#learning.page.limits.score_chars;
  }

  #take() {
    this.#count.textContent = `${number(charsIn(this.#field.value))} of ${number(this.#most)} characters`;
    this.#learning.address.keep("checked", this.#field.value);
  }

  async #go() {
    const text = this.#field.value;
    if (!text) return this.focus();
    const signal = this.#asking.begin();
    const [count, most] = [charsIn(text), this.#most];
    this.#said.textContent = count > most ? `This text has ${number(count)} characters; up to ${number(most)} can be checked.` : "";
    if (count > most) return this.#asking.end(signal);
    const [source, ...id] = this.#against.value.split("/");
    const where = source === WHOLE ? { chars: 0 } : { source, run: id.join("/") };
    try {
      const answer = await askCopied({ text, ...where }, signal);
      this.text.node.hidden = Boolean(answer.trouble);
      this.#said.textContent = answer.trouble;
      this.text.show("", answer.text);
      this.text.mark(answer);
      bringIntoView(this.text.node);
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#said, error, () => this.#go());
    } finally {
      this.#asking.end(signal);
    }
  }
}
