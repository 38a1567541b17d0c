// The sentence, its nearest lines, the line that is pointed at, and how the map is coloured.
import { Emitter } from "../../shared/emitter.js";
import { Latest } from "../../shared/requests.js";
import { askNearest, readAbout } from "./data.js";

export const EXAMPLES = ["I am going to kill him", "She is crying", "My father is dead", "I love you"];
export const COLOURS = 9;

/**
 * Lines that have a colour of their own on the map.
 * @typedef {{name: string, id: number, count: number}} Group a play or a speaker; the id is its place in the server's list
 */

/** Events: "about" (the lines have come), "answer", "pointed", "groups" (the map is coloured in another way), "trouble". */
export class Neighbours extends Emitter {
  /** @type {import("./data.js").About | null} */
  about = null;
  /** @type {import("./data.js").Answer | null} */
  answer = null;
  pointed = -1; // a line; −1 for none
  /** @type {Error | null} */
  trouble = null;
  #asking = new Latest();
  #address;

  /** @param {import("../../shared/address.js").Address} address */
  constructor(address) {
    super();
    this.#address = address;
    this.sentence = this.#given;
  }

  get #given() {
    return this.#address.get("sentence") || EXAMPLES[0];
  }

  /** Takes what the address says now. */
  take() {
    if (this.about) this.tell("groups");
    if (this.sentence === this.#given) return;
    this.sentence = this.#given;
    if (this.answer) void this.read();
  }

  /** @returns {"play" | "speaker"} */
  get by() {
    return this.#address.get("map_by") === "speaker" ? "speaker" : "play";
  }

  /** The plays in the order of the corpus, or the speakers with the most lines. @returns {Group[]} */
  get groups() {
    if (!this.about?.lines) return [];
    const names = this.by === "play" ? this.about.plays : this.about.speakers;
    const counts = Array.from(names, () => 0);
    for (const id of this.about.lines[this.by]) counts[id]++;
    const groups = names.map((name, id) => ({ name, id, count: counts[id] }));
    return this.by === "play" ? groups : groups.toSorted((a, b) => b.count - a.count).slice(0, COLOURS);
  }

  /** The group that alone is coloured; null where all are. @returns {Group | null} */
  get group() {
    return this.groups.find(({ name }) => name === this.#address.get("map_group")) ?? null;
  }

  /** @param {"play" | "speaker"} by */
  colourBy(by) {
    this.#address.keep("map_by", by === "play" ? "" : by);
    this.#address.keep("map_group", "");
    this.tell("groups");
  }

  /** @param {Group | null} group */
  choose(group) {
    this.#address.keep("map_group", group?.name ?? "");
    this.tell("groups");
  }

  /** The next group, or the one before; all of them after the last. @param {number} by */
  step(by) {
    const { groups } = this;
    const at = groups.findIndex(({ id }) => id === this.group?.id) + 1; // 0 for all
    this.choose(groups[((at + by + groups.length + 1) % (groups.length + 1)) - 1] ?? null);
  }

  /** @param {number} line */
  point(line) {
    if (line === this.pointed) return;
    this.pointed = line;
    this.tell("pointed");
  }

  /** The next of the nearest lines, in the order of the lists, or the one before. @param {number} by */
  walk(by) {
    const found = [...(this.answer?.embedding ?? []), ...(this.answer?.tfidf ?? [])].map(({ line }) => line);
    const lines = [...new Set(found)];
    const at = lines.indexOf(this.pointed);
    if (lines.length) this.point(lines[at < 0 ? (by > 0 ? 0 : lines.length - 1) : (at + by + lines.length) % lines.length]);
  }

  cancel() {
    this.#asking.cancel();
  }

  /** Reads the lines, if they are not here yet, and then what is near to the sentence. */
  async read() {
    const signal = this.#asking.begin();
    this.#say(null);
    try {
      if (!this.about?.lines) {
        this.about = await readAbout(signal);
        this.tell("about");
        if (this.about.trouble) throw new Error(this.about.trouble);
      }
      this.answer = await askNearest(this.sentence, signal);
      this.pointed = -1;
      this.tell("answer");
    } catch (error) {
      if (!signal.aborted) this.#say(error);
    } finally {
      this.#asking.end(signal);
    }
  }

  /** @param {string} sentence */
  ask(sentence) {
    this.sentence = sentence;
    this.#address.keep("sentence", sentence === EXAMPLES[0] ? "" : sentence);
    return this.read();
  }

  /** Asks for what is near to a line of the plays. @param {number} line */
  askFor(line) {
    const text = this.about?.lines?.text?.[line];
    return text && this.ask(text);
  }

  /** @param {Error | null} trouble */
  #say(trouble) {
    this.trouble = trouble;
    this.tell("trouble");
  }
}
