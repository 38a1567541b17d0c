// The view "Next character": the model's distribution at the end of the text, the die that picks from it, and the text that grows step by step.
import { charsIn } from "../../shared/characters.js";
import { bringIntoView, calm, quoted, signOf } from "../../shared/dom.js";
import { die } from "../../shared/dice.js";
import { distribution, land, ranking } from "../../shared/distribution.js";
import { Air } from "./air.js";
import { alphabet } from "./alphabet.js";
import { createChart } from "./chart.js";
import { Dice } from "./dice.js";
import { Draws, ENOUGH } from "./draws.js";
import { createParts } from "./parts.js";
import { picture, placeOfBar } from "./picture.js";
import { OTHERS } from "./rows.js";
import { saveBars, saveTable } from "./save.js";
import { stateOf } from "./state.js";
import { keepSteps, readSeed, readSteps } from "./steps.js";
import { Walk } from "./walk.js";
import { describe, tellBar, tellCounts, tellHint, tellOthers, tellThrow, tellWindow } from "./words.js";

const TYPING_MS = 200;
const MANY = 1000;
const TAKEN_WITH = ["prompt", "temperature", "seed", "top_k", "top_p"]; // what steps depend on

/** @typedef {import("../main.js").SampleTab} SampleTab */
/** @typedef {import("./walk.js").Thrown} Thrown */

/** @param {HTMLElement} panel @param {SampleTab} tab @returns {import("../../shared/views.js").View} */
export function createNext(panel, tab) {
  return new Next(panel, tab);
}

class Next {
  caption =
    "The strip from 0 to 1 holds all characters, each as long as it is probable. The die picks a point on it, and that character is written. Press Step, or Draw 1,000.";
  /** @type {SampleTab} */
  #tab;
  #panel;
  /** @type {Walk} */
  #walk;
  /** @type {Draws} */
  #draws;
  #dice;
  #parts;
  #bars;
  #alphabet;
  #air = new Air({ draw: () => this.#shown && this.#bars.draw(this.#state()), update: () => this.#update() });
  /** @type {{model: import("../../shared/models.js").Model, logits: number[], raw: Float64Array, order: number[], text: string} | null} stays while the next is awaited */
  #shown = null;
  /** @type {Thrown | null} the last throw: of a step, or free, which writes nothing */
  #thrown = null;
  /** Whether many throws came after the last one. */
  #rained = false;
  /** Whether what comes next is shown; otherwise the last step, as it was thrown. */
  #isAhead = true;
  #frame = 0;
  keeps = ["sort", "bars", "next_model", "steps", "chosen", "dice_seed"];
  #byAlphabet;
  #isWhole;
  /** @type {import("./walk.js").Choice[]} steps that the address asks for, until the view is shown */
  #replay;
  /** What the address asks for and is not here, as a sentence; until the text starts over. */
  #missing;

  /** @param {HTMLElement} panel @param {SampleTab} tab */
  constructor(panel, tab) {
    const { model, choices, missing } = readSteps(tab);
    [this.#panel, this.#tab, this.#draws] = [panel, tab, new Draws(model.vocabulary.length)];
    this.#walk = new Walk(model, (...choice) => this.#choose(...choice), (step) => this.#walked(step));
    this.#byAlphabet = tab.address.get("sort") !== "probability";
    this.#isWhole = tab.address.get("bars") === "all";
    [this.#replay, this.#missing] = [choices, missing];
    this.#dice = new Dice(readSeed(tab));
    const on = { onPoint: (id) => this.#tellBar(id), onPick: (id) => this.#pick(id) };
    [this.#bars, this.#alphabet] = [createChart("bars", picture, on), createChart("alphabet", alphabet, on)];
    this.#alphabet.node.hidden = !this.#isWhole;
    this.#parts = createParts(panel, this.#bars.node, this.#alphabet.node, this.#air.node, {
      step: () => this.#step(),
      back: () => this.#walk.back(),
      over: () => this.#over(),
      drawOne: () => this.#draw(1),
      drawMany: () => this.#draw(MANY),
      goAhead: () => this.#goAhead(),
      sort: (byAlphabet) => this.#sort(byAlphabet),
      whole: () => this.#toggleWhole(),
      retry: () => this.#walk.retry(),
      fix: (seed) => tab.settings.set({ seed: String(seed) }),
      prompt: (prompt) => tab.settings.set({ prompt }),
    });
    /** @type {import("../../shared/views.js").Key[]} */
    this.keys = [
      [".", "Step: one more character", () => this.#step()],
      ["n", "Show what comes next", () => this.#goAhead()],
      ["Backspace", "Step back", () => this.#walk.back()],
      ["r", "Start over", () => this.#over()],
      ["t", "Throw the die once", () => this.#draw(1)],
      ["m", "Throw it a thousand times", () => this.#draw(MANY)],
      ["o", "Sort the bars by alphabet or by probability", () => this.#sort(!this.#byAlphabet)],
      ["w", "Show the whole alphabet", () => this.#toggleWhole()],
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
    new ResizeObserver(() => this.#redraw()).observe(panel); // the picture takes the height that the rest leaves
    addEventListener("resize", () => this.#redraw());
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
      ["Bars (PNG)", () => saveBars(this.#settled())],
      ["Distribution (CSV)", () => saveTable(this.#settled())],
    ];
  }

  #settled() {
    this.#air.finish();
    return this.#state();
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

  /** Takes what the address says now. Steps that it has too stay, as far as they are the same. */
  take() {
    const [tab, walk] = [this.#tab, this.#walk];
    const settings = tab.settings.get();
    const { model, choices, missing } = readSteps(tab);
    this.#byAlphabet = tab.address.get("sort") !== "probability";
    this.#isWhole = tab.address.get("bars") === "all";
    this.#alphabet.node.hidden = !this.#isWhole;
    this.#missing = missing;
    this.#air.finish();
    this.#dice.takeDrawn(readSeed(tab));
    this.#take(settings);
    const isSame = (step, choice) => choice !== undefined && (step.dice === this.#dice.word ? !choice : choice?.id === step.id && choice.byHand === Boolean(step.byHand));
    const isOther = walk.prompt !== settings.prompt || walk.model !== model;
    const different = walk.steps.findIndex((step, place) => !isSame(step, choices[place]));
    const kept = isOther ? 0 : different < 0 ? walk.steps.length : different;
    if (isOther) [walk.prompt, walk.model] = [null, model]; // it starts over when the view is shown
    walk.cut(kept);
    this.#replay = choices.slice(kept);
    this.#walked();
    if (!this.#panel.hidden) this.show();
  }

  hide() {
    this.#air.finish();
    this.#walk.pause();
  }

  // The arrow belongs to sliders and tabs where they have the focus; keys.js would take it from them.
  #key(event) {
    const { key } = event;
    const target = /** @type {Node} */ (event.target);
    const isChart = target === this.#bars.node || target === this.#alphabet.node;
    const here = target === document.body || (this.#panel.contains(target) && !isChart);
    if (key !== "ArrowRight" || !here || !this.#panel.checkVisibility() || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#step();
  }

  // Other settings make another distribution: what was counted belongs to the one before.
  #take(settings) {
    if (!this.#dice.take(settings)) return;
    this.#air.finish();
    this.#draws.clear();
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

  #step() {
    this.#air.finish();
    this.#walk.step();
  }

  #goAhead() {
    if (this.#isAhead) return;
    this.#air.finish();
    [this.#thrown, this.#isAhead] = [null, true];
    this.#update();
  }

  // A character that was clicked is written: in the place of the last one, where that is what the picture shows.
  #pick(id) {
    if (id === OTHERS) this.#toggleWhole();
    else if (this.#logits) {
      this.#air.finish();
      if (!this.#isAhead) this.#walk.back();
      this.#walk.step({ id, byHand: true });
    }
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
    const { steps, waiting } = this.#walk;
    if (step) {
      this.#isAhead = false;
      this.#throw(step, waiting.length > 0);
      return;
    }
    const thrown = this.#thrown;
    const isStale = thrown?.free ? thrown.logits !== this.#logits : thrown !== (steps.at(-1) ?? null);
    if (isStale && !(this.#isAhead && !thrown)) {
      this.#air.finish();
      [this.#thrown, this.#isAhead] = [null, true];
    }
    this.#update();
  }

  // Where the picture is in the text, and what is drawn from there.
  get #place() {
    return this.#walk.steps.length - (this.#isAhead ? 0 : 1);
  }

  get #logits() {
    return this.#walk.logitsAt(this.#place);
  }

  #draw(count) {
    const logits = this.#logits;
    if (!logits) return;
    this.#air.finish();
    this.#take(this.#tab.settings.get());
    this.#see();
    try {
      const { seed, settings } = this.#dice;
      const probabilities = distribution(logits, settings);
      const throws = this.#draws.throw(count, probabilities, seed, this.#place);
      if (count > 1) this.#rain(throws);
      else {
        this.#draws.count(throws);
        this.#throw({ ...throws[0], char: "", free: true, logits, probabilities, seed }, false);
      }
    } catch (error) {
      this.#fail(error.message);
    }
  }

  // The die comes down beside the strip; until it has landed, all that follows from it waits. Then its character flies into the text.
  #throw(thrown, atOnce) {
    this.#air.finish();
    [this.#thrown, this.#rained] = [thrown, false];
    this.#see();
    if (atOnce || calm() || thrown.die === null || !this.#shown) this.#update();
    else this.#air.throw(thrown.free ? "" : thrown.char, () => this.#flight(thrown.id));
  }

  // From its bar to the end of the text, in the window.
  #flight(id) {
    const { left, top } = this.#bars.node.getBoundingClientRect();
    const { x, y } = placeOfBar(this.#state(), this.#bars.room(), id);
    return /** @type {[import("./letter.js").Point, import("./letter.js").Point]} */ ([{ x: left + x, y: top + y }, this.#parts.endOfText()]);
  }

  #rain(throws) {
    [this.#thrown, this.#rained] = [this.#isAhead ? null : this.#walk.steps.at(-1), true];
    this.#air.rain(throws, (landed) => this.#draws.count(landed));
  }

  #update() {
    const { steps, waiting, start, isEmpty, notice, error, logits, slow } = this.#walk;
    const { fall, fly } = this.#air.motion;
    const seen = (fall ?? fly) !== undefined && !this.#thrown?.free ? steps.slice(0, -1) : steps;
    const notes = [this.#missing, notice];
    if (isEmpty && logits) notes.push(`The prompt is empty: the text starts from ${start === "\n" ? "a newline" : quoted(start)}.`);
    notes.push(tellWindow(charsIn(start) + seen.length, this.#walk.model.blockSize));
    this.#parts.text(start === "\n" ? `${signOf(start)}\n` : start, seen);
    this.#parts.notes(notes.filter(Boolean));
    this.#parts.fail(error, !logits);
    this.#parts.busy({ busy: !this.#logits, slow: slow && (this.#isAhead || waiting.length > 0), canGoBack: steps.length > 0 });
    this.#keep();
    this.#redraw();
  }

  #redraw() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #see() {
    const [logits, { model }] = [this.#logits, this.#walk];
    if (!logits || logits === this.#shown?.logits) return;
    this.#shown = { model, logits, raw: distribution(logits), order: ranking(logits), text: this.#walk.textUpTo(this.#place) };
    this.#draws = new Draws(logits.length);
  }

  #paint() {
    this.#see();
    if (!this.#shown) return;
    const state = this.#state();
    this.#bars.draw(state);
    if (this.#isWhole) this.#alphabet.draw(state);
    for (const { node } of [this.#bars, this.#alphabet]) node.setAttribute("aria-label", describe(state));
    this.#parts.figures(state);
    if (this.#air.motion.rain || this.#air.motion.fall !== undefined) {
      this.#parts.said(null, ""); // nothing is said before it has landed
      return;
    }
    const hint = this.#logits && !this.#thrown ? tellHint(state, this.#tab.settings.defaults.prompt) : null;
    const story = this.#isMany ? null : (tellThrow(this.#thrown, state) ?? hint);
    this.#parts.said(story, story && this.#draws.total >= ENOUGH ? "" : tellCounts(state));
  }

  get #isMany() {
    return this.#rained && this.#draws.goal >= ENOUGH;
  }

  #state() {
    const { primary, writers } = this.#tab.models;
    const { model } = this.#shown;
    return {
      ...stateOf({ shown: this.#shown, settings: this.#dice.settings, thrown: this.#thrown, draws: this.#draws, isMany: this.#isMany, motion: this.#air.motion }),
      by: writers.length > 1 || model !== primary ? model.name : "", // else the header names it
      isAhead: this.#isAhead,
      byAlphabet: this.#byAlphabet,
      isWhole: this.#isWhole,
    };
  }

  #tellBar(id) {
    this.#parts.readout(id === null ? "" : id === OTHERS ? tellOthers(this.#state(), picture.idsOf(this.#state(), this.#bars.room())) : tellBar(id, this.#state()));
  }

  #sort(byAlphabet) {
    this.#byAlphabet = byAlphabet;
    this.#tab.address.keep("sort", byAlphabet ? "" : "probability");
    this.#redraw();
  }

  #toggleWhole() {
    this.#isWhole = !this.#isWhole;
    this.#alphabet.node.hidden = !this.#isWhole;
    this.#tab.address.keep("bars", this.#isWhole ? "all" : "");
    if (this.#shown) this.#paint();
    if (this.#isWhole) bringIntoView(this.#alphabet.node);
  }

  // A prompt that was changed in another view is not the one that the steps belong to.
  #keep() {
    if (this.#replay.length) return;
    const { model, prompt, steps, waiting } = this.#walk;
    if (prompt === this.#tab.settings.get().prompt) keepSteps(this.#tab, steps, waiting, this.#dice, model);
    else keepSteps(this.#tab, [], [], this.#dice, model);
  }
}
