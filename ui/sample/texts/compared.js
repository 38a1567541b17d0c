// How the texts of a press compare with those that were on the page before: in words, and side by side.
import { charsIn, commonLength } from "../../shared/characters.js";
import { listed, number } from "../../shared/dom.js";
import { haveSameDice, haveSameSettings } from "../../shared/generations.js";

/** @typedef {import("../../shared/generations.js").Generation} Generation */

/**
 * Whether two generations stand side by side, sample by sample. Where only the dice differ there is nothing to be seen from one to the
 * other: then the earlier ones stand below.
 * @param {Generation} generation
 * @param {Generation[]} list on the page
 */
export function isPaired(generation, list) {
  const { earlier, view } = generation;
  if (!earlier || !list.includes(earlier) || view.beside || earlier.view.beside) return false;
  return haveSameDice(generation, earlier) || !haveSameSettings(generation, earlier);
}

/**
 * A sentence about a generation and the earlier one; empty while it is written and there is nothing certain to be said.
 * @param {Generation} generation
 */
export function comparison({ texts, earlier, live, view }) {
  const pairs = texts.map((text, i) => [text, earlier.texts[i]]).filter((pair) => pair.every(Boolean)); // of nothing there is nothing to be said
  const count = pairs.length;
  if (!count) return "";
  const places = pairs.map(([text, before]) => divergence(text, before));
  const apart = places.filter((place) => place !== null);
  const other = count === 1 ? "text" : "texts";
  if (live) return apart.length || !texts.every(Boolean) ? "" : `Identical to the ${other} before so far`;
  const dice = view.seed === earlier.view.seed ? "" : "Other dice: ";
  if (!apart.length) {
    const isWhole = pairs.every(([text, before]) => text === before);
    return sentence(dice, `identical to the ${other} before, ${isWhole ? "character for character" : "as far as both go"} ✓`);
  }
  const where = `at character${apart.length === 1 ? "" : "s"} ${listed(apart.map(number))}`;
  if (apart.length === count) return sentence(dice, `${count === 1 ? "diverges" : "diverge"} from the ${other} before ${where}`);
  return sentence(dice, `${number(count - apart.length)} of ${number(count)} identical to the texts before; the rest diverge ${where}`);
}

/** @param {string} before @param {string} words */
const sentence = (before, words) => before + (before ? words : words[0].toUpperCase() + words.slice(1));

/** The number of the first character that differs, from 1; null where one text begins with the other. @param {string} a @param {string} b */
function divergence(a, b) {
  const at = commonLength(a, b);
  return at < a.length && at < b.length ? charsIn(a.slice(0, at)) + 1 : null;
}
