// What the view "Reinforcement" can be saved as.
import { toCSV } from "../../shared/csv.js";
import { download, palette, savePicture } from "../../shared/paint.js";
import { penaltyOf, titleOf } from "./runs.js";

const [LABEL, HEAD, GAP] = [10, 2, 1]; // rem

/** @typedef {import("./runs.js").Run} Run */

/** Every column of every run: a row for each step of training, and for each evaluation. @param {Run[]} runs */
export function saveCurves(runs) {
  const tables = runs.flatMap((run) => [["training", run.steps], ["kept back", run.evaluations]].map(([on, table]) => ({ run, on, table: /** @type {import("./runs.js").Table} */ (table) })));
  const names = [...new Set(tables.flatMap(({ table }) => Object.keys(table)))].filter((name) => name !== "step");
  const rows = tables.flatMap(({ run, on, table }) =>
    (table.step ?? []).map((step, i) => [run.name, run.kl_weight, /** @type {string} */ (on), step, ...names.map((name) => table[name]?.[i])]),
  );
  download("reinforcement.csv", new Blob([toCSV(["run", "kl_weight", "requests", "step", ...names], rows)], { type: "text/csv" }));
}

/** @param {Run[]} runs */
export function saveTexts(runs) {
  const content = runs.map(({ name, kl_weight, reward, about, samples }) => ({ run: name, kl_weight, reward, about, evaluations: samples }));
  download("reinforcement.json", new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
}

/** @param {Run[]} runs @param {ReturnType<typeof import("./track.js").createTrack>[][]} tracks */
export function saveCharts(runs, tracks) {
  const { rem, ink, sans } = palette();
  const [label, head, gap] = [LABEL * rem, HEAD * rem, GAP * rem];
  const [width] = tracks[0][0].size;
  const heights = tracks.map(([{ size }]) => size[1]);
  const all = heights.reduce((sum, height) => sum + height + gap, head);
  savePicture("reinforcement.png", label + (width + gap) * runs.length, all, (context) => {
    const write = (words, x, y) => {
      Object.assign(context, { fillStyle: ink, font: `600 ${rem}px ${sans}`, textAlign: "left", textBaseline: "middle" });
      context.fillText(words, x, y);
    };
    const left = (side) => label + side * (width + gap);
    runs.forEach((run, side) => write(`${titleOf(run)}, ${penaltyOf(run)}`, left(side), head / 2));
    let top = head;
    tracks.forEach((pair, place) => {
      write(pair[0].measure.title, rem, top + heights[place] / 2);
      runs.forEach((_, side) => {
        context.save();
        context.translate(left(side), top);
        pair[side].paint(context, width, heights[place]);
        context.restore();
      });
      top += heights[place] + gap;
    });
  });
}
