// What the view "Reward" can be saved as.
import { toCSV } from "../../shared/csv.js";
import { download, savePicture as saveAsPicture } from "../../shared/paint.js";

const [WIDTH, HEIGHT] = [900, 520]; // of a picture, in the page's pixels

export const VOTES_FILE = "votes.jsonl";

/** As `python -m model train --task reward --comparisons FILE` reads them. @param {import("./votes.js").Votes} votes */
export const saveVotes = ({ lines }) => download(VOTES_FILE, new Blob([lines], { type: "application/jsonl" }));

/** @param {import("./comparisons.js").Point[]} curve */
export function saveCurve(curve) {
  const names = ["kind", "comparisons", "n", "accuracy", "low", "high"];
  download("reward-accuracy.csv", new Blob([toCSV(names, curve.map((point) => names.map((name) => point[name])))], { type: "text/csv" }));
}

/** @param {ReturnType<typeof import("./accuracy.js").createAccuracy>} chart */
export const savePicture = (chart) => saveAsPicture("reward-accuracy.png", WIDTH, HEIGHT, chart.paint);
