// The sentences of the view "Next character".
import { endOf, nameOf, number, percent, plural, quoted, signOf } from "../../shared/dom.js";
import { land, ranking } from "../../shared/distribution.js";
import { inDigits } from "../../shared/strip.js";
import { ENOUGH, EXPECTED } from "./draws.js";

const SURE = 0.1; // bits

/** The last characters of a text, on one line. @param {string} text @param {number} most */
export const lineEnd = (text, most) => endOf(text, most).replaceAll("\n", signOf("\n"));

/** Where there is no choice to speak of, a prompt that has one. @param {{bits: {raw: number}}} state @param {string} example */
export function tellHint({ bits }, example) {
  if (bits.raw >= SURE) return null;
  return { before: "The model is almost certain here. Press Step, or try ", example, words: "." };
}

// Why some characters cannot come. At temperature 0 there is nothing left to cut.
export function tellCut({ probabilities, settings: { temperature, top_k, top_p } }) {
  const kept = probabilities.reduce((count, p) => count + (p > 0), 0);
  const least = Math.min(top_k || Infinity, probabilities.length);
  const cuts = [least < probabilities.length && "top-k", top_p < 1 && kept < least && "top-p"].filter(Boolean);
  const by = temperature === 0 ? "temperature 0" : cuts.join(" and ");
  return `probability 0${by && `: cut by ${by}`}`; // without a cut, too small for a number
}

// How a throw ended: { before, die, words, seed, which }, or only words. With other settings than it was made with, it may land elsewhere.
export function tellThrow(thrown, { vocabulary, probabilities }) {
  if (!thrown) return null;
  const { id, die, free, byHand, low, high, seed, sample, place } = thrown;
  if (byHand) return { words: `You chose ${quoted(vocabulary[id])}; its probability was ${percent(thrown.probabilities[id])}.` };
  if (die === null) return { words: `${quoted(vocabulary[id])} was drawn with other settings.` };
  const hit = land(probabilities, die);
  const hasMoved = hit.low !== low || hit.high !== high;
  const said = inDigits(die, hit.low, hit.high);
  const words = `${hasMoved ? ", which now lands on" : " →"} ${quoted(vocabulary[hit.id])} (${said.low} to ${said.high})`;
  const which = free ? `sample ${number(sample + 1)}` : `throw ${number(place + 1)}`;
  return { before: "The die shows ", die: said.die, words, seed, which };
}

export function tellCounts({ draws, probabilities }) {
  if (!draws.total) return "";
  if (draws.total < ENOUGH) return `${number(draws.total)} drawn so far.`;
  const { inside, of } = draws.within(probabilities);
  if (!of) return `${number(draws.total)} drawn; no character has ${EXPECTED} expected throws yet.`;
  return `${number(draws.total)} drawn: ${inside} of ${plural(of, "frequent character")} came up as often as expected (95 % range).`;
}

const exact = (p) => (p === 0 ? "0" : p < 1e-4 ? p.toExponential(2) : p.toFixed(5));

export function tellBar(id, { vocabulary, probabilities, raw, logits, draws }) {
  const words = [`${exact(probabilities[id])} used`, `${exact(raw[id])} before temperature`, `logit ${logits[id].toFixed(3)}`];
  if (probabilities[id] === 0) words[0] = "0, cut off";
  if (draws.total) {
    const { low, high } = draws.expected(probabilities[id]);
    words.push(`${number(draws.counts[id])} drawn, ${number(Math.ceil(low))} to ${number(Math.floor(high))} expected`);
  }
  return `${quoted(vocabulary[id])}: ${words.join("; ")}`;
}

/** What has no bar of its own. @param {any} state @param {number[]} shown the ids that have one */
export function tellOthers({ vocabulary, probabilities, order }, shown) {
  const others = order.filter((id) => !shown.includes(id));
  const likeliest = others.slice(0, 6).map((id) => `${quoted(vocabulary[id])} ${percent(probabilities[id])}`);
  return `${likeliest.join(", ")}${others.length > likeliest.length ? ", …" : ""}`;
}

export function describe({ vocabulary, probabilities, raw }) {
  const best = ranking(probabilities).slice(0, 5);
  const words = best.map((id) => `${nameOf(vocabulary[id])} ${percent(probabilities[id])}, before temperature ${percent(raw[id])}`);
  const keys = "Arrow keys move from bar to bar, Enter writes one.";
  return `Probabilities of all ${vocabulary.length} characters. The most likely: ${words.join("; ")}. ${keys}`;
}

// How much of a long text the model sees: from its config's window_start to the end.
export function tellWindow(length, blockSize) {
  if (length <= blockSize) return "";
  const half = blockSize / 2;
  const start = half * Math.ceil((length - blockSize) / half);
  return `The model sees only the last ${number(length - start)} characters.`;
}
