// The prompt, the temperature and the seed that all texts on this tab are written with. Prompt and temperature are the Sample tab's; the seed is
// its own, because here a text has to be the same each time, while there a new one is drawn.
import { drawSeed } from "../shared/dice.js";
import { button, labelled, make } from "../shared/dom.js";
import { Emitter } from "../shared/emitter.js";

const FIRST_SEED = 1337; // the lecture's
const PAUSE_MS = 500; // after a keystroke: then what was typed counts

/** Event "change": something of it is another one. */
export class Dice extends Emitter {
  #page;
  #told = "";

  /** @param {import("../shared/page.js").Page} page */
  constructor(page) {
    super();
    this.#page = page;
    this.#told = JSON.stringify(this.settings);
    page.settings.onChange(() => this.#tell());
  }

  /** What a request to write takes, but for the model. */
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

/** The row that shows and changes them. @param {Dice} dice @param {HTMLFormElement} form */
export function createDice(dice, form) {
  const prompt = Object.assign(make("textarea", "field"), { rows: 1, dir: "auto", spellcheck: false, placeholder: "empty: start from a newline" });
  prompt.title = "Enter writes at once; Shift and Enter begins a new line";
  const temperature = numberField(dice.range("temperature"), "0.05");
  const seed = numberField(dice.range("seed"), "1");
  const fields = { prompt, temperature, seed };
  const roll = button("button", "New dice", () => dice.roll());
  roll.title = "Another seed (s)";
  for (const [name, field] of Object.entries(fields)) {
    Object.assign(field, { name, id: `learning-${name}` });
    form.append(labelled(`${name[0].toUpperCase()}${name.slice(1)}`, field, `learning-${name}`));
  }
  form.append(roll);
  form.addEventListener("submit", (event) => event.preventDefault());

  let waiting = 0;
  const take = () => {
    clearTimeout(waiting);
    const numbers = [temperature, seed].filter((field) => field.value !== "").map((field) => [field.name, Number(field.value)]);
    dice.set({ prompt: prompt.value, ...Object.fromEntries(numbers) });
  };
  const show = () => {
    for (const [name, value] of Object.entries(dice.settings)) {
      if (fields[name] !== document.activeElement) fields[name].value = String(value); // nobody's typing is overwritten
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(take, PAUSE_MS);
  });
  form.addEventListener("change", take);
  form.addEventListener("focusout", () => setTimeout(show)); // when the focus is elsewhere
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target === roll) return;
    event.preventDefault();
    take();
  });
  dice.addEventListener("change", show);
  show();
}

/** @param {{min: number, max: number}} range @param {string} step */
function numberField({ min, max }, step) {
  const title = `${min} to ${max.toLocaleString("en")}`;
  return Object.assign(make("input", "field"), { type: "number", min: String(min), max: String(max), step, title });
}
