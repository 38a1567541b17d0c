// The Meaning tab: what a model that has learned to write knows besides, and the other shapes that a Transformer can have.
import { page } from "../shared/page.js";
import { followTabs } from "../shared/tabs.js";
import { createToolbar } from "../shared/toolbar.js";
import { Views } from "../shared/views.js";
import { createNeighbours } from "./neighbours/view.js";
import { createNorm } from "./norm/view.js";
import { createTranslate } from "./translate/view.js";
import { createZeroShot } from "./zeroshot/view.js";

/** @type {[string, string, (panel: HTMLElement, meaning: Meaning) => import("../shared/views.js").View][]} */
const VIEWS = [
  ["zeroshot", "Zero-shot", createZeroShot],
  ["neighbours", "Neighbours", createNeighbours],
  ["translate", "Encoder and decoder", createTranslate],
  ["norm", "Pre- and post-norm", createNorm],
];

/** What the views share. */
export class Meaning {
  /** @param {HTMLElement} element @param {import("../shared/page.js").Page} page */
  constructor(element, page) {
    this.element = element;
    this.page = page;
    this.address = page.address;
    /** @type {Views<Meaning>} */
    this.views = new Views(element, { address: page.address, key: "meaning", ids: "meaning-" });
  }

  /** Says what went wrong, above the views. @param {string} words */
  say(words) {
    this.element.querySelector(".meaning-said").textContent = words;
  }
}

/** Given by gr.HTML. @param {HTMLElement} element */
export async function start(element) {
  const meaning = new Meaning(element, await page);
  meaning.views.create(meaning, VIEWS);
  meaning.views.followTab();
  meaning.views.show(meaning.address.get("meaning"));
  createToolbar(meaning, (words) => meaning.say(words));
  followTabs(meaning.address);
  element.dataset.ready = "";
}
