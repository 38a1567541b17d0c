// Where the parts of the view stand.
import { button, make } from "../../shared/dom.js";

const BLOCKS = [["pre-norm", "Pre-norm"], ["post-norm", "Post-norm"]];
const KEPT = "What each wrote at the end of its training, from a newline, with the same dice. Only the networks of the first recipe ship with their weights.";
const LOSSES = "Lowest validation loss with each recipe of the training";

/** @typedef {{node: Element}} Part */

/**
 * @param {HTMLElement} panel
 * @param {{block: Part, code: Part, recipes: Part, chart: Part, texts: Part, training: Part}} parts
 * @param {(id: string) => void} choose a norm
 */
export function layOut(panel, { block, code, recipes, chart, texts, training }, choose) {
  const [trouble, notice, said] = [make("p", "trouble"), make("p", "notice"), make("p", "norm-said")];
  trouble.setAttribute("role", "alert");
  notice.setAttribute("role", "status");
  said.setAttribute("role", "status");
  const form = make("form");
  form.setAttribute("aria-label", "Prompt and dice");
  const kept = make("p", "norm-kept", KEPT);
  const [about, empty] = [make("p", "norm-about"), make("p", "norm-empty")];

  const openers = make("div", "norm-blocks");
  openers.setAttribute("role", "group");
  openers.setAttribute("aria-label", "Block");
  const switches = BLOCKS.map(([id, title]) => Object.assign(button("button norm-switch", title, () => choose(id)), { value: id }));
  openers.append(...switches);

  const [frame, side, main, runs, below] = [make("div", "norm"), make("div", "norm-side"), make("div", "norm-main"), make("div", "norm-runs"), make("div", "norm-below")];
  side.append(openers, block.node);
  runs.append(make("p", "norm-key", LOSSES), recipes.node, said, chart.node);
  main.append(about, code.node, empty, runs);
  below.append(form, kept, texts.node, training.node);
  frame.append(side, main, below);
  panel.append(trouble, notice, frame);
  return {
    trouble,
    notice,
    said,
    form,
    kept,
    empty,
    about,
    runs,
    below,
    /** @param {string} id */
    mark(id) {
      for (const node of switches) node.setAttribute("aria-pressed", String(node.value === id));
    },
  };
}
