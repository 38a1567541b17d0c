// Every state of the tab has an address: settings, the view, and the runs that are on the page, which are written again when it is
// opened. A seed gives the same texts with the same weights in the same precision; the address names both.
import { plural } from "../shared/dom.js";

const SETTINGS = { prompt: "ROMEO:", temperature: 0.8, length: 300, samples: 4, seed: "", top_k: 0, top_p: 1 }; // what needs no word
const NUMBERS = ["temperature", "length", "samples", "seed", "first_sample", "first_step", "top_k", "top_p"]; // of a run, in order
const STORED = "stored"; // the samples of the first screen, where others stand beside them
const NONE = "none"; // an empty page
const MOST_RUNS = 32;
const MOST_CHARS = 14_000; // servers take 16 KiB, with all that the browser says of itself
const WAIT_MS = 300;

export class Address {
  #app;
  #extra; // what views keep
  #waiting = 0;
  #opened = false;
  #opening = null; // runs that the address asks for, until all are written

  constructor(app) {
    this.#app = app;
    this.#extra = new URLSearchParams(location.search);
    this.given = new URLSearchParams(location.search);
    for (const name of [...Object.keys(SETTINGS), "run", "beside", "model"]) this.#extra.delete(name);
    const update = () => {
      clearTimeout(this.#waiting);
      this.#waiting = setTimeout(() => this.#opened && history.replaceState(history.state, "", this.write().address), WAIT_MS);
    };
    this.update = update;
    app.controls.onChange(update);
    app.runs.addEventListener("change", update);
  }

  get(name) {
    return this.#extra.get(name) ?? "";
  }

  keep(name, value) {
    if (String(value) === this.get(name)) return;
    if (value === "") this.#extra.delete(name);
    else this.#extra.set(name, value);
    this.update();
  }

  // { address, missing }: of what is on the page now, and in words what of it has no room there.
  write() {
    const { controls, page, runs } = this.#app;
    const [words, missing] = [new URLSearchParams(), []];
    for (const [name, value] of Object.entries(controls.get())) if (value !== SETTINGS[name]) words.set(name, value);
    for (const [name, value] of this.#extra) words.set(name, value);
    while (queryOf(words).length > MOST_CHARS) {
      const [longest] = [...words].reduce((a, b) => (b[1].length > a[1].length ? b : a));
      words.delete(longest);
      missing.push(`The ${longest} is too long for a link.`);
    }
    const written = this.#opening ?? this.#written();
    const prompt = words.get("prompt") ?? SETTINGS.prompt;
    for (let count = Math.min(MOST_RUNS, written.length); ; count--) {
      const all = withRuns(words, written.slice(written.length - count), prompt, `${page.hash}-${page.precision}`);
      if (count && queryOf(all).length > MOST_CHARS) continue;
      if (count < written.length) missing.push(`A link has no room for ${count ? "the earlier" : "the"} texts.`);
      if (!runs.list.length && this.#app.stored && !this.#opening) all.set("run", NONE);
      return { address: addressOf(all), missing };
    }
  }

  // The runs on the page as the address tells them. The first screen needs no word while it stands alone.
  #written() {
    const { list } = this.#app.runs;
    if (list.length === 1 && !list[0].view.key) return [];
    return list.map((run, i) => {
      const { view } = run;
      if (!view.key) return STORED;
      const { beside } = view;
      const joins = Boolean(beside) && list[i - 1]?.view.beside === beside;
      // As far as it was written: that is what is on the page.
      const length = view.state === "stopped" ? Math.max(1, ...run.texts.map((text) => [...text].length)) : view.length;
      return { settings: { ...view, length }, forced: view.forced, joins };
    });
  }

  // Takes what the address of the page says: settings, view, runs. False if it asks for no runs.
  async open() {
    const { app, given } = { app: this.#app, given: this.given };
    const troubles = [];
    app.controls.set(readSettings(given, troubles));
    const view = given.get("view") ?? "texts";
    if (app.views.includes(view)) app.show(view);
    else troubles.push(`There is no view “${shortened(view)}”.`);
    const asked = [...given].filter(([name]) => name === "run" || name === "beside");
    if (asked.length > MOST_RUNS) troubles.push(`Of ${plural(asked.length, "run")} in the address, the first ${MOST_RUNS} are written.`);
    const runs = readRuns(asked.slice(0, MOST_RUNS), given.get("prompt") ?? SETTINGS.prompt, troubles);
    if (runs.includes(STORED) && app.stored) app.runs.show(app.stored);
    this.#opened = true;
    if (runs.length) void this.#writeAgain(runs, troubles);
    else if (troubles.length) app.tell(troubles.join(" "), true);
    return runs.length > 0 || (given.get("run") === NONE && asked.length === 1);
  }

  async #writeAgain(all, troubles) {
    const { app, given } = { app: this.#app, given: this.given };
    const here = `${app.page.hash}-${app.page.precision}`;
    const model = given.get("model");
    if (model && model !== here) troubles.push("This address was made with another model or in another precision: its texts may differ here.");
    const tell = ({ detail }) => app.tell([...troubles, detail].filter(Boolean).join(" "), false);
    app.runs.addEventListener("notice", tell);
    this.#opening = all; // so that none is lost when the page is loaded anew in the middle
    const runs = all.filter((run) => run !== STORED);
    for (let i = 0; i < runs.length; ) {
      const abreast = [runs[i++]];
      while (runs[i]?.joins) abreast.push(runs[i++]);
      const beside = abreast.length > 1 ? `address ${i}` : "";
      const written = await Promise.all(abreast.map(({ settings, forced }) => app.runs.write(settings, { keep: true, beside, forced })));
      // Stopped, or refused; or something else was asked for meanwhile.
      if (app.runs.busy || written.some((run) => run?.view.state !== "done")) break;
    }
    this.#opening = null;
    app.runs.removeEventListener("notice", tell);
    this.update();
  }
}

const shortened = (word) => (word.length > 40 ? `${word.slice(0, 40)}…` : word);

const queryOf = (words) => words.toString().replaceAll("%2C", ","); // a comma needs no disguise

function addressOf(words) {
  const query = queryOf(words);
  return `${location.origin}${location.pathname}${query && "?"}${query}${location.hash}`;
}

function withRuns(words, runs, prompt, model) {
  const all = new URLSearchParams(words);
  runs.forEach((run, i) => all.append(i && run.joins ? "beside" : "run", run === STORED ? STORED : asWord(run, prompt)));
  if (runs.length) all.set("model", model);
  return all;
}

// A run as one word: its numbers, the character chosen by hand, and its prompt if that is not the one of the page.
function asWord({ settings, forced }, prompt) {
  const numbers = NUMBERS.map((name) => settings[name] ?? (name === "top_p" ? 1 : 0));
  return [...numbers, forced ? "f" : "", ...(settings.prompt === prompt ? [] : [settings.prompt])].join(",");
}

function readRuns(asked, prompt, troubles) {
  const unreadable = [];
  const runs = asked.flatMap(([name, word]) => {
    if (word === STORED) return [STORED];
    if (word === NONE) return [];
    const run = readRun(word, prompt);
    if (!run) unreadable.push(word);
    return run ? [{ ...run, joins: name === "beside" }] : [];
  });
  if (unreadable.length) troubles.push(`The address asks for ${plural(unreadable.length, "run")} that cannot be read: “${shortened(unreadable[0])}”.`);
  return runs;
}

function readRun(word, prompt) {
  const parts = word.split(",");
  const numbers = parts.map(readNumber);
  const settings = Object.fromEntries(NUMBERS.map((name, i) => [name, numbers[i]]));
  if (!NUMBERS.every((name) => isAllowed(name, settings[name]))) return null;
  settings.prompt = parts.length > NUMBERS.length + 1 ? parts.slice(NUMBERS.length + 1).join(",") : prompt;
  const forced = parts[NUMBERS.length] === "f" ? { chosen: [...settings.prompt].at(-1) } : null;
  return { settings, forced };
}

const readNumber = (word) => (/^(\d+\.?\d*|\.\d+)(e-?\d+)?$/.test(word) ? Number(word) : NaN);

// What a number may be, as its field says it.
function limitsOf(name) {
  const field = document.querySelector(`#${name.replace("_", "-")} input[type="number"]`);
  if (!field) return { min: 0, max: Number.MAX_SAFE_INTEGER, isWhole: true }; // seeds and what is counted with them
  return { min: Number(field.min), max: Number(field.max), isWhole: field.step === "1" };
}

function isAllowed(name, value) {
  const { min, max, isWhole } = limitsOf(name);
  return value >= min && value <= max && (!isWhole || Number.isInteger(value));
}

// Settings that the fields allow; what they do not is named.
function readSettings(given, troubles) {
  const settings = {};
  for (const name of Object.keys(SETTINGS)) {
    const value = given.get(name);
    if (value === null) continue;
    const number = readNumber(value);
    if (name === "prompt" || (name === "seed" && value === "")) settings[name] = value;
    else if (isAllowed(name, number)) settings[name] = number;
    else {
      const { min, max, isWhole } = limitsOf(name);
      const whole = isWhole ? "a whole number " : "";
      const range = `${whole}from ${min} to ${max.toLocaleString("en")}`;
      troubles.push(`The address sets ${name.replace("_", "-")} to “${shortened(value)}”; it must be ${range}.`);
    }
  }
  return settings;
}
