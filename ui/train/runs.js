// The view "All runs": every run on this machine; who has the right can do something with each.
import { button, make, number } from "../shared/dom.js";
import { duration, isUnderWay, stateInWords } from "./run.js";
import { act, downloadRun, useShipped } from "./server.js";

const ACTIONS = [
  ["stop", "Stop", ({ state }) => state === "running"],
  ["resume", "Resume", ({ state }) => ["stopped", "failed", "died"].includes(state)],
  ["use", "Use this model", ({ has_weights }, isInUse) => has_weights && !isInUse],
  ["rename", "Rename", () => true],
  ["delete", "Delete", (run, isInUse) => !isUnderWay(run) && !isInUse],
];

export function createRuns(panel, train) {
  const table = make("table", "runs");
  const head = table.createTHead().insertRow();
  for (const name of ["Run", "State", "Loss", "Steps", "Network", "Learned from", "Took", "Beside"]) head.append(Object.assign(make("th", "", name), { scope: "col" }));
  const body = table.createTBody();
  const empty = make("p", "train-empty", "No run yet.");
  const back = button("quiet", "Back to the model that the app began with", () => swap(useShipped));
  panel.append(empty, table, back);

  function draw() {
    if (panel.hidden || panel.contains(document.activeElement?.closest("dialog, .run-name input"))) return;
    empty.hidden = train.runs.length > 0;
    table.hidden = !train.runs.length;
    back.hidden = !train.isAdmin || train.inUse === null;
    body.replaceChildren(...train.runs.flatMap((run) => rowsOf(run)));
  }

  function rowsOf(run) {
    const row = make("tr");
    const open = button("quiet run-open", run.name, () => {
      train.watch(run.id);
      train.show("watch");
    });
    const cells = [
      [open, run.id === train.inUse ? make("span", "run-in-use", "in use") : ""],
      [stateInWords(run)],
      [run.best_loss === null ? "–" : run.best_loss.toFixed(3)],
      [`${number(run.step)} of ${number(run.steps)}`],
      [`${run.network.n_layer} x ${run.network.n_head} x ${run.network.n_embd}`],
      [`${run.corpus.name}, ${number(run.corpus.characters)}`],
      [run.elapsed_s ? duration(run.elapsed_s) : "–"],
      [compared(run)],
    ];
    row.append(...cells.map((content) => {
      const cell = make("td");
      cell.append(...content);
      return cell;
    }));
    if (!train.isAdmin) return [row];
    const actions = make("td", "run-actions");
    actions.colSpan = cells.length;
    for (const [action, words, isPossible] of ACTIONS) if (isPossible(run, run.id === train.inUse)) actions.append(button("quiet", words, () => press(action, run)));
    if (run.has_weights) actions.append(button("quiet", "Download", () => train.act(() => downloadRun(run))));
    const second = make("tr", "run-second");
    second.append(actions);
    return [row, second];
  }

  function compared(run) {
    const ids = () => train.address.get("beside").split("_").filter(Boolean);
    const box = make("input");
    Object.assign(box, { type: "checkbox", checked: ids().includes(run.id) });
    box.setAttribute("aria-label", `Compare ${run.name}`);
    box.addEventListener("change", () => {
      const kept = ids().filter((id) => id !== run.id);
      train.address.keep("beside", [...kept, ...(box.checked ? [run.id] : [])].join("_"));
      train.tell("compare");
    });
    return box;
  }

  async function press(action, run) {
    if (action === "rename") {
      const name = window.prompt("The run's name:", run.name);
      if (name) await train.act(() => act(run.id, "rename", { name }));
    } else if (action === "delete") {
      if (window.confirm(`Delete “${run.name}” with its weights and its curve? This cannot be undone.`)) {
        await train.act(() => act(run.id, "delete", { id: run.id }));
      }
    } else if (action === "use") {
      await swap(() => act(run.id, "use"));
    } else await train.act(() => act(run.id, action));
  }

  // Everything on the page is of the model in use: it is loaded anew, and its address brings it all back.
  async function swap(work) {
    if (await train.act(work)) location.reload();
  }

  for (const event of ["runs", "right"]) train.addEventListener(event, draw);
  new MutationObserver(draw).observe(panel, { attributes: true, attributeFilter: ["hidden"] });
  return {};
}
