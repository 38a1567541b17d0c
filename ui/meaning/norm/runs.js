// The runs of GET /meaning/norm (ui/web/meaning_norm.py), by recipe: the same one for both norms.
import { lowestOf } from "../../shared/points.js";
import { isUnderWay } from "../../shared/runs.js";

/**
 * @typedef {{number: number, text: string}} Line of code
 * @typedef {{id: "pre-norm" | "post-norm", title: string, about: string, key: string, trouble: string, n_params: number, n_layer: number, file: string, lines: Line[]}} Norm
 *
 * @typedef {object} Run
 * @property {string} id
 * @property {string} source "shipped" or "run"
 * @property {string} name
 * @property {string} norm id of its norm
 * @property {string} trouble why it cannot be shown; what follows is then missing
 * @property {string} state
 * @property {number} steps
 * @property {number} warmup_steps
 * @property {number} learning_rate
 * @property {{step: number[], loss: (number | null)[]}} train
 * @property {{step: number[], loss: (number | null)[]}} val
 * @property {string} sample what it wrote at its last evaluation
 *
 * @typedef {object} Recipe
 * @property {string} id in the address
 * @property {number} warmup_steps
 * @property {number} learning_rate
 * @property {boolean} isFirst whether the networks that ship with their weights were trained with it
 * @property {Run[]} runs pre-norm first, shipped ones before those of this server
 */

/** @param {Run[]} runs @param {Norm[]} norms @returns {Recipe[]} in the order of the runs */
export function recipesOf(runs, norms) {
  /** @type {Map<string, Recipe>} */
  const recipes = new Map();
  for (const run of runs) {
    const { warmup_steps, learning_rate } = run;
    const id = `${learning_rate}-${warmup_steps}`;
    if (!recipes.has(id)) recipes.set(id, { id, warmup_steps, learning_rate, isFirst: recipes.size === 0, runs: [] });
    recipes.get(id).runs.push(run);
  }
  const order = norms.map(({ id }) => id);
  for (const recipe of recipes.values()) recipe.runs = drawn(recipe.runs).sort((a, b) => order.indexOf(a.norm) - order.indexOf(b.norm));
  return [...recipes.values()];
}

/** The first of each norm and source: what ships, and the newest of this server. @param {Run[]} runs */
function drawn(runs) {
  const firsts = new Map();
  for (const run of runs) if (!firsts.has(`${run.norm} ${run.source}`)) firsts.set(`${run.norm} ${run.source}`, run);
  return [...firsts.values()];
}

/** Its curve, as the chart draws it. @param {Run} run */
export function seriesOf(run) {
  const points = ({ step, loss }) => step.map((at, i) => [at, loss[i]]).filter(([, value]) => value !== null);
  const name = run.source === "shipped" ? run.norm : `${run.norm}, trained here`;
  return { name, train: points(run.train), val: points(run.val), steps: run.steps, isLectures: false };
}

/** Its lowest validation loss; undefined before it was evaluated. @param {Run} run */
export const bestOf = (run) => lowestOf(seriesOf(run).val)?.[1];

/** Whether it learned nothing worth the name. @param {Run} run @param {number} bigram the loss of a bigram */
export const isLost = (run, bigram) => run.state === "failed" || bestOf(run) > bigram;

/** How it was trained, in two lines. @param {Recipe} recipe */
export const recipeInWords = ({ warmup_steps, learning_rate }) => [warmup_steps ? `${warmup_steps}-step warm-up` : "no warm-up", `learning rate ${learning_rate}`];

/** What came of it, in a sentence. @param {Run} run @param {Norm} norm @param {number} bigram the loss of a bigram */
export function resultInWords(run, { title }, bigram) {
  const [best, who] = [bestOf(run), run.source === "shipped" ? title : `${title}, trained here,`];
  if (best === undefined) return `${who} has not been evaluated yet.`;
  if (run.state === "failed") return `${who} failed at a loss of ${best.toFixed(2)}.`;
  if (isUnderWay(run)) return `${who} has reached a loss of ${best.toFixed(2)} so far.`;
  return best > bigram ? `${who} stays at ${best.toFixed(2)}; a bigram has ${bigram}.` : `${who} reaches a loss of ${best.toFixed(2)}.`;
}

