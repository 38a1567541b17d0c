// The corpus that the server has (GET /learning/corpus, see ui/web/corpus.py), read once.
import { getJSON } from "../../shared/server.js";
import { Emitter } from "../../shared/emitter.js";

/**
 * @typedef {{name: string, characters: number, begins: string, ends: string}} Part
 * @typedef {{name: string, characters: number, vocabulary: string[], counts: number[], parts: [Part, Part]}} CorpusJSON
 */

/** Event "change": it was read, or cannot be. */
export class Corpus extends Emitter {
  /** @type {CorpusJSON | null} */
  known = null;
  /** Why there is none. */
  trouble = "";
  isAsked = false;
  /** @type {Map<string, number>} */
  #counts = new Map();

  /** How often it has a character; null without a corpus. @param {string} char */
  countOf(char) {
    return this.known && (this.#counts.get(char) ?? 0);
  }

  async read() {
    this.isAsked = true;
    try {
      const answer = await getJSON("./learning/corpus");
      this.trouble = answer.trouble ?? "";
      if (!this.trouble) this.known = answer;
    } catch (error) {
      this.trouble = error.message;
    }
    this.#counts = new Map(this.known?.vocabulary.map((char, id) => [char, this.known.counts[id]]));
    this.tell("change");
  }
}
