// The view "Zero-shot": a model that was never given a label chooses by likelihood. It has three parts, and in all of them one model is the judge.
import { button, labelled, make } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { tellTrouble } from "../../shared/trouble.js";
import { Choices } from "./choices.js";
import { Pairs } from "./pairs.js";
import { readResults } from "./results.js";
import { saveAccuracy, saveChoices, saveGrowth, savePairs, saveResults, saveSpeakers } from "./save.js";
import { Speakers } from "./speakers.js";

const CAPTION =
  "This model was never told what is right. Of two texts it takes the likelier one: guess first, then ask it.";
/** @type {["pairs" | "choices" | "speakers", string][]} */
const PARTS = [
  ["pairs", "Minimal pairs"],
  ["choices", "Your own choices"],
  ["speakers", "Who said it?"],
];
const GROUPS = { shipped: "Shipped", ladder: "Ladder", snapshot: "Snapshots of a run", assistant: "Assistant", meaning: "Meaning" };

/** @param {HTMLElement} panel @param {import("../main.js").Meaning} meaning @returns {import("../../shared/views.js").View} */
export function createZeroShot(panel, meaning) {
  const view = new ZeroShot(panel, meaning);
  return {
    caption: CAPTION,
    show: () => view.show(),
    keeps: ["zero", "judge", "kind", "minimal", "growth", "beginning", "endings", "speech"],
    take: () => view.take(),
    hide: () => view.hide(),
    get keys() {
      return view.keys;
    },
    get downloads() {
      return view.downloads;
    },
  };
}

export class ZeroShot {
  address;
  /** @type {import("./results.js").Results | null} */
  results = null;
  #models;
  #parts;
  /** @type {Map<string, HTMLButtonElement>} by part */
  #openers = new Map();
  #select = Object.assign(make("select", "field"), { id: "zero-judge" });
  #said = make("p", "trouble");
  #notice = make("p", "notice");
  #reading = new Latest();
  #isShown = false;

  /** @param {HTMLElement} panel @param {import("../main.js").Meaning} meaning */
  constructor(panel, { address, page }) {
    this.address = address;
    this.#models = page.models;
    this.#parts = { pairs: new Pairs(this), choices: new Choices(this), speakers: new Speakers(this) };
    const row = make("div", "zero-parts");
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "Parts of this view");
    for (const [name, title] of PARTS) {
      const opener = button("zero-part", title, () => this.open(name));
      this.#openers.set(name, opener);
      row.append(opener);
    }
    const head = make("div", "zero-head");
    head.append(row, labelled("Model", this.#select, "zero-judge"));
    this.#said.setAttribute("role", "alert");
    this.#notice.setAttribute("role", "status");
    panel.append(head, this.#said, this.#notice, ...Object.values(this.#parts).map(({ node }) => node));
    this.#select.addEventListener("change", () => this.judge(this.#select.value));
    page.models.addEventListener("change", () => this.#isShown && this.#draw());
  }

  show() {
    this.#isShown = true;
    this.#draw();
    if (!this.results) void this.#read();
    else this.#shownPart.show();
  }

  take() {
    for (const part of Object.values(this.#parts)) {
      part.leave();
      part.take();
    }
    if (this.#isShown) this.show();
  }

  hide() {
    this.#isShown = false;
    this.#reading.cancel();
    this.#shownPart.leave();
  }

  /** The name of the part that is shown. */
  get part() {
    const asked = this.address.get("zero");
    return PARTS.find(([name]) => name === asked)?.[0] ?? "pairs";
  }

  get #shownPart() {
    return this.#parts[this.part];
  }

  /** @param {string} name */
  open(name) {
    if (name === this.part) return;
    this.#shownPart.leave();
    this.address.keep("zero", name === PARTS[0][0] ? "" : name);
    this.show();
  }

  /** The measured model that judges; null if nobody measured the one that does. */
  get judged() {
    const asked = this.address.get("judge");
    const named = this.results?.models.find(({ id, key }) => id === asked && key);
    return named ?? this.results?.models.find(({ key }) => key === this.#models.primary.key) ?? null;
  }

  get ngram() {
    return this.results?.models.find(({ group }) => group === "n-gram") ?? null;
  }

  /** The key of the model that judges. */
  get key() {
    return this.judged?.key ?? this.#models.primary.key;
  }

  get name() {
    return (this.judged ?? this.#models.primary).name;
  }

  /** @param {string} id of a measured model; "" for the one that the page writes with */
  judge(id) {
    const isPages = this.results?.models.find((model) => model.id === id)?.key === this.#models.primary.key;
    this.address.keep("judge", isPages ? "" : id);
    this.show();
  }

  /** The model before or after, as they stand in the list. @param {number} by */
  #moveJudge(by) {
    const { options, selectedIndex } = this.#select;
    const to = options[selectedIndex + by];
    if (to) this.judge(to.value);
  }

  async #read() {
    const signal = this.#reading.begin();
    this.#said.replaceChildren();
    try {
      this.results = await readResults(signal);
      this.#draw();
      this.#shownPart.show();
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#said, error, () => this.#read());
    } finally {
      this.#reading.end(signal);
    }
  }

  #draw() {
    const { results, judged, part } = this;
    for (const [name, opener] of this.#openers) {
      opener.setAttribute("aria-pressed", String(name === part));
      this.#parts[name].node.hidden = name !== part;
    }
    const isMeasured = judged || !results || results.trouble;
    this.#notice.textContent = results?.trouble || (isMeasured ? "" : `${this.name} has not been measured: pairs are judged live, without its accuracy.`);
    this.#fillSelect();
    this.#shownPart.draw();
  }

  #fillSelect() {
    const measured = this.results?.models.filter(({ key }) => key) ?? [];
    const groups = Object.entries(GROUPS).flatMap(([group, title]) => {
      const some = measured.filter((model) => model.group === group);
      if (!some.length) return [];
      const node = Object.assign(make("optgroup"), { label: title });
      node.append(...some.map((model) => new Option(model.name, model.id)));
      return [node];
    });
    const { primary } = this.#models;
    const isMeasured = measured.some(({ key }) => key === primary.key);
    const others = isMeasured ? [] : [new Option(primary.name, "")];
    const all = [...others, ...groups];
    const isSame = this.#select.children.length === all.length && all.every((node, i) => node.isEqualNode(this.#select.children[i]));
    if (!isSame) this.#select.replaceChildren(...all); // otherwise it may be open
    this.#select.value = this.judged?.id ?? "";
  }

  /** @returns {import("../../shared/views.js").Key[]} */
  get keys() {
    const { pairs } = this.#parts;
    /** @type {import("../../shared/views.js").Key[]} */
    const ofPairs = [
      ["a", "A is likelier", () => pairs.guess("a")],
      ["b", "B is likelier", () => pairs.guess("b")],
      ["m", "Ask the model without a guess", () => pairs.guess(null)],
      ["ArrowRight", "Next pair", () => pairs.move(1)],
      ["ArrowLeft", "Previous pair", () => pairs.move(-1)],
      ["]", "Next kind", () => pairs.moveKind(1)],
      ["[", "Previous kind", () => pairs.moveKind(-1)],
    ];
    return [
      ...(this.part === "pairs" ? ofPairs : []),
      [".", "Next model", () => this.#moveJudge(1)],
      [",", "Previous model", () => this.#moveJudge(-1)],
      ["p", "Minimal pairs", () => this.open("pairs")],
      ["c", "Your own choices", () => this.open("choices")],
      ["w", "Who said it?", () => this.open("speakers")],
    ];
  }

  /** @returns {import("../../shared/views.js").Entry[]} */
  get downloads() {
    const { results } = this;
    const { pairs, choices, speakers } = this.#parts;
    const measured = results?.models.length ? results : null;
    /** @type {[unknown, string, () => void][]} */
    const all = [
      [measured, "Accuracy of all models (CSV)", () => saveAccuracy(results)],
      [measured, "All that was measured (JSON)", () => saveResults(results)],
      [measured && this.part === "pairs", "How it grows (PNG)", () => saveGrowth(pairs.growth)],
      [this.part === "pairs" && pairs.known.size, "Pairs on this page (CSV)", () => savePairs(pairs.kind.id, this.key, pairs.known)],
      [this.part === "choices" && choices.found, "Endings (CSV)", () => saveChoices(choices.found)],
      [this.part === "speakers" && speakers.found, "Speakers (CSV)", () => saveSpeakers(speakers.found)],
    ];
    return all.flatMap(([is, words, save]) => (is ? [/** @type {import("../../shared/views.js").Entry} */ ([words, save])] : []));
  }
}
