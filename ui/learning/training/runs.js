// The runs that kept snapshots (GET /learning/runs), and their curves.
import { getJSON } from "../../shared/server.js";

/**
 * @typedef {object} Snapshot
 * @property {number} step
 * @property {string} key of the model; "" if it cannot be used
 * @property {number | null} loss
 * @property {number | null} val_loss
 * @property {string} trouble why it cannot be used, or ""
 *
 * @typedef {object} LearningRun
 * @property {string} id
 * @property {"shipped" | "run"} source
 * @property {string} name
 * @property {string} state
 * @property {number} n_params
 * @property {number} n_layer
 * @property {number} n_head
 * @property {number} block_size
 * @property {number} steps
 * @property {string[]} vocabulary
 * @property {Snapshot[]} snapshots
 *
 * @typedef {{train: number[][], val: number[][]}} Curve [step, loss], ...
 */

/** Where an address names it. @param {LearningRun} run */
export const nameInAddress = ({ source, id }) => `${source}/${id}`;

/** @param {LearningRun} run */
export const isUnderWay = ({ state }) => state === "running" || state === "stopping";

/** @param {AbortSignal} [signal] @returns {Promise<LearningRun[]>} */
export const readRuns = async (signal) => (await getJSON("./learning/runs", signal)).runs;

/** @param {LearningRun} run @param {AbortSignal} [signal] @returns {Promise<Curve>} */
export async function readCurve({ source, id }, signal) {
  const { steps, evaluations } = await getJSON(`./learning/runs/${source}/${encodeURIComponent(id)}/curve`, signal);
  const points = (table, name) => table.step.map((step, i) => [step, table[name][i]]).filter(([, loss]) => Number.isFinite(loss));
  return { train: points(steps, "loss"), val: points(evaluations, "val_loss") };
}

/** What is wrong with the snapshots of a run, in a sentence; "" if nothing is. @param {LearningRun} run */
export function troubleOf({ name, snapshots }) {
  const damaged = snapshots.filter(({ trouble }) => trouble);
  if (!snapshots.length) return `${name} kept no snapshots, so there is no step to look at. Runs that are started now keep them.`;
  if (!damaged.length) return "";
  const which = damaged.length === 1 ? `The snapshot of step ${damaged[0].step}` : `The snapshots of ${damaged.length} steps`;
  return `${which} cannot be used: ${damaged[0].trouble}`;
}
