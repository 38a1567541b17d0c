// What the view saves: both curves, the texts with what is copied, and the charts.
import { toCSV } from "../../shared/csv.js";
import { download, palette, savePicture } from "../../shared/paint.js";
import { bitsOf, perplexityOf } from "./runs.js";
import { TEXT_CHARS } from "./side.js";

/** @typedef {import("./side.js").Side} Side */

/** @param {Side[]} sides */
export function saveCurves(sides) {
  const rows = sides.flatMap(({ run, curve }) => {
    const steps = [...new Set([...curve.train, ...curve.val].map(([step]) => step))].sort((a, b) => a - b);
    const [train, val] = [new Map(/** @type {[number, number][]} */ (curve.train)), new Map(/** @type {[number, number][]} */ (curve.val))];
    return steps.map((step) => {
      const loss = val.get(step);
      return [run.name, step, train.get(step), loss, loss && bitsOf(loss), loss && perplexityOf(loss)];
    });
  });
  const names = ["run", "step", "training_loss", "validation_loss", "validation_bits", "validation_perplexity"];
  download("overfitting.csv", new Blob([toCSV(names, rows)], { type: "text/csv" }));
}

/** @param {Side[]} sides @param {import("../../shared/texts.js").Throw} dice */
export function saveTexts(sides, dice) {
  const texts = sides.flatMap(({ run, points, texts }) =>
    points.map(({ which, snapshot, wanted }) => {
      const { answer, share, text } = texts[which];
      const copied = answer && { share, corpus: answer.corpus, learned_characters: answer.chars, stretches: answer.stretches };
      return { run: run.name, point: which, wanted_step: wanted, step: snapshot.step, model: snapshot.key, text, copied };
    }),
  );
  const content = JSON.stringify({ ...dice, length: TEXT_CHARS, texts }, null, 2);
  download("overfitting.json", new Blob([content], { type: "application/json" }));
}

/** @param {Side[]} sides */
export function saveCharts(sides) {
  const { rem, ink, sans } = palette();
  const [{ clientWidth: width, clientHeight: height }] = sides.map(({ chart }) => chart.node);
  const title = 2 * rem;
  savePicture("overfitting.png", width * sides.length, height + title, (context) => {
    sides.forEach(({ chart, run }, i) => {
      context.save();
      context.translate(i * width, title);
      chart.paint(context, width, height);
      Object.assign(context, { fillStyle: ink, font: `600 ${rem}px ${sans}`, textAlign: "left" });
      context.fillText(run.name, 3 * rem, -0.8 * rem);
      context.restore();
    });
  });
}
