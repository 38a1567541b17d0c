// The recipes, side by side: what each norm came to with it. One of them is chosen.
import { button, make } from "../../shared/dom.js";
import { bestOf, isLost, recipeInWords } from "./runs.js";

/** @typedef {import("./runs.js").Recipe} Recipe */

/** { node, draw(recipes, chosen, norms, bigram) } @param {(recipe: Recipe) => void} choose */
export function createRecipes(choose) {
  const node = make("div", "norm-recipes");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Recipe of the training");
  return {
    node,
    /** @param {Recipe[]} recipes @param {Recipe} chosen @param {import("./runs.js").Norm[]} norms @param {number} bigram */
    draw(recipes, chosen, norms, bigram) {
      const hadFocus = node.contains(document.activeElement);
      node.replaceChildren(...recipes.map((recipe) => cell(recipe, recipe === chosen, norms, bigram, choose)));
      if (hadFocus) /** @type {HTMLElement} */ (node.querySelector("[aria-pressed='true']")).focus();
    },
  };
}

/** @param {Recipe} recipe @param {boolean} isChosen @param {import("./runs.js").Norm[]} norms @param {number} bigram @param {(recipe: Recipe) => void} choose */
function cell(recipe, isChosen, norms, bigram, choose) {
  const node = button("norm-recipe", "", () => choose(recipe));
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
  node.append(head, results);
  return node;
}
