// What the view "Pre- and post-norm" can be saved as.
import { toCSV } from "../../shared/csv.js";
import { download, savePicture } from "../../shared/paint.js";
import { seriesOf } from "./runs.js";

const [WIDTH, HEIGHT] = [900, 420]; // of a picture, in the page's pixels

/** The losses of all runs. @param {import("./runs.js").Run[]} runs */
export function saveLosses(runs) {
  const rows = runs.flatMap((run) => {
    const { norm, name, warmup_steps, learning_rate } = run;
    const { train, val } = seriesOf(run);
    const of = (part, points) => points.map(([step, loss]) => [name, norm, warmup_steps, learning_rate, part, step, loss]);
    return [...of("training", train), ...of("validation", val)];
  });
  const head = ["run", "norm", "warmup_steps", "learning_rate", "part", "step", "loss"];
  download("norms-losses.csv", new Blob([toCSV(head, rows)], { type: "text/csv" }));
}

/** @param {object} content */
export const saveTexts = (content) => download("norms-texts.json", new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));

/** @param {ReturnType<typeof import("../../shared/loss_chart.js").createChart>} chart */
export const saveChart = (chart) => savePicture("norms.png", WIDTH, HEIGHT, chart.paint);
