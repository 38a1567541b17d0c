// One request, and what the model of each stage answers to it with the same dice, judged by the rule.
import { readAbout } from "../../shared/assistant.js";
import { Emitter } from "../../shared/emitter.js";
import { Latest } from "../../shared/requests.js";
import { postForJSON } from "../../shared/server.js";

export const SAMPLES = [1, 4, 8]; // answers of each model
const USUAL = ["base", "supervised", "reinforced"];
const GONE = 404; // the server has no model of this key any more

/**
 * @typedef {import("../../shared/assistant.js").Stage} Stage
 * @typedef {{obeys: boolean, why: string}} Verdict
 * @typedef {object} Piece what a stage has answered so far
 * @property {import("../../shared/answers.js").Answered | null} answered
 * @property {Verdict[]} verdicts of its answers, once they are complete; none if no rule judges the request
 * @property {boolean} isOld whether it is to another request, or with other dice
 * @property {Error | null} error
 */

/** Events: "about" (it is known), "asked" (the request, its skill or the columns are others), "piece" (`detail`, a stage, has more), "trouble". */
export class Comparison extends Emitter {
  /** @type {import("../../shared/assistant.js").About | null} */
  about = null;
  /** @type {Error | null} why nothing is known */
  trouble = null;
  /** @type {string | null} the id of the skill that is asked for, if it is one */
  skill = null;
  isRefused = false;
  /** @type {Map<string, Piece>} by the id of the stage */
  #pieces = new Map();
  #writing = new Latest();
  #assistant;

  /** @param {import("../main.js").Assistant} assistant */
  constructor(assistant) {
    super();
    this.#assistant = assistant;
  }

  get request() {
    return this.#assistant.address.get("request") || (this.about?.skills[0].requests[0] ?? "");
  }

  set request(words) {
    this.#assistant.address.keep("request", words.replace(/\s+/g, " ").trim());
  }

  /** How many answers each model gives. */
  get samples() {
    const asked = Number(this.#assistant.address.get("answers"));
    return SAMPLES.includes(asked) ? asked : SAMPLES[0];
  }

  set samples(count) {
    this.#assistant.address.keep("answers", count === SAMPLES[0] ? "" : count);
  }

  /** What stands in the fourth column: a stage or the key of a model that was trained here; "" for none. */
  get also() {
    return this.#assistant.address.get("also");
  }

  set also(name) {
    this.#assistant.address.keep("also", name);
  }

  /** What a fourth column can show. @returns {Stage[]} */
  get others() {
    const trained = this.#assistant.page.models.list.filter(({ run, trouble }) => run !== null && !trouble);
    const stages = this.about?.models.filter(({ id }) => !USUAL.includes(id)) ?? [];
    return [...stages, ...trained.map(({ key, name }) => ({ id: key, title: name, about: "It was trained here.", key, trouble: "" }))];
  }

  /** @returns {Stage[]} */
  get columns() {
    const usual = this.about?.models.filter(({ id }) => USUAL.includes(id)) ?? [];
    return [...usual, ...this.others.filter(({ id }) => id === this.also)];
  }

  get isWriting() {
    return this.#writing.isBusy;
  }

  /** What was written, for files. */
  get settings() {
    const { temperature, seed } = this.#assistant.dice.settings;
    return { request: this.request, temperature, seed };
  }

  /** @param {Stage} stage @returns {Piece} */
  pieceOf({ id }) {
    return this.#pieces.get(id) ?? { answered: null, verdicts: [], isOld: false, error: null };
  }

  /** What the request has that the models do not know, as a sentence. */
  get notice() {
    return this.columns.map((stage) => this.pieceOf(stage).answered?.notice).find(Boolean) ?? "";
  }

  cancel() {
    this.#writing.cancel();
  }

  /** What was asked for cannot be answered: the answers that are there belong to something else. */
  refuse() {
    this.cancel();
    this.isRefused = true;
    this.#outdate();
  }

  #outdate() {
    for (const stage of this.columns) if (stage.key) this.#take(stage, { isOld: true, error: null });
  }

  /** Lets all columns answer. */
  async write() {
    const signal = this.#writing.begin();
    this.isRefused = false;
    this.#say(null);
    try {
      if (!this.about) await this.#read(signal);
      if (!(await this.#writeAll(signal)) && !signal.aborted) {
        await this.#read(signal); // the server was started again with other weights, and they have other keys
        await this.#writeAll(signal);
      }
    } catch (error) {
      if (!signal.aborted) this.#say(error);
    }
    this.#writing.end(signal);
  }

  /** @param {AbortSignal} signal */
  async #read(signal) {
    this.about = await readAbout(signal);
    this.tell("about");
  }

  /** Whether the server had all of the models. @param {AbortSignal} signal */
  async #writeAll(signal) {
    const columns = this.columns.filter(({ key }) => key);
    this.#outdate();
    ({ skill: this.skill } = await this.#judge([], signal));
    this.tell("asked");
    await Promise.all(columns.map((stage) => this.#writeOne(stage, signal)));
    return !columns.some((stage) => this.pieceOf(stage).error?.["status"] === GONE);
  }

  /** What is on screen stays until there is more. @param {Stage} stage @param {AbortSignal} signal */
  async #writeOne(stage, signal) {
    const { temperature, seed } = this.#assistant.dice.settings;
    const show = (answered) => {
      const { isOld } = this.pieceOf(stage);
      if (!isOld || answered.isDone || answered.answers.some(({ text }) => text)) this.#take(stage, { answered, verdicts: [], isOld: false });
    };
    try {
      await this.#assistant.answers.write(stage.key, this.request, { temperature, seed, samples: this.samples }, show, signal);
      await this.#judgeOne(stage, signal);
    } catch (error) {
      if (!signal.aborted) this.#take(stage, { error });
    }
  }

  /** @param {Stage} stage @param {AbortSignal} signal */
  async #judgeOne(stage, signal) {
    if (!this.skill) return;
    const { answers } = this.pieceOf(stage).answered;
    const { verdicts } = await this.#judge(answers.map(({ text }) => text), signal);
    const endless = { obeys: false, why: `does not end within ${this.about.answer_chars} characters` };
    this.#take(stage, { verdicts: verdicts.map((verdict, i) => (answers[i].hasStopped ? verdict : endless)) });
  }

  /** @param {string[]} answers @param {AbortSignal} signal @returns {Promise<{skill: string | null, verdicts: Verdict[]}>} */
  #judge(answers, signal) {
    return postForJSON("./assistant/judge", { request: this.request, answers }, signal);
  }

  /** @param {Stage} stage @param {Partial<Piece>} more */
  #take(stage, more) {
    this.#pieces.set(stage.id, { ...this.pieceOf(stage), ...more });
    this.tell("piece", stage);
  }

  /** @param {Error | null} trouble */
  #say(trouble) {
    this.trouble = trouble;
    this.tell("trouble");
  }
}
