// Whose dice: those of the sample that was chosen here, pressed in another view or named in the address; else the newest generation's first.
import { first } from "../../shared/characters.js";
import { make } from "../../shared/dom.js";

/** @typedef {import("../../shared/generations.js").Generation} Generation */
/** @typedef {{generation: Generation, sample: number}} Sample */

export class Choice {
  /** @type {import("../main.js").SampleTab} */
  #tab;
  /** @type {Sample | null} */
  #chosen = null;
  /** @type {Sample | null} the last one pressed elsewhere that was taken */
  #pressed = null;

  /** @param {import("../main.js").SampleTab} tab */
  constructor(tab) {
    this.#tab = tab;
  }

  /** @param {Sample} choice */
  take(choice) {
    this.#chosen = choice;
  }

  /** Takes what the address names. */
  takeNamed() {
    this.#chosen = null;
    this.#pressed = this.#tab.generations.selected;
  }

  /** Forgets a sample that is gone. */
  leaveGone() {
    if (!this.#chosen || this.#isHere(this.#chosen)) return;
    this.#chosen = null;
    this.#tab.address.keep("dice", "");
  }

  takePressed() {
    const { selected } = this.#tab.generations;
    if (!selected || selected === this.#pressed) return;
    this.#pressed = selected;
    if (this.#isHere(selected)) this.take(selected);
  }

  /** The sample, or null where there is no text. The address follows. @returns {Sample | null} */
  find() {
    const { address, generations } = this.#tab;
    this.leaveGone();
    this.#chosen ??= this.#inAddress();
    if (!this.#chosen) return generations.list.length ? { generation: generations.list.at(-1), sample: 0 } : null;
    const { generation, sample } = this.#chosen;
    address.keep("dice", `${generations.list.indexOf(generation) + 1}.${sample + 1}`);
    return this.#chosen;
  }

  #isHere({ generation, sample }) {
    return this.#tab.generations.current.includes(generation) && sample < generation.texts.length;
  }

  // The generations that the address counts may not be written yet.
  #inAddress() {
    const [generation, sample] = this.#tab.address.get("dice").split(".").map(Number);
    const choice = { generation: this.#tab.generations.list[generation - 1], sample: sample - 1 };
    return choice.generation?.texts[choice.sample] === undefined ? null : choice;
  }
}

/** @param {HTMLSelectElement} select @param {Generation[]} generations @param {Sample | null} choice */
export function fillSelect(select, generations, choice) {
  const isOne = generations.every(({ model }) => model === generations[0].model);
  const groups = generations.map((generation, i) => {
    const { model, view, texts } = generation;
    const group = make("optgroup");
    group.label = `${isOne ? "" : `${model.name}, `}${isOne ? "T" : "t"}emperature ${view.temperature}, seed ${view.seed}`;
    group.append(...texts.map((text, sample) => option(`${i}.${sample}`, view.first_sample + sample + 1, view.prompt + text)));
    return group;
  });
  select.replaceChildren(...groups.toReversed());
  select.value = choice && `${generations.indexOf(choice.generation)}.${choice.sample}`;
}

function option(value, name, text) {
  const beginning = first(text.replace(/\s+/g, " ").trim(), 28);
  const node = make("option", "", `Sample ${name}: ${beginning}`);
  node.value = value;
  return node;
}

/** @param {HTMLSelectElement} select @param {Generation[]} generations @returns {Sample} */
export function chosenIn(select, generations) {
  const [generation, sample] = select.value.split(".").map(Number);
  return { generation: generations[generation], sample };
}
