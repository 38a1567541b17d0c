// The settings that a character is drawn with, its dice among them.
import { number, shortened } from "../../shared/dom.js";
import { drawSeed } from "../../shared/dice.js";

const SHAPING = ["temperature", "top_k", "top_p"];

export class Dice {
  /** @type {import("../../shared/settings.js").Values | null} */
  settings = null;
  /** @type {number | null} a seed, where none is typed; it stays until another is typed */
  #drawn;

  /** @param {number | null} drawn a seed that was drawn before */
  constructor(drawn) {
    this.#drawn = drawn;
  }

  /** Takes a seed that was drawn elsewhere; null for none. @param {number | null} drawn */
  takeDrawn(drawn) {
    this.#drawn = drawn;
  }

  /** Takes the settings; true if they make another distribution or other dice. @param {import("../../shared/settings.js").Values} settings */
  take(settings) {
    const [before, now] = [this.settings, { ...settings, seed: String(settings.seed).trim() }];
    this.settings = now;
    if (!before && !now.seed) return true;
    const otherSeed = now.seed !== before?.seed && now.seed !== String(this.#drawn);
    if (otherSeed) this.#drawn = null;
    return otherSeed || SHAPING.some((name) => now[name] !== before[name]);
  }

  get seed() {
    const typed = String(this.settings.seed);
    if (!typed) return (this.#drawn ??= drawSeed());
    if (/^\d+$/.test(typed) && Number.isSafeInteger(Number(typed))) return Number(typed);
    const most = number(Number.MAX_SAFE_INTEGER);
    throw new Error(`The seed must be a whole number from 0 to ${most}, or empty, not “${shortened(typed)}”.`);
  }

  // The seed that was drawn, not typed; null if there is none.
  get drawn() {
    return this.settings.seed ? null : this.#drawn;
  }

  // The settings and the seed, as one word.
  get word() {
    return [...SHAPING.map((name) => this.settings[name]), this.settings.seed || this.#drawn].join(" ");
  }
}
