// What is read from a run's curve: its best and its last step, and where early stopping would end it.
import { plural } from "../../shared/dom.js";
import { lastOf, lowestOf } from "../../shared/points.js";

/**
 * @typedef {import("../../shared/snapshots.js").SnapshotRun} Run
 * @typedef {import("../../shared/snapshots.js").Snapshot} Snapshot
 * @typedef {import("../../shared/snapshots.js").Curve} Curve
 *
 * @typedef {object} Point a step of a run whose weights are there
 * @property {"best" | "last"} which
 * @property {Snapshot} snapshot
 * @property {number} wanted the step itself; that of the snapshot may be another one beside it
 * @property {number | undefined} training loss, the mean of the steps since the evaluation before
 * @property {number | undefined} validation
 */

/** Whether its weights can be used. @param {Run} run */
export const isUsable = ({ snapshots }) => snapshots.some(({ key }) => key);

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
