// What comes next: the model's distribution at the end of the text, the die that picks from it, and the text that grows so, step by step.
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

export function createNext(panel, app) {
  return new Next(panel, app);
}

class Next {
  #app;
  #panel;
  #walk = new Walk(
    (...choice) => this.#choose(...choice),
    (step) => this.#walked(step),
  );
  #draws;
  #strip = createStrip();
  #bars = createBars({ onPoint: (id) => this.#tellBar(id), onPick: (id) => this.#walk.logits && this.#walk.step({ id, byHand: true }) });
  #dice;
  #parts;
  #shown = null; // { logits, raw, order, text }: stays while the next is awaited
  #thrown = null; // the last throw
  #falling = null; // ends the fall of a die
  #frame = 0;
  #byAlphabet;
  #replay; // steps that the address asks for, until the view is shown

  constructor(panel, app) {
    [this.#panel, this.#app, this.#draws] = [panel, app, new Draws(app.vocabulary.length)];
    this.#byAlphabet = app.address.get("sort") === "alphabet";
    this.#replay = readSteps(app);
    this.#dice = new Dice(readSeed(app));
    this.#parts = createParts(panel, this.#strip.node, this.#bars.node, {
      step: () => this.#walk.step(),
      back: () => this.#walk.back(),
      over: () => this.#over(),
      drawOne: () => this.#draw(1),
      drawMany: () => this.#draw(MANY),
      sort: (byAlphabet) => this.#sort(byAlphabet),
      retry: () => this.#walk.retry(),
      fix: (seed) => app.controls.set({ seed: String(seed) }),
    });
    this.keys = [
      [".", "Step: one character more", () => this.#walk.step()],
      ["Backspace", "One step back", () => this.#walk.back()],
      ["r", "Start over", () => this.#over()],
      ["t", "Throw the die once", () => this.#draw(1)],
      ["m", "Throw it a thousand times", () => this.#draw(MANY)],
      ["o", "Order the bars by alphabet, or by probability", () => this.#sort(!this.#byAlphabet)],
    ];
    app.controls.onChange((settings, name) => {
      if (TAKEN_WITH.includes(name) && "ready" in app.element.dataset) this.#replay = [];
      if (name !== "prompt") this.#take(settings);
      else if (!panel.hidden) this.#walk.restart(settings.prompt, TYPING_MS);
      this.#keep();
    });
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  // Once there is something to save.
  get downloads() {
    if (!this.#shown) return [];
    return [
      ["Bars (PNG)", () => saveBars(this.#state())],
      ["Distribution (CSV)", () => saveTable(this.#state())],
    ];
  }

  show() {
    const settings = this.#app.controls.get();
    this.#take(settings);
    if (this.#walk.prompt !== settings.prompt) this.#walk.restart(settings.prompt);
    else if (!this.#walk.logits) this.#walk.retry();
    if (this.#replay.length) this.#walk.replay(this.#replay.splice(0));
    this.#keep();
  }

  hide() {
    this.#falling?.();
  }

  // The arrow belongs to sliders and tabs where they have the focus; keys.js would take it from them.
  #key(event) {
    const { key, target } = event;
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
    this.#walk.restart(this.#walk.prompt);
  }

  // One step of the text: the die's character, or one that is given.
  #choose(choice, logits, place) {
    const { vocabulary, controls } = this.#app;
    this.#take(controls.get());
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
    this.#take(this.#app.controls.get());
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
      this.#falling = dropDie(this.#strip, thrown.probabilities, { die: thrown.die, id: thrown.id }, () => {
        this.#falling = null;
        this.#update();
      });
    }
    this.#update();
  }

  #update() {
    const { steps, start, isEmpty, notice, error, logits, slow } = this.#walk;
    const seen = this.#stepFalls ? steps.slice(0, -1) : steps;
    const notes = [notice];
    if (isEmpty && logits) notes.push(`The prompt is empty: the text starts from ${start === "\n" ? "a newline" : quoted(start)}.`);
    notes.push(tellWindow([...start].length + seen.length, this.#app.page.block_size));
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
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #see() {
    const { logits } = this.#walk;
    if (!logits || logits === this.#shown?.logits || this.#stepFalls) return;
    this.#shown = { logits, raw: distribution(logits), order: ranking(logits), text: this.#walk.text };
    this.#draws.clear();
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
    this.#strip.draw(...this.#onStrip(state.probabilities));
    this.#parts.said(tellThrow(this.#thrown, state), tellCounts(state));
  }

  // All that the bars show, and what belongs to them.
  #state() {
    const { logits, raw, order, text } = this.#shown;
    const { vocabulary } = this.#app;
    const probabilities = distribution(logits, this.#dice.settings);
    const thrown = this.#falling ? null : this.#thrown;
    return {
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

  // The last throw where it fell; one that was only tried out falls anew when the distribution changes under it.
  #onStrip(probabilities) {
    const thrown = this.#thrown;
    if (!thrown || thrown.many) return [probabilities];
    if (thrown.free) return [probabilities, { die: thrown.die, id: land(probabilities, thrown.die).id }];
    return [thrown.probabilities, { die: thrown.die, id: thrown.id }];
  }

  #tellBar(id) {
    this.#parts.readout(id === null ? "" : tellBar(id, this.#state()));
  }

  #sort(byAlphabet) {
    this.#byAlphabet = byAlphabet;
    this.#app.address.keep("sort", byAlphabet ? "alphabet" : "");
    this.#redraw();
  }

  // A prompt that was changed in another view is not the one that the steps belong to.
  #keep() {
    if (this.#replay.length) return;
    const { address, controls } = this.#app;
    const { prompt, steps, waiting } = this.#walk;
    if (prompt === controls.get().prompt) keepSteps(address, steps, waiting, this.#dice);
    else keepSteps(address, [], [], this.#dice);
  }
}
