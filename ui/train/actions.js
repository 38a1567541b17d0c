// What the admin can do with a run: a button for each thing. They keep their places, and what is not possible now is disabled: so a second
// press in the same place never does something else.
import { button } from "../shared/dom.js";
import { isUnderWay } from "../shared/runs.js";
import { act } from "../shared/session.js";
import { openTab } from "../shared/tabs.js";
import { ask } from "./ask.js";
import { isRecording } from "./run.js";
import { downloadRun, useShipped } from "./server.js";

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
  { words: "Use this model", isPossible: ({ has_weights, kind, best_step }, isInUse, { stepInUse }) => has_weights && kind !== "reward" && !(isInUse && best_step <= stepInUse), work: use },
  { words: "Rename", isPossible: () => true, work: rename },
  { words: "Download", isPossible: ({ has_weights }) => has_weights, work: (train, run) => train.act(() => downloadRun(run)) },
  { words: "Delete", isPossible: (run, isInUse) => !isUnderWay(run) && !isInUse, work: remove },
  { words: "Back to the original model", isPossible: (run, isInUse) => isInUse, work: useOriginal }, // the last: it comes and goes
];

/**
 * The buttons for a run; `tell` is to be called whenever something about it has changed.
 * @param {Train} train
 * @param {() => Run | null | undefined} find
 * @returns {{nodes: HTMLButtonElement[], tell: () => void}}
 */
export function createActions(train, find) {
  const nodes = ACTIONS.map(({ words, work }) => {
    const node = button("quiet", words, () => node.ariaDisabled !== "true" && work(train, find()));
    return node;
  });
  function tell() {
    const run = find();
    const isInUse = run?.id === train.inUse;
    for (const [place, { isPossible }] of ACTIONS.entries()) {
      const node = nodes[place];
      node.ariaDisabled = String(!run || !isPossible(run, isInUse, train)); // not `disabled`, which would lose the focus
      node.hidden = !canAct(train, run) || (place === ACTIONS.length - 1 && !isInUse);
    }
  }
  return { nodes, tell };
}

/** Whether anything can be done with a run here. @param {Train} train @param {Run | null | undefined} run */
const canAct = (train, run) => train.isAdmin && Boolean(run) && !isRecording(run);

/** A run that diverged would diverge again. @param {Run} run */
function canResume({ state, why }) {
  return ["stopped", "failed", "died"].includes(state) && !why.includes("diverged");
}

/** @param {Train} train @param {Run} run */
async function use(train, run) {
  await change(train, () => act(run.id, "use"), () => `${train.find(run.id)?.name ?? run.name}, step ${train.stepInUse.toLocaleString("en")}`);
}

/** @param {Train} train */
async function useOriginal(train) {
  await change(train, useShipped, () => "the original model");
}

/** Makes another model the default. What is said here is all that this page says of it. @param {Train} train @param {() => Promise<any>} work @param {() => string} name */
export async function change(train, work, name) {
  const { models } = train.page;
  const tellOnlyHere = async () => {
    models.isChangedHere = true;
    try {
      const answer = await work();
      await models.refresh().catch(() => {}); // the page has heard of the change by then
      return answer;
    } finally {
      models.isChangedHere = false;
    }
  };
  if (await train.act(tellOnlyHere)) train.say(`The page now writes with ${name()}.`, false, button("quiet inline", "Write with it →", () => openTab("sample")));
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
