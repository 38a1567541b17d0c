// The sentences of the view "Next character".
import { endOf, nameOf, number, percent, plural, quoted, signOf } from "../../shared/dom.js";
import { land, ranking } from "../../shared/distribution.js";
import { inDigits } from "../../shared/strip.js";
import { ENOUGH, EXPECTED } from "./draws.js";

const SURE = 0.1; // bits

/** The last characters of a text, on one line. @param {string} text @param {number} most */
export const lineEnd = (text, most) => endOf(text, most).replaceAll("\n", signOf("\n"));

export function tellHint({ bits }) {
  if (bits.raw < SURE) return "The model is almost certain here. Take another step, or try a prompt that ends in the middle of a line.";
  return "Point at a bar for its numbers; click it to write that character.";
}

// Why some characters cannot come. At temperature 0 there is nothing left to cut.
export function tellCut({ probabilities, settings: { temperature, top_k, top_p } }) {
  const kept = probabilities.reduce((count, p) => count + (p > 0), 0);
  const least = Math.min(top_k || Infinity, probabilities.length);
  const cuts = [least < probabilities.length && "top-k", top_p < 1 && kept < least && "top-p"].filter(Boolean);
  const by = temperature === 0 ? "temperature 0" : cuts.join(" and ");
  return `probability 0${by && `: cut by ${by}`}`; // without a cut, too small for a number
}

// How a throw ended: { before, die, words, seed, which }, or only words. A trial throw lands again when the distribution changes.
export function tellThrow(thrown, { vocabulary, probabilities }) {
  if (!thrown || thrown.many) return null;
  const { id, die, free, byHand, moved, seed, sample, place } = thrown;
  if (byHand) return { words: `${quoted(vocabulary[id])} was chosen by hand; its probability was ${percent(thrown.probabilities[id])}.` };
  if (die === null) return { words: `${quoted(vocabulary[id])} was drawn with other settings.` };
  const hit = free ? land(probabilities, die) : thrown;
  const words = inDigits(die, hit.low, hit.high);
  const range = `${words.low} to ${words.high}`;
  if (!free) {
    const before = `Written: ${quoted(vocabulary[id])}, by the throw `;
    return { before, die: words.die, words: ` (${range}).`, seed, which: `throw ${number(place + 1)}` };
  }
  const fell = `${moved ? "now lands" : "landed"} on ${quoted(vocabulary[hit.id])}`;
  return { before: "", die: words.die, words: ` ${fell}: ${range}.`, seed, which: `sample ${number(sample + 1)}` };
}

export function tellCounts({ draws, probabilities }) {
  if (!draws.total) return "";
  if (draws.total < ENOUGH) return `${number(draws.total)} drawn so far.`;
  const { inside, of } = draws.within(probabilities);
  if (!of) return `${number(draws.total)} drawn; no bar has ${EXPECTED} expected throws yet.`;
  const bars = `of the ${plural(of, "bar")} with at least ${EXPECTED} expected throws`;
  const lie = inside === 1 ? "lies" : "lie";
  return `${number(draws.total)} drawn: ${bars}, ${inside} ${lie} within the range expected 19 times out of 20.`;
}

const exact = (p) => (p === 0 ? "0" : p < 1e-4 ? p.toExponential(2) : p.toFixed(5));

export function tellBar(id, { vocabulary, probabilities, raw, logits, draws }) {
  const words = [`${exact(probabilities[id])} drawn from`, `${exact(raw[id])} raw`, `logit ${logits[id].toFixed(3)}`];
  if (probabilities[id] === 0) words[0] = "0, cut off";
  if (draws.total) {
    const { low, high } = draws.expected(probabilities[id]);
    words.push(`${number(draws.counts[id])} drawn, ${number(Math.ceil(low))} to ${number(Math.floor(high))} expected`);
  }
  return `${quoted(vocabulary[id])}: ${words.join("; ")}`;
}

export function describe({ vocabulary, probabilities, raw }) {
  const best = ranking(probabilities).slice(0, 5);
  const words = best.map((id) => `${nameOf(vocabulary[id])} ${percent(probabilities[id])}, raw ${percent(raw[id])}`);
  const keys = "Arrow keys move from bar to bar, Enter writes one.";
  return `Probabilities of all ${vocabulary.length} characters. The likeliest: ${words.join("; ")}. ${keys}`;
}

// How much of a long text the model sees: from its config's window_start to the end.
export function tellWindow(length, blockSize) {
  if (length <= blockSize) return "";
  const half = blockSize / 2;
  const start = half * Math.ceil((length - blockSize) / half);
  return `The model sees only the last ${number(length - start)} characters.`;
}
