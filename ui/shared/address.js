// Every state of the page has an address: settings, models, views, and the generations on the page, which are written again when it is
// opened. A seed gives the same texts with the same weights in the same precision; the address names both. The state follows a "#": browsers
// keep that to themselves, so that it may be longer than servers and proxies take, and no log has it. Older links have it after a "?".
import { charsIn } from "./characters.js";
import { plural, shortened } from "./dom.js";
import { NAMES } from "./settings.js";

/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./models.js").Model} Model */

const NUMBERS = ["temperature", "length", "samples", "seed", "first_sample", "first_step", "top_k", "top_p"]; // of a generation, in order
const STORED = "stored"; // the texts of the first screen, where others stand beside them
const NONE = "none"; // an empty page
const MOST_GENERATIONS = 32;
const MOST_CHARS = 64_000; // browsers keep 80,000 and more
const MOST_NAMED = 3; // models that are not here
const NOT_OURS = /^__/; // Gradio's own words, and those of Spaces: they stay where they are
const WAIT_MS = 300;

/**
 * A generation in an address.
 * @typedef {object} Asked
 * @property {any} settings
 * @property {{chosen: string} | null} forced
 * @property {boolean} joins whether it stands abreast of the one before
 * @property {string} model KEY-PRECISION
 * @property {boolean} [isOwn] whether an address names the model for this generation alone: no other may take its place
 */

export class Address {
  /** @type {Page} */
  #page;
  #given = asked();
  #extra = new URLSearchParams(this.#given); // what views keep
  #waiting = 0;
  #opened = false;
  /** @type {(Asked | typeof STORED)[] | null} generations that the address asks for, until all are written */
  #opening = null;

  /** @param {Page} page */
  constructor(page) {
    this.#page = page;
    for (const name of [...NAMES, "run", "beside", "model", "models"]) this.#extra.delete(name);
    addEventListener("hashchange", () => this.#leave());
    page.settings.onChange(() => this.update());
    page.generations.addEventListener("change", () => this.update());
    page.models.addEventListener("change", () => this.update());
  }

  update() {
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#opened && history.replaceState(history.state, "", this.write().address), WAIT_MS);
  }

  /** Another link was opened in this tab. */
  #leave() {
    clearTimeout(this.#waiting);
    this.#opened = false; // the state that goes does not take its place
    location.reload();
  }

  /** The keys of the models that the address of the page names. */
  get modelKeys() {
    const named = [...this.#given].flatMap(([name, value]) => {
      if (name === "run" || name === "beside") return [/@([0-9a-f]+)/.exec(value)?.[1]];
      return ["model", "models", "reader"].includes(name) ? value.split(",").map((word) => word.split("-")[0]) : [];
    });
    return named.filter(Boolean);
  }

  /** @param {string} name */
  get(name) {
    return this.#extra.get(name) ?? "";
  }

  /** @param {string} name @param {string | number} value "" takes it out */
  keep(name, value) {
    if (String(value) === this.get(name)) return;
    if (value === "") this.#extra.delete(name);
    else this.#extra.set(name, String(value));
    this.update();
  }

  /**
   * The address of what is on the page now, and in sentences what it has no room for.
   * @returns {{address: string, missing: string[]}}
   */
  write() {
    const { generations, models, settings } = this.#page;
    const [words, missing] = [new URLSearchParams(), []];
    const { defaults } = settings;
    for (const [name, value] of Object.entries(settings.get())) if (value !== defaults[name]) words.set(name, String(value));
    if (models.chosen.length) words.set("models", models.chosen.map(({ key }) => key).join());
    for (const [name, value] of this.#extra) words.set(name, value);
    while (textOf(words).length > MOST_CHARS) {
      const [longest] = [...words].reduce((a, b) => (b[1].length > a[1].length ? b : a));
      words.delete(longest);
      missing.push(`The ${longest} is too long for a link.`);
    }
    const written = this.#opening ?? this.#written();
    const prompt = words.get("prompt") ?? defaults.prompt;
    for (let count = Math.min(MOST_GENERATIONS, written.length); ; count--) {
      const all = withGenerations(words, written.slice(written.length - count), prompt, models.defaultModel.word);
      if (count && textOf(all).length > MOST_CHARS) continue;
      if (count < written.length) missing.push(`A link has no room for ${count ? "the earlier" : "the"} texts.`);
      if (!generations.list.length && models.defaultModel.firstScreen && !this.#opening) all.set("run", NONE);
      return { address: addressOf(all), missing };
    }
  }

  /** The generations on the page. The first screen needs no word while it stands alone. @returns {(Asked | typeof STORED)[]} */
  #written() {
    const { generations, models } = this.#page;
    const { list } = generations;
    const isStored = ({ view }) => view.key === models.defaultModel.firstScreen?.key;
    if (list.length === 1 && isStored(list[0])) return [];
    return list.map((generation, i) => {
      if (isStored(generation)) return STORED;
      const { model, texts, view } = generation;
      const joins = Boolean(view.beside) && list[i - 1]?.view.beside === view.beside;
      // As far as it was written: that is what is on the page.
      const length = view.state === "stopped" ? Math.max(1, ...texts.map(charsIn)) : view.length;
      return { settings: { ...view, length }, forced: view.forced, joins, model: model.word };
    });
  }

  /** Takes what the address of the page asks for: settings, models, generations; without generations, the first screen. */
  open() {
    const { generations, models, settings } = this.#page;
    const { firstScreen } = models.defaultModel;
    /** @type {string[]} */
    const troubles = [];
    this.#chooseModels(troubles);
    settings.set(this.#readSettings(troubles));
    const asked = [...this.#given].filter(([name]) => name === "run" || name === "beside");
    if (asked.length > MOST_GENERATIONS) {
      troubles.push(`The address asks for ${plural(asked.length, "generation")}; the first ${MOST_GENERATIONS} are written.`);
    }
    const prompt = this.#given.get("prompt") ?? settings.defaults.prompt;
    const all = this.#readGenerations(asked.slice(0, MOST_GENERATIONS), prompt, troubles);
    const isEmpty = this.#given.get("run") === NONE && asked.length === 1;
    const showsFirst = firstScreen && (all.includes(STORED) || !(all.length || isEmpty));
    const shown = showsFirst ? generations.show(firstScreen, models.defaultModel) : Promise.resolve();
    this.#opened = true;
    if (all.length) {
      this.#opening = all; // so that none is lost when the page is reloaded in the middle
      void shown.then(() => this.#writeAgain(all, troubles));
    } else if (troubles.length) this.#page.say(troubles.join(" "), true);
  }

  /** @param {string[]} troubles */
  #chooseModels(troubles) {
    const { models } = this.#page;
    const keys = [...new Set((this.#given.get("models") ?? "").split(",").filter(Boolean))];
    const found = keys.map((key) => models.find(key)).filter(Boolean);
    const missing = keys.map((key) => models.whyNot(key)).filter(Boolean);
    troubles.push(...missing.slice(0, MOST_NAMED));
    const others = missing.length - MOST_NAMED;
    if (others > 0) troubles.push(`The address names ${plural(others, "more model")} that cannot be used.`);
    if (found.length) models.choose(found);
  }

  /** @param {(Asked | typeof STORED)[]} all @param {string[]} troubles */
  async #writeAgain(all, troubles) {
    const { generations } = this.#page;
    const asked = all.filter((one) => one !== STORED);
    const writers = await this.#writers(asked, troubles);
    const tell = ({ detail }) => this.#page.say([...troubles, detail].filter(Boolean).join(" "), false);
    const writing = new AbortController();
    generations.addEventListener("notice", tell, { signal: writing.signal });
    if (!asked.some((one) => writers.get(one))) this.#page.say(troubles.join(" "), true);
    for (let i = 0; i < asked.length; ) {
      const abreast = [asked[i++]];
      while (asked[i]?.joins) abreast.push(asked[i++]);
      const beside = abreast.length > 1 ? generations.pressName("address") : "";
      const keys = [...new Set(abreast.map((one) => writers.get(one)?.key).filter(Boolean))].join();
      const write = ({ settings, forced }, order, model) => generations.write(settings, { keep: true, beside, order, forced, model }, keys);
      const written = await Promise.all(abreast.flatMap((one, order) => (writers.get(one) ? [write(one, order, writers.get(one))] : [])));
      // Stopped, or refused; or something else was asked for meanwhile.
      if (generations.busy || written.some((generation) => generation?.view.state !== "done")) break;
    }
    this.#opening = null;
    writing.abort();
    this.update();
  }

  /**
   * Which model writes each of them; null where it is not to be had. Until it is loaded, nobody knows its precision.
   * @param {Asked[]} asked
   * @param {string[]} troubles
   * @returns {Promise<Map<Asked, Model | null>>}
   */
  async #writers(asked, troubles) {
    const { models } = this.#page;
    const writers = new Map();
    const said = new Set(troubles);
    for (const one of asked) {
      const [key, precision = ""] = one.model.split("-");
      const own = models.find(key);
      let model = own ?? (one.isOwn ? null : models.defaultModel); // an old link names a model that may be another one's by now
      try {
        await model?.load();
      } catch (error) {
        said.add(error.message);
        model = null;
      }
      writers.set(one, model);
      if (!model) {
        if (!own) said.add(`${models.whyNot(key)} Its texts are left out.`);
      } else if (!own) said.add(`${models.whyNot(key)} ${model.name} writes its texts instead.`);
      else if (precision && precision !== model.precision) said.add(`This link was made in ${precision}; ${model.name} runs in ${model.precision} here, so its texts may differ.`);
    }
    troubles.splice(0, troubles.length, ...said);
    return writers;
  }

  /** @param {[string, string][]} asked @param {string} prompt @param {string[]} troubles @returns {(Asked | typeof STORED)[]} */
  #readGenerations(asked, prompt, troubles) {
    const unreadable = [];
    /** @type {(Asked | typeof STORED)[]} */
    const all = [];
    for (const [name, word] of asked) {
      if (word === STORED) all.push(STORED);
      if (word === STORED || word === NONE) continue;
      const one = this.#readGeneration(word, prompt);
      if (one) all.push({ ...one, joins: name === "beside" });
      else unreadable.push(word);
    }
    if (unreadable.length) {
      troubles.push(`The address asks for ${plural(unreadable.length, "generation")} that cannot be read: “${shortened(unreadable[0])}”.`);
    }
    return all;
  }

  /** @param {string} word @param {string} prompt */
  #readGeneration(word, prompt) {
    const parts = word.split(",");
    const numbers = parts.map(readNumber);
    /** @type {any} */
    const settings = Object.fromEntries(NUMBERS.map((name, i) => [name, numbers[i]]));
    if (!NUMBERS.every((name) => this.#isAllowed(name, settings[name], true))) return null;
    settings.prompt = parts.length > NUMBERS.length + 1 ? parts.slice(NUMBERS.length + 1).join(",") : prompt;
    const [, isForced, own] = /^(f?)(?:@(.*))?$/.exec(parts[NUMBERS.length] ?? "") ?? [];
    const forced = isForced ? { chosen: [...settings.prompt].at(-1) } : null;
    const model = own || this.#given.get("model") || this.#page.models.defaultModel.word;
    return { settings, forced, model, isOwn: Boolean(own) };
  }

  /** Settings that are allowed; what is not is named. @param {string[]} troubles */
  #readSettings(troubles) {
    const settings = {};
    for (const name of NAMES) {
      const value = this.#given.get(name);
      if (value === null) continue;
      const number = readNumber(value);
      if (name === "prompt" || (name === "seed" && value === "")) settings[name] = value;
      else if (this.#isAllowed(name, number)) settings[name] = number;
      else {
        const { min, max, isWhole } = this.#page.settings.range(name);
        const range = `${isWhole ? "a whole number " : ""}from ${min} to ${max.toLocaleString("en")}`;
        troubles.push(`The address sets ${name.replace("_", "-")} to “${shortened(value)}”; it must be ${range}.`);
      }
    }
    return settings;
  }

  /** Of a generation, top-k belongs to its own model, which the server knows. @param {string} name @param {number} value */
  #isAllowed(name, value, ofOwnModel = false) {
    const { min, max, isWhole } = this.#page.settings.range(name);
    const most = ofOwnModel && name === "top_k" ? Number.MAX_SAFE_INTEGER : max;
    return value >= min && value <= most && (!isWhole || Number.isInteger(value));
  }
}

/** @param {URLSearchParams} words */
const textOf = (words) => words.toString().replaceAll("%2C", ",").replaceAll("%40", "@"); // these need no disguise

/** What the address of the page asks for. */
function asked() {
  const [now, before] = [new URLSearchParams(location.hash.slice(1)), new URLSearchParams(location.search)];
  return new URLSearchParams([...now, ...[...before].filter(([name]) => !now.has(name) && !NOT_OURS.test(name))]);
}

/** @param {URLSearchParams} words */
function addressOf(words) {
  const others = new URLSearchParams([...new URLSearchParams(location.search)].filter(([name]) => NOT_OURS.test(name)));
  const [query, state] = [others.toString(), textOf(words)];
  return `${location.origin}${location.pathname}${query && "?"}${query}${state && "#"}${state}`;
}

/** @param {URLSearchParams} words @param {(Asked | typeof STORED)[]} asked @param {string} prompt @param {string} fallback */
function withGenerations(words, asked, prompt, fallback) {
  const all = new URLSearchParams(words);
  const written = asked.filter((one) => one !== STORED);
  const model = (written.find((one) => !one.isOwn) ?? written[0])?.model ?? fallback;
  asked.forEach((one, i) => {
    if (one === STORED) all.append("run", STORED);
    else all.append(i && one.joins ? "beside" : "run", asWord(one, prompt, model));
  });
  if (asked.length) all.set("model", model);
  return all;
}

/**
 * A generation as one word: its numbers, the character chosen by hand, its model if that is not the address's, its prompt likewise.
 * @param {Asked} asked
 * @param {string} prompt
 * @param {string} ofAll
 */
function asWord({ settings, forced, model, isOwn }, prompt, ofAll) {
  const numbers = NUMBERS.map((name) => settings[name] ?? (name === "top_p" ? 1 : 0));
  const flags = `${forced ? "f" : ""}${isOwn || model !== ofAll ? `@${model}` : ""}`;
  return [...numbers, flags, ...(settings.prompt === prompt ? [] : [settings.prompt])].join(",");
}

/** @param {string} word */
const readNumber = (word) => (/^(\d+\.?\d*|\.\d+)(e-?\d+)?$/.test(word) ? Number(word) : NaN);
