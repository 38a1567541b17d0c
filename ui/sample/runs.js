// What was written: runs, one for each press, as ui/web/write.py sends them. No look of its own; views listen to it.
//
// Events: "change" (runs came, went or were brought back), "grow" (detail: a run that has more text or another state),
// "trouble" (detail: words for the reader), "notice" (likewise, no error).
import { postForLines, UNREACHABLE } from "../shared/server.js";

const MOST_UNDO = 30;

// One press: `view` is what the server said of it, `texts` what each sample has, without the prompt.
export class Run {
  constructor(view) {
    this.view = view;
    this.texts = Array.from({ length: view.samples }, () => "");
    this.abort = new AbortController();
    this.logits = []; // of each sample, as far as they were asked for (see records.js)
    this.recomputed = []; // whether they are not the very ones that it was drawn from
  }

  get live() {
    return this.view.state === "running" || this.view.state === "waiting";
  }

  // What the distribution was made with.
  get settings() {
    const { temperature, top_k = 0, top_p = 1 } = this.view;
    return { temperature, top_k, top_p };
  }

  // The text before the first character written.
  get start() {
    return this.view.prompt || window.soliloquy.start;
  }

  get n_chars() {
    return this.texts.reduce((sum, text) => sum + [...text].length, 0);
  }

  // What the server has sent of it since.
  take({ new: texts = [], ...news }) {
    Object.assign(this.view, news);
    texts.forEach((text, sample) => (this.texts[sample] += text));
  }
}

// What a run was thrown with, so that Again can go on with the next samples of the same dice.
class Thrown {
  constructor({ prompt, temperature, seed, top_k = 0, top_p = 1, first_sample, samples }, typed = prompt) {
    this.settings = { temperature, seed, top_k, top_p };
    this.prompts = [prompt, typed]; // as the model reads it, and as it was typed
    this.next = first_sample + samples;
  }

  // Whether settings ask for the same dice; without a seed there are always new ones.
  has(settings) {
    const seed = String(settings.seed).trim();
    const same = Object.entries(this.settings).every(([name, value]) => name === "seed" || settings[name] === value);
    return same && seed === String(this.settings.seed) && this.prompts.includes(settings.prompt);
  }
}

// Asks for texts and reads them to their end: `begin` makes a run of the first line, `grow` is given the run and each line after that.
export async function readRun(body, signal, begin, grow) {
  let run = null;
  const read = (line) => {
    if (run) grow(run, line);
    else run = begin(line);
  };
  await postForLines("./write", body, read, signal);
  if (!run || run.live) throw new Error(UNREACHABLE);
}

export class Runs extends EventTarget {
  list = []; // oldest first
  #past = []; // what `undo` goes back to
  #asked = new Map(); // requests that are not answered yet -> what they are beside
  #thrown = null; // what the last run was thrown with

  // Asks for texts. Until the server has accepted, nothing that is here is touched.
  //   keep: the runs that are here stay.
  //   beside: a name; runs of the same name are written at the same time and stand abreast.
  //   before: settings that undo brings back with the runs.
  //   forced: { chosen }: the prompt ends with a character that was chosen by hand.
  async write(settings, { keep = false, beside = "", before = {}, forced = null } = {}) {
    const goesOn = keep && !beside && this.#thrown?.has(settings);
    const body = { ...settings, first_sample: settings.first_sample ?? (goesOn ? this.#thrown.next : 0) };
    const abort = new AbortController();
    let run = null;
    for (const [other, name] of this.#asked) if (!beside || name !== beside) other.abort();
    this.#asked.set(abort, beside);
    this.#tell("change");
    const begin = (view) => {
      this.#asked.delete(abort);
      run = new Run({ ...view, beside, forced });
      run.abort = abort;
      this.#add(run, keep, before);
      this.#thrown = new Thrown(view, settings.prompt);
      return run;
    };
    try {
      await readRun(body, abort.signal, begin, (run, news) => this.#take(run, news));
    } catch (error) {
      if (!abort.signal.aborted) {
        abort.abort();
        if (run) this.#take(run, { state: "lost" });
        this.#tell("trouble", error.message);
      }
    } finally {
      this.#asked.delete(abort);
      this.#tell("change");
    }
    return run;
  }

  // Texts that were written before the page was opened.
  show({ texts, ...view }) {
    const run = new Run({ ...view, samples: texts.length });
    run.texts = texts;
    this.list = [run];
    this.#thrown = new Thrown(run.view);
    this.#tell("change");
  }

  // Something is under way.
  get busy() {
    return this.#asked.size > 0 || this.list.some((run) => run.live);
  }

  // Ends what is under way; closing a connection is what tells the server.
  stop() {
    for (const abort of this.#asked.keys()) abort.abort();
    this.#asked.clear();
    for (const run of this.list.filter((run) => run.live)) this.#halt(run);
    this.#tell("change");
  }

  clear() {
    this.stop();
    if (this.list.length) this.#remember();
    this.list = [];
    this.#thrown = null;
    this.#tell("change");
  }

  // What undo brings back: the runs that are here now, and the settings that were changed with them.
  #remember(settings = {}) {
    this.#past.push({ list: [...this.list], thrown: this.#thrown, settings });
    if (this.#past.length > MOST_UNDO) this.#past.shift();
  }

  get canUndo() {
    return this.#past.length > 0 || this.#asked.size > 0;
  }

  // Goes back to what was here before the last press; returns the settings that were changed with it. A press that is not answered
  // yet has changed nothing: it is taken back, and that is all.
  undo() {
    const unanswered = this.#asked.size > 0;
    this.stop();
    if (unanswered) return {};
    const { list, thrown, settings } = this.#past.pop() ?? { list: this.list, thrown: this.#thrown, settings: {} };
    this.list = list;
    this.#thrown = thrown;
    this.#tell("change");
    return settings;
  }

  #add(run, keep, before) {
    const { beside } = run.view;
    const joins = (other) => beside && other.view.beside === beside;
    for (const other of this.list) if (other.live && !joins(other)) this.#halt(other);
    const first = !this.list.some(joins);
    if (first) this.#remember(before);
    const others = this.list.filter((other) => !joins(other));
    const abreast = [...this.list.filter(joins), run].sort((a, b) => a.view.temperature - b.view.temperature); // in whatever order they come
    this.list = keep || !first ? [...others, ...abreast] : [run];
    this.#tell("notice", run.view.notice);
    this.#tell("change");
  }

  #halt(run) {
    run.abort.abort();
    this.#take(run, { state: "stopped" });
  }

  #take(run, news) {
    run.take(news);
    this.#tell("grow", run);
    if (news.error) this.#tell("trouble", news.error);
  }

  #tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }
}
