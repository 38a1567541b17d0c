// The examples that a supervised model learns from (GET /assistant/examples, see ui/web/assistant.py), a page at a time.
import { readAbout } from "../../shared/assistant.js";
import { Emitter } from "../../shared/emitter.js";
import { Latest } from "../../shared/requests.js";
import { getJSON } from "../../shared/server.js";

export const PAGE = 8; // examples

/**
 * @typedef {object} Example
 * @property {string} skill its id
 * @property {string} request
 * @property {string} answer
 * @property {string} row as the network reads it
 * @property {number} is_read how many characters of the row are only read: the loss counts those after them
 * @property {boolean} is_held_out whether it is for evaluation
 */

/** Events: "change" (other examples are shown, or another one is looked at), "trouble". */
export class Examples extends Emitter {
  /** @type {import("../../shared/assistant.js").About | null} */
  about = null;
  /** @type {Example[]} */
  shown = [];
  n = 0; // of the skill
  /** @type {Object<string, number>} by skill */
  counts = {};
  selected = 0; // of those that are shown
  /** @type {Error | null} */
  trouble = null;
  #asking = new Latest();
  #address;

  /** @param {import("../../shared/address.js").Address} address */
  constructor(address) {
    super();
    this.#address = address;
  }

  /** The id of the skill that they are of; "" for all. */
  get skill() {
    const asked = this.#address.get("examples");
    return !this.about || this.about.skills.some(({ id }) => id === asked) ? asked : "";
  }

  /** The number of the first one shown, from 0. */
  get first() {
    const first = Number(this.#address.get("examples_from"));
    return Number.isInteger(first) && first > 0 ? first : 0;
  }

  /** @param {string} skill @param {number} [first] */
  open(skill, first = 0) {
    this.#address.keep("examples", skill);
    this.#address.keep("examples_from", first || "");
    void this.read();
  }

  /** @param {number} by */
  turn(by) {
    const first = this.first + by * PAGE;
    if (first >= 0 && first < this.n) this.open(this.skill, first);
  }

  /** @param {number} place */
  select(place) {
    if (place < 0 || place >= this.shown.length || place === this.selected) return;
    this.selected = place;
    this.tell("change");
  }

  cancel() {
    this.#asking.cancel();
  }

  async read() {
    const signal = this.#asking.begin();
    this.#say(null);
    try {
      this.about ??= await readAbout(signal);
      const words = new URLSearchParams({ skill: this.skill, from: String(this.first) });
      const { examples, n, counts, trouble } = await getJSON(`./assistant/examples?${words}`, signal);
      [this.shown, this.n, this.counts, this.selected] = [examples, n, counts, 0];
      if (trouble) throw new Error(trouble);
      if (!examples.length && this.first) return this.open(this.skill); // an old address
      this.tell("change");
    } catch (error) {
      if (!signal.aborted) this.#say(error);
    }
    this.#asking.end(signal);
  }

  /** @param {Error | null} trouble */
  #say(trouble) {
    this.trouble = trouble;
    this.tell("trouble");
  }
}
