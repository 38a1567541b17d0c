// An answer whose characters are coloured by the score that the reward model gives after each of them.
import { charAt, placesIn } from "../../shared/characters.js";
import { make, POINT_AT, quoted } from "../../shared/dom.js";
import { ReadText } from "../../shared/read_text.js";
import { scoreInFigures } from "./opinion.js";

const SHADES = 8;

/** The shade of a score: the scores that answers usually get are spread over all of them. @param {number} score @param {[number, number]} range */
export const shadeOf = (score, [low, high]) => ((SHADES - 1e-6) * (score - low)) / (high - low || 1);

export class ScoredText extends ReadText {
  /** @param {string} label */
  constructor(label) {
    super("reward-text", label, make("p", "reward-reading"));
  }

  /** @param {import("./opinion.js").Opinion} opinion @param {[number, number]} range of the colours */
  score({ chars, scores }, range) {
    const place = placesIn(chars);
    this.mark(
      chars,
      scores.map((score) => shadeOf(score, range)),
      (index) => {
        const change = index ? `, ${signed(scores[index] - scores[index - 1])} by this character` : "";
        return `After ${quoted(charAt(chars, place(index)))}: ${scoreInFigures(scores[index])}${change}`;
      },
    );
  }
}

/** @param {number} change */
const signed = (change) => (change < 0 ? scoreInFigures(change) : `+${scoreInFigures(change)}`);

/** What the colours mean. @param {[number, number]} range */
export function scoreLegend([low, high]) {
  const node = make("p", "heat-legend reward-legend", "Only the score after the stop sign counts. Colours: the scores before it ");
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
