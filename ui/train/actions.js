// What the admin can do with a run: a button for each thing that is possible now.
import { button } from "../shared/dom.js";
import { ask } from "./ask.js";
import { isUnderWay } from "./run.js";
import { act, downloadRun, useShipped } from "./server.js";

/** @typedef {import("./main.js").Train} Train */
/** @typedef {import("./run.js").Run} Run */

/**
 * @typedef {object} Action
 * @property {string} words
 * @property {(run: Run, isInUse: boolean, train: Train) => boolean} isPossible
 * @property {(train: Train, run: Run) => unknown} work
 */

/** @type {Action[]} */
const ACTIONS = [
  { words: "Stop", isPossible: ({ state }) => state === "running", work: (train, run) => train.act(() => act(run.id, "stop")) },
  { words: "Resume", isPossible: canResume, work: resume },
  { words: "Use this model", isPossible: ({ has_weights }, isInUse) => has_weights && !isInUse, work: use },
  { words: "Use its newest weights", isPossible: ({ best_step }, isInUse, { stepInUse }) => isInUse && best_step > stepInUse, work: use },
  { words: "Back to the model that the app started with", isPossible: (run, isInUse) => isInUse, work: (train) => train.act(useShipped) },
  { words: "Rename", isPossible: () => true, work: rename },
  { words: "Download", isPossible: ({ has_weights }) => has_weights, work: (train, run) => train.act(() => downloadRun(run)) },
  { words: "Delete", isPossible: (run, isInUse) => !isUnderWay(run) && !isInUse, work: remove },
];

/** @param {Train} train @param {Run} run */
export function actionsFor(train, run) {
  if (!train.isAdmin) return [];
  const possible = ACTIONS.filter(({ isPossible }) => isPossible(run, run.id === train.inUse, train));
  return possible.map(({ words, work }) => button("quiet", words, () => work(train, train.find(run.id) ?? run)));
}

/** A run that diverged would diverge again. @param {Run} run */
function canResume({ state, why }) {
  return ["stopped", "failed", "died"].includes(state) && !why.includes("diverged");
}

/** @param {Train} train @param {Run} run */
function use(train, run) {
  return train.act(() => act(run.id, "use"));
}

/** @param {Train} train @param {Run} run */
async function resume(train, run) {
  if (await train.act(() => act(run.id, "resume"))) train.watch(run.id);
}

/** @param {Train} train @param {Run} run */
async function rename(train, run) {
  const name = await ask(train.element, { words: "Name of the run", go: "Rename", text: run.name, most: train.limits?.name_chars });
  if (name) await train.act(() => act(run.id, "rename", { name }));
}

/** @param {Train} train @param {Run} run */
async function remove(train, run) {
  const words = `Delete “${run.name}” with its weights and its curve? This cannot be undone.`;
  if ((await ask(train.element, { words, go: "Delete" })) === null) return;
  if (run.id === train.run?.id) train.watch(""); // nobody needs to hear that it is gone
  await train.act(() => act(run.id, "delete", { id: run.id }));
}
