// A text that grows character by character, and what the model says at each of its places.
import { next } from "./records.js";

const MOST_QUEUED = 100; // presses that came faster than the server's answers

export class Walk {
  prompt = null; // as typed
  steps = []; // what `choose` made, a character each
  notice = "";
  error = "";
  #read = ""; // the prompt as the model reads it
  #known = []; // logits of each place
  #queue = []; // ids to write, null for the die's
  #reading = null;
  #choose;
  #changed;

  // `choose(id, logits, place)` makes a step, { char, ... }; `changed(step)` hears of everything, `step` being the one that was just made.
  constructor(choose, changed) {
    this.#choose = choose;
    this.#changed = changed;
  }

  // What comes next; undefined until the server has answered.
  get logits() {
    return this.#known[this.steps.length];
  }

  // An empty prompt starts from a newline, as the lecture does.
  get start() {
    return this.#read || "\n";
  }

  get text() {
    return this.start + this.steps.map(({ char }) => char).join("");
  }

  get waiting() {
    return this.#queue.length;
  }

  // The same prompt is not asked for again.
  restart(prompt, pause = 0) {
    if (prompt !== this.prompt) this.#known = [];
    this.prompt = prompt;
    this.#cut(0);
    void this.#run(pause);
  }

  step(id = null) {
    if (this.#queue.length < MOST_QUEUED) this.#queue.push(id);
    if (!this.#reading) void this.#run();
  }

  // The first `ids` of a text that was written before.
  replay(ids) {
    this.#queue = ids;
    if (!this.#reading) void this.#run();
  }

  back() {
    this.#cut(Math.max(0, this.steps.length - 1));
    void this.#run();
  }

  retry() {
    void this.#run();
  }

  #cut(length) {
    this.#queue = [];
    this.steps.length = Math.min(this.steps.length, length);
    this.#known.length = Math.min(this.#known.length, length + 1);
  }

  async #run(pause = 0) {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    this.error = "";
    this.#changed();
    try {
      if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
      while (!reading.signal.aborted) {
        if (!this.logits) await this.#ask(reading.signal);
        if (reading.signal.aborted || !this.#queue.length) break;
        const step = this.#choose(this.#queue.shift(), this.logits, this.steps.length);
        this.steps.push(step);
        this.#changed(step);
      }
    } catch (error) {
      if (reading.signal.aborted) return;
      this.#queue = [];
      this.error = error.message;
    }
    if (reading.signal.aborted) return;
    this.#reading = null;
    this.#changed();
  }

  async #ask(signal) {
    const place = this.steps.length;
    const text = place ? this.text : this.prompt;
    const { prompt, notice, logits } = await next(text, signal);
    if (signal.aborted) return;
    if (!place) [this.#read, this.notice] = [prompt, notice];
    this.#known[place] = logits;
  }
}
