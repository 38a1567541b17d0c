// What was written: runs, one for each press, as ui/stream.py sends them. No look of its own; views listen to it.
//
// Events: "change" (runs came, went or were brought back), "grow" (detail: a run that has more text or another state),
// "trouble" (detail: words for the reader), "notice" (likewise, no error).
const viewer = [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");
const UNREACHABLE = "The server cannot be reached. What is written stays here; press Generate to try again.";
const MOST_UNDO = 30;

// One press: `view` is what the server said of it, `texts` what each sample has, without the prompt.
export class Run {
  constructor(view) {
    this.view = view;
    this.texts = Array.from({ length: view.samples }, () => "");
    this.abort = new AbortController();
    this.logits = []; // of each sample, as far as they were asked for (see records.js)
  }

  get live() {
    return this.view.state === "running" || this.view.state === "waiting";
  }

  // What the distribution was made with.
  get settings() {
    const { temperature, top_k = 0, top_p = 1 } = this.view;
    return { temperature, top_k, top_p };
  }

  // The text before the first character written. An empty prompt starts from a newline, as the lecture does.
  get start() {
    return this.view.prompt || "\n";
  }

  get n_chars() {
    return this.texts.reduce((sum, text) => sum + [...text].length, 0);
  }
}

export class Runs extends EventTarget {
  list = []; // oldest first
  #past = []; // what `undo` goes back to
  #asked = new Set(); // requests that are not answered yet
  #thrown = null; // the settings of the last run and the number of their next sample

  // Asks for texts. Until the server has accepted, nothing that is here is touched.
  //   keep: the runs that are here stay.
  //   beside: a name; runs of the same name are written at the same time and stand abreast.
  //   before: settings that undo brings back with the runs.
  //   forced: { chosen }: the prompt ends with a character that was chosen by hand.
  async write(settings, { keep = false, beside = "", before = {}, forced = null } = {}) {
    const { prompt, temperature, seed, top_k, top_p } = settings;
    const dice = JSON.stringify([prompt, temperature, String(seed).trim(), top_k, top_p]);
    const goesOn = keep && !beside && String(seed).trim() && this.#thrown?.dice === dice;
    const body = { ...settings, first_sample: settings.first_sample ?? (goesOn ? this.#thrown.next : 0), viewer };
    const abort = new AbortController();
    let run = null;
    if (!beside) this.#asked.forEach((other) => other.abort());
    this.#asked.add(abort);
    this.#tell("change");
    try {
      const answer = await post("./write", body, abort.signal);
      if (!answer.ok) {
        const { error } = await answer.json().catch(() => ({}));
        this.#tell("trouble", error ?? `The server answered ${answer.status}.`);
        return null;
      }
      await readLines(answer.body, (view) => {
        if (run) {
          this.#take(run, view);
          return;
        }
        this.#asked.delete(abort);
        run = new Run({ ...view, beside, forced });
        run.abort = abort;
        this.#thrown = { dice, next: view.first_sample + view.samples };
        this.#add(run, keep, before);
      });
      if (!run || run.live) throw new TypeError("cut off");
    } catch (error) {
      if (!abort.signal.aborted) {
        abort.abort();
        if (run) this.#take(run, { state: "lost" });
        this.#tell("trouble", UNREACHABLE);
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
    this.#tell("change");
  }

  // Something is under way.
  get busy() {
    return this.#asked.size > 0 || this.list.some((run) => run.live);
  }

  // Ends what is under way; closing a connection is what tells the server.
  stop() {
    this.#asked.forEach((abort) => abort.abort());
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
    this.#past.push({ list: [...this.list], settings });
    if (this.#past.length > MOST_UNDO) this.#past.shift();
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  // Goes back to what was here before the last press; returns the settings that were changed with it.
  undo() {
    this.stop();
    const { list, settings } = this.#past.pop() ?? { list: this.list, settings: {} };
    this.list = list;
    this.#thrown = null;
    this.#tell("change");
    return settings;
  }

  #add(run, keep, before) {
    const { beside } = run.view;
    const joins = (other) => beside && other.view.beside === beside;
    for (const other of this.list) if (other.live && !joins(other)) this.#halt(other);
    const first = !this.list.some(joins);
    if (first) this.#remember(before);
    this.list = keep || !first ? [...this.list, run] : [run];
    this.#tell("notice", run.view.notice);
    this.#tell("change");
  }

  #halt(run) {
    run.abort.abort();
    this.#take(run, { state: "stopped" });
  }

  #take(run, { new: texts = [], ...news }) {
    Object.assign(run.view, news);
    texts.forEach((text, sample) => (run.texts[sample] += text));
    this.#tell("grow", run);
    if (news.error) this.#tell("trouble", news.error);
  }

  #tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }
}

export function post(address, body, signal) {
  return fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
}

export const asViewer = (body) => ({ ...body, viewer });

// Reads a stream of JSON lines; `each` is given one at a time.
export async function readLines(stream, each) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    lines.forEach((line) => each(JSON.parse(line)));
  }
}
