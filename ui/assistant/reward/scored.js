// An answer whose characters are coloured by the score that the reward model gives after each of them.
import { charAt, placesIn } from "../../shared/characters.js";
import { make, makeText, POINT_AT, quoted } from "../../shared/dom.js";
import { heat } from "../../shared/heat.js";
import { measured } from "../../shared/marks.js";
import { scoreInFigures } from "./opinion.js";

const SHADES = 8;

/** The shade of a score: the scores that answers usually get are spread over all of them. @param {number} score @param {[number, number]} range */
export const shadeOf = (score, [low, high]) => ((SHADES - 1e-6) * (score - low)) / (high - low || 1);

export class ScoredText {
  node = makeText("p", "card-text reward-text");
  /** Says what the character that is pointed at has changed. */
  reading = make("p", "reward-reading");
  #text = document.createTextNode("");
  /** @type {import("./opinion.js").Opinion | null} */
  #opinion = null;
  #here = -1; // the character whose score is said

  /** @param {string} label */
  constructor(label) {
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "group"); // a paragraph may have no name
    this.node.setAttribute("aria-label", label);
    this.reading.setAttribute("role", "status");
    this.node.append(this.#text);
    this.node.addEventListener("pointermove", (event) => this.#point(event));
    this.node.addEventListener("click", (event) => this.#point(event));
    this.node.addEventListener("pointerleave", () => this.#read(-1));
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("blur", () => this.#read(-1));
  }

  /** @param {string} text as it is, without an opinion */
  show(text) {
    heat.clear(this.#text);
    this.#opinion = null;
    this.#text.data = text;
    this.#read(-1);
  }

  /** @param {import("./opinion.js").Opinion} opinion @param {[number, number]} range of the colours */
  mark(opinion, range) {
    this.show(opinion.chars);
    this.#opinion = opinion;
    heat.paint(this.#text, opinion.scores.map((score) => shadeOf(score, range)));
    this.#read(-1);
  }

  /** @param {MouseEvent} event */
  #point({ clientX, clientY }) {
    const place = placesIn(this.#text.data);
    const holds = ({ left, right, top, bottom }) => clientX >= left && clientX < right && clientY >= top && clientY < bottom;
    const index = (this.#opinion?.scores ?? []).findIndex((_, i) => [...measured(this.#text, place(i)).getClientRects()].some(holds));
    this.#read(index);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || !this.#opinion) return;
    event.preventDefault();
    this.#read(Math.min(this.#opinion.scores.length - 1, Math.max(0, this.#here + by)));
  }

  /** @param {number} index of a character; −1 for none */
  #read(index) {
    this.#here = index;
    if (!this.#opinion || index < 0) return void (this.reading.textContent = "");
        const { chars, scores } = this.#opinion;
    const change = index ? `, ${signed(scores[index] - scores[index - 1])} by this character` : "";
    this.reading.textContent = `After ${quoted(charAt(chars, placesIn(chars)(index)))}: ${scoreInFigures(scores[index])}${change}`;
  }
}

/** @param {number} change */
const signed = (change) => (change < 0 ? scoreInFigures(change) : `+${scoreInFigures(change)}`);

/** What the colours mean. @param {[number, number]} range */
export function scoreLegend([low, high]) {
  const node = make("p", "heat-legend reward-legend", "score after each character: ");
  const steps = make("span", "heat-steps");
  for (let shade = 0; shade < SHADES; shade++) {
    const ends = { 0: low.toFixed(1).replace("-", "−"), [SHADES - 1]: high.toFixed(1) };
    const swatch = make("span", "heat-step", ends[shade] ?? " ");
    swatch.style.background = `var(--heat-${shade})`;
    steps.append(swatch);
  }
  node.append(steps, `${POINT_AT} a character.`);
  return node;
}
