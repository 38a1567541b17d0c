// The runs of reinforcement learning (GET /assistant/runs), and what is read from their curves.
import { number, percent } from "../../shared/dom.js";
import { getJSON } from "../../shared/server.js";

/**
 * Columns of the same length, by name; null for what was not measured.
 * @typedef {Object<string, (number | null)[]>} Table
 *
 * @typedef {object} Text an answer
 * @property {string} request
 * @property {string} answer
 * @property {number | null} score of the reward model
 * @property {boolean} obeys whether the rule accepts it
 *
 * A run as the server describes it (ui/web/reinforcement.py).
 * @typedef {object} Run
 * @property {string} id
 * @property {"shipped" | "run"} source
 * @property {string} name
 * @property {string} state
 * @property {number | null} kl_weight of the penalty; 0 for none
 * @property {"learned" | "rule" | null} reward what it is rewarded by
 * @property {string} about what it found, in words
 * @property {Table} steps of the batches that it learns from
 * @property {Table} evaluations on requests that are kept back
 * @property {{step: number, texts: Text[]}[]} samples at each evaluation, always with the same dice
 * @property {string} trouble
 *
 * @typedef {object} Measure
 * @property {string} name
 * @property {string} title
 * @property {string} about in a few words
 * @property {"share" | "number"} unit
 * @property {boolean} isMain whether it has a track of its own; the others share one
 */

/** @type {Measure[]} */
export const MEASURES = [
  { name: "reward", title: "Reward", about: "mean of all answers", unit: "number", isMain: true },
  { name: "rule", title: "True rule", about: "share that obeys", unit: "share", isMain: true },
  { name: "kl", title: "KL", about: "nats per character", unit: "number", isMain: false },
  { name: "entropy", title: "Entropy", about: "nats per character", unit: "number", isMain: false },
  { name: "distinct", title: "Distinct", about: "share of all answers", unit: "share", isMain: false },
];

/** @param {AbortSignal} [signal] @returns {Promise<Run[]>} */
export const readRuns = async (signal) => (await getJSON("./assistant/runs", signal)).runs;

/** Points of a measure, [step, value], where it was measured. @param {Table} table @param {string} name @returns {number[][]} */
export function pointsOf(table, name) {
  const column = table[name] ?? [];
  return (table.step ?? []).map((step, i) => [step, column[i]]).filter(([, value]) => typeof value === "number");
}

/** The root of the KL at each evaluation, by step. @param {Run} run @returns {Map<number, number>} */
export const rootsOf = ({ evaluations }) => new Map(pointsOf(evaluations, "kl").map(([step, kl]) => [step, Math.sqrt(Math.max(0, kl))]));

/** The steps at which any of the runs was evaluated, in order. @param {Run[]} runs */
export const evaluatedSteps = (runs) => [...new Set(runs.flatMap(({ evaluations }) => evaluations.step ?? []))].sort((a, b) => a - b);

/** Its value at the last evaluation up to a step. @param {Run} run @param {string} name @param {number} step */
export const valueAt = (run, name, step) => pointsOf(run.evaluations, name).findLast(([at]) => at <= step)?.[1];

/** What it writes at the last evaluation up to a step. @param {Run} run @param {number} step @returns {Text[]} */
export const textsAt = (run, step) => run.samples.findLast((sample) => sample.step <= step)?.texts ?? [];

/** @param {Measure} measure @param {number | undefined} value */
export function inFigures({ unit }, value) {
  if (value === undefined) return "";
  return unit === "share" ? percent(value) : value.toFixed(2).replace("-", "−");
}

/** A reward by rule is a share, and no score that can be compared with one. @param {Run[]} runs */
export const areAlike = (runs) => runs.every(({ reward }) => reward === runs[0].reward);

/** @param {Run} run */
export const penaltyOf = ({ kl_weight: weight }) => (weight ? `KL penalty ${weight}` : "No KL penalty");

/** What a run is called: those that are shipped have no name of their own that says what they are. @param {Run} run */
export function titleOf({ source, name, reward, kl_weight: weight }) {
  if (source !== "shipped") return name;
  return reward === "rule" ? "rewarded by the rule" : weight ? "with KL" : "without KL";
}

const CLEARLY = 0.05; // of the rule's share
const HACKED = 0.1; // ... that is lost: more than chance takes from the few requests that are kept back

/** Whether a learned reward has risen while the rule that it stands for has fallen. @param {Run} run */
export function isHacked({ reward, evaluations }) {
  const change = (name) => {
    const values = pointsOf(evaluations, name).map(([, value]) => value);
    return values.at(-1) - values[0];
  };
  return reward === "learned" && change("reward") > 0 && change("rule") < -HACKED;
}

/**
 * "The learned reward rises from 0.31 to 2.10; the true rule rises from 62 % to 93 %." The rule's peak is named where it is left again.
 * @param {Run} run
 */
export function inWords(run) {
  const [rewards, rules] = ["reward", "rule"].map((name) => pointsOf(run.evaluations, name));
  if (rewards.length < 2 || rules.length < 2) return "";
  const [reward, rule] = MEASURES;
  const way = (points) => (points.at(-1)[1] > points[0][1] ? "rises" : "falls");
  const ends = (measure, points) => `from ${inFigures(measure, points[0][1])} to ${inFigures(measure, points.at(-1)[1])}`;
  const [peakStep, peak] = rules.reduce((best, point) => (point[1] > best[1] ? point : best));
  const isLeft = peak - rules.at(-1)[1] > CLEARLY && peak - rules[0][1] > CLEARLY;
  const ofRule = isLeft
    ? `the true rule peaks at ${inFigures(rule, peak)} (step ${number(peakStep)}) and ends at ${inFigures(rule, rules.at(-1)[1])}`
    : `the true rule ${way(rules)} ${ends(rule, rules)}`;
  if (isHacked(run)) return `Reward hacking: the learned reward rises ${ends(reward, rewards)} while ${ofRule}.`;
  const ofReward = run.reward === "rule" ? "Rewarded by the rule itself" : `The learned reward ${way(rewards)} ${ends(reward, rewards)}`;
  return `${ofReward}; ${ofRule}.`;
}
