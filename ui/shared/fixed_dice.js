// The temperature and the seed of tabs where a text has to be the same each time. The temperature is the Sample tab's; the seed is their own, because
// there a new one is drawn for each press.
import { drawSeed } from "./dice.js";
import { Emitter } from "./emitter.js";

const FIRST_SEED = 1337; // the lecture's

/** Event "change": something of it is another one. */
export class FixedDice extends Emitter {
  #page;
  #told = "";

  /** @param {import("./page.js").Page} page */
  constructor(page) {
    super();
    this.#page = page;
    this.#told = JSON.stringify(this.settings);
    page.settings.onChange(() => this.#tell());
    page.address.addEventListener("go", () => this.#tell());
  }

  /** What a request to write takes, but for the model; the prompt is the Sample tab's. */
  get settings() {
    const { prompt, temperature } = this.#page.settings.get();
    return { prompt, temperature, seed: this.seed };
  }

  get seed() {
    const { max } = this.range("seed");
    const seed = Number(this.#page.address.get("dice") || FIRST_SEED);
    return Number.isInteger(seed) && seed >= 0 && seed <= max ? seed : FIRST_SEED;
  }

  /** @param {"temperature" | "seed"} name */
  range(name) {
    return this.#page.settings.range(name);
  }

  /** A number beyond the ends of its range counts as that end. @param {Partial<{prompt: string, temperature: number, seed: number}>} changed */
  set({ prompt, temperature, seed }) {
    if (seed !== undefined) {
      const whole = Math.round(this.#within("seed", seed));
      this.#page.address.keep("dice", whole === FIRST_SEED ? "" : whole);
    }
    if (temperature !== undefined) this.#page.settings.set({ temperature: this.#within("temperature", temperature) });
    if (prompt !== undefined) this.#page.settings.set({ prompt });
    this.#tell();
  }

  /** @param {"temperature" | "seed"} name @param {number} value */
  #within(name, value) {
    const { min, max } = this.range(name);
    return Math.min(max, Math.max(min, value));
  }

  roll() {
    this.set({ seed: drawSeed() });
  }

  #tell() {
    const settings = JSON.stringify(this.settings);
    if (settings === this.#told) return;
    this.#told = settings;
    this.tell("change");
  }
}
