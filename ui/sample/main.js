// The Sample tab: one prompt, many texts, and how each of their characters was drawn. The settings are Gradio's fields; the rest is drawn here.
import { sayer } from "../shared/bar.js";
import { first } from "../shared/characters.js";
import { shortened } from "../shared/dom.js";
import { page } from "../shared/page.js";
import { followTabs } from "../shared/tabs.js";
import { Views } from "../shared/views.js";
import { createActions } from "./actions.js";
import { attachFields } from "./controls.js";
import { createDrawer } from "./drawer.js";
import { Inspector } from "./inspector.js";
import { createKeys } from "./keys.js";
import { createModelMenu } from "./model_menu.js";
import { createNotice } from "./notice.js";
import { createTexts } from "./texts/view.js";

/** @typedef {import("../shared/generations.js").Generation} Generation */
/** @typedef {import("../shared/page.js").Page} Page */

/** @type {[string, string, typeof createTexts | import("../shared/views.js").Later<SampleTab>][]} */
const VIEWS = [
  ["texts", "Texts", createTexts],
  ["next", "Next character", { fetch: async () => (await import("./next/view.js")).createNext }],
  ["tree", "Tree", { fetch: async () => (await import("./tree/view.js")).createTree }],
  ["dice", "Same dice", { fetch: async () => (await import("./locked/view.js")).createLocked }],
  ["score", "Score", { fetch: async () => (await import("./score/view.js")).createScore }],
];

/** What the views of the tab share. */
export class SampleTab {
  /** @param {HTMLElement} element @param {Page} page */
  constructor(element, page) {
    this.element = element;
    this.page = page;
    this.models = page.models;
    this.generations = page.generations;
    this.settings = page.settings;
    this.address = page.address;
    this.inspector = new Inspector(this);
    this.say = sayer(element.querySelector(".bar-said"));
    /** @type {Views<SampleTab>} */
    this.views = new Views(element, { address: this.address, key: "view", ids: "", classes: "panel-", leave: () => this.inspector.close() });
  }

  /** Opens the view that the address names. */
  async open() {
    const asked = this.address.get("view") || VIEWS[0][0];
    this.views.create(this, VIEWS);
    if (!this.views.names.includes(asked)) this.page.say([this.page.said.words, `There is no view “${shortened(asked)}”.`].filter(Boolean).join(" "), true);
    const fetchNext = () => this.address.get("steps") && void this.views.fetch("next"); // it forgets them when something changes
    fetchNext();
    this.address.addEventListener("go", fetchNext);
    await this.views.show(asked);
  }

  undo() {
    this.settings.set(this.generations.undo());
  }

  /** Writes on from a character of a text, with new dice. @param {Generation} generation @param {number} sample @param {number} index */
  continueFrom(generation, sample, index) {
    const prompt = generation.start + first(generation.texts[sample], index + 1);
    this.#goOn(generation, { ...this.settings.get(), prompt, first_sample: 0 });
  }

  /**
   * Puts another character in the place of one; the sample's own dice go on after it.
   * @param {Generation} generation
   * @param {number} sample
   * @param {number} index
   * @param {number} id
   */
  force(generation, sample, index, id) {
    const chosen = generation.model.vocabulary[id];
    const prompt = generation.start + first(generation.texts[sample], index) + chosen;
    const { seed, first_sample, first_step = 0 } = generation.view;
    const dice = { seed, first_sample: first_sample + sample, first_step: first_step + index + 1, samples: 1 };
    this.#goOn(generation, { ...this.settings.get(), ...generation.settings, prompt, ...dice }, { chosen });
  }

  /** @param {Generation} generation @param {any} asked @param {{chosen: string} | null} forced */
  #goOn({ model }, asked, forced = null) {
    const { generations, settings } = this;
    const { prompt } = asked;
    const before = { prompt: settings.get().prompt };
    settings.set({ prompt });
    void this.views.show("texts");
    const takeBack = (written) => !written && settings.get().prompt === prompt && settings.set(before); // refused
    void generations.write(asked, { keep: true, before, forced, model }).then(takeBack);
  }
}

/** Given by gr.HTML. @param {HTMLElement} element */
export async function start(element) {
  const shared = await page;
  await attachFields(shared.settings, shared.models);
  const tab = new SampleTab(element, shared);
  const opened = tab.open();
  createModelMenu(tab);
  createDrawer(tab.generations);
  const actions = createActions(tab);
  followWriting(tab);
  createKeys(tab, actions);
  createNotice(tab);
  followTabs(shared.address);
  await opened;
  element.dataset.ready = "";
}

/** Texts are seen on their own view alone; in the others, its name shows that something is being written. @param {SampleTab} tab */
function followWriting({ generations, views }) {
  const opener = document.getElementById("view-texts");
  const mark = () => {
    if (opener.hasAttribute("aria-description") === generations.busy) return;
    if (generations.busy) opener.setAttribute("aria-description", "Texts are being written");
    else opener.removeAttribute("aria-description");
  };
  generations.addEventListener("change", mark);
  generations.addEventListener("grow", mark);
  for (const id of ["generate", "again"]) {
    document.getElementById(id).addEventListener("click", () => views.shown === "score" && views.show("texts")); // it has no use for them
  }
}
