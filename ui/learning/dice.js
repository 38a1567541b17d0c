// The prompt, the temperature and the seed that all texts on this tab are written with. Prompt and temperature are the Sample tab's; the seed is
// its own, because here a text has to be the same each time, while there a new one is drawn.
import { drawSeed } from "../shared/dice.js";
import { button, make } from "../shared/dom.js";
import { Emitter } from "../shared/emitter.js";

const FIRST_SEED = 1337; // the lecture's

/** Event "change": something of it is another one. */
export class Dice extends Emitter {
  #page;

  /** @param {import("../shared/page.js").Page} page */
  constructor(page) {
    super();
    this.#page = page;
    page.settings.onChange((_, name) => (name === "" || name === "prompt" || name === "temperature") && this.tell("change"));
  }

  /** What a request to write takes, but for the model. */
  get settings() {
    const { prompt, temperature } = this.#page.settings.get();
    return { prompt, temperature, seed: this.seed };
  }

  get seed() {
    const { max } = this.range;
    const seed = Number(this.#page.address.get("dice") || FIRST_SEED);
    return Number.isInteger(seed) && seed >= 0 && seed <= max ? seed : FIRST_SEED;
  }

  get range() {
    return this.#page.settings.range("seed");
  }

  /** @param {number} seed */
  take(seed) {
    this.#page.address.keep("dice", seed === FIRST_SEED ? "" : seed);
    this.tell("change");
  }

  /** @param {Partial<{prompt: string, temperature: number}>} settings */
  set(settings) {
    this.#page.settings.set(settings);
    this.tell("change");
  }

  roll() {
    this.take(drawSeed());
  }
}

/** The row that shows and changes them. @param {Dice} dice @param {HTMLFormElement} form */
export function createDice(dice, form) {
  const prompt = make("textarea", "field");
  Object.assign(prompt, { id: "learning-prompt", rows: 2, dir: "auto", spellcheck: false });
  const temperature = numberField("learning-temperature", { min: "0", max: "2", step: "0.05" });
  const seed = numberField("learning-seed", { min: "0", max: String(dice.range.max), step: "1" });
  const labelled = (words, field) => {
    const label = make("label", "", words);
    label.htmlFor = field.id;
    const node = make("div", `learning-${words.toLowerCase()}`);
    node.append(label, field);
    return node;
  };
  form.append(labelled("Prompt", prompt), labelled("Temperature", temperature), labelled("Seed", seed), button("button", "New dice", () => dice.roll()));
  form.addEventListener("submit", (event) => event.preventDefault());
  prompt.addEventListener("change", () => dice.set({ prompt: prompt.value }));
  temperature.addEventListener("change", () => temperature.reportValidity() && temperature.value && dice.set({ temperature: Number(temperature.value) }));
  seed.addEventListener("change", () => seed.reportValidity() && seed.value && dice.take(Number(seed.value)));
  const show = () => {
    const settings = dice.settings;
    if (document.activeElement !== prompt) prompt.value = settings.prompt;
    temperature.value = String(settings.temperature);
    seed.value = String(settings.seed);
  };
  dice.addEventListener("change", show);
  show();
}

/** @param {string} id @param {object} attributes */
function numberField(id, attributes) {
  return Object.assign(make("input", "field"), { id, type: "number", required: true, ...attributes });
}
