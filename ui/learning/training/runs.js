// What is to be said of a run that kept snapshots.

/** @typedef {import("../../shared/snapshots.js").SnapshotRun} Run */

/** What is wrong with the snapshots of a run, in a sentence; "" if nothing is. @param {Run} run */
export function troubleOf({ name, snapshots, trouble }) {
  const damaged = snapshots.filter((snapshot) => snapshot.trouble);
  if (trouble) return `${name} cannot be used: ${trouble}`;
  if (!snapshots.length) return `${name} kept no snapshots, so there is no step to look at. Runs that are started now keep them.`;
  if (!damaged.length) return "";
  const which = damaged.length === 1 ? `The snapshot of step ${damaged[0].step}` : `The snapshots of ${damaged.length} steps`;
  return `${which} cannot be used: ${damaged[0].trouble}`;
}
