// What the view can be saved as.
import { toCSV } from "../../shared/csv.js";
import { download, palette, savePicture } from "../../shared/paint.js";

const SIZE = [1000, 420]; // of a picture, in the page's pixels
const TITLE = 40;

/** @param {string} name @param {string} title @param {(context: CanvasRenderingContext2D, width: number, height: number) => void} paint */
export function saveChart(name, title, paint) {
  const [width, height] = SIZE;
  savePicture(name, width, height + TITLE, (context) => {
    const { ink, serif, rem } = palette();
    context.fillStyle = ink;
    context.font = `${1.1 * rem}px ${serif}`;
    context.fillText(title, rem, 0.7 * TITLE, width - 2 * rem);
    context.translate(0, TITLE);
    paint(context, width, height);
  });
}

/** All measures of all heads at all steps. @param {import("./runs.js").Run} run @param {import("./history.js").Measured} measured @param {import("../../shared/limits.js").Measure[]} measures */
export function saveMeasures(run, measured, measures) {
  const names = measures.map(({ name }) => name);
  const rows = measured.steps.flatMap(({ step, stats }) => stats.flatMap((row, layer) => row.map((head, place) => [step, layer, place, ...names.map((name) => head[name])])));
  download(`${run.id}-heads.csv`, new Blob([toCSV(["step", "layer", "head", ...names], rows)], { type: "text/csv" }));
}

/**
 * @typedef {{step: number, val_loss: number | null, prompt: string, text: string}} Seen a text
 * @param {import("./runs.js").Run} run
 * @param {import("../../shared/texts.js").Throw} dice
 * @param {Seen[]} seen
 */
export function saveTexts(run, dice, seen) {
  const content = JSON.stringify({ run: run.name, ...dice, texts: seen }, null, 2);
  download(`${run.id}-texts.json`, new Blob([content], { type: "application/json" }));
}

/** @param {import("./runs.js").Run} run @param {Seen[]} seen */
export function saveTextsAsText(run, seen) {
  const title = ({ step, val_loss }) => `Step ${step}${val_loss === null ? "" : `, validation loss ${val_loss.toFixed(3)}`}`;
  const content = seen.map((one) => `${title(one)}\n\n${one.prompt}${one.text}\n`).join(`\n${"-".repeat(60)}\n\n`);
  download(`${run.id}-texts.txt`, new Blob([content], { type: "text/plain;charset=utf-8" }));
}
