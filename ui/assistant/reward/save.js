// What the view "Reward" can be saved as.
import { toCSV } from "../../shared/csv.js";
import { download, savePicture as saveAsPicture } from "../../shared/paint.js";

const [WIDTH, HEIGHT] = [900, 520]; // of a picture, in the page's pixels

/** A comparison per line, as `python -m model train --task reward --comparisons FILE` reads them. @param {{request: string, better: string, worse: string}[]} comparisons */
export function saveVotes(comparisons) {
  const lines = comparisons.map((comparison) => `${JSON.stringify(comparison)}\n`);
  download("votes.jsonl", new Blob(lines, { type: "application/jsonl" }));
}

/** @param {import("./comparisons.js").Point[]} curve */
export function saveCurve(curve) {
  const names = ["kind", "comparisons", "n", "accuracy", "low", "high"];
  download("reward-accuracy.csv", new Blob([toCSV(names, curve.map((point) => names.map((name) => point[name])))], { type: "text/csv" }));
}

/** @param {ReturnType<typeof import("./accuracy.js").createAccuracy>} chart */
export const savePicture = (chart) => saveAsPicture("reward-accuracy.png", WIDTH, HEIGHT, chart.paint);
