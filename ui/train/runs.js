// The view "All runs": every run on this machine, with what the admin can do with each.
import { toCSV } from "../shared/csv.js";
import { button, make, number } from "../shared/dom.js";
import { download } from "../shared/paint.js";
import { actionsFor } from "./actions.js";
import { duration, MOST_COMPARED, stateInWords } from "./run.js";

const COLUMNS = ["Run", "State", "Loss", "Steps", "Network", "Training text", "Took", "Curve"];

/** @param {HTMLElement} panel @param {import("./main.js").Train} train @returns {import("../shared/views.js").View} */
export function createRuns(panel, train) {
  const table = roled("table", "table", "runs"); // roles, because on a phone it is not laid out as a table
  const [top, body] = [roled("thead", "rowgroup"), roled("tbody", "rowgroup")];
  const head = roled("tr", "row");
  head.append(...COLUMNS.map((name) => roled("th", "columnheader", "", name)));
  top.append(head);
  table.append(top, body);
  const empty = make("p", "train-empty");
  const frame = make("div", "runs-frame");
  frame.append(table);
  panel.append(empty, frame);
  /** @type {Map<string, {actions: string, nodes: HTMLElement[], tell: (run: import("./run.js").Run) => void}>} */
  let rows = new Map();

  // Rows stay while their content is updated: a button may have the focus, or be about to be pressed.
  function draw() {
    if (panel.hidden) return;
    empty.hidden = train.runs.length > 0 || !train.hasLooked;
    empty.textContent = train.trouble || "No runs yet.";
    table.hidden = !train.runs.length;
    const before = [...rows.values()];
    rows = new Map(train.runs.map((run) => [run.id, keptRow(run)]));
    if (before.length !== rows.size || [...rows.values()].some((row, place) => row !== before[place])) {
      body.replaceChildren(...[...rows.values()].flatMap(({ nodes }) => nodes));
    }
    for (const run of train.runs) rows.get(run.id).tell(run);
  }

  function keptRow(run) {
    const buttons = actionsFor(train, run);
    const actions = buttons.map((node) => node.textContent).join();
    const kept = rows.get(run.id);
    return kept?.actions === actions ? kept : { actions, ...createRow(run, buttons) };
  }

  function createRow({ id }, buttons) {
    const row = roled("tr", "row");
    const open = button("quiet run-open", "", () => {
      train.watch(id);
      train.views.show("watch");
    });
    open.dir = "auto";
    const inUse = make("span", "run-in-use");
    const cells = COLUMNS.map(cellOf);
    const compare = compareSwitch(id);
    cells[0].append(open, inUse);
    cells.at(-1).append(compare);
    row.append(...cells);
    function tell(run) {
      open.textContent = run.name;
      inUse.textContent = id === train.inUse ? "in use" : "";
      compare.setAttribute("aria-label", `Compare ${run.name}`);
      compare.setAttribute("aria-pressed", String(compared().includes(id)));
      const told = [
        stateInWords(run),
        run.best_loss === null ? "–" : run.best_loss.toFixed(3),
        run.steps === null ? number(run.step) : `${number(run.step)} of ${number(run.steps)}`,
        run.kind === "gpt" ? `${run.network.n_layer} x ${run.network.n_head} x ${run.network.n_embd}` : (run.kind ?? "–"),
        run.corpus ? describeText(run.corpus) : "–",
        run.elapsed_s ? duration(run.elapsed_s) : "–",
      ];
      told.forEach((words, place) => cells[place + 1].replaceChildren(...[words].flat()));
    }
    if (!buttons.length) return { nodes: [row], tell };
    const [second, actions] = [roled("tr", "row", "run-second"), roled("td", "cell", "run-actions")];
    actions.colSpan = cells.length;
    actions.append(...buttons);
    second.append(actions);
    return { nodes: [row, second], tell };
  }

  const compared = () => train.address.get("compared").split("_").filter(Boolean);

  function compareSwitch(id) {
    return button("switch", "Compare", () => {
      const others = compared().filter((other) => other !== id);
      train.address.keep("compared", (compared().includes(id) ? others : [...others, id].slice(-MOST_COMPARED)).join("_"));
      train.tell("compare");
    });
  }

  for (const event of ["runs", "session", "compare"]) train.addEventListener(event, draw);
  return { show: draw, downloads: [["Runs (CSV)", () => download("runs.csv", new Blob([asCSV(train.runs)], { type: "text/csv" }))]] };
}

function describeText({ name, characters, pairs }) {
  const [shown, size] = [make("bdi", "", name), characters ?? pairs];
  return size === undefined ? [shown] : [shown, `, ${number(size)}`];
}

function asCSV(runs) {
  const names = ["id", "name", "state", "best_loss", "best_step", "step", "steps", "n_params", "elapsed_s"];
  return toCSV(names, runs.map((run) => names.map((name) => run[name])));
}

// On a phone there is no head: each cell names what it holds.
function cellOf(name) {
  const cell = roled("td", "cell");
  cell.dataset.name = name;
  return cell;
}

/** @param {keyof HTMLElementTagNameMap} tag @param {string} role @param {string} [className] @param {string} [text] @returns {any} */
function roled(tag, role, className, text) {
  const node = make(tag, className, text);
  node.setAttribute("role", role);
  return node;
}
