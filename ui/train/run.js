// A run of training, and how its state is put into words.

/**
 * A run as the server describes it (ui/web/train.py). Of a damaged run it does not know everything.
 * @typedef {object} Run
 * @property {string} id
 * @property {string} name
 * @property {string} state "running", "stopping", "stopped", "finished", "failed", "died", "damaged"
 * @property {string} why
 * @property {string} notice
 * @property {number} step
 * @property {number | null} steps
 * @property {number | null} best_loss
 * @property {number | null} best_step
 * @property {boolean} has_weights
 * @property {number | null} n_params
 * @property {number} elapsed_s
 * @property {number} [left_s]
 * @property {number} [chars_per_s]
 * @property {{n_layer: number, n_head: number, n_embd: number} | null} network
 * @property {{name: string, own: boolean, characters: number} | null} corpus
 */

export const LECTURES = "tinyshakespeare"; // the corpus of the lecture: runs on others cannot be compared with its figures
export const MOST_COMPARED = 3; // with the one that is watched; dashes distinguish them

/** @param {{state: string}} run */
export const isUnderWay = ({ state }) => state === "running" || state === "stopping";

const STATES = { running: "training", stopping: "saving a checkpoint, then stopping", failed: "failed", died: "crashed" };
/** @param {Run} run */
export function stateInWords({ state, step, steps, best_loss }) {
  if (state === "running" && !step) return best_loss === null ? "starting" : "at its first step";
  return state === "running" && step === steps ? "final evaluation" : (STATES[state] ?? state);
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
