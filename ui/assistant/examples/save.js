// The downloads: the examples on screen.
import { toCSV } from "../../shared/csv.js";
import { download } from "../../shared/paint.js";

/** As a file of pairs, which `python -m model train --task sft --pairs` takes. @param {import("./examples.js").Examples} examples */
export function savePairs({ shown }) {
  const lines = shown.map(({ request, answer }) => JSON.stringify({ request, answer }));
  download("pairs.jsonl", new Blob([`${lines.join("\n")}\n`], { type: "application/jsonl" }));
}

/** @param {import("./examples.js").Examples} examples */
export function saveTable({ shown }) {
  const rows = shown.map(({ skill, request, answer, is_held_out }) => [skill, request, answer, is_held_out ? "evaluation" : "training"]);
  download("examples.csv", new Blob([toCSV(["skill", "request", "answer", "part"], rows)], { type: "text/csv" }));
}
