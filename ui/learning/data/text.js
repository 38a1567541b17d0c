// The typed text and its numbers, each of which can be edited. The server's tokenizer makes the one from the other.
import { charsIn } from "../../shared/characters.js";
import { Emitter } from "../../shared/emitter.js";
import { number } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { postForJSON, ServerError } from "../../shared/server.js";

export const FIRST_TEXT = "hii there\nA network reads numbers, not letters.\n"; // "hii there" is the lecture's
const TOO_LARGE = 413; // HTTP's status

/** Events: "change" (text and ids), "trouble" (what went wrong, or null), "taken" (the address has another text; its numbers are still to come). */
export class EncodedText extends Emitter {
  /** As it was typed, before anything was replaced or left out. */
  typed = "";
  /** In the vocabulary, a character for each id. @type {string[]} */
  chars = [];
  /** @type {number[]} */
  ids = [];
  /** How many of its characters chunks are drawn from. */
  trainChars = 0;
  notice = "";
  /** @type {import("../../shared/models.js").Model | null} whose vocabulary the numbers are from */
  model = null;
  #learning;
  #asking = new Latest();
  /** Asks the last question again. */
  again = () => {};

  /** @param {import("../main.js").Learning} learning */
  constructor(learning) {
    super();
    this.#learning = learning;
    this.typed = this.#given;
  }

  get #given() {
    return this.#learning.address.get("chars") || FIRST_TEXT;
  }

  /** Takes the text of the address. */
  take() {
    if (this.typed === this.#given) return;
    this.#asking.cancel();
    [this.typed, this.model] = [this.#given, null];
    this.tell("taken");
  }

  /** The longest text, in characters. */
  get most() {
    return this.#learning.page.limits.encoded_chars;
  }

  get isCurrent() {
    return this.model === this.#learning.page.models.primary;
  }

  /** @param {string} typed */
  async encode(typed = this.typed) {
    this.#keep(typed);
    const count = charsIn(typed);
    if (count > this.most) {
      this.#asking.cancel();
      const words = `The text has ${number(count)} characters; the maximum is ${number(this.most)}. Shorten it.`;
      return this.tell("trouble", new ServerError(words, TOO_LARGE)); // as the server would refuse it
    }
    await this.#ask(() => this.encode(typed), "encode", { text: typed });
  }

  /** @param {string} numbers as typed */
  async decode(numbers) {
    await this.#ask(() => this.decode(numbers), "decode", { numbers });
  }

  #keep(typed) {
    this.typed = typed;
    this.#learning.address.keep("chars", typed === FIRST_TEXT ? "" : typed);
  }

  /** @param {() => void} again @param {"encode" | "decode"} name @param {object} body */
  async #ask(again, name, body) {
    this.again = again;
    const signal = this.#asking.begin();
    const model = this.#learning.page.models.primary;
    try {
      const { text, ids, train_chars: trainChars, notice } = await postForJSON(`./learning/${name}`, { model: model.key, ...body }, signal);
      if (name === "decode") this.#keep(text);
      Object.assign(this, { chars: [...text], ids, trainChars, notice, model });
      this.tell("trouble", null);
      this.tell("change", name);
    } catch (error) {
      if (!signal.aborted) this.tell("trouble", error);
    } finally {
      this.#asking.end(signal);
    }
  }
}
