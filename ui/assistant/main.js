// The Assistant tab: a model before and after it learns to answer, what it learns from, and how a reward shapes it.
import { Answers } from "../shared/answers.js";
import { FixedDice } from "../shared/fixed_dice.js";
import { page } from "../shared/page.js";
import { followTabs } from "../shared/tabs.js";
import { createToolbar } from "../shared/toolbar.js";
import { Views } from "../shared/views.js";
import { createBefore } from "./before/view.js";
import { createExamples } from "./examples/view.js";
import { createReinforcement } from "./reinforcement/view.js";
import { createReward } from "./reward/view.js";

/** @type {[string, string, (panel: HTMLElement, assistant: Assistant) => import("../shared/views.js").View][]} */
const VIEWS = [
  ["before", "Before and after", createBefore],
  ["examples", "Examples", createExamples],
  ["reward", "Reward", createReward],
  ["reinforcement", "Reinforcement", createReinforcement],
];

/** What the views share. */
export class Assistant {
  /** @param {HTMLElement} element @param {import("../shared/page.js").Page} page */
  constructor(element, page) {
    this.element = element;
    this.page = page;
    this.address = page.address;
    this.dice = new FixedDice(page);
    this.answers = new Answers();
    /** @type {Views<Assistant>} */
    this.views = new Views(element, { address: page.address, key: "assistant", ids: "assistant-" });
  }

  /** Says what went wrong, above the views. @param {string} words */
  say(words) {
    this.element.querySelector(".assistant-said").textContent = words;
  }
}

/** Given by gr.HTML. @param {HTMLElement} element */
export async function start(element) {
  const assistant = new Assistant(element, await page);
  assistant.views.create(assistant, VIEWS);
  assistant.views.followTab();
  assistant.views.show(assistant.address.get("assistant"));
  createToolbar(assistant, (words) => assistant.say(words));
  followTabs(assistant.address);
  element.dataset.ready = "";
}
