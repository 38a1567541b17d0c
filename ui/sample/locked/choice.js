// Whose dice: of the sample that somebody chose here, pressed in another view, or named in the address; else of the newest run's first.
import { make } from "../../shared/dom.js";

export class Choice {
  #app;
  #chosen = null; // { run, sample }
  #pressed = null; // the last app.selected that was taken

  constructor(app) {
    this.#app = app;
  }

  take(choice) {
    this.#chosen = choice;
  }

  takePressed() {
    const { selected } = this.#app;
    if (!selected || selected === this.#pressed) return;
    this.#pressed = selected;
    if (this.#isHere(selected)) this.take(selected);
  }

  // { run, sample }, or null where there is no text. The address follows.
  find() {
    const { address, runs } = this.#app;
    if (this.#chosen && !this.#isHere(this.#chosen)) {
      this.#chosen = null;
      address.keep("dice", "");
    }
    this.#chosen ??= this.#inAddress();
    if (!this.#chosen) return runs.list.length ? { run: runs.list.at(-1), sample: 0 } : null;
    const { run, sample } = this.#chosen;
    address.keep("dice", `${runs.list.indexOf(run) + 1}.${sample + 1}`);
    return this.#chosen;
  }

  #isHere({ run, sample }) {
    return this.#app.runs.list.includes(run) && sample < run.texts.length;
  }

  // The runs that it counts may not be written yet.
  #inAddress() {
    const [run, sample] = this.#app.address.get("dice").split(".").map(Number);
    const choice = { run: this.#app.runs.list[run - 1], sample: sample - 1 };
    return choice.run?.texts[choice.sample] === undefined ? null : choice;
  }
}

export function fillSelect(select, runs, choice) {
  const groups = runs.map((run, i) => {
    const { view, texts } = run;
    const group = make("optgroup");
    group.label = `Temperature ${view.temperature}, seed ${view.seed}`;
    group.append(...texts.map((text, sample) => option(`${i}.${sample}`, view.first_sample + sample + 1, view.prompt + text)));
    return group;
  });
  select.replaceChildren(...groups.reverse());
  select.value = choice && `${runs.indexOf(choice.run)}.${choice.sample}`;
}

function option(value, name, text) {
  const beginning = text.replace(/\s+/g, " ").trim().slice(0, 28);
  const node = make("option", "", `Sample ${name}: ${beginning}`);
  node.value = value;
  return node;
}

export function chosenIn(select, runs) {
  const [run, sample] = select.value.split(".").map(Number);
  return { run: runs[run], sample };
}
