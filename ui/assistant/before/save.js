// The downloads: the answers, and how often each model obeys.
import { toCSV } from "../../shared/csv.js";
import { download } from "../../shared/paint.js";

/** @typedef {import("./comparison.js").Comparison} Comparison */

const INTERVAL = ["low", "high"];

/** @param {Comparison} comparison */
export function saveAnswers(comparison) {
  const { request, temperature, seed } = comparison.settings;
  const head = `request: ${JSON.stringify(request)}, temperature ${temperature}, seed ${seed}`;
  const texts = comparison.columns.map((stage) => `## ${stage.title}\n\n${(comparison.pieceOf(stage).answered?.answers ?? []).map(({ text }) => text).join("\n\n")}`);
  download("answers.txt", new Blob([`${[head, ...texts].join("\n\n")}\n`], { type: "text/plain" }));
}

/** @param {Comparison} comparison */
export function saveAnswersAsJSON(comparison) {
  const models = comparison.columns.map((stage) => {
    const { answered, verdicts } = comparison.pieceOf(stage);
    const answers = (answered?.answers ?? []).map(({ text, hasStopped }, i) => ({ text, has_stopped: hasStopped, ...verdicts[i] }));
    return { id: stage.id, title: stage.title, model: stage.key, answers };
  });
  const content = { ...comparison.settings, skill: comparison.skill, models };
  download("answers.json", new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
}

/** @param {Comparison} comparison */
export function saveShares({ about }) {
  const rows = Object.entries(about?.obeys ?? {}).flatMap(([id, obeys]) =>
    Object.entries(obeys ? { all: obeys.mean, ...obeys.skills } : {}).map(([skill, share]) => [id, skill, share.n, share.obeys, ...INTERVAL.map((end) => share[end])]),
  );
  download("shares-that-obey.csv", new Blob([toCSV(["model", "skill", "n", "obeys", ...INTERVAL], rows)], { type: "text/csv" }));
}
