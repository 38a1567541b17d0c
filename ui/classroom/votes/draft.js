// The vote that the lecturer prepares: requests, and two answers to each, which the Assistant's models write. Kept in this browser until it is
// opened: it may be prepared the day before.
import { Answers } from "../../shared/answers.js";
import { drawSeed } from "../../shared/dice.js";
import { Emitter } from "../../shared/emitter.js";
import { Turns } from "../../shared/requests.js";
import { inBrowser } from "../../shared/storage.js";

export const MOST_PAIRS = 10;
const PAIRS = 3; // at first
const TEMPERATURE = 1;
const ATTEMPTS = 6; // until two answers differ
const AT_ONCE = 2; // pairs: a browser has six connections, and the class takes one
const KEPT_AS = "soliloquy-vote-draft";
const SAME = "Both dice gave the same answer, again and again: this request leaves the model little choice. Ask for something else.";

/**
 * @typedef {object} Stages who writes A and B
 * @property {string} id
 * @property {string} title
 * @property {[string, string]} stages ids of stages, see ui/shared/assistant.js
 *
 * @typedef {object} DraftPair
 * @property {string} request
 * @property {string} a "" until it is written
 * @property {string} b
 * @property {[string, string] | null} by the titles of the stages that have written A and B
 * @property {boolean} isWriting
 * @property {Error | null} trouble
 */

/** @type {Stages[]} */
export const WRITERS = [
  { id: "same", title: "Supervised, with two throws of the dice", stages: ["supervised", "supervised"] },
  { id: "reinforced", title: "Supervised and Reinforced, in a random order", stages: ["supervised", "reinforced"] },
];

/** Event "change". */
export class Draft extends Emitter {
  /** @type {DraftPair[]} */
  pairs = [];
  writers = WRITERS[0];
  hidden = true;
  /** @type {import("../../shared/assistant.js").About | null} */
  #about = null;
  /** @type {string[]} requests that no draft has had yet */
  #fresh = [];
  #answers = new Answers();
  #turns = new Turns(AT_ONCE);

  /** Goes on with what was prepared before. */
  #restore() {
    const { pairs, writers, hidden } = inBrowser.getJSON(KEPT_AS) ?? {};
    if (!Array.isArray(pairs) || pairs.length > MOST_PAIRS || !pairs.every(isKept)) return;
    this.pairs = pairs.map(({ request, a, b, by }) => ({ ...emptyPair(request), ...(by && { a, b, by }) }));
    this.writers = WRITERS.find(({ id }) => id === writers) ?? this.writers;
    this.hidden = hidden !== false;
  }

  /** The requests to choose from: none of them was learned from. */
  get requests() {
    return (this.#about?.skills ?? []).flatMap(({ requests }) => requests);
  }

  /** Whether every pair has two answers. */
  get isReady() {
    return this.pairs.length > 0 && this.pairs.every(({ a, b, isWriting }) => a && b && !isWriting);
  }

  get isWriting() {
    return this.pairs.some(({ isWriting }) => isWriting);
  }

  /** Something has changed. */
  #change() {
    const pairs = this.pairs.map(({ request, a, b, by }) => ({ request, a, b, by }));
    inBrowser.keepJSON(KEPT_AS, { pairs, writers: this.writers.id, hidden: this.hidden });
    this.tell("change");
  }

  /** What is known of the assistant. @param {import("../../shared/assistant.js").About} about */
  take(about) {
    this.#about = about;
    if (!this.pairs.length) this.#restore();
    this.resize(this.pairs.length || PAIRS);
  }

  /** @param {number} count of pairs */
  resize(count) {
    while (this.pairs.length < count) this.pairs.push(emptyPair(this.#draw()));
    this.pairs.length = count;
    this.#change();
  }

  /** Another vote, with other requests. */
  renew() {
    this.pairs = this.pairs.map(() => emptyPair(this.#draw()));
    this.#change();
  }

  /** @param {string} id of WRITERS */
  chooseWriters(id) {
    this.writers = WRITERS.find((writers) => writers.id === id);
    this.pairs = this.pairs.map(({ request }) => emptyPair(request));
    this.#change();
  }

  /** @param {boolean} hidden */
  hide(hidden) {
    this.hidden = hidden;
    this.#change();
  }

  /** Another request: the answers to the one before go. @param {number} place @param {string} request */
  ask(place, request) {
    this.pairs[place] = emptyPair(request.replace(/\s+/g, " ").trim());
    this.#change();
  }

  /** Writes all answers that are missing. */
  async writeAll() {
    await Promise.all(this.pairs.map((pair, place) => (pair.a && pair.b ? null : this.write(place))));
  }

  /** Writes both answers of a pair, again if they are there. @param {number} place */
  async write(place) {
    const pair = this.pairs[place];
    if (pair.isWriting) return;
    Object.assign(pair, { isWriting: true, trouble: null, a: "", b: "", by: null });
    this.#change();
    try {
      if (!pair.request) throw new Error("Write a request first: this one is empty.");
      await this.#turns.take(() => this.#write(pair));
    } catch (error) {
      pair.trouble = error;
    }
    pair.isWriting = false;
    this.#change();
  }

  /** @param {DraftPair} pair */
  async #write(pair) {
    const stages = this.writers.stages.map((id) => this.#about.models.find((model) => model.id === id));
    if (Math.random() < 0.5) stages.reverse();
    const missing = stages.find(({ key }) => !key);
    if (missing) throw new Error(`${missing.title}: ${missing.trouble}`);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const [a, b] = await this.#writeTwo(pair, stages);
      if (!this.pairs.includes(pair)) return; // another one stands in its place
      if (a && b && a !== b) {
        Object.assign(pair, { a, b, by: stages.map(({ title }) => title) });
        return;
      }
    }
    throw new Error(SAME);
  }

  /** @param {DraftPair} pair @param {import("../../shared/assistant.js").Stage[]} stages */
  async #writeTwo(pair, stages) {
    const seed = drawSeed();
    const write = async (key, samples) => {
      let texts = [];
      await this.#answers.write(key, pair.request, { temperature: TEMPERATURE, seed, samples }, ({ answers, request, isDone }) => {
        texts = answers.map(({ text }) => text.replace(/^\n+|\n+$/g, ""));
        if (isDone) pair.request = request; // as the model reads it
      });
      return texts;
    };
    const [first, second] = stages;
    if (first.key === second.key) return write(first.key, 2);
    return (await Promise.all(stages.map(({ key }) => write(key, 1)))).flat();
  }

  /** A request that has not been asked yet: of skills with more than one good answer, for there people differ. */
  #draw() {
    if (!this.#fresh.length) {
      const skills = shuffled((this.#about?.skills ?? []).filter(({ one_answer }) => !one_answer)).map(({ requests }) => shuffled(requests));
      const most = Math.max(0, ...skills.map(({ length }) => length));
      const all = Array.from({ length: most }, (_, i) => skills.flatMap((requests) => requests[i] ?? [])).flat();
      this.#fresh = all.filter((request) => !this.pairs.some((pair) => pair.request === request)).reverse();
    }
    return this.#fresh.pop() ?? "";
  }
}

/** Whether it is a pair as it is kept. @param {any} pair */
function isKept(pair) {
  const areTexts = (values) => values.every((value) => typeof value === "string");
  if (!pair || !areTexts([pair.request, pair.a, pair.b])) return false;
  return pair.by === null || (Array.isArray(pair.by) && pair.by.length === 2 && areTexts(pair.by) && Boolean(pair.a && pair.b));
}

/** @param {string} request @returns {DraftPair} */
const emptyPair = (request) => ({ request, a: "", b: "", by: null, isWriting: false, trouble: null });

/** @template T @param {T[]} all @returns {T[]} */
const shuffled = (all) => all.map((one) => /** @type {[number, T]} */ ([Math.random(), one])).toSorted(([a], [b]) => a - b).map(([, one]) => one);
