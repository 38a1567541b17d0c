// What the dice of a sample write from the start with other settings: a text of its own, compared with the original and kept nowhere.
import { charAt, commonLength, mark, range } from "../../shared/marks.js";
import { complain } from "./parts.js";
import { comparison } from "./words.js";
import { factsOf } from "../records.js";
import { readRun, Run } from "../runs.js";

const PAUSE_MS = 300; // after the last move, before the server is asked
const SHARED = mark("locked-shared"); // what both texts begin with
const PARTING = mark("locked-parting"); // the first character that differs

export class Fresh {
  #app;
  #column;
  #run = null; // of one sample
  #asked = ""; // what it was asked for with
  #original = ""; // what it is compared with
  #pause = 0;
  #abort = null;

  constructor(app, column) {
    this.#app = app;
    this.#column = column;
    app.inspector.watch(column.body, column.text, { at: (index) => this.#run && factsOf(app, this.#run, 0, index) });
  }

  clear(prompt) {
    this.drop();
    this.#run = null;
    this.#empty();
    this.#column.start.textContent = prompt;
    this.#column.status.textContent = "";
    complain(this.#column.trouble);
  }

  #empty() {
    this.#app.inspector.forget(this.#column.text);
    for (const highlight of [SHARED, PARTING]) highlight.clear();
    this.#column.text.data = "";
  }

  drop() {
    clearTimeout(this.#pause);
    this.#abort?.abort();
    this.#abort = null;
  }

  // Asks the server once the settings have come to rest, unless the text that they give is there.
  ask(throws, settings) {
    const isThere = this.#run?.view.state === "done" && this.#asked === JSON.stringify(bodyOf(throws, settings));
    this.drop();
    complain(this.#column.trouble);
    this.#column.card.classList.toggle("stale", !isThere);
    if (!isThere) this.#pause = setTimeout(() => void this.#write(throws, settings), PAUSE_MS);
  }

  async #write(throws, settings) {
    const abort = new AbortController();
    this.#abort = abort;
    const body = bodyOf(throws, settings);
    const begin = (view) => {
      [this.#asked, this.#original] = [JSON.stringify(body), throws.chars.join("")];
      return this.#begin(view);
    };
    try {
      await readRun(body, abort.signal, begin, (run, news) => this.#grow(run, news));
      if (this.#run.view.error) throw new Error(this.#run.view.error);
    } catch (error) {
      if (!abort.signal.aborted) complain(this.#column.trouble, error.message, () => this.ask(throws, settings));
    } finally {
      if (this.#abort === abort) this.#abort = null;
    }
  }

  #begin(view) {
    this.#run = new Run(view);
    this.#empty();
    this.#column.body.scrollTop = 0;
    this.#column.card.classList.remove("stale");
    this.#compare();
    return this.#run;
  }

  #grow(run, news) {
    run.take(news);
    this.#column.text.appendData(run.texts[0].slice(this.#column.text.length));
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
    if (parts) PARTING.add(range(text, at, at + charAt(text.data, at).length));
    status.textContent = comparison(original, text.data, at, this.#run.live);
  }
}

const bodyOf = ({ run, dice, chars }, settings) => ({ prompt: run.view.prompt, ...dice, ...settings, samples: 1, length: chars.length });
