// What is said of a run (ui/training.py tells it as JSON).
export const MOST_COMPARED = 3; // with the one that is watched; dashes tell them apart

export const isUnderWay = ({ state }) => state === "running" || state === "stopping";

const STATES = { running: "learning", stopping: "stopping, a checkpoint first", failed: "failed", died: "ended without a word" };
export const stateInWords = ({ state }) => STATES[state] ?? state;

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
