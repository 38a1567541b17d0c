// The downloads: the answers with every step, the weights of the map on show, both as tables; the map and the figures as pictures.
import { toCSV } from "../../shared/csv.js";
import { nameOf } from "../../shared/dom.js";
import { download, savePicture } from "../../shared/paint.js";
import { axesOf } from "./kinds.js";

const CELL = 24; // pixels of the page
const MARGIN = 16;
const CHART = [800, 420];

/** @typedef {import("./state.js").State} State */

/** @param {State} state */
export function saveAnswers({ task, text, beams, right, translated, gpt }) {
  const of = (network) => network.steps.length ? { answer: network.text, ended: network.ended, is_right: network.isRight, steps: network.steps } : { trouble: network.trouble };
  const content = { task: task.id, text, beams, right, "encoder-decoder": of(translated), gpt: of(gpt) };
  download("answers.json", new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
}

/** Each weight of the map on a line of its own. @param {State} state */
export function saveWeights(state) {
  const { kind, head } = state;
  const translated = state.translatedBy(kind);
  const { columns, values } = translated.weights(kind.name, head);
  const axes = axesOf(kind, translated);
  const rows = [...values].flatMap((weight, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    if (kind.mask === "causal" && column > row) return [];
    return [[kind.id, head.layer, head.head, row + 1, nameOf(axes.rows[row]), column + 1, nameOf(axes.columns[column]), weight.toFixed(5)]];
  });
  const table = toCSV(["attention", "layer", "head", "row", "row_character", "column", "column_character", "weight"], rows);
  download(`${kind.id}-attention.csv`, new Blob([table], { type: "text/csv" }));
}

/** @param {State} state @param {ReturnType<typeof import("./map.js").createMap>} map */
export function saveMap({ kind }, map) {
  const { width, height, paint } = map.forFile(CELL);
  savePicture(`${kind.id}-attention.png`, width + 2 * MARGIN, height + 2 * MARGIN, (context) => {
    context.translate(MARGIN, MARGIN);
    paint(context);
  });
}

/** @param {Pick<ReturnType<typeof import("./figures.js").createFigures>, "paint">} figures */
export function saveFigures(figures) {
  savePicture("exactly-right.png", CHART[0], CHART[1], figures.paint);
}

/** @param {State} state */
export function saveFiguresAsTable({ task }) {
  const rows = Object.entries(task.networks).flatMap(([id, { figures }]) =>
    (figures?.lengths ?? []).map(({ from, to, trained, n, right, low, high }) => [task.id, id, from, to, trained ? "trained" : "longer", n, right, low, high]),
  );
  download("exactly-right.csv", new Blob([toCSV(["task", "network", "from", "to", "lengths", "n", "right", "low", "high"], rows)], { type: "text/csv" }));
}
