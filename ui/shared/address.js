// Every state of the page has an address: settings, models, views, and the generations on the page, which are written again when it is
// opened. A seed gives the same texts with the same weights in the same precision; the address names both. The state follows a "#": browsers
// keep that to themselves, so that it may be longer than servers and proxies take, and no log has it. Older links have it after a "?".
import { charsIn } from "./characters.js";
import { plural, shortened } from "./dom.js";
import { Emitter } from "./emitter.js";
import { groupsOf, keepThose } from "./places.js";
import { NAMES } from "./settings.js";
import { admitNamed } from "./snapshots.js";

/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./models.js").Model} Model */
/** @typedef {import("./generations.js").Generation} Generation */
/** @typedef {import("./places.js").Place} Place */

const NUMBERS = ["temperature", "length", "samples", "seed", "first_sample", "first_step", "top_k", "top_p"]; // of a generation, in order
const STORED = "stored"; // the texts of the first screen, where others stand beside them
const NONE = "none"; // an empty page
const MOST_GENERATIONS = 32;
const MOST_CHARS = 64_000; // browsers keep 80,000 and more
const MOST_NAMED = 3; // models that are not here
const NOT_OURS = /^__/; // Gradio's own words, and those of Spaces: they stay where they are
const WAIT_MS = 300;
const NAMED_WAIT_MS = 3_000; // for models that only an address names: the server may have to read the weights of many runs first

/**
 * A generation in an address.
 * @typedef {object} Asked
 * @property {any} settings
 * @property {{chosen: string} | null} forced
 * @property {boolean} joins whether it stands abreast of the one before
 * @property {string} model KEY-PRECISION
 * @property {boolean} [isOwn] whether an address names the model for this generation alone: no other may take its place
 */

/**
 * Events: "update" (another address belongs to the page; several changes at once are told once), "go" (another address was taken in place;
 * detail: the names of what views keep that have another value).
 */
export class Address extends Emitter {
  /** @type {Page} */
  #page;
  #given = asked(location);
  #extra = extraOf(this.#given); // what views keep
  #waiting = 0;
  #opened = false;
  /** @type {(Asked | typeof STORED)[] | null} generations that the address asks for, until all are written */
  #opening = null;
  #going = new AbortController(); // ends what the address before has begun

  /** @param {Page} page */
  constructor(page) {
    super();
    this.#page = page;
    addEventListener("hashchange", () => void this.go(location.href)); // Back, or another link that was opened in this tab
    page.settings.onChange(() => this.update());
    page.generations.addEventListener("change", () => this.update());
    page.models.addEventListener("change", () => this.update());
  }

  update() {
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#opened && this.#tell(), WAIT_MS);
  }

  #tell() {
    history.replaceState(history.state, "", this.write().address);
    this.tell("update");
  }

  /** Waits until the page knows the models that the address names, if the server has them. @param {AbortSignal} [signal] */
  async admit(signal) {
    const named = admitNamed(this.#page.models, modelKeys(this.#given));
    const enough = new Promise((/** @type {(_: void) => void} */ go) => setTimeout(go, NAMED_WAIT_MS));
    await Promise.race([named, enough]);
    signal?.throwIfAborted();
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
   * The address of what is on the page now, in sentences what it has no room for, and of each generation that it names the key by which the
   * server remembers it; "" where that is not on the page yet.
   * @param {number} [most] characters of the state
   * @returns {{address: string, missing: string[], keys: string[]}}
   */
  write(most = MOST_CHARS) {
    const { generations, models, settings } = this.#page;
    const [words, missing] = [new URLSearchParams(), []];
    const { defaults } = settings;
    for (const [name, value] of Object.entries(settings.get())) if (value !== defaults[name]) words.set(name, String(value));
    if (models.chosen.length) words.set("models", models.chosen.map(({ key }) => key).join());
    for (const [name, value] of this.#extra) words.set(name, value);
    while (textOf(words).length > most) {
      const [longest] = [...words].reduce((a, b) => (b[1].length > a[1].length ? b : a));
      words.delete(longest);
      missing.push(`The ${longest} is too long for a link.`);
    }
    const written = this.#opening ?? this.#written();
    const prompt = words.get("prompt") ?? defaults.prompt;
    for (let count = Math.min(MOST_GENERATIONS, written.length); ; count--) {
      const all = withGenerations(words, written.slice(written.length - count), prompt, models.defaultModel.word);
      if (count && textOf(all).length > most) continue;
      if (count < written.length) missing.push(`A link has no room for ${count ? "the earlier" : "the"} texts.`);
      if (!generations.list.length && models.defaultModel.firstScreen && !this.#opening) all.set("run", NONE);
      return { address: addressOf(all), missing, keys: this.#keysOf(written.slice(written.length - count)) };
    }
  }

  /** @param {(Asked | typeof STORED)[]} asked */
  #keysOf(asked) {
    const free = [...this.#page.generations.list];
    return asked.map((one) => {
      const at = free.findIndex((generation) => (one === STORED ? this.#isStored(generation) : isSame(this.#asked(generation), one)));
      return at < 0 ? "" : free.splice(at, 1)[0].view.key;
    });
  }

  /** The generations on the page. The first screen needs no word while it stands alone. @returns {(Asked | typeof STORED)[]} */
  #written() {
    const { list } = this.#page.generations;
    if (list.length === 1 && this.#isStored(list[0])) return [];
    return list.map((generation, i) => {
      if (this.#isStored(generation)) return STORED;
      const { beside } = generation.view;
      return { ...this.#asked(generation), joins: Boolean(beside) && list[i - 1]?.view.beside === beside };
    });
  }

  /** What asks for a generation, as far as it was written: that is what is on the page. @param {Generation} generation @returns {Asked} */
  #asked({ model, texts, view }) {
    const length = view.state === "stopped" ? Math.max(1, ...texts.map(charsIn)) : view.length;
    return { settings: { ...view, length }, forced: view.forced, joins: false, model: model.word };
  }

  /**
   * Takes what the address of the page asks for: settings, models, generations; without generations, the first screen.
   * @param {string[]} [keys] as `go` takes them
   */
  open(keys) {
    const { groups, troubles } = this.#take(keys);
    const writing = this.#fill(groups, troubles, this.#going.signal, keys !== undefined);
    this.#opened = true;
    void writing;
  }

  /**
   * Takes another address in place: what it does not name goes back to what a new page begins with. Generations that it asks for and that are
   * on the page stay; the others are written. What the address before has begun, and nothing asks for any more, ends.
   * @param {string} address
   * @param {{keys?: string[]}} [how] `keys`: of all generations that the address asks for, which the server remembers: they are read, not written;
   *   those without a key are left out
   * @returns {Promise<string[]>} once all is there, what could not be taken, in sentences; nothing if another address came first
   */
  async go(address, { keys } = {}) {
    this.#going.abort();
    const { signal } = (this.#going = new AbortController());
    clearTimeout(this.#waiting);
    this.#opened = false; // the state that goes does not take its place
    this.#given = asked(new URL(address, location.href));
    try {
      await this.admit(signal);
    } catch {
      return [];
    }
    const before = this.#extra;
    const { groups, troubles } = this.#take(keys);
    this.#extra = extraOf(this.#given); // after the settings: views that heard of them have kept what was theirs before
    this.#opened = true;
    this.#page.say("", false);
    const writing = this.#fill(groups, troubles, signal, keys !== undefined);
    const names = new Set([...before.keys(), ...this.#extra.keys()]);
    this.tell("go", new Set([...names].filter((name) => before.get(name) !== this.#extra.get(name))));
    this.update();
    await writing;
    return signal.aborted ? [] : troubles;
  }

  /** Takes settings, models, and those of the generations that are on the page. @param {string[]} [keys] */
  #take(keys) {
    const { generations, models, settings } = this.#page;
    const { firstScreen } = models.defaultModel;
    /** @type {string[]} */
    const troubles = [];
    this.#chooseModels(troubles);
    settings.set({ ...settings.defaults, ...this.#readSettings(troubles) });
    const asked = [...this.#given].filter(([name]) => name === "run" || name === "beside");
    if (asked.length > MOST_GENERATIONS) {
      troubles.push(`The address asks for ${plural(asked.length, "generation")}; the first ${MOST_GENERATIONS} are written.`);
    }
    const prompt = this.#given.get("prompt") ?? settings.defaults.prompt;
    const all = this.#readGenerations(asked.slice(0, MOST_GENERATIONS), prompt, troubles);
    const isEmpty = this.#given.get("run") === NONE && asked.length === 1;
    this.#opening = all.length ? all : null; // so that none is lost when the page is reloaded in the middle
    const wanted = all.length || isEmpty || !firstScreen ? all : [STORED];
    const places = wanted.map((asked, i) => ({ asked, key: keys?.[i] ?? "", here: null }));
    const groups = groupsOf(
      places.filter(({ asked, key }) => asked === STORED || key || !keys),
      ({ asked }, before) => asked !== STORED && asked.joins && before.asked !== STORED,
    );
    generations.replace(keepThose(groups, generations.list, (generation, { asked, key }) => {
      if (asked === STORED) return this.#isStored(generation);
      const isAsked = isSame(this.#asked(generation), asked);
      return key ? generation.view.key === key && (isAsked || generation.view.state !== "stopped") : isAsked;
    }));
    return { groups, troubles };
  }

  /** @param {Generation} generation */
  #isStored({ view }) {
    return view.key === this.#page.models.defaultModel.firstScreen?.key;
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
    if (found.length || models.chosen.length) models.choose(found.length ? found : [models.defaultModel]);
  }

  /**
   * Brings the generations that are not on the page.
   * @param {Place[][]} groups those that stand abreast
   * @param {string[]} troubles
   * @param {AbortSignal} signal
   * @param {boolean} [isByKey] whether they are read by their keys, not written
   */
  async #fill(groups, troubles, signal, isByKey = false) {
    const { generations, models } = this.#page;
    const { firstScreen } = models.defaultModel;
    const stored = groups.find(([{ asked }]) => asked === STORED);
    const isShown = !stored || stored[0].here || !firstScreen;
    const shown = isShown ? null : generations.show(firstScreen, models.defaultModel);
    if (!isShown) [stored[0].here] = generations.list;
    const missing = groups.filter(([{ asked, here }]) => asked !== STORED && !here);
    if (!missing.length && troubles.length) this.#page.say(troubles.join(" "), true);
    if (!missing.length) this.#opening = null;
    await shown;
    if (signal.aborted || !missing.length) return;
    const writing = new AbortController();
    const tell = ({ detail }) => this.#page.say([...troubles, detail].filter(Boolean).join(" "), false);
    generations.addEventListener("notice", tell, { signal: writing.signal });
    await (isByKey ? this.#readByKey(missing, troubles, signal) : this.#writeAgain(missing, troubles, signal));
    writing.abort();
    if (signal.aborted) return;
    this.#opening = null;
    const { list } = generations;
    const ours = groups.flat().flatMap(({ here }) => (list.includes(here) ? here : []));
    generations.arrange([...ours, ...list.filter((generation) => !ours.includes(generation))]);
    this.update();
  }

  /** @param {Place[][]} missing @param {string[]} troubles @param {AbortSignal} signal */
  async #readByKey(missing, troubles, signal) {
    const { generations } = this.#page;
    for (const group of missing) {
      const beside = group.length > 1 ? generations.pressName("address") : "";
      const read = async (place, order) => (place.here = await generations.read(place.key, { beside, order, forced: place.asked.forced }, signal));
      const failed = (await Promise.allSettled(group.map(read))).find(({ status }) => status === "rejected");
      if (signal.aborted) return;
      if (failed) troubles.push(/** @type {PromiseRejectedResult} */ (failed).reason.message);
    }
    if (troubles.length) this.#page.say([...new Set(troubles)].join(" "), true);
  }

  /** @param {Place[][]} missing @param {string[]} troubles @param {AbortSignal} signal */
  async #writeAgain(missing, troubles, signal) {
    const { generations } = this.#page;
    const asked = missing.flat().map(({ asked }) => /** @type {Asked} */ (asked));
    const writers = await this.#writers(asked, troubles);
    if (signal.aborted) return;
    if (!asked.some((one) => writers.get(one))) this.#page.say(troubles.join(" "), true);
    for (const group of missing) {
      await generations.rest(signal); // those that stayed may not be finished yet
      if (signal.aborted) return;
      const beside = group.length > 1 ? generations.pressName("address") : "";
      const writerOf = ({ asked }) => writers.get(asked);
      const keys = [...new Set(group.map((place) => writerOf(place)?.key).filter(Boolean))].join();
      const write = async (place, order) => {
        const { settings, forced } = place.asked;
        place.here = await generations.write(settings, { keep: true, beside, order, forced, model: writerOf(place) }, keys);
        return place.here;
      };
      const written = await Promise.all(group.flatMap((place, order) => (writerOf(place) ? [write(place, order)] : [])));
      // Stopped, or refused; or something else was asked for meanwhile.
      if (generations.busy || written.some((generation) => generation?.view.state !== "done")) break;
    }
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

/** What an address asks for. @param {{hash: string, search: string}} address */
function asked({ hash, search }) {
  const [now, before] = [new URLSearchParams(hash.slice(1)), new URLSearchParams(search)];
  return new URLSearchParams([...now, ...[...before].filter(([name]) => !now.has(name) && !NOT_OURS.test(name))]);
}

/** What views keep. @param {URLSearchParams} given */
function extraOf(given) {
  const extra = new URLSearchParams(given);
  for (const name of [...NAMES, "run", "beside", "model", "models"]) extra.delete(name);
  return extra;
}

/** The keys of the models that an address names. @param {URLSearchParams} given @returns {string[]} */
function modelKeys(given) {
  const named = [...given].flatMap(([name, value]) => {
    if (name === "run" || name === "beside") return [/@([0-9a-f]+)/.exec(value)?.[1]];
    return ["model", "models", "reader"].includes(name) ? value.split(",").map((word) => word.split("-")[0]) : [];
  });
  return named.filter(Boolean);
}

/** Whether two ask for the same texts. @param {Asked} a @param {Asked} b */
function isSame(a, b) {
  const identity = ({ settings, forced, model }) =>
    JSON.stringify([NUMBERS.map((name) => settings[name] ?? (name === "top_p" ? 1 : 0)), settings.prompt, Boolean(forced), model.split("-")[0]]);
  return identity(a) === identity(b);
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
