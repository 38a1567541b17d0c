// How this member votes: what was chosen, and what the server has of it. A vote is sent at once.
import { Emitter } from "../../shared/emitter.js";
import { postForJSON, ServerError } from "../../shared/server.js";
import { asMember } from "./member.js";

/** @typedef {"a" | "b"} Side */

/** Event "change". */
export class Ballot extends Emitter {
  id = ""; // of the round of votes
  /** @type {(Side | null)[]} for each pair, as it is pressed */
  chosen = [];
  /** @type {(Side | null)[]} for each pair, as the server has it */
  #saved = [];
  /** @type {Map<number, Error>} by pair */
  #troubles = new Map();
  /** @type {Set<number>} pairs whose vote is on its way */
  #sending = new Set();
  /** @type {Object<string, (Side | null)[]>} the server's word, by the id of the round of votes */
  #known = {};

  /** The server's word, which it gives to whoever joins. @param {Object<string, (Side | null)[]>} votes by the id of the round of votes */
  take(votes) {
    this.#known = votes;
    const saved = votes[this.id];
    if (saved) {
      this.chosen = saved.map((side, pair) => (this.isSaved(pair) ? side : this.chosen[pair]));
      this.#saved = [...saved];
    }
    this.tell("change");
  }

  /** Another round of votes is there. @param {string} id @param {number} pairs */
  open(id, pairs) {
    if (id === this.id) return;
    this.id = id;
    this.#saved = [...(this.#known[id] ?? Array(pairs).fill(null))];
    this.chosen = [...this.#saved];
    this.#troubles.clear();
    this.#sending.clear();
    this.tell("change");
  }

  /** @param {number} pair */
  isSaved(pair) {
    return this.chosen[pair] === this.#saved[pair];
  }

  /** Whether the server has a vote on every pair. */
  get isComplete() {
    return this.chosen.every((side, pair) => side !== null && this.isSaved(pair));
  }

  /** Whether something that was chosen has not arrived. */
  get isUnsent() {
    return this.chosen.some((_, pair) => !this.isSaved(pair));
  }

  /** @param {number} pair */
  troubleOf(pair) {
    return this.#troubles.get(pair);
  }

  /** @param {number} pair @param {Side} side */
  choose(pair, side) {
    this.chosen[pair] = side;
    void this.send(pair);
  }

  /** Sends a vote until the server has it. @param {number} pair */
  async send(pair) {
    const { id } = this;
    this.#troubles.delete(pair);
    this.tell("change");
    if (this.#sending.has(pair)) return; // what was chosen meanwhile goes after it
    this.#sending.add(pair);
    try {
      while (id === this.id && !this.isSaved(pair)) {
        const better = this.chosen[pair];
        await asMember((member) => postForJSON("./class/vote", { member, votes: id, pair, better }));
        if (id === this.id) this.#saved[pair] = better;
      }
    } catch (error) {
      if (id === this.id) this.#lose(pair, error);
    }
    if (id === this.id) this.#sending.delete(pair);
    this.tell("change");
  }

  /** Sends again what has not arrived. */
  sendAgain() {
    this.chosen.forEach((_, pair) => !this.isSaved(pair) && void this.send(pair));
  }

  /** @param {number} pair @param {Error} error */
  #lose(pair, error) {
    this.#troubles.set(pair, error);
    if (error instanceof ServerError && error.status < 500) this.chosen[pair] = this.#saved[pair]; // refused for good
  }
}
