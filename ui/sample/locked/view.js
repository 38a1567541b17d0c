// The view "Locked dice": the throws of a text stay as they fell, and the settings at the left move. On one side, which of the throws would
// now land elsewhere along the text; on the other, what the same dice write from the start.
import { mark, range, reveal } from "../../shared/marks.js";
import { chosenIn, Choice, fillSelect } from "./choice.js";
import { Fresh } from "./fresh.js";
import { complain, createParts } from "./parts.js";
import { Throws } from "./throws.js";
import { headline, note, tellFirst } from "./words.js";

const FOLLOW_MS = 400; // between two looks at a text that is being written
const CHANGED = mark("locked-changed"); // throws that would land elsewhere

export function createLocked(panel, app) {
  return new Locked(panel, app);
}

class Locked {
  #app;
  #page;
  #choice;
  #fresh;
  #throws = null; // of the sample that is shown
  #settings;
  #isShown = false;
  #frame = 0;
  #following = 0;

  constructor(panel, app) {
    this.#app = app;
    this.#choice = new Choice(app);
    this.#settings = relevant(app.controls.get());
    const back = () => this.#throws && app.controls.set(this.#throws.run.settings);
    this.#page = createParts(panel, {
      choose: (select) => this.#take(chosenIn(select, app.runs.list)),
      back,
      first: () => this.#revealFirst(),
      move: (temperature) => app.controls.set({ temperature }),
    });
    this.#fresh = new Fresh(app, this.#page.fresh);
    this.keys = [
      ["n", "The dice of the next sample", () => this.#page.step(1)],
      ["p", "The dice of the previous sample", () => this.#page.step(-1)],
      ["o", "Back to the original’s settings", back],
    ];
    app.controls.onChange((values) => this.#move(values));
    app.runs.addEventListener("change", () => this.#isShown && this.#choose());
    app.runs.addEventListener("grow", ({ detail }) => this.#follow(detail));
    const { body, text } = this.#page.original;
    app.inspector.watch(body, text, { at: (index) => this.#throws?.at(index) ?? null });
  }

  show() {
    this.#isShown = true;
    this.#choice.takePressed();
    this.#settings = relevant(this.#app.controls.get());
    this.#page.temperature.value = this.#settings.temperature;
    const before = this.#throws;
    this.#choose();
    if (before && before === this.#throws) void this.#load();
  }

  hide() {
    this.#isShown = false;
    this.#fresh.drop();
  }

  #take(choice) {
    this.#choice.take(choice);
    this.#choose();
  }

  #choose() {
    const choice = this.#choice.find();
    fillSelect(this.#page.select, this.#app.runs.list, choice);
    this.#page.empty.hidden = Boolean(choice);
    this.#page.filled.hidden = !choice;
    if (choice?.run !== this.#throws?.run || choice?.sample !== this.#throws?.sample) this.#open(choice);
  }

  #open(choice) {
    const { original, headline, first } = this.#page;
    this.#throws = choice && new Throws(this.#app, choice);
    this.#app.inspector.forget(original.text);
    original.start.textContent = choice?.run.view.prompt;
    original.text.data = "";
    CHANGED.clear();
    this.#fresh.clear(choice?.run.view.prompt);
    headline.textContent = "";
    first.hidden = true;
    if (choice) void this.#load();
  }

  async #load() {
    const throws = this.#throws;
    const { original, trouble } = this.#page;
    complain(trouble);
    if (original.text.data !== throws.text) original.text.data = throws.text;
    try {
      await throws.read();
    } catch (error) {
      if (throws === this.#throws) complain(trouble, error.message, () => this.#load());
      return;
    }
    if (throws !== this.#throws) return;
    this.#land();
    this.#ask();
  }

  // A text that is still being written.
  #follow(run) {
    if (!this.#isShown || run !== this.#throws?.run || this.#following) return;
    this.#following = setTimeout(() => {
      this.#following = 0;
      if (this.#throws) void this.#load();
    }, FOLLOW_MS);
  }

  #land() {
    const { original, back, headline: head, first, note: noted } = this.#page;
    const throws = this.#throws;
    throws.land(this.#settings);
    const { run, chars, changed } = throws;
    markAt(original.text, chars, changed);
    const same = isSame(this.#settings, run.settings);
    back.disabled = same;
    head.replaceChildren(...headline(changed.length, chars.length, same, this.#settings));
    first.hidden = !changed.length;
    first.textContent = changed.length ? tellFirst(throws, this.#app.vocabulary, same) : "";
    noted.textContent = note(throws, this.#app.page.precision, same, changed.length);
  }

  #ask() {
    const { run, chars } = this.#throws;
    if (this.#isShown && !run.live && chars.length) this.#fresh.ask(this.#throws, this.#settings);
    else this.#fresh.drop();
  }

  #move(values) {
    const next = relevant(values);
    if (isSame(next, this.#settings)) return;
    this.#settings = next;
    this.#page.temperature.value = next.temperature;
    if (!this.#isShown || !this.#throws?.isRead) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#throws?.isRead && this.#land());
    this.#ask();
  }

  #revealFirst() {
    const { chars, changed } = this.#throws;
    const offset = chars.slice(0, changed[0]).join("").length;
    for (const { body, text } of [this.#page.original, this.#page.fresh]) if (offset < text.length) reveal(body, text, offset);
  }
}

// What decides where a throw lands.
const relevant = ({ temperature, top_k, top_p }) => ({ temperature, top_k, top_p });

const isSame = (a, b) => a.temperature === b.temperature && a.top_k === b.top_k && a.top_p === b.top_p;

function markAt(text, chars, places) {
  CHANGED.clear();
  const marked = new Set(places);
  let offset = 0;
  chars.forEach((char, i) => {
    if (marked.has(i)) CHANGED.add(range(text, offset, offset + char.length));
    offset += char.length;
  });
}
