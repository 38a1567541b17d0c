// What who has the right can do with a run: a button for each thing that is possible now.
import { button } from "../shared/dom.js";
import { ask } from "./ask.js";
import { isUnderWay } from "./run.js";
import { act, downloadRun, useShipped } from "./server.js";

// Words, whether it is possible, and what it does. What was wrong from the beginning is not gone on with.
const ACTIONS = [
  ["Stop", ({ state }) => state === "running", (train, run) => train.act(() => act(run.id, "stop"))],
  ["Resume", ({ state, why }) => ["stopped", "failed", "died"].includes(state) && !why.includes("diverged"), resume],
  ["Use this model", ({ has_weights }, isInUse) => has_weights && !isInUse, use],
  ["Use its newest weights", ({ best_step }, isInUse, { stepInUse }) => isInUse && best_step > stepInUse, use],
  ["Back to the model that the app began with", (run, isInUse) => isInUse, (train) => swap(train, useShipped)],
  ["Rename", () => true, rename],
  ["Download", ({ has_weights }) => has_weights, (train, run) => train.act(() => downloadRun(run))],
  ["Delete", (run, isInUse) => !isUnderWay(run) && !isInUse, remove],
];

export function actionsFor(train, run) {
  if (!train.isAdmin) return [];
  const possible = ACTIONS.filter(([, isPossible]) => isPossible(run, run.id === train.inUse, train));
  return possible.map(([words, , work]) => button("quiet", words, () => work(train, train.find(run.id) ?? run)));
}

function use(train, run) {
  return swap(train, () => act(run.id, "use"));
}

async function resume(train, run) {
  if (await train.act(() => act(run.id, "resume"))) train.watch(run.id);
}

async function rename(train, run) {
  const name = await ask(train.element, { words: "The run's name", go: "Rename", text: run.name, most: train.limits?.name_chars });
  if (name) await train.act(() => act(run.id, "rename", { name }));
}

async function remove(train, run) {
  const words = `Delete “${run.name}” with its weights and its curve? This cannot be undone.`;
  if ((await ask(train.element, { words, go: "Delete" })) === null) return;
  if (run.id === train.run?.id) train.watch(""); // it is known that this one goes
  await train.act(() => act(run.id, "delete", { id: run.id }));
}

// Everything on the page is of the model in use: it is loaded anew, and its address brings it all back.
async function swap(train, work) {
  if (await train.act(work)) location.reload();
}
