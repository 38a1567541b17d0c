// When a head begins to do what it does: the step at which it first gives a clear share of its attention to something.
import { number, plural } from "../../shared/dom.js";
import { valueInWords } from "../../shared/measures.js";

const [CLEAR, TIMES] = [0.25, 2]; // of a head's attention, and of what uniform attention would give, where that is much

/** The share from which on a head is said to do something. @param {number | null | undefined} uniform */
export const threshold = (uniform) => Math.max(CLEAR, TIMES * (uniform ?? 0));

/**
 * @typedef {import("../../shared/limits.js").Measure} Measure
 * @typedef {{layer: number, head: number}} Head
 * @typedef {Head & {points: number[][]}} Line a head's measure, [step, value], ...
 */

/** @param {Head | null} a @param {Head | null} b */
export const isSame = (a, b) => Boolean(a && b) && a.layer === b.layer && a.head === b.head;

/** @param {Head} head */
export const nameOf = ({ layer, head }) => `${layer}.${head}`;

/** One line for each head. @param {import("./history.js").Measured | null} measured @param {string} name of the measure @returns {Line[]} */
export function linesOf(measured, name) {
  const heads = measured?.steps[0]?.stats.flatMap((row, layer) => row.map((_, head) => ({ layer, head }))) ?? [];
  const points = ({ layer, head }) => measured.steps.map(({ step, stats }) => [step, stats[layer][head][name]]);
  return heads.map((head) => ({ ...head, points: points(head).filter(([, value]) => typeof value === "number") }));
}

/** The head that reaches the threshold first; of several, the one that goes highest. @param {Line[]} lines @param {number | null | undefined} uniform @returns {{line: Line, step: number, value: number} | null} */
export function firstToForm(lines, uniform) {
  const formed = lines.flatMap((line) => {
    const [step, value] = line.points.find(([, share]) => share >= threshold(uniform)) ?? [];
    return step === undefined ? [] : [{ line, step, value }];
  });
  return formed.toSorted((a, b) => a.step - b.step || b.value - a.value)[0] ?? null;
}

/** What the curves of a measure show, as a sentence or two. @param {Line[]} lines @param {Measure} measure @param {number | null | undefined} uniform */
export function inWords(lines, measure, uniform) {
  const ends = lines.filter(({ points }) => points.length).map((line) => ({ line, step: line.points.at(-1)[0], value: line.points.at(-1)[1] }));
  if (!ends.length) return "This measure is undefined for this passage.";
  return measure.unit === "share" ? formedInWords(lines, ends, measure, uniform) : rangeInWords(ends, measure, uniform);
}

function formedInWords(lines, ends, measure, uniform) {
  const first = firstToForm(lines, uniform);
  const [{ step: last }] = ends;
  const share = valueInWords(measure, threshold(uniform));
  if (!first) {
    const most = ends.reduce((a, b) => (b.value > a.value ? b : a));
    const alike = uniform === null || uniform === undefined ? "" : `; uniform attention gives ${valueInWords(measure, uniform)}`;
    return `No head gives ${share} of its attention to ${measure.target} by step ${number(last)}. The most is ${valueInWords(measure, most.value)} (head ${nameOf(most.line)})${alike}.`;
  }
  const count = ends.filter(({ value }) => value >= threshold(uniform)).length;
  const name = `“${measure.words[0].toUpperCase()}${measure.words.slice(1)}”`;
  const when = first.step ? `${name} forms by step ${number(first.step)}` : `${name} is there from the start`;
  return `${when}: head ${nameOf(first.line)} is the first to give ${share} of its attention to ${measure.target}. ${number(count)} of ${plural(ends.length, "head")} ${count === 1 ? "does" : "do"} at step ${number(last)}.`;
}

function rangeInWords(ends, measure, uniform) {
  const [low, high] = [ends.reduce((a, b) => (b.value < a.value ? b : a)), ends.reduce((a, b) => (b.value > a.value ? b : a))];
  const alike = uniform === null || uniform === undefined ? "" : `Uniform attention has ${valueInWords(measure, uniform)}. `;
  return `${alike}At step ${number(ends[0].step)} the heads range from ${valueInWords(measure, low.value)} (head ${nameOf(low.line)}) to ${valueInWords(measure, high.value)} (head ${nameOf(high.line)}).`;
}
