// The texts on the page as files: each with the model that wrote it, and how.
import { die } from "../shared/dice.js";
import { distribution, land } from "../shared/distribution.js";
import { logitsOf } from "../shared/logits.js";
import { download } from "../shared/paint.js";

/** @typedef {import("../shared/generations.js").Generation} Generation */
/** @typedef {import("../shared/views.js").Entry} Entry */

/** What can be downloaded now: what the view has, and all texts. @param {import("./main.js").SampleTab} tab @returns {Entry[]} */
export function downloadsOf({ generations: { list }, views }) {
  /** @type {Entry[]} */
  const texts = [
    ["Texts (TXT)", () => download("soliloquy.txt", new Blob([asText(list)], { type: "text/plain" }))],
    ["Texts with probabilities (JSON)", async () => download("soliloquy.json", new Blob([await asJSON(list)], { type: "application/json" }))],
  ];
  const all = [...(views.view.downloads ?? []), ...(list.length ? texts : [])];
  return all.length ? all : [["Nothing to download yet", () => {}]];
}

/** @param {Generation[]} generations */
function asText(generations) {
  const of = ({ model, view, texts }) => {
    const { prompt, temperature, top_k = 0, top_p = 1, seed, first_step = 0, forced } = view;
    const dice = [`seed ${seed}`, ...(first_step ? [`dice continue from throw ${first_step + 1}`] : []), ...(forced ? ["the prompt's last character chosen by hand"] : [])];
    const how = `prompt ${JSON.stringify(prompt)}, temperature ${temperature}, top-k ${top_k}, top-p ${top_p}, ${dice.join(", ")}`;
    const who = `model ${model.name} (${model.key})`;
    return texts.map((text, sample) => `--- sample ${view.first_sample + sample + 1}: ${how}, ${who}\n${prompt}${text}\n`);
  };
  return generations.flatMap(of).join("\n");
}

/** @param {Generation[]} list */
async function asJSON(list) {
  const generations = [];
  for (const generation of list) {
    const { model, view } = generation;
    const { prompt, seed, temperature, top_k = 0, top_p = 1, first_sample, first_step = 0, forced } = view;
    const samples = [];
    for (const sample of generation.texts.keys()) {
      const characters = charactersOf(generation, sample, await logitsOf(generation, sample));
      samples.push({ sample: first_sample + sample, text: characters.map(({ char }) => char).join(""), characters }); // it may still grow
    }
    const recomputed = generation.recomputed.some(Boolean);
    const how = { prompt, seed, temperature, top_k, top_p, first_sample, first_step, forced: forced?.chosen ?? null };
    generations.push({ model: model.about, ...how, recomputed, samples });
  }
  return JSON.stringify({ generations }, null, 1);
}

/**
 * For each character: itself, the probability that it was sampled with, the raw one, and the die.
 * @param {Generation} generation
 * @param {number} sample
 * @param {Float32Array} logits
 */
function charactersOf({ model, settings, texts, view }, sample, logits) {
  const V = model.vocabulary.length;
  const { seed, first_sample, first_step = 0 } = view;
  return [...texts[sample]].slice(0, logits.length / V).map((char, i) => {
    const here = logits.subarray(i * V, (i + 1) * V);
    const [drawn, thrown] = [distribution(here, settings), die(seed, first_sample + sample, first_step + i)];
    const { id, low, high } = land(drawn, thrown);
    const own = model.idOf(char);
    const fell = id === own ? { die: thrown, low, high } : {}; // logits that were recomputed may move an edge past the die
    return { char, probability: drawn[own], raw: distribution(here)[own], ...fell };
  });
}
