// Which characters of the texts were guessed before the model wrote them: their colours, the share that was kept, and what a class learns from it.
import { make, number, percent } from "../../shared/dom.js";
import { NO_GUESS } from "../../shared/generations.js";
import { Shades } from "../../shared/shades.js";

const [PLAIN, KEPT, CORRECTED] = [0, 1, 2];
const KINDS = [["guesses-kept", "guessed and kept"], ["guesses-corrected", "guessed wrong, corrected"], ["guesses-plain", "not guessed"]];
const LESSON = "An n-gram table guesses, the GPT checks."; // a phone has room for this much
const MORE =
  " The table is cheap and throws the same dice. One step checks all guesses, corrects the first wrong one and drops the rest. " +
  "The text is the same, only sooner: speculative decoding.";
const WITHOUT = "No guesses here. They are made only while few texts are written: checking several characters in one step is then faster than writing them one by one.";

/** @typedef {import("../../shared/generations.js").Generation} Generation */

/** @param {Generation} generation @param {number} sample @param {number} [from] */
function kindsOf({ guesses, texts, model }, sample, from = 0) {
  const chars = [...texts[sample]];
  return guesses[sample].slice(from).map((guess, i) => (guess === NO_GUESS ? PLAIN : model.vocabulary[guess] === chars[from + i] ? KEPT : CORRECTED));
}

/** How many characters of some generations are of each kind. @param {Generation[]} generations */
function count(generations) {
  const counts = [0, 0, 0];
  for (const generation of generations) generation.texts.forEach((_, sample) => kindsOf(generation, sample).forEach((kind) => counts[kind]++));
  const [plain, kept, corrected] = counts;
  return { guesses: kept + corrected, share: kept / (kept + corrected), chars: plain + kept + corrected, pace: (plain + kept + corrected) / (plain + corrected) };
}

/** @param {Generation} generation */
function inWords(generation) {
  const { guesses, share, chars, pace } = count([generation]);
  if (!chars) return "";
  return guesses ? `${percent(share)} of ${number(guesses)} guesses kept · ${pace.toFixed(1)} characters per step` : "no guesses: made only while few texts are written";
}

/** The colours and their legend, which stands beside the texts. */
export function createGuesses() {
  const shades = new Shades(["guess-kept", "guess-corrected"]);
  const node = make("div", "guesses");
  node.dataset.testid = "guesses";
  const legend = make("p", "guesses-legend");
  for (const [className, words] of KINDS) {
    const kind = make("span", "guesses-kind");
    kind.append(make("span", className, "abc"), ` ${words}`);
    legend.append(kind);
  }
  const said = make("p", "guesses-said");
  said.setAttribute("role", "status");
  const lesson = make("p", "guesses-lesson", LESSON);
  lesson.append(make("span", "guesses-more", MORE));
  node.append(said, legend, lesson);
  /** @param {Generation[]} generations that are on the page */
  const show = (generations) => {
    const { guesses, share, chars, pace } = count(generations);
    const those = generations.length > 1 ? "All texts here: " : ""; // each press says its own share
    const kept = `${those}${percent(share)} of the guesses kept: ${pace.toFixed(1)} characters per step of the GPT instead of one`;
    const words = guesses ? kept : chars ? WITHOUT : "";
    if (said.textContent !== words) said.textContent = words;
  };
  /** Colours a sample from character `from` on, and says how far it is. @param {Text} text @param {Generation} generation @param {number} sample @param {number} from */
  const paint = (text, generation, sample, from) => {
    const kinds = kindsOf(generation, sample, from);
    shades.paint(text, kinds, from);
    return from + kinds.length;
  };
  return { node, show, paint, clear: (/** @type {Text} */ text) => shades.clear(text), inWords };
}
