// The view "All runs": every run on this machine, with what the admin can do with each.
import { toCSV } from "../shared/csv.js";
import { button, make, number } from "../shared/dom.js";
import { LOWEST } from "../shared/loss_chart.js";
import { download } from "../shared/paint.js";
import { createActions } from "./actions.js";
import { duration, isRecording, MOST_COMPARED, reasonOf, stateInWords } from "./run.js";

const COLUMNS = ["Run", "State", `${LOWEST[0].toUpperCase()}${LOWEST.slice(1)}`, "Steps", "Network", "Training text", "Elapsed", "Curve"];

const CAPTION = "Every training run on this machine. Press a name to watch it, or Compare to draw its curve beside the one that is watched.";

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
  /** @type {Map<string, {nodes: HTMLElement[], tell: (run: import("./run.js").Run) => void}>} */
  let rows = new Map();

  // Rows stay while their content is updated: a button may have the focus, or be about to be pressed.
  function draw() {
    if (panel.hidden) return;
    empty.hidden = !train.hasLooked || !train.runs.every(isRecording);
    empty.textContent = train.trouble || "No training runs yet.";
    table.hidden = !train.runs.length;
    const before = [...rows.values()];
    rows = new Map(train.runs.map((run) => [run.id, rows.get(run.id) ?? createRow(run)]));
    if (before.length !== rows.size || [...rows.values()].some((row, place) => row !== before[place])) {
      body.replaceChildren(...[...rows.values()].flatMap(({ nodes }) => nodes));
    }
    for (const run of train.runs) rows.get(run.id).tell(run);
  }

  function createRow({ id }) {
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
        [stateInWords(run), make("p", "run-reason", reasonOf(run))],
        run.best_loss === null ? "–" : run.best_loss.toFixed(3),
        run.steps === null ? number(run.step) : `${number(run.step)} of ${number(run.steps)}`,
        run.kind === "gpt" ? `${run.network.n_layer} x ${run.network.n_head} x ${run.network.n_embd}` : (run.kind ?? "–"),
        [...(run.corpus ? describeText(run.corpus) : ["–"]), parentOf(run)],
        run.elapsed_s ? duration(run.elapsed_s) : "–",
      ];
      told.forEach((words, place) => cells[place + 1].replaceChildren(...[words].flat()));
    }
    const [second, cell] = [roled("tr", "row", "run-second"), roled("td", "cell", "run-actions")];
    const actions = createActions(train, () => train.find(id));
    cell.colSpan = cells.length;
    cell.append(...actions.nodes);
    second.append(cell);
    return {
      nodes: [row, second],
      tell(run) {
        tell(run);
        actions.tell();
        second.hidden = actions.nodes.every((node) => node.hidden);
      },
    };
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
  return { caption: CAPTION, show: draw, downloads: [["Runs (CSV)", () => download("runs.csv", new Blob([asCSV(train.runs)], { type: "text/csv" }))]] };
}

function describeText({ name, characters, pairs, comparisons }) {
  const [shown, size] = [make("bdi", "", name), characters ?? pairs ?? comparisons];
  return size === undefined ? [shown] : [shown, `, ${number(size)}`];
}

/** @param {import("./run.js").Run} run */
function parentOf({ parent }) {
  const node = make("p", "run-reason", parent ? "from " : "");
  if (parent) node.append(make("bdi", "", parent.name));
  return node;
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
