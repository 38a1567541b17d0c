// The view "Same dice": the throws of a text stay as they fell while the settings move. One side shows which characters would change in the
// text; the other, what the same dice write from the start.
import { mark, range, reveal } from "../../shared/marks.js";
import { Latest } from "../../shared/requests.js";
import { chosenIn, Choice, fillSelect } from "./choice.js";
import { Fresh } from "./fresh.js";
import { complain, createParts } from "./parts.js";
import { Throws } from "./throws.js";
import { headline, note, tellFirst } from "./words.js";

const CAPTION =
  "The throws of the dice that wrote a text, kept while the settings change. Move the temperature: the marked characters would now be others, and on the right the same dice write from the start.";
const FOLLOW_MS = 400; // between two looks at a text that is being written
const CHANGED = mark("locked-changed"); // throws that would land elsewhere

/** @param {HTMLElement} panel @param {import("../main.js").SampleTab} tab */
export function createLocked(panel, tab) {
  return new Locked(panel, tab);
}

/** @typedef {import("./choice.js").Sample} Sample */

class Locked {
  caption = CAPTION;
  keeps = ["dice"];
  /** @type {import("../main.js").SampleTab} */
  #tab;
  #page;
  #choice;
  #fresh;
  /** @type {Throws | null} of the sample that is shown */
  #throws = null;
  #settings;
  #isShown = false;
  #frame = 0;
  #following = 0;
  #loading = new Latest();

  /** @param {HTMLElement} panel @param {import("../main.js").SampleTab} tab */
  constructor(panel, tab) {
    this.#tab = tab;
    this.#choice = new Choice(tab);
    this.#settings = relevant(tab.settings.get());
    const back = () => this.#throws && tab.settings.set(this.#throws.generation.settings);
    this.#page = createParts(panel, tab.settings.range("temperature"), {
      choose: (select) => this.#take(chosenIn(select, tab.generations.current)),
      back,
      first: () => this.#revealFirst(),
      move: (temperature) => tab.settings.set({ temperature }),
    });
    this.#fresh = new Fresh(tab, this.#page.fresh);
    /** @type {import("../../shared/views.js").Key[]} */
    this.keys = [
      ["n", "Next sample", () => this.#page.step(1)],
      ["p", "Previous sample", () => this.#page.step(-1)],
      ["o", "Original settings", back],
    ];
    tab.settings.onChange((values) => this.#move(values));
    tab.generations.addEventListener("change", () => (this.#isShown ? this.#choose() : this.#choice.leaveGone()));
    tab.generations.addEventListener("grow", ({ detail }) => this.#follow(detail));
    const { body, text } = this.#page.original;
    tab.inspector.watch(body, text, { at: (index) => this.#throws?.at(index) ?? null });
  }

  show() {
    this.#isShown = true;
    this.#choice.takePressed();
    this.#settings = relevant(this.#tab.settings.get());
    this.#page.temperature.value = String(this.#settings.temperature);
    const before = this.#throws;
    this.#choose();
    if (before && before === this.#throws) void this.#load();
  }

  take() {
    this.#choice.takeNamed();
    if (this.#isShown) this.#choose();
  }

  hide() {
    this.#isShown = false;
    this.#loading.cancel();
    this.#fresh.drop();
  }

  #take(choice) {
    this.#choice.take(choice);
    this.#choose();
  }

  #choose() {
    const choice = this.#choice.find();
    fillSelect(this.#page.select, this.#tab.generations.current, choice);
    this.#page.empty.hidden = Boolean(choice);
    this.#page.filled.hidden = !choice;
    if (choice?.generation !== this.#throws?.generation || choice?.sample !== this.#throws?.sample) this.#open(choice);
  }

  #open(choice) {
    const { original, headline, first } = this.#page;
    this.#throws = choice && new Throws(choice);
    this.#loading.cancel();
    this.#tab.inspector.forget(original.text);
    original.start.textContent = choice?.generation.view.prompt;
    original.text.data = "";
    CHANGED.clear();
    this.#fresh.clear(choice?.generation.view.prompt);
    headline.textContent = "";
    first.hidden = true;
    if (choice) void this.#load();
  }

  async #load() {
    const throws = this.#throws;
    const { original, trouble } = this.#page;
    const signal = this.#loading.begin();
    complain(trouble);
    if (original.text.data !== throws.text) original.text.data = throws.text;
    try {
      await throws.read(signal);
    } catch (error) {
      if (!signal.aborted) complain(trouble, error.message, () => this.#load());
      return;
    }
    if (signal.aborted) return;
    this.#land();
    this.#ask();
  }

  // A text that is still being written.
  #follow(generation) {
    if (!this.#isShown || generation !== this.#throws?.generation || this.#following) return;
    this.#following = setTimeout(() => {
      this.#following = 0;
      if (this.#throws) void this.#load();
    }, FOLLOW_MS);
  }

  #land() {
    const { original, back, headline: head, first, note: noted } = this.#page;
    const throws = this.#throws;
    throws.land(this.#settings);
    const { generation, chars, changed } = throws;
    markAt(original.text, chars, changed);
    const same = isSame(this.#settings, generation.settings);
    back.disabled = same;
    head.replaceChildren(...headline(changed.length, chars.length, same, this.#settings));
    first.hidden = !changed.length;
    first.textContent = changed.length ? tellFirst(throws) : "";
    noted.textContent = note(throws, same);
  }

  #ask() {
    const { generation, chars } = this.#throws;
    if (this.#isShown && !generation.live && chars.length) this.#fresh.ask(this.#throws, this.#settings);
    else this.#fresh.drop();
  }

  #move(values) {
    const next = relevant(values);
    if (isSame(next, this.#settings)) return;
    this.#settings = next;
    this.#page.temperature.value = String(next.temperature);
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

// The settings that decide where a throw lands.
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
