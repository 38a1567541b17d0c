// What is read from a run's curve: its best and its last step, and where early stopping would end it.
import { number, plural } from "../../shared/dom.js";
import { lastOf } from "../../shared/points.js";

/**
 * @typedef {import("../../shared/snapshots.js").SnapshotRun} Run
 * @typedef {import("../../shared/snapshots.js").Snapshot} Snapshot
 * @typedef {import("../../shared/snapshots.js").Curve} Curve
 *
 * @typedef {object} Point a step of a run whose weights are there
 * @property {"best" | "last"} which
 * @property {Snapshot} snapshot
 * @property {number} wanted the step itself; where it was not kept, the snapshot is the nearest one that was
 * @property {number | undefined} training loss, the mean of the steps since the evaluation before
 * @property {number | null} validation loss of these very weights
 */

const TINY_SHAKESPEARE = "tinyshakespeare"; // as model/data.py names it

/** Whether its weights can be used. @param {Run} run */
export const isUsable = ({ snapshots }) => snapshots.some(({ key }) => key);

/** What of the corpus it learned from. @param {Run} run */
export const partNameOf = ({ train_chars }) => (train_chars ? `the first ${plural(train_chars, "character")}` : "the whole training text");

/** Whether that is all of Tiny Shakespeare's training text. @param {Run} run */
export const isOnAll = ({ corpus, train_chars }) => corpus === TINY_SHAKESPEARE && !train_chars;

/**
 * The best and the last step. Where one of them was not kept, the nearest one that was.
 * @param {Run} run
 * @param {Curve} curve
 * @returns {Point[]}
 */
export function pointsOf(run, curve) {
  const kept = run.snapshots.filter(({ key }) => key);
  const last = Math.max(kept.at(-1).step, ...[curve.train, curve.val].map((points) => lastOf(points)?.[0] ?? 0));
  const best = run.best_step ?? last;
  const at = (which, wanted) => {
    const distance = ({ step }) => Math.abs(step - wanted);
    const snapshot = kept.reduce((found, one) => (distance(one) < distance(found) ? one : found));
    return { which, snapshot, wanted, ...lossesAt(curve, snapshot) };
  };
  return [at("best", best), at("last", last)];
}

/** "best step, 300"; where that was not kept, "step 450, the nearest kept to the best step, 400". @param {Point} point */
export function stepInWords({ which, snapshot, wanted }) {
  if (snapshot.step === wanted) return `${which} step, ${number(wanted)}`;
  return `step ${number(snapshot.step)}, the nearest kept to the ${which} step, ${number(wanted)}`;
}

/** @param {Curve} curve @param {Snapshot} snapshot */
function lossesAt({ train, val }, { step, val_loss }) {
  const [before = -1] = val.findLast(([at]) => at < step) ?? [];
  const between = train.filter(([at]) => at > before && at <= step).map(([, loss]) => loss);
  const [, training] = between.length ? [0, between.reduce((sum, loss) => sum + loss, 0) / between.length] : (lastOf(train, step) ?? []);
  return { training, validation: val_loss };
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
