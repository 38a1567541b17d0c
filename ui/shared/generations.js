// The texts on the page: generations, one for each press of Generate and each model, as ui/web/write.py sends them.
import { charsIn } from "./characters.js";
import { drawSeed } from "./dice.js";
import { Emitter } from "./emitter.js";
import { MOST_ABREAST, Turns } from "./requests.js";
import { connection, postForLines, ServerError, UnreachableError } from "./server.js";

/** @typedef {import("./models.js").Model} Model */
/** @typedef {import("./models.js").Models} Models */
/** @typedef {import("./settings.js").Values} Values */

const MOST_UNDO = 30;

/**
 * What the server says of a generation, and what the page adds to it.
 * @typedef {object} View
 * @property {string} key for its logits
 * @property {string} model the key of the model that writes it
 * @property {string} prompt as the model reads it
 * @property {number} seed
 * @property {number} temperature
 * @property {number} length
 * @property {number} samples
 * @property {number} first_sample
 * @property {number} first_step
 * @property {number} top_k
 * @property {number} top_p
 * @property {string} notice
 * @property {"waiting" | "running" | "stopped" | "failed" | "lost" | "done"} state
 * @property {number} [ahead] requests before it
 * @property {number} [elapsed_s]
 * @property {number} [chars_per_s]
 * @property {string} [error]
 * @property {string} [precision] that it is written in
 * @property {string} beside generations of the same name stand abreast
 * @property {number} order among those
 * @property {{chosen: string} | null} forced the last character of the prompt, if it was chosen by hand
 */

export const NO_GUESS = -1;

/** @param {string} text */
const unguessed = (text) => /** @type {number[]} */ (Array(charsIn(text)).fill(NO_GUESS));

/** The texts of one press by one model. */
export class Generation {
  abort = new AbortController();
  /** @type {Float32Array[]} of each sample, as far as they were asked for (see logits.js) */
  logits = [];
  /** @type {import("./requests.js").Shared<void>[]} of each sample, the latest request for logits */
  asked = [];
  /** @type {boolean[]} of each sample: whether the logits are not the very ones that it was drawn from */
  recomputed = [];
  /** @type {Generation | null} what it is compared with: texts of the same prompt that were on the page before */
  earlier = null;

  /** @param {View} view @param {Model} model */
  constructor(view, model) {
    this.view = view;
    this.model = model;
    /** @type {string[]} of each sample, without the prompt */
    this.texts = Array.from({ length: view.samples }, () => "");
    /** @type {number[][]} of each sample, the id that was guessed for each character before the model wrote it; NO_GUESS where none was */
    this.guesses = Array.from({ length: view.samples }, () => []);
  }

  get live() {
    return this.view.state === "running" || this.view.state === "waiting";
  }

  /** What its distributions were made with. */
  get settings() {
    const { temperature, top_k = 0, top_p = 1 } = this.view;
    return { temperature, top_k, top_p };
  }

  /** The text before the first character written. */
  get start() {
    return this.view.prompt || this.model.start;
  }

  get n_chars() {
    return this.texts.reduce((sum, text) => sum + charsIn(text), 0);
  }

  /** Adds what the server has sent since. @param {{new?: string[], guesses?: number[][]} & Partial<View>} news */
  take({ new: texts = [], guesses = texts.map(unguessed), ...news }) {
    Object.assign(this.view, news);
    texts.forEach((text, sample) => {
      this.texts[sample] += text;
      this.guesses[sample].push(...guesses[sample]);
    });
  }
}

/** @param {Generation} a @param {Generation} b */
export const haveSameDice = ({ view: a }, { view: b }) => a.seed === b.seed && a.first_sample === b.first_sample && (a.first_step ?? 0) === (b.first_step ?? 0);

/** Whether nothing but the dice differs between two generations of one prompt. @param {Generation} a @param {Generation} b */
export function haveSameSettings(a, b) {
  const [one, other] = [a.settings, b.settings];
  return a.model === b.model && one.temperature === other.temperature && one.top_k === other.top_k && one.top_p === other.top_p;
}

/** What the last press was thrown with, so that Again can go on with the next samples of the same dice. */
class Thrown {
  /** @param {View} view @param {{prompt: string, top_k?: number}} typed @param {string} models their keys */
  constructor({ prompt, temperature, seed, top_k = 0, top_p = 1, first_sample, samples }, typed, models) {
    this.settings = { temperature, seed, top_p };
    this.prompts = [prompt, typed.prompt]; // as the model reads it, and as it was typed
    this.cuts = [top_k, typed.top_k ?? 0]; // likewise
    this.models = models;
    this.next = first_sample + samples;
  }

  /** Whether settings ask for the same dice; without a seed there are always new ones. @param {Values} settings @param {string} models */
  has(settings, models) {
    const same = ["temperature", "top_p"].every((name) => settings[name] === this.settings[name]);
    const sameSeed = String(settings.seed).trim() === String(this.settings.seed);
    return same && sameSeed && models === this.models && this.cuts.includes(settings.top_k) && this.prompts.includes(settings.prompt);
  }
}

/** What Again goes on from, where nobody has pressed: the newest texts. @param {Generation[]} list */
function thrownBy(list) {
  const newest = list.at(-1);
  if (!newest) return null;
  const { beside } = newest.view;
  const press = list.filter((one) => one === newest || (beside && one.view.beside === beside));
  return new Thrown(newest.view, newest.view, press.map(({ model }) => model.key).join());
}

/**
 * Asks for texts and reads them to the end: `begin` makes a generation of the first line, `grow` takes each line after that.
 * @param {object} body
 * @param {AbortSignal} signal
 * @param {(view: View) => Generation} begin
 * @param {(generation: Generation, news: any) => void} grow
 * @param {string} [address]
 */
export async function readGeneration(body, signal, begin, grow, address = "./write") {
  /** @type {Generation | null} */
  let generation = null;
  const read = (line) => {
    if (generation) grow(generation, line);
    else generation = begin(line);
  };
  await postForLines(address, body, read, signal);
  if (!generation || generation.live) throw new UnreachableError();
}

/**
 * How a press is written.
 * @typedef {object} Manner
 * @property {boolean} [keep] the generations that are here stay
 * @property {boolean} [compare] those of the same prompt stay, to be compared with
 * @property {string} [beside] generations of the same name are written at the same time and stand abreast
 * @property {number} [order] among those
 * @property {Partial<Values>} [before] settings that undo brings back with the generations
 * @property {{chosen: string} | null} [forced] the prompt ends with a character that was chosen by hand
 * @property {Model} [model] the one that writes; without it, the primary
 */

/**
 * All generations on the page. Events: "change" (some came, went or were brought back), "grow" (detail: a generation with more text or
 * another state), "trouble" (detail: { message, setting? }), "notice" (detail: words for the reader).
 */
export class Generations extends Emitter {
  /** @type {Generation[]} oldest first */
  list = [];
  /** @type {{generation: Generation, sample: number} | null} the sample that was pressed last */
  selected = null;
  /** @type {Generation[]} those of the list that Generate has kept to compare its own with */
  #earlier = [];
  /** @type {{list: Generation[], earlier: Generation[], thrown: Thrown | null, settings: Partial<Values>}[]} what `undo` goes back to */
  #past = [];
  /** @type {Map<AbortController, string>} requests that are not answered yet -> what they are beside */
  #asked = new Map();
  /** @type {Thrown | null} */
  #thrown = null;
  #presses = 0;
  /** The latest press of which several stand abreast. */
  #abreast = { name: "", turns: new Turns(MOST_ABREAST) };
  /** @type {Models} */
  #models;

  /** @param {Models} models */
  constructor(models) {
    super();
    this.#models = models;
  }

  /** The newest generation and, of its samples, the one that was pressed last, else the first; null on an empty page. */
  newest() {
    const generation = this.list.at(-1);
    const sample = this.selected?.generation === generation ? this.selected?.sample : 0;
    return generation ? { generation, sample } : null;
  }

  /** Those that do not merely stay to be compared with. */
  get current() {
    return this.list.filter((generation) => !this.#earlier.includes(generation));
  }

  /** Characters per second of the newest press: of all that stand abreast. */
  get speed() {
    const newest = this.list.at(-1);
    const press = this.list.filter((one) => one === newest || (one.view.beside && one.view.beside === newest.view.beside));
    return press.reduce((sum, { view }) => sum + (view.chars_per_s ?? 0), 0);
  }

  /** A name for generations that stand abreast. @param {string} what */
  pressName(what) {
    return `${what} ${++this.#presses}`;
  }

  /**
   * Writes with all chosen models: several stand abreast, with the same prompt and the same dice.
   * @param {Values} settings
   * @param {Manner} [manner]
   */
  press(settings, { keep = false } = {}) {
    const { writers } = this.#models;
    if (writers.length === 1) return this.write(settings, { keep, compare: !keep });
    const seed = String(settings.seed).trim() || drawSeed();
    const models = writers.map(({ key }) => key).join();
    const first_sample = keep && this.#thrown?.has({ ...settings, seed }, models) ? this.#thrown.next : 0;
    const beside = this.pressName("models");
    const asked = { ...settings, seed, first_sample };
    return Promise.all(writers.map((model, order) => this.write(asked, { keep, compare: !keep, beside, order, model }, models)));
  }

  /**
   * Asks for texts. Until the server has accepted, nothing that is here is touched.
   * @param {Values & {first_sample?: number, first_step?: number}} settings
   * @param {Manner} [manner]
   * @param {string} [models] the keys of all that write with this press
   * @returns {Promise<Generation | null>}
   */
  async write(settings, manner = {}, models = (manner.model ?? this.#models.primary).key) {
    const { keep = false, beside = "", order = 0, forced = null, model = this.#models.primary } = manner;
    const goesOn = keep && !beside && this.#thrown?.has(settings, models);
    const body = { ...settings, first_sample: settings.first_sample ?? (goesOn ? this.#thrown.next : 0), model: model.key };
    const abort = new AbortController();
    /** @type {Generation | null} */
    let generation = null;
    for (const [other, name] of this.#asked) if (!beside || name !== beside) other.abort();
    this.#asked.set(abort, beside);
    this.tell("change");
    const begin = (view) => {
      this.#asked.delete(abort);
      model.take({ precision: view.precision });
      generation = new Generation({ ...view, beside, order, forced }, model);
      generation.abort = abort;
      this.#add(generation, manner);
      this.#thrown = new Thrown(view, settings, models);
      return generation;
    };
    try {
      const read = () => readGeneration(body, abort.signal, begin, (generation, news) => this.#take(generation, news));
      await (beside ? this.#turnsOf(beside).take(read) : read());
    } catch (error) {
      if (!abort.signal.aborted) {
        abort.abort();
        if (generation) this.#take(generation, { state: "lost" });
        this.tell("trouble", error);
        if (error instanceof ServerError && error.status === 404) this.#models.drop(model);
      }
    } finally {
      this.#asked.delete(abort);
      this.tell("change");
    }
    return generation;
  }

  /** @param {string} beside */
  #turnsOf(beside) {
    if (this.#abreast.name !== beside) this.#abreast = { name: beside, turns: new Turns(MOST_ABREAST) };
    return this.#abreast.turns;
  }

  /**
   * Shows texts that the server wrote for every page, or is writing now.
   * @param {{texts: string[], guesses?: number[][]} & View} first
   * @param {Model} model
   * @returns {Promise<void>} until they are written
   */
  async show({ texts, guesses, ...view }, model) {
    const generation = new Generation({ ...view, beside: "", order: 0, forced: null }, model);
    this.list = [generation, ...this.list];
    if (this.list.length === 1) this.#thrown = new Thrown(generation.view, view, model.key);
    if (!generation.live) generation.take({ new: texts, guesses });
    this.tell("change");
    if (generation.live) await this.#follow(generation);
  }

  /** @param {Generation} generation that the server writes anyway */
  async #follow(generation) {
    const { signal } = generation.abort;
    const known = generation.texts.map(({ length }) => length); // the lines begin with the first character, also where this goes on
    const take = (generation, { new: texts = [], guesses = texts.map(unguessed), ...news }) => {
      const fresh = guesses.map((ids, sample) => ids.slice(charsIn(texts[sample].slice(0, known[sample]))));
      this.#take(generation, { ...news, new: texts.map((text, sample) => text.slice(known[sample])), guesses: fresh });
      texts.forEach(({ length }, sample) => (known[sample] = Math.max(0, known[sample] - length)));
    };
    /** @param {View} view */
    const begin = ({ state, ahead }) => {
      take(generation, { state, ahead });
      return generation;
    };
    try {
      await readGeneration({ key: generation.view.key }, signal, begin, take, "./follow");
    } catch (error) {
      if (signal.aborted) return;
      const isTold = generation.view.state === "lost";
      take(generation, { state: "lost" });
      if (!isTold) this.tell("trouble", error);
      const goOn = () => !this.busy && this.list.at(-1) === generation && void this.#follow(generation);
      if (error instanceof UnreachableError) connection.addEventListener("back", goOn, { once: true });
    }
    this.tell("change");
  }

  /**
   * Reads a generation that another page has asked for, to its end.
   * @param {string} key
   * @param {{beside: string, order: number, forced: {chosen: string} | null}} manner
   * @param {AbortSignal} signal
   * @returns {Promise<Generation | null>} null if it was cancelled
   * @throws {Error} it is not remembered, or a model wrote it that this page does not know
   */
  async read(key, manner, signal) {
    const abort = new AbortController();
    /** @type {Generation | null} */
    let generation = null;
    const cancel = () => generation || abort.abort();
    signal.addEventListener("abort", cancel, { once: true });
    const begin = (view) => {
      const model = this.#models.find(view.model);
      if (!model) throw new Error(this.#models.whyNot(view.model));
      generation = new Generation({ ...view, ...manner }, model);
      generation.abort = abort;
      this.#add(generation, { keep: true });
      this.#thrown = thrownBy(this.list);
      return generation;
    };
    try {
      await readGeneration({ key }, abort.signal, begin, (generation, news) => this.#take(generation, news), "./follow");
    } catch (error) {
      if (!abort.signal.aborted) {
        abort.abort();
        if (generation) this.#take(generation, { state: "lost" });
        throw error;
      }
    } finally {
      signal.removeEventListener("abort", cancel);
      this.tell("change");
    }
    return generation;
  }

  /** Puts these in the place of all that are here; what is under way and not among them ends. @param {Generation[]} list */
  replace(list) {
    for (const abort of this.#asked.keys()) abort.abort();
    this.#asked.clear();
    for (const generation of this.list) if (generation.live && !list.includes(generation)) this.#halt(generation);
    if (this.list.length) this.#remember();
    this.#earlier = [];
    this.arrange(list);
  }

  /** Puts the generations into this order, and leaves out the others. @param {Generation[]} list */
  arrange(list) {
    if (list.length === this.list.length && list.every((generation, i) => generation === this.list[i])) return;
    this.list = list;
    this.#thrown = thrownBy(list);
    this.tell("change");
  }

  /** Waits until nothing is under way. @param {AbortSignal} signal */
  async rest(signal) {
    while (this.busy && !signal.aborted) {
      await new Promise((/** @type {(_: void) => void} */ go) => {
        this.addEventListener("change", () => go(), { once: true, signal });
        signal.addEventListener("abort", () => go(), { once: true });
      });
    }
  }

  /** Whether something is under way. */
  get busy() {
    return this.#asked.size > 0 || this.list.some((generation) => generation.live);
  }

  /** Ends what is under way; closing a connection is what tells the server. */
  stop() {
    for (const abort of this.#asked.keys()) abort.abort();
    this.#asked.clear();
    for (const generation of this.list.filter((generation) => generation.live)) this.#halt(generation);
    this.tell("change");
  }

  clear() {
    this.stop();
    if (this.list.length) this.#remember();
    this.list = [];
    this.#earlier = [];
    this.#thrown = null;
    this.tell("change");
  }

  /** Keeps what undo brings back: the generations that are here now, and settings. @param {Partial<Values>} settings */
  #remember(settings = {}) {
    this.#past.push({ list: [...this.list], earlier: this.#earlier, thrown: this.#thrown, settings });
    if (this.#past.length > MOST_UNDO) this.#past.shift();
    const kept = new Set(this.#past.flatMap(({ list }) => list)); // what nothing brings back must not be held by those that came after it
    for (const generation of kept) if (!kept.has(generation.earlier)) generation.earlier = null;
  }

  get canUndo() {
    return this.#past.length > 0 || this.#asked.size > 0;
  }

  /**
   * Goes back to what was here before the last press; returns the settings that were changed with it. A press that is not answered yet has
   * changed nothing: it is taken back, and that is all.
   * @returns {Partial<Values>}
   */
  undo() {
    const unanswered = this.#asked.size > 0;
    this.stop();
    if (unanswered) return {};
    const { list, earlier, thrown, settings } = this.#past.pop() ?? { list: this.list, earlier: this.#earlier, thrown: this.#thrown, settings: {} };
    this.list = list;
    this.#earlier = earlier;
    this.#thrown = thrown;
    this.tell("change");
    return settings;
  }

  /** @param {Generation} generation @param {Manner} manner */
  #add(generation, { keep = false, compare = false, before = {} }) {
    const { beside } = generation.view;
    const joins = (other) => Boolean(beside) && other.view.beside === beside;
    for (const other of this.list) if (other.live && !joins(other)) this.#halt(other);
    const first = !this.list.some(joins);
    if (first) this.#remember(before);
    if (first && !keep) {
      this.#earlier = compare ? this.current.filter((other) => other.view.prompt === generation.view.prompt && other.n_chars) : [];
      this.list = this.#earlier;
    }
    if (compare) generation.earlier = closest(generation, this.#earlier);
    const others = this.list.filter((other) => !joins(other));
    const abreast = [...this.list.filter(joins), generation].toSorted((a, b) => a.view.order - b.view.order); // in whatever order they come
    this.list = [...others, ...abreast];
    this.tell("notice", generation.view.notice);
    this.tell("change");
  }

  /** @param {Generation} generation */
  #halt(generation) {
    generation.abort.abort();
    this.#take(generation, { state: "stopped" });
  }

  /** @param {Generation} generation @param {any} news */
  #take(generation, news) {
    generation.take(news);
    this.tell("grow", generation);
    if (news.error) this.tell("trouble", { message: news.error });
  }
}

/**
 * Of several generations, the one that another is most alike: in its dice before all, then in its model and settings; else the newest.
 * @param {Generation} generation
 * @param {Generation[]} others
 * @returns {Generation | null}
 */
function closest(generation, others) {
  const likeness = (other) => 2 * Number(haveSameDice(generation, other)) + Number(haveSameSettings(generation, other));
  return others.toReversed().toSorted((a, b) => likeness(b) - likeness(a))[0] ?? null;
}
