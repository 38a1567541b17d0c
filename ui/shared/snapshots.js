// The runs that kept snapshots of their weights (GET /learning/runs). A snapshot is a model that the server has besides its list of models.
import { number } from "./dom.js";
import { getJSON } from "./server.js";

/**
 * @typedef {object} Snapshot
 * @property {number} step
 * @property {string} key of the model; "" if it cannot be used
 * @property {number | null} loss
 * @property {number | null} val_loss of these weights; null if they were not evaluated
 * @property {string} trouble why it cannot be used, or ""
 *
 * A run as the server describes it (ui/web/snapshots.py).
 * @typedef {object} SnapshotRun
 * @property {string} id
 * @property {"shipped" | "run"} source
 * @property {string} name
 * @property {string} state
 * @property {string} trouble why its files do not say what it is, or ""; what they do not say is null
 * @property {string} kind of the network; a GPT alone has heads
 * @property {number} n_params
 * @property {number} n_layer
 * @property {number} n_head
 * @property {number} block_size
 * @property {number} steps
 * @property {string[]} vocabulary
 * @property {number} train_chars characters of the corpus that it learned from; 0 for all of the training text
 * @property {number} dropout
 * @property {string} corpus
 * @property {number | null} best_step of its lowest validation loss
 * @property {Snapshot[]} snapshots
 *
 * @typedef {{train: number[][], val: number[][]}} Curve [step, loss], ...; the validation loss is that of the weights that snapshots keep
 */

/** The runs, shipped ones first. @param {AbortSignal} [signal] @returns {Promise<SnapshotRun[]>} */
export const readRuns = async (signal) => (await getJSON("./learning/runs", signal)).runs;

/** @param {SnapshotRun} run @param {AbortSignal} [signal] @returns {Promise<Curve>} */
export async function readCurve({ source, id }, signal) {
  const { steps, evaluations } = await getJSON(`./learning/runs/${source}/${encodeURIComponent(id)}/curve`, signal);
  const points = (table, name) => table.step.map((step, i) => [step, table[name][i]]).filter(([, loss]) => Number.isFinite(loss));
  return { train: points(steps, "loss"), val: points(evaluations, "val_loss") };
}

/**
 * Makes the page know the snapshots of a run that can be used; returns their models.
 * @param {import("./models.js").Models} models
 * @param {SnapshotRun} run
 */
export function admitSnapshots(models, { id, name, source, kind, n_params, block_size, vocabulary, snapshots }) {
  const shows = ["gpt", "gpt-1"].includes(kind) ? ["attention", "lens"] : [];
  const ofAll = { source, kind, n_params, block_size, vocabulary, run: id, start: "\n", shows, device: "", precision: null, trouble: "" };
  const usable = snapshots.filter(({ key }) => key);
  return usable.map(({ key, step, val_loss }) => models.admit({ ...ofAll, key, id: `${source}/${id}/${step}`, name: `${name}, step ${number(step)}`, step, val_loss }));
}

/** Makes the page know models that an address names and the list lacks: new ones, and snapshots. @param {import("./models.js").Models} models @param {string[]} keys */
export async function admitNamed(models, keys) {
  const areKnown = () => keys.every((key) => models.find(key) || models.list.some((model) => model.key === key));
  if (areKnown()) return;
  await models.refresh().catch(() => {});
  if (areKnown()) return;
  const runs = await readRuns().catch(() => []); // a page opens without them too
  for (const run of runs) admitSnapshots(models, run);
}
