// Every state of the tab has an address: settings, the view, and the runs that are on the page, which are written again when it is
// opened. A seed gives the same texts with the same weights in the same precision; the address names both.
import { plural } from "../shared/dom.js";

const SETTINGS = { prompt: "ROMEO:", temperature: 0.8, length: 300, samples: 4, seed: "", top_k: 0, top_p: 1 }; // what needs no word
const NUMBERS = ["temperature", "length", "samples", "seed", "first_sample", "first_step", "top_k", "top_p"]; // of a run, in order
const MOST_RUNS = 32;
const MOST_CHARS = 16_000; // servers refuse much longer addresses
const WAIT_MS = 300;

export class Address {
  #app;
  #extra; // what views keep
  #waiting = 0;
  #opened = false;

  constructor(app) {
    this.#app = app;
    this.#extra = new URLSearchParams(location.search);
    this.given = new URLSearchParams(location.search);
    for (const name of [...Object.keys(SETTINGS), "run", "beside", "model"]) this.#extra.delete(name);
    const update = () => {
      clearTimeout(this.#waiting);
      this.#waiting = setTimeout(() => this.#show(), WAIT_MS);
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

  // The address of what is on the page now.
  write() {
    const { controls, runs, page } = this.#app;
    const settings = controls.get();
    const words = new URLSearchParams();
    for (const [name, usual] of Object.entries(SETTINGS)) if (settings[name] !== usual) words.set(name, settings[name]);
    const written = runs.list.filter(({ view }) => view.key).slice(-MOST_RUNS);
    written.forEach(({ view }, i) => words.append(written[i - 1]?.view.beside === view.beside && view.beside ? "beside" : "run", asWord(view, settings.prompt)));
    if (written.length) words.set("model", `${page.hash}-${page.precision}`);
    for (const [name, value] of this.#extra) words.set(name, value);
    const query = words.toString();
    return `${location.origin}${location.pathname}${query && "?"}${query}${location.hash}`;
  }

  // Takes what the address of the page says: settings, view, runs. False if it asks for no runs.
  async open() {
    const { app, given } = { app: this.#app, given: this.given };
    const troubles = [];
    app.controls.set(readSettings(given, troubles));
    app.show(given.get("view") ?? "texts");
    const asked = [...given].filter(([name]) => name === "run" || name === "beside");
    const runs = asked.slice(0, MOST_RUNS).map(([name, word]) => readRun(name, word, given.get("prompt") ?? SETTINGS.prompt, troubles));
    this.#opened = true;
    if (asked.length > MOST_RUNS) troubles.push(`Of ${plural(asked.length, "run")} in the address, the first ${MOST_RUNS} are written.`);
    const known = runs.filter(Boolean);
    if (known.length) void this.#writeAgain(known, troubles);
    else if (troubles.length) app.tell(troubles.join(" "), true);
    return known.length > 0;
  }

  async #writeAgain(runs, troubles) {
    const { app, given } = { app: this.#app, given: this.given };
    const here = `${app.page.hash}-${app.page.precision}`;
    const model = given.get("model");
    if (model && model !== here) troubles.push("This address was made with another model or in another precision: its texts may differ here.");
    if (troubles.length) app.runs.addEventListener("notice", () => setTimeout(() => app.tell(troubles.join(" "), false)), { once: true });
    for (let i = 0; i < runs.length; ) {
      const abreast = [runs[i++]];
      while (runs[i]?.joins) abreast.push(runs[i++]);
      const beside = abreast.length > 1 ? `address ${i}` : "";
      const written = await Promise.all(abreast.map(({ settings, forced }) => app.runs.write(settings, { keep: true, beside, forced })));
      if (written.some((run) => run?.view.state !== "done")) return; // stopped, or refused
    }
  }

  #show() {
    if (!this.#opened) return;
    const address = this.write();
    if (address.length <= MOST_CHARS) history.replaceState(history.state, "", address);
  }
}

// A run as one word: its numbers, the character chosen by hand, and its prompt if that is not the one of the page.
function asWord(view, prompt) {
  const numbers = NUMBERS.map((name) => view[name] ?? (name === "top_p" ? 1 : 0));
  return [...numbers, view.forced ? "f" : "", ...(view.prompt === prompt ? [] : [view.prompt])].join(",");
}

function readRun(name, word, prompt, troubles) {
  const parts = word.split(",");
  const values = parts.slice(0, NUMBERS.length).map((part) => (/^\d+(\.\d+)?$/.test(part) ? Number(part) : NaN));
  if (values.length < NUMBERS.length || values.some((value) => !Number.isFinite(value))) {
    troubles.push(`The address asks for a run that cannot be read: “${word.slice(0, 40)}”.`);
    return null;
  }
  const settings = Object.fromEntries(NUMBERS.map((name, i) => [name, values[i]]));
  settings.prompt = parts.length > NUMBERS.length + 1 ? parts.slice(NUMBERS.length + 1).join(",") : prompt;
  const forced = parts[NUMBERS.length] === "f" ? { chosen: [...settings.prompt].at(-1) } : null;
  return { settings, forced, joins: name === "beside" };
}

// Settings that the fields allow; what they do not is named.
function readSettings(given, troubles) {
  const settings = {};
  for (const name of Object.keys(SETTINGS)) {
    const value = given.get(name);
    if (value === null) continue;
    if (name === "prompt" || name === "seed") settings[name] = value;
    else {
      const { min, max } = document.querySelector(`#${name.replace("_", "-")} input[type="number"]`);
      const number = value.trim() === "" ? NaN : Number(value);
      if (number >= Number(min) && number <= Number(max)) settings[name] = number;
      else troubles.push(`The address sets ${name.replace("_", "-")} to “${value.slice(0, 40)}”; it goes from ${min} to ${Number(max).toLocaleString("en")}.`);
    }
  }
  return settings;
}
