// What the view "Zero-shot" can be saved as.
import { toCSV } from "../../shared/csv.js";
import { download, savePicture } from "../../shared/paint.js";
import { ORDERS } from "./orders.js";

/** @typedef {import("./results.js").Results} Results */

const [WIDTH, HEIGHT] = [1000, 520]; // of a picture, in the page's pixels

const saveTable = (name, head, rows) => download(name, new Blob([toCSV(head, rows)], { type: "text/csv" }));

/** A row for each model and kind. @param {Results} results */
export function saveAccuracy({ models }) {
  const rows = models.flatMap((model) =>
    Object.entries(model.kinds).map(([kind, { n, right, low, high }]) => [model.id, model.group, model.run, model.step, model.val_loss, kind, n, right, low, high]),
  );
  saveTable("zero-shot.csv", ["model", "group", "run", "step", "val_loss", "kind", "n", "right", "low", "high"], rows);
}

/** @param {Results} results */
export const saveResults = (results) => download("zero-shot.json", new Blob([JSON.stringify(results, null, 1)], { type: "application/json" }));

/** The pairs that are here. @param {string} kind @param {string} model @param {Map<number, import("./results.js").Pair>} pairs by place */
export function savePairs(kind, model, pairs) {
  const rows = [...pairs].toSorted(([a], [b]) => a - b).map(([at, { context, right, wrong }]) => [kind, at + 1, model, context, right.text, wrong.text, right.sum, wrong.sum]);
  saveTable("minimal-pairs.csv", ["kind", "pair", "model", "context", "right", "wrong", "log_prob_right", "log_prob_wrong"], rows);
}

/** @param {import("./results.js").Choices} choices */
export function saveChoices({ model, beginning, endings }) {
  const names = ORDERS.map(([name]) => name);
  saveTable("choices.csv", ["model", "beginning", "ending", ...names, "alone"], endings.map((ending) => [model, beginning, ending.text, ...names.map((name) => ending[name]), ending.alone]));
}

/** @param {import("./results.js").SpokenBy} spoken */
export const saveSpeakers = ({ model, text, speakers }) => saveTable("who-said-it.csv", ["model", "text", "speaker", "log_prob"], speakers.map(({ name, sum }) => [model, text, name, sum]));

/** @param {ReturnType<typeof import("./growth.js").createGrowth>} chart */
export const saveGrowth = (chart) => savePicture("zero-shot-growth.png", WIDTH, HEIGHT, chart.paint);
