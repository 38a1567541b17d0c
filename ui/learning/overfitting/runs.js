// The runs that kept snapshots, and what is read from a run's curve: its best and its last step, and where early stopping would end it.
import { getJSON } from "../../shared/server.js";
import { plural } from "../../shared/dom.js";
import { lastOf, lowestOf } from "../../shared/points.js";

/**
 * @typedef {{step: number, key: string, loss: number | null, val_loss: number | null, trouble: string}} Snapshot
 *
 * @typedef {object} Run as in GET /learning/runs (ui/web/snapshots.py)
 * @property {string} id
 * @property {string} source "shipped" or "run"
 * @property {string} name
 * @property {number} n_params
 * @property {number} steps
 * @property {number} train_chars 0 for all of the training text
 * @property {number} dropout
 * @property {string} corpus
 * @property {number | null} best_step
 * @property {Snapshot[]} snapshots in order of steps
 *
 * @typedef {{train: number[][], val: number[][]}} Curve [step, loss], ...
 *
 * @typedef {object} Point a step of a run whose weights are there
 * @property {"best" | "last"} which
 * @property {Snapshot} snapshot
 * @property {number} wanted the step itself; that of the snapshot may be another one beside it
 * @property {number | undefined} training loss, the mean of the steps since the evaluation before
 * @property {number | undefined} validation
 */

/** Runs whose weights can be used. @param {AbortSignal} signal @returns {Promise<Run[]>} */
export async function readRuns(signal) {
  const { runs } = await getJSON("./learning/runs", signal);
  return runs.filter(({ snapshots }) => snapshots.some(({ key }) => key));
}

/** @param {Run} run @param {AbortSignal} signal @returns {Promise<Curve>} */
export async function readCurve({ source, id }, signal) {
  const { steps, evaluations } = await getJSON(`./learning/runs/${source}/${encodeURIComponent(id)}/curve`, signal);
  const points = ({ step }, losses) => step.map((at, i) => [at, losses[i]]).filter(([, loss]) => Number.isFinite(loss));
  return { train: points(steps, steps.loss), val: points(evaluations, evaluations.val_loss) };
}

/** How an address names it. @param {Run} run */
export const nameOf = ({ source, id }) => `${source}/${id}`;

/** What of the corpus it learned from. @param {Run} run */
export const partNameOf = ({ train_chars }) => (train_chars ? `the first ${plural(train_chars, "character")}` : "the whole training text");

/**
 * The best and the last step. Where the best one was not kept, the nearest one that was.
 * @param {Run} run
 * @param {Curve} curve
 * @returns {Point[]}
 */
export function pointsOf(run, curve) {
  const kept = run.snapshots.filter(({ key }) => key);
  const last = kept.at(-1);
  const [best] = lowestOf(curve.val) ?? [last.step];
  const distance = ({ step }) => Math.abs(step - best);
  const nearest = kept.reduce((found, one) => (distance(one) < distance(found) ? one : found));
  const at = (which, snapshot, wanted) => ({ which, snapshot, wanted, ...lossesAt(curve, snapshot.step) });
  return [at("best", nearest, best), at("last", last, last.step)];
}

/** @param {Curve} curve @param {number} step */
function lossesAt({ train, val }, step) {
  const [before = -1] = val.findLast(([at]) => at < step) ?? [];
  const between = train.filter(([at]) => at > before && at <= step).map(([, loss]) => loss);
  const [, training] = between.length ? [0, between.reduce((sum, loss) => sum + loss, 0) / between.length] : (lastOf(train, step) ?? []);
  return { training, validation: val.find(([at]) => at === step)?.[1] };
}

/**
 * Where early stopping ends a run: after so many evaluations in a row without a new lowest loss. null if it never does.
 * @param {number[][]} val
 * @param {number} patience
 */
export function stopsAt(val, patience) {
  let [lowest, since] = [Infinity, 0];
  for (const [step, loss] of val) {
    since = loss < lowest ? 0 : since + 1;
    lowest = Math.min(lowest, loss);
    if (since >= patience) return step;
  }
  return null;
}

/** Nats in bits, and as the number of characters among which it is like guessing. @param {number} loss */
export const bitsOf = (loss) => loss / Math.LN2;
export const perplexityOf = (loss) => Math.exp(loss);
