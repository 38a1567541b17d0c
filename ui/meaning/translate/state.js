// What the view "Encoder and decoder" shows: a task, a text and what both networks make of it, a step, and a head. All of it belongs to the address.
import { Emitter } from "../../shared/emitter.js";
import { AVERAGE } from "../../shared/head_chooser.js";
import { Latest } from "../../shared/requests.js";
import { getJSON, postForJSON } from "../../shared/server.js";
import { kindOf } from "./kinds.js";
import { Translated } from "./translated.js";

export const BEAMS = [1, 2, 4, 8];

/** @typedef {{n: number, right: number, low: number, high: number}} Share */
/** @typedef {Share & {from: number, to: number, trained: boolean}} Lengths */

/**
 * @typedef {object} Figures what was measured of a network
 * @property {Share} trained at lengths that it was trained at
 * @property {Share | null} longer null where it reads none
 * @property {Share | null} changed on texts that the rule changes
 * @property {number} copied share of texts that the rule leaves as they are
 * @property {Lengths[]} lengths
 * @property {{mean: number, heads: number[][]} | null} diagonal share of steps whose largest weight of cross-attention is on the anti-diagonal
 */

/**
 * @typedef {object} Network
 * @property {string} trouble
 * @property {number | null} n_params
 * @property {number | null} n_layer
 * @property {number | null} longest
 * @property {number | null} most
 * @property {Figures | null} figures
 */

/**
 * @typedef {object} Task
 * @property {string} id
 * @property {string} title
 * @property {string} about
 * @property {string[]} examples
 * @property {{"encoder-decoder": Network, gpt: Network}} networks
 */

/** Events: "tasks" (they are known), "asked" (another task, text or number of beams), "answer", "step", "map" (another kind or head), "trouble". */
export class State extends Emitter {
  /** @type {Task[]} */
  tasks = [];
  /** @type {Translated | null} of the encoder-decoder, and of the GPT beside it */
  translated = null;
  /** @type {Translated | null} */
  gpt = null;
  right = "";
  notice = "";
  /** @type {Error | null} */
  trouble = null;
  #address;
  #asking = new Latest();
  #answered = ""; // what was asked for the answer on show

  /** @param {import("../../shared/address.js").Address} address */
  constructor(address) {
    super();
    this.#address = address;
  }

  /** @returns {Task | undefined} */
  get task() {
    return this.tasks.find(({ id }) => id === this.#address.get("rule")) ?? this.tasks[0];
  }

  get text() {
    return this.#address.get("source") || (this.task?.examples[0] ?? "");
  }

  get beams() {
    const asked = Number(this.#address.get("beams"));
    return BEAMS.includes(asked) ? asked : BEAMS[0];
  }

  /** The number of the character that is being written; the last one without another word. */
  get step() {
    const last = Math.max(0, this.length - 1);
    const asked = this.#address.get("written");
    const step = asked === "" ? last : Math.trunc(Number(asked)) - 1;
    return Math.max(0, Math.min(last, step)) || 0;
  }

  /** How many steps there are. */
  get length() {
    return this.shown?.steps.length ?? 0;
  }

  /** The network whose steps are followed: the GPT where the other cannot be used. */
  get shown() {
    return this.translated?.steps.length ? this.translated : this.gpt;
  }

  get kind() {
    const kind = kindOf(this.#address.get("sees"));
    return this.translatedBy(kind)?.steps.length ? kind : kindOf(kind.isGPT ? "cross" : "gpt");
  }

  /** The network that a kind of attention belongs to. @param {import("./kinds.js").About} kind */
  translatedBy({ isGPT }) {
    return isGPT ? this.gpt : this.translated;
  }

  /** What there is to choose a head from, for the kind on show. */
  get capture() {
    return this.translatedBy(this.kind)?.shapeOf(this.kind.name) ?? null;
  }

  /** The head of a kind that is on show: the one that was chosen, where that kind has it. @param {import("./kinds.js").About} kind @returns {import("./translated.js").Head} */
  headOf(kind) {
    const { n_layer, n_head } = this.translatedBy(kind)?.shapeOf(kind.name) ?? { n_layer: 0, n_head: 0 };
    const [layer, head] = this.#address.get("sees_head").split(".").map((word) => (word === "" ? NaN : Number(word)));
    const isIn = (index, count) => Number.isInteger(index) && index >= 0 && index < count;
    const last = Math.max(0, n_layer - 1);
    return { layer: isIn(layer, n_layer) ? layer : last, head: isIn(head, n_head) ? head : AVERAGE };
  }

  get head() {
    return this.headOf(this.kind);
  }

  /** @param {number} layer @param {number | "average"} head */
  choose(layer, head) {
    this.#address.keep("sees_head", `${layer}.${head}`);
    this.tell("map");
  }

  /** @param {string} id */
  chooseKind(id) {
    this.#address.keep("sees", id === "cross" ? "" : id);
    this.tell("map");
  }

  /** @param {number} step counted from 0 */
  chooseStep(step) {
    if (!this.length) return;
    const last = this.length - 1;
    const place = Math.max(0, Math.min(last, step));
    this.#address.keep("written", place === last ? "" : place + 1);
    this.tell("step");
  }

  /** @param {string} id */
  chooseTask(id) {
    this.#address.keep("rule", id === this.tasks[0]?.id ? "" : id);
    this.#ask("");
  }

  /** @param {string} text */
  chooseText(text) {
    this.#ask(text === this.task?.examples[0] ? "" : text);
  }

  /** @param {number} beams */
  chooseBeams(beams) {
    this.#address.keep("beams", beams === BEAMS[0] ? "" : beams);
    this.tell("asked");
  }

  /** @param {string} text */
  #ask(text) {
    this.#address.keep("source", text);
    this.#address.keep("written", "");
    this.tell("asked");
  }

  cancel() {
    this.#asking.cancel();
  }

  /** Asks for what is not on show yet. Returns whether the answer to what was asked is on show now. */
  async read() {
    const signal = this.#asking.begin();
    this.#say(null);
    try {
      if (!this.tasks.length) {
        ({ tasks: this.tasks } = await getJSON("./meaning/translators", signal));
        this.tell("tasks");
      }
      return await this.#translate(signal);
    } catch (error) {
      if (!signal.aborted) this.#say(error);
      return false;
    } finally {
      this.#asking.end(signal);
    }
  }

  /** @param {AbortSignal} signal */
  async #translate(signal) {
    const asked = { task: this.task.id, text: this.text, beams: this.beams };
    const key = JSON.stringify(asked);
    if (key === this.#answered) return true;
    const answer = await postForJSON("./meaning/translate", asked, signal);
    this.#answered = key;
    [this.right, this.notice] = [answer.right, answer.notice];
    this.translated = new Translated(answer.networks["encoder-decoder"]);
    this.gpt = new Translated(answer.networks.gpt);
    this.tell("answer");
    return true;
  }

  /** @param {Error | null} error */
  #say(error) {
    this.trouble = error;
    this.tell("trouble");
  }
}
