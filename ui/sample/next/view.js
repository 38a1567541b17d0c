// The view "Next character": the model's distribution at the end of the text, the die that picks from it, and the text that grows step by step.
import { charsIn } from "../../shared/characters.js";
import { calm, quoted, signOf } from "../../shared/dom.js";
import { die } from "../../shared/dice.js";
import { distribution, entropy, land, ranking } from "../../shared/distribution.js";
import { createStrip, dropDie } from "../../shared/strip.js";
import { createBars } from "./bars.js";
import { Dice } from "./dice.js";
import { Draws } from "./draws.js";
import { createParts } from "./parts.js";
import { saveBars, saveTable } from "./save.js";
import { keepSteps, readSeed, readSteps } from "./steps.js";
import { Walk } from "./walk.js";
import { describe, tellBar, tellCounts, tellHint, tellThrow, tellWindow } from "./words.js";

const TYPING_MS = 200;
const MANY = 1000;
const TAKEN_WITH = ["prompt", "temperature", "seed", "top_k", "top_p"]; // what steps depend on

/** @typedef {import("../main.js").SampleTab} SampleTab */
/** @typedef {import("./walk.js").Step & {free?: boolean, many?: boolean, moved?: boolean, logits?: number[], sample?: number}} Thrown */

/** @param {HTMLElement} panel @param {SampleTab} tab @returns {import("../../shared/views.js").View} */
export function createNext(panel, tab) {
  return new Next(panel, tab);
}

class Next {
  /** @type {SampleTab} */
  #tab;
  #panel;
  /** @type {Walk} */
  #walk;
  /** @type {Draws} */
  #draws;
  #strip = createStrip();
  #bars = createBars({ onPoint: (id) => this.#tellBar(id), onPick: (id) => this.#walk.logits && this.#walk.step({ id, byHand: true }) });
  #dice;
  #parts;
  /** @type {{model: import("../../shared/models.js").Model, logits: number[], raw: Float64Array, order: number[], text: string} | null} stays while the next is awaited */
  #shown = null;
  /** @type {Thrown | null} the last throw */
  #thrown = null;
  /** @type {(() => void) | null} ends the fall of a die */
  #falling = null;
  #frame = 0;
  #byAlphabet;
  /** @type {import("./walk.js").Choice[]} steps that the address asks for, until the view is shown */
  #replay;
  /** What the address asks for and is not here, as a sentence; until the text starts over. */
  #missing;

  /** @param {HTMLElement} panel @param {SampleTab} tab */
  constructor(panel, tab) {
    const { model, choices, missing } = readSteps(tab);
    [this.#panel, this.#tab, this.#draws] = [panel, tab, new Draws(model.vocabulary.length)];
    this.#walk = new Walk(model, (...choice) => this.#choose(...choice), (step) => this.#walked(step));
    this.#byAlphabet = tab.address.get("sort") === "alphabet";
    [this.#replay, this.#missing] = [choices, missing];
    this.#dice = new Dice(readSeed(tab));
    this.#parts = createParts(panel, this.#strip.node, this.#bars.node, {
      step: () => this.#walk.step(),
      back: () => this.#walk.back(),
      over: () => this.#over(),
      drawOne: () => this.#draw(1),
      drawMany: () => this.#draw(MANY),
      sort: (byAlphabet) => this.#sort(byAlphabet),
      retry: () => this.#walk.retry(),
      fix: (seed) => tab.settings.set({ seed: String(seed) }),
    });
    /** @type {import("../../shared/views.js").Key[]} */
    this.keys = [
      [".", "Step: one more character", () => this.#walk.step()],
      ["Backspace", "Step back", () => this.#walk.back()],
      ["r", "Start over", () => this.#over()],
      ["t", "Throw the die once", () => this.#draw(1)],
      ["m", "Throw it a thousand times", () => this.#draw(MANY)],
      ["o", "Sort the bars by alphabet or by probability", () => this.#sort(!this.#byAlphabet)],
    ];
    tab.settings.onChange((settings, name) => {
      if (TAKEN_WITH.includes(name) && "ready" in tab.element.dataset) this.#replay = [];
      if (name !== "prompt") this.#take(settings);
      else if (!panel.hidden) this.#walk.restart(settings.prompt, tab.models.primary, TYPING_MS);
      this.#keep();
    });
    tab.models.addEventListener("choice", () => this.#follow(true));
    tab.models.addEventListener("default", () => this.#follow(false));
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Another model: somebody who chose it wants to see it; otherwise the steps that are there keep theirs. @param {boolean} isChosen */
  #follow(isChosen) {
    const { primary } = this.#tab.models;
    const hasSteps = this.#walk.steps.length > 0 || this.#replay.length > 0;
    if (primary === this.#walk.model || (hasSteps && !isChosen)) return;
    [this.#replay, this.#missing] = [[], ""];
    if (this.#panel.hidden) this.#walk.prompt = null; // it starts over when the view is shown
    else this.#over();
  }

  /** Once there is something to save. @returns {import("../../shared/views.js").Entry[]} */
  get downloads() {
    if (!this.#shown) return [];
    return [
      ["Bars (PNG)", () => saveBars(this.#state())],
      ["Distribution (CSV)", () => saveTable(this.#state())],
    ];
  }

  show() {
    const settings = this.#tab.settings.get();
    this.#take(settings);
    const { walk, prompt } = { walk: this.#walk, prompt: settings.prompt };
    if (walk.prompt !== prompt) walk.restart(prompt, this.#replay.length ? walk.model : this.#tab.models.primary);
    else if (!this.#walk.logits) this.#walk.retry();
    if (this.#replay.length) this.#walk.replay(this.#replay.splice(0));
    this.#keep();
  }

  hide() {
    this.#falling?.();
    this.#walk.pause();
  }

  // The arrow belongs to sliders and tabs where they have the focus; keys.js would take it from them.
  #key(event) {
    const { key } = event;
    const target = /** @type {Node} */ (event.target);
    const here = target === document.body || (this.#panel.contains(target) && target !== this.#bars.node);
    if (key !== "ArrowRight" || !here || !this.#panel.checkVisibility() || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#walk.step();
  }

  // Other settings make another distribution: what was counted belongs to the one before.
  #take(settings) {
    if (!this.#dice.take(settings)) return;
    this.#falling?.();
    this.#draws.clear();
    this.#thrown = this.#thrown?.free ? { ...this.#thrown, moved: true } : null;
    if (this.#walk.logits) this.#fail("");
    this.#redraw();
  }

  #fail(words) {
    this.#walk.error = words;
    this.#parts.fail(words, !this.#walk.logits);
  }

  #over() {
    this.#missing = "";
    this.#walk.restart(this.#tab.settings.get().prompt, this.#tab.models.primary);
  }

  // One step of the text: the die's character, or one that is given.
  #choose(choice, logits, place) {
    const { vocabulary } = this.#walk.model;
    this.#take(this.#tab.settings.get());
    const probabilities = distribution(logits, this.#dice.settings);
    if (choice) return { ...choice, char: vocabulary[choice.id], die: null, probabilities };
    const { seed } = this.#dice;
    const throwOfDie = die(seed, 0, place);
    const hit = land(probabilities, throwOfDie);
    return { ...hit, char: vocabulary[hit.id], die: throwOfDie, probabilities, seed, place, dice: this.#dice.word };
  }

  #walked(step) {
    const { steps, waiting, logits } = this.#walk;
    if (step) {
      this.#throw(step, waiting.length > 0);
      return;
    }
    const thrown = this.#thrown;
    const stale = thrown && (thrown.free ? thrown.logits !== logits : thrown !== steps.at(-1));
    if (stale) {
      this.#falling?.();
      this.#thrown = steps.at(-1) ?? null;
    }
    this.#update();
  }

  #draw(count) {
    if (!this.#walk.logits) return;
    this.#falling?.();
    this.#take(this.#tab.settings.get());
    this.#see();
    try {
      const { seed, settings } = this.#dice;
      const { logits } = this.#shown;
      const probabilities = distribution(logits, settings);
      const last = this.#draws.add(count, probabilities, seed, this.#walk.steps.length);
      this.#throw({ ...last, free: true, many: count > 1, logits, probabilities, seed }, count > 1);
    } catch (error) {
      this.#fail(error.message);
    }
  }

  // The die comes down on the strip; until it has landed, all that follows from it waits.
  #throw(thrown, atOnce) {
    this.#falling?.();
    this.#thrown = thrown;
    if (!atOnce && !calm() && thrown.die !== null) {
      this.#falling = dropDie(this.#strip, thrown.probabilities, { vocabulary: this.#walk.model.vocabulary, die: thrown.die, id: thrown.id }, () => {
        this.#falling = null;
        this.#update();
      });
    }
    this.#update();
  }

  #update() {
    const { steps, start, isEmpty, notice, error, logits, slow } = this.#walk;
    const seen = this.#stepFalls ? steps.slice(0, -1) : steps;
    const notes = [this.#missing, notice];
    if (isEmpty && logits) notes.push(`The prompt is empty: the text starts from ${start === "\n" ? "a newline" : quoted(start)}.`);
    notes.push(tellWindow(charsIn(start) + seen.length, this.#walk.model.blockSize));
    this.#parts.text(start === "\n" ? `${signOf(start)}\n` : start, seen);
    this.#parts.notes(notes.filter(Boolean));
    this.#parts.fail(error, !logits);
    this.#parts.busy({ busy: !logits, slow, canGoBack: steps.length > 0 });
    this.#keep();
    this.#redraw();
  }

  get #stepFalls() {
    return this.#falling && !this.#thrown.free;
  }

  #redraw() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #see() {
    const { logits } = this.#walk;
    if (!logits || logits === this.#shown?.logits || this.#stepFalls) return;
    const { model, text } = this.#walk;
    this.#shown = { model, logits, raw: distribution(logits), order: ranking(logits), text };
    this.#draws = new Draws(logits.length);
  }

  #paint() {
    this.#see();
    if (!this.#shown) return;
    const state = this.#state();
    this.#bars.draw(state);
    this.#bars.node.setAttribute("aria-label", describe(state));
    this.#parts.hint(tellHint(state));
    this.#parts.figures(state);
    if (this.#falling) return;
    this.#strip.draw(...this.#onStrip(state));
    this.#parts.said(tellThrow(this.#thrown, state), tellCounts(state));
  }

  // All that the bars show, and what belongs to them.
  #state() {
    const { model, logits, raw, order, text } = this.#shown;
    const { vocabulary } = model;
    const { primary, writers } = this.#tab.models;
    const probabilities = distribution(logits, this.#dice.settings);
    const thrown = this.#falling ? null : this.#thrown;
    return {
      model,
      by: writers.length > 1 || model !== primary ? model.name : "", // else the header names it
      vocabulary,
      logits,
      probabilities,
      raw,
      order: this.#byAlphabet ? [...vocabulary.keys()] : order,
      draws: this.#draws,
      hit: thrown?.free && !thrown.many ? land(probabilities, thrown.die).id : undefined,
      settings: this.#dice.settings,
      text,
      bits: { drawn: entropy(probabilities), raw: entropy(raw) },
      byAlphabet: this.#byAlphabet,
    };
  }

  // The last throw where it fell; a trial throw lands again when the distribution changes under it.
  #onStrip({ probabilities, vocabulary }) {
    const thrown = this.#thrown;
    if (!thrown || thrown.many) return [probabilities, { vocabulary }];
    if (thrown.free) return [probabilities, { vocabulary, die: thrown.die, id: land(probabilities, thrown.die).id }];
    return [thrown.probabilities, { vocabulary, die: thrown.die, id: thrown.id }];
  }

  #tellBar(id) {
    this.#parts.readout(id === null ? "" : tellBar(id, this.#state()));
  }

  #sort(byAlphabet) {
    this.#byAlphabet = byAlphabet;
    this.#tab.address.keep("sort", byAlphabet ? "alphabet" : "");
    this.#redraw();
  }

  // A prompt that was changed in another view is not the one that the steps belong to.
  #keep() {
    if (this.#replay.length) return;
    const { model, prompt, steps, waiting } = this.#walk;
    if (prompt === this.#tab.settings.get().prompt) keepSteps(this.#tab, steps, waiting, this.#dice, model);
    else keepSteps(this.#tab, [], [], this.#dice, model);
  }
}
