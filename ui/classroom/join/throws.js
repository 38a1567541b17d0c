// The texts that this member has thrown, one a round. The server writes a text once, whether this page stays or not; asked again, it answers the same.
import { classroom } from "../../shared/classroom.js";
import { Emitter } from "../../shared/emitter.js";
import { postForLines, UnreachableError } from "../../shared/server.js";
import { inBrowser } from "../../shared/storage.js";
import { asMember } from "./member.js";

const BEGUN = "soliloquy-thrown"; // the member and the round of the text that was begun last: a reload goes on with it
const [DONE, FAILED] = ["done", "failed"]; // the states of a text that is over

/** @typedef {{sample: number, text: string, isDone: boolean}} OwnText */

/** Event "change". */
export class Throws extends Emitter {
  /** @type {Map<string, OwnText>} by the id of the round */
  #texts = new Map();
  #underWay = ""; // the id of the round of the text that is being read
  #failed = ""; // ... of the one that could not be
  /** @type {Error | null} why not */
  #trouble = null;

  /** @param {string} id of a round */
  of(id) {
    return this.#texts.get(id);
  }

  /** Whether a text is under way. @param {string} id of a round */
  isUnderWay(id) {
    return this.#underWay === id;
  }

  /** What went wrong in a round. @param {string} id */
  troubleOf(id) {
    return this.#failed === id ? this.#trouble : null;
  }

  /** The server's word, which it gives to whoever joins. @param {Object<string, {sample: number, text: string}>} texts by the id of the round */
  take(texts) {
    for (const [id, { sample, text }] of Object.entries(texts)) this.#texts.set(id, { sample, text, isDone: true });
    this.tell("change");
  }

  /** Goes on with a text that was begun before the page was loaded, or before the connection was lost. @param {string} id of a round */
  goOn(id) {
    if (this.#texts.get(id)?.isDone || this.#underWay === id) return;
    if (this.#texts.has(id) || inBrowser.get(BEGUN) === nameOf(id)) void this.throw(id);
  }

  /** Throws the dice, once a round. @param {string} id of the round */
  async throw(id) {
    if (this.#underWay === id || this.#texts.get(id)?.isDone) return;
    [this.#underWay, this.#failed, this.#trouble] = [id, "", null];
    this.tell("change");
    let [text, state, error] = ["", "", ""];
    const take = (line) => {
      text += line.new ?? "";
      ({ state, error = "" } = line);
      const before = this.#texts.get(id)?.text ?? "";
      if (state !== DONE && before.startsWith(text)) return; // read again from its beginning
      this.#texts.set(id, { sample: line.sample, text, isDone: state === DONE });
      this.tell("change");
    };
    try {
      await asMember((member) => {
        inBrowser.keep(BEGUN, nameOf(id));
        text = "";
        return postForLines("./class/throw", { member, round: id }, take);
      });
      if (state === FAILED) throw new Error(error);
      if (state !== DONE) throw new UnreachableError();
    } catch (wrong) {
      if (this.#underWay === id) [this.#failed, this.#trouble] = [id, wrong];
    }
    if (this.#underWay === id) this.#underWay = "";
    this.tell("change");
  }
}

/** @param {string} id of a round */
const nameOf = (id) => `${classroom.member?.token} ${id}`;
