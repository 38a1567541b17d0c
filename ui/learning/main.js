// The Learning tab: characters as numbers, the lecture's ladder, a training step by step, and overfitting.
import { createDiceRow } from "../shared/dice_row.js";
import { FixedDice } from "../shared/fixed_dice.js";
import { page } from "../shared/page.js";
import { followTabs } from "../shared/tabs.js";
import { Texts } from "../shared/texts.js";
import { createToolbar } from "../shared/toolbar.js";
import { Views } from "../shared/views.js";
import { createData } from "./data/view.js";
import { createLadder } from "./ladder/view.js";
import { createOverfitting } from "./overfitting/view.js";
import { createTraining } from "./training/view.js";

/** @type {[string, string, (panel: HTMLElement, learning: Learning) => import("../shared/views.js").View][]} */
const VIEWS = [
  ["data", "Data", createData],
  ["ladder", "Ladder", createLadder],
  ["training", "Training", createTraining],
  ["overfitting", "Overfitting", createOverfitting],
];

/** What the views share: the prompt and the dice, and the texts that were written with them. */
export class Learning {
  /** @param {HTMLElement} element @param {import("../shared/page.js").Page} page */
  constructor(element, page) {
    this.element = element;
    this.page = page;
    this.address = page.address;
    this.dice = new FixedDice(page);
    this.texts = new Texts(page.models);
    /** @type {Views<Learning>} */
    this.views = new Views(element, { address: page.address, key: "learning", ids: "learning-" });
  }

  /** Says what went wrong, above the views. @param {string} words */
  say(words) {
    this.element.querySelector(".learning-said").textContent = words;
  }

  /** Prompt and dice, for views in which something is written. @param {boolean} shown */
  showDice(shown) {
    /** @type {HTMLElement} */ (this.element.querySelector(".learning-dice")).hidden = !shown;
  }
}

/** Given by gr.HTML. @param {HTMLElement} element */
export async function start(element) {
  const learning = new Learning(element, await page);
  createDiceRow(learning.dice, element.querySelector(".learning-dice"), "learning-", {
    name: "prompt",
    hint: "Enter writes at once; Shift and Enter begins a new line",
    placeholder: "empty: start from a newline",
    get: () => learning.dice.settings.prompt,
    set: (prompt) => learning.dice.set({ prompt }),
  });
  learning.views.create(learning, VIEWS);
  learning.views.followTab();
  learning.views.show(learning.address.get("learning"));
  createToolbar(learning, (words) => learning.say(words), [["s", "New dice", () => learning.dice.roll()]]);
  followTabs(learning.address);
  element.dataset.ready = "";
}
