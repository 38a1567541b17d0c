// What the dice of a sample write from the start with other settings: a text of its own, compared with the original and not kept.
import { commonLength } from "../../shared/characters.js";
import { likeTheOthers } from "../../shared/followed.js";
import { mark, range } from "../../shared/marks.js";
import { complain } from "./parts.js";
import { comparison } from "./words.js";
import { factsOf } from "../../shared/logits.js";
import { readGeneration, Generation } from "../../shared/generations.js";
import { Latest } from "../../shared/requests.js";

const PAUSE_MS = 300; // after the last move, before the server is asked
const SHARED = mark("locked-shared"); // what both texts begin with
const PARTING = mark("locked-parting"); // the first character that differs

export class Fresh {
  /** @type {import("../main.js").SampleTab} */
  #tab;
  #column;
  /** @type {Generation | null} of one sample */
  #generation = null;
  #asked = ""; // the request for it
  #original = ""; // what it is compared with
  #pause = 0;
  #asking = new Latest();

  /** @param {import("../main.js").SampleTab} tab @param {import("./parts.js").Column} column */
  constructor(tab, column) {
    this.#tab = tab;
    this.#column = column;
    tab.inspector.watch(column.body, column.text, { at: (index) => this.#generation && factsOf(this.#generation, 0, index) });
  }

  clear(prompt) {
    this.drop();
    this.#generation = null;
    this.#empty();
    this.#column.start.textContent = prompt;
    this.#column.status.textContent = "";
    complain(this.#column.trouble);
  }

  #empty() {
    this.#tab.inspector.forget(this.#column.text);
    for (const highlight of [SHARED, PARTING]) highlight.clear();
    this.#column.text.data = "";
  }

  drop() {
    clearTimeout(this.#pause);
    this.#asking.cancel();
  }

  // Asks the server once the settings are at rest, unless the text for them is there.
  ask(throws, settings) {
    const isThere = this.#generation?.view.state === "done" && this.#asked === JSON.stringify(bodyOf(throws, settings));
    this.drop();
    complain(this.#column.trouble);
    this.#column.card.classList.toggle("stale", !isThere);
    if (!isThere) this.#pause = setTimeout(() => void this.#write(throws, settings), PAUSE_MS);
  }

  async #write(throws, settings) {
    const signal = this.#asking.begin();
    const body = bodyOf(throws, settings);
    const begin = (view) => {
      [this.#asked, this.#original] = [JSON.stringify(body), throws.chars.join("")];
      return this.#begin(view, throws.generation.model);
    };
    try {
      await readGeneration({ ...body, ...likeTheOthers() }, signal, begin, (generation, news) => this.#grow(generation, news));
      if (this.#generation.view.error) throw new Error(this.#generation.view.error);
    } catch (error) {
      if (!signal.aborted) complain(this.#column.trouble, error.message, () => this.ask(throws, settings));
    }
  }

  /** @param {import("../../shared/generations.js").View} view @param {import("../../shared/models.js").Model} model */
  #begin(view, model) {
    this.#generation = new Generation(view, model);
    this.#empty();
    this.#column.body.scrollTop = 0;
    this.#column.card.classList.remove("stale");
    this.#compare();
    return this.#generation;
  }

  #grow(generation, news) {
    generation.take(news);
    this.#column.text.appendData(generation.texts[0].slice(this.#column.text.length));
    this.#compare();
  }

  #compare() {
    const original = this.#original;
    const { text, status } = this.#column;
    const at = commonLength(original, text.data);
    SHARED.clear();
    PARTING.clear();
    if (at) SHARED.add(range(text, 0, at));
    const parts = at < original.length && at < text.length;
    if (parts) PARTING.add(range(text, at));
    status.textContent = comparison(original, text.data, at, this.#generation.live);
  }
}

/** @param {import("./throws.js").Throws} throws @param {object} settings */
function bodyOf({ generation: { model, view }, dice, chars }, settings) {
  return { prompt: view.prompt, ...dice, ...settings, samples: 1, length: chars.length, model: model.key };
}
