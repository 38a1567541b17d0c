// A text that grows character by character, and what the model says at each of its places.
import { next } from "../records.js";

const MOST_QUEUED = 100; // presses that came faster than the server's answers
const SLOW_MS = 1000; // longer than anybody waits without asking why

export class Walk {
  prompt = null; // as typed
  steps = []; // what `choose` made, a character each
  notice = "";
  error = "";
  slow = false; // whether the server lets us wait
  #read = ""; // the prompt as the model reads it
  #known = []; // logits of each place
  #queue = []; // what is still to be written: { id, byHand }, null for the die's
  #reading = null;
  #choose;
  #changed;

  // `choose(choice, logits, place)` makes a step, { char, ... }; `changed(step)` hears of everything, `step` being the one that was just made.
  constructor(choose, changed) {
    this.#choose = choose;
    this.#changed = changed;
  }

  // What comes next; undefined until the server has answered.
  get logits() {
    return this.#known[this.steps.length];
  }

  // The model needs something to start from.
  get start() {
    return this.#read || window.soliloquy.start;
  }

  get isEmpty() {
    return !this.#read;
  }

  get text() {
    return this.start + this.steps.map(({ char }) => char).join("");
  }

  get waiting() {
    return [...this.#queue];
  }

  // The same prompt is not asked for again.
  restart(prompt, pause = 0) {
    if (prompt !== this.prompt) this.#known = [];
    this.prompt = prompt;
    this.#cut(0);
    void this.#run(pause);
  }

  step(choice = null) {
    if (this.#queue.length < MOST_QUEUED) this.#queue.push(choice);
    if (!this.#reading) void this.#run();
  }

  // A text that was written before.
  replay(choices) {
    this.#queue = choices;
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
    this.slow = false;
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
      if (this.logits) this.#queue = []; // the die cannot be thrown; what the server did not answer can be asked for again
      this.error = error.message;
    }
    if (reading.signal.aborted) return;
    this.#reading = null;
    this.#changed();
  }

  async #ask(signal) {
    const place = this.steps.length;
    const text = place ? this.text : this.prompt;
    const { prompt, notice, logits } = await this.#patiently(next(text, signal));
    if (signal.aborted) return;
    if (!place) [this.#read, this.notice] = [prompt, notice];
    this.#known[place] = logits;
  }

  async #patiently(answer) {
    const timer = setTimeout(() => {
      this.slow = true;
      this.#changed();
    }, SLOW_MS);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      this.slow = false;
    }
  }
}
