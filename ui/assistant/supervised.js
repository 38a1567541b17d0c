// The supervised model as it is trained from a view.

/** @type {import("../shared/training_here.js").Subject} */
export const SUPERVISED = {
  preset: "sft",
  title: "Supervised",
  words: "the supervised model",
  figures: ({ obeys }) => (obeys?.length ? `obeys ${Math.round(100 * obeys.at(-1))}\u00a0% of requests kept back` : ""),
  result: ({ state }) => (state === "finished" ? "in Before and after, choose it as the fourth model" : ""),
};
