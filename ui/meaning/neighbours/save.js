// What the view "Neighbours" can be saved as.
import { toCSV } from "../../shared/csv.js";
import { download, savePicture } from "../../shared/paint.js";

const csv = (name, head, rows) => download(name, new Blob([toCSV(head, rows)], { type: "text/csv" }));

/** @param {import("./data.js").Answer} answer */
export function saveTable({ embedding, tfidf }) {
  const rows = (method, found) => (found ?? []).map(({ score, text, speaker, play, position }, i) => [method, i + 1, score, text, speaker, play, position]);
  csv("neighbours.csv", ["method", "rank", "cosine", "line", "speaker", "play", "position"], [...rows("embedding", embedding), ...rows("tfidf", tfidf)]);
}

/** @param {import("./data.js").Answer} answer */
export const saveAnswer = (answer) => download("neighbours.json", new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));

/** @param {import("./data.js").About} about */
export function saveLines({ lines, plays, speakers }) {
  const rows = lines.x.map((x, i) => [x, lines.y[i], lines.text?.[i], speakers[lines.speaker[i]], plays[lines.play[i]], lines.position[i]]);
  csv("lines.csv", ["x", "y", "line", "speaker", "play", "position"], rows);
}

/** @param {ReturnType<typeof import("./map.js").createMap>} map */
export const saveMap = (map) => savePicture("lines.png", ...map.size, map.paint);

/** @param {import("./data.js").Recall} recall */
export function saveRecall({ n, methods }) {
  const rows = Object.entries(methods).map(([name, { recall, mrr }]) => [name, n, ...Object.values(recall), mrr]);
  csv("recall.csv", ["method", "speeches", ...Object.keys(methods.embedding.recall).map((k) => `recall at ${k}`), "MRR"], rows);
}
