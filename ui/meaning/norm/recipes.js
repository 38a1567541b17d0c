// The recipes, side by side: what each norm came to with it. One of them is chosen.
import { button, make, settle } from "../../shared/dom.js";
import { bestOf, isLost, recipeInWords } from "./runs.js";

/** @typedef {import("./runs.js").Recipe} Recipe */

/** { node, draw(recipes, chosen, norms, bigram) } @param {(id: string) => void} choose */
export function createRecipes(choose) {
  const node = make("div", "norm-recipes");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Recipe of the training");
  /** @type {Map<string, HTMLButtonElement>} by the recipe's id; they stay, and so does the focus, while a run under way is read again and again */
  const cells = new Map();
  return {
    node,
    /** @param {Recipe[]} recipes @param {Recipe} chosen @param {import("./runs.js").Norm[]} norms @param {number} bigram */
    draw(recipes, chosen, norms, bigram) {
      for (const recipe of recipes) {
        if (!cells.has(recipe.id)) cells.set(recipe.id, button("norm-recipe", "", () => choose(recipe.id)));
        fill(cells.get(recipe.id), recipe, recipe === chosen, norms, bigram);
      }
      settle(node, recipes.map(({ id }) => cells.get(id)));
    },
  };
}

/** @param {HTMLElement} node @param {Recipe} recipe @param {boolean} isChosen @param {import("./runs.js").Norm[]} norms @param {number} bigram */
function fill(node, recipe, isChosen, norms, bigram) {
  node.setAttribute("aria-pressed", String(isChosen));
  const head = make("span", "norm-recipe-head");
  head.append(...recipeInWords(recipe).map((words) => make("span", "", words)));
  const results = make("span", "norm-results");
  for (const norm of norms) {
    const run = recipe.runs.find((each) => each.norm === norm.id);
    const best = run && bestOf(run);
    if (best === undefined) continue;
    const figure = make("span", isLost(run, bigram) ? "norm-lost" : "", `${norm.id.replace("-norm", "")} `);
    figure.append(make("b", "", run.state === "failed" ? "failed" : best.toFixed(2)));
    results.append(figure);
  }
  node.replaceChildren(head, results);
}
