// What is said of a run (ui/web/train.py tells it as JSON).
export const LECTURES = "tinyshakespeare"; // the corpus of the lecture, with whose figures others cannot be compared
export const MOST_COMPARED = 3; // with the one that is watched; dashes tell them apart

export const isUnderWay = ({ state }) => state === "running" || state === "stopping";

const STATES = { running: "learning", stopping: "stopping, a checkpoint first", failed: "failed", died: "ended without a word" };
export function stateInWords({ state, step, steps, best_loss }) {
  if (state === "running" && !step) return best_loss === null ? "starting" : "taking its first step";
  return state === "running" && step === steps ? "evaluated for the last time" : (STATES[state] ?? state);
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
