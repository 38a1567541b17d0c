// What all tabs share: the models, the settings, the texts on the page and its address. Made once, by whichever tab starts first.
import { Address } from "./address.js";
import { Emitter } from "./emitter.js";
import { Generations } from "./generations.js";
import { readLimits } from "./limits.js";
import { Models } from "./models.js";
import { keysFollowed } from "./followed.js";
import { connection, UnreachableError } from "./server.js";
import { Settings } from "./settings.js";
import { tellTrouble } from "./trouble.js";

/** Events: "said" (there are words for the reader, `said`), "look" (a tab asks for the attention of { text, model }). */
export class Page extends Emitter {
  /** The last words for the reader, whether they say what went wrong, and the setting that they are about, if it is one. */
  said = { words: "", isError: false, setting: "" };

  /** @param {Models} models @param {import("./limits.js").Limits} limits */
  constructor(models, limits) {
    super();
    this.models = models;
    this.limits = limits;
    this.settings = new Settings(limits, models);
    this.generations = new Generations(models);
    this.address = new Address(this);
    this.generations.addEventListener("trouble", ({ detail }) => this.say(detail.message, true, detail.setting));
    this.generations.addEventListener("notice", ({ detail }) => this.say(detail, false));
    models.addEventListener("change", () => this.#cutTopK());
    connection.addEventListener("back", () => this.said.words === UnreachableError.words && this.say("", false));
  }

  /** @param {string} words @param {boolean} isError @param {string} [setting] */
  say(words, isError, setting = "") {
    this.said = { words, isError, setting };
    this.tell("said");
  }

  /** The whole text of the sample that was pressed last, or of the newest, and who wrote it; without one, the prompt. */
  newestText() {
    const newest = this.generations.newest();
    if (!newest) return { text: this.settings.get().prompt, model: null };
    const { generation, sample } = newest;
    return { text: generation.start + generation.texts[sample], model: generation.model };
  }

  #cutTopK() {
    const { max } = this.settings.range("top_k");
    if (this.settings.get().top_k > max) this.settings.set({ top_k: max });
  }
}

/**
 * Asks for what the page cannot do without until it comes. Meanwhile the page says why nothing happens.
 * @template T
 * @param {() => Promise<T>} ask
 * @returns {Promise<T>}
 */
async function patiently(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const places = document.querySelectorAll("#notice, .bar-said"); // one of them is seen
      await new Promise((/** @type {(_: void) => void} */ again) => {
        for (const place of places) tellTrouble(place, error, again);
        void window.soliloquy.reachable().then(again); // also after a refusal, which may be due to the load
      });
      for (const place of places) place.replaceChildren();
    }
  }
}

/** @type {Promise<Page>} */
export const page = patiently(() => Promise.all([Models.read(), readLimits()])).then(async ([models, limits]) => {
  models.watch();
  const made = new Page(models, limits);
  await made.address.admit();
  made.address.open(keysFollowed());
  return made;
});
