// A run of training, and how its state is put into words.
import { percent } from "../shared/dom.js";
import { endInWords } from "../shared/runs.js";

/**
 * A run as the server describes it (ui/web/train.py). Of a damaged run it does not know everything.
 * @typedef {object} Run
 * @property {string} id
 * @property {string} name
 * @property {string} state "running", "stopping", "stopped", "finished", "failed", "died", "damaged"; "recorded" for the shipped model's
 * @property {string} why
 * @property {string} notice
 * @property {number} step
 * @property {number | null} steps
 * @property {number | null} best_loss
 * @property {number | null} best_step
 * @property {boolean} is_loading whether its process has not measured anything yet
 * @property {number | null} processor_share what part of the time that it was ready it has really run, lately
 * @property {boolean} has_weights
 * @property {number | null} n_params
 * @property {number} elapsed_s
 * @property {number} [left_s]
 * @property {number} [chars_per_s]
 * @property {string} [kind] of the network
 * @property {{n_layer: number, n_head: number, n_embd: number} | null} network
 * @property {{name: string, own: boolean, characters: number} | null} corpus
 * @property {string | null} task "pretrain", "sft", "reward", "policy" or "translate"
 * @property {{name: string} | null} parent the model that it goes on from
 */

const LECTURES = "tinyshakespeare"; // the corpus of the lecture: runs on others cannot be compared with its figures
export const MOST_COMPARED = 3; // with the one that is watched; dashes distinguish them
const SCARCE = 0.5; // of the time that a run is ready; with less it seems to hang

/** Whether it learns the lecture's corpus from random weights, so that its losses can be compared with the lecture's. @param {Run} run */
export const isLectures = ({ parent, corpus }) => !parent && corpus?.name === LECTURES && !corpus.own;

/** Whether it is the training of the shipped model, which can only be watched. @param {{state: string}} run */
export const isRecording = ({ state }) => state === "recorded";

const STATES = { running: "training", stopping: "saving a checkpoint, then stopping", recorded: "recording" };

/** @param {Run} run */
export function stateInWords(run) {
  const isWaiting = run.state === "running" && run.processor_share !== null && run.processor_share < SCARCE;
  return isWaiting ? `${progress(run)}, waiting for the processor (gets ${percent(run.processor_share)})` : progress(run);
}

/** @param {Run} run */
function progress({ state, step, steps, best_loss, is_loading }) {
  if (state !== "running") return STATES[state] ?? endInWords({ state });
  if (is_loading) return step ? "loading its checkpoint" : "starting";
  if (!step) return best_loss === null ? "starting" : "at its first step";
  return step === steps ? "final evaluation" : STATES.running;
}

/** What is wrong with it, or worth knowing; "" if nothing is. @param {Run} run */
export const reasonOf = ({ state, why, notice }) => (["damaged", "failed", "died"].includes(state) ? why : notice);

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
