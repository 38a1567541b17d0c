// What the view "Votes" can be saved as.
import { toCSV } from "../../shared/csv.js";
import { download } from "../../shared/paint.js";
import { ask } from "../../shared/session.js";

export const COMPARISONS_FILE = "votes-of-the-class.jsonl";

/** The votes of all rounds that are closed, as a reward model learns from them: one comparison a line. The admin's. */
export const readVotes = async () => (await ask("./class/comparisons")).text();

export async function saveVotes() {
  download(COMPARISONS_FILE, new Blob([await readVotes()], { type: "application/jsonl" }));
}

/** @param {import("../../shared/classroom.js").Votes} votes @param {[number, number][]} tally */
export function saveTally({ number, pairs }, tally) {
  const rows = pairs.map(({ request, a, b }, i) => [i + 1, request, a, b, ...tally[i]]);
  download(`vote-${number}.csv`, new Blob([toCSV(["pair", "request", "a", "b", "votes_a", "votes_b"], rows)], { type: "text/csv" }));
}
