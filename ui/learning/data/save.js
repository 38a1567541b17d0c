// What the view shows as files.
import { toCSV } from "../../shared/csv.js";
import { download } from "../../shared/paint.js";

const saveCSV = (name, head, rows) => download(name, new Blob([toCSV(head, rows)], { type: "text/csv" }));

/** @param {import("./text.js").EncodedText} text */
export const saveNumbers = ({ chars, ids }) =>
  saveCSV("text-as-numbers.csv", ["index", "character", "number"], ids.map((id, i) => [i, chars[i], id]));

/** @param {import("./text.js").EncodedText} text */
export function saveJSON({ chars, ids, model }) {
  const content = JSON.stringify({ text: chars.join(""), ids, vocabulary: model.vocabulary, model: model.about }, null, 1);
  download("text-as-numbers.json", new Blob([content], { type: "application/json" }));
}

/** @param {string[]} vocabulary @param {import("./corpus.js").Corpus} corpus */
export const saveVocabulary = (vocabulary, corpus) =>
  saveCSV("vocabulary.csv", ["number", "character", "count_in_corpus"], vocabulary.map((char, id) => [id, char, corpus.countOf(char)]));

/** A line for each example. @param {import("./batches.js").Batch} batch */
export function saveBatch({ starts, x, y, texts, seed }) {
  const rows = texts.flatMap((text, row) => {
    const chars = [...text];
    return x[row].map((id, i) => [seed, row, i, starts[row] + i, id, chars[i], y[row][i], chars[i + 1]]);
  });
  saveCSV("batch.csv", ["seed", "row", "place", "index_in_text", "x", "x_character", "y", "y_character"], rows);
}
