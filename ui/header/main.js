// The header: the model in use, text size, light and dark; and, for the projector, the address of the class.
import { createClassPanel } from "./class_panel.js";
import { isUnderWay } from "../shared/lecture.js";
import { make, makeText, number } from "../shared/dom.js";
import { page } from "../shared/page.js";
import { Latest } from "../shared/requests.js";

/** @typedef {{isDark(): boolean, setDark(dark: boolean): void, changeSize(by: number): void}} Display see state.js */

const READ_MS = 15_000; // for one sentence, also by somebody who was looking elsewhere

/** Given by gr.HTML. @param {HTMLElement} element @param {{class_panel: import("../shared/invitation.js").Invitation | null}} props */
export async function start(element, props) {
  createSkip(element);
  createDisplay(element);
  createLectureButton(element);
  if (props.class_panel) createClassPanel(element, props.class_panel);
  void placeTools(element.querySelector(".tools"));
  createFacts(element, await page);
  (await import("../following/start.js")).startFollowing(await page);
}

/** The tabs come before the tools for the eye; so they do with the Tab key. @param {Element} tools */
async function placeTools(tools) {
  const tabs = () => document.querySelector("#tabs > .tab-wrapper");
  while (!tabs()) await new Promise(requestAnimationFrame); // Gradio mounts its components one after the other
  tabs().after(tools);
}

/** Whoever comes with the keyboard need not pass all settings. @param {HTMLElement} element */
function createSkip(element) {
  const shown = () => [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.view-tab[aria-selected="true"]'))];
  element.querySelector(".skip").addEventListener("click", () => shown().find((tab) => tab.checkVisibility())?.focus());
}

/** @param {HTMLElement} element */
function createDisplay(element) {
  const { display } = /** @type {{soliloquy: {display: Display}}} */ (/** @type {*} */ (window)).soliloquy;
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("[data-size]"))) {
    button.addEventListener("click", () => display.changeSize(Number(button.dataset.size)));
  }
  const theme = element.querySelector(".theme");
  const showTheme = () => theme.setAttribute("aria-pressed", String(display.isDark()));
  theme.addEventListener("click", () => {
    display.setDark(!display.isDark());
    showTheme();
  });
  showTheme();
}

/** Opens the lecture and ends it; after a reload it goes on. @param {HTMLElement} element */
function createLectureButton(element) {
  const button = element.querySelector(".lecture-button");
  /** @type {{end: () => void} | null} */
  let given = null;
  const show = (isOpen) => button.setAttribute("aria-pressed", String(isOpen));
  const ended = () => {
    given = null;
    show(false);
  };
  async function open() {
    show(true);
    try {
      const { openLecture } = await import("../lecture/main.js");
      given = await openLecture(ended);
    } catch (error) {
      ended();
      (await page).say(error.message, true);
    }
  }
  button.addEventListener("click", () => (given ? given.end() : void open()));
  if (isUnderWay()) void open();
}

/** @param {HTMLElement} element @param {import("../shared/page.js").Page} page */
function createFacts(element, { models, generations }) {
  const facts = element.querySelector(".facts");
  const speed = make("li", "speed");
  /** @type {import("../shared/models.js").Model | null} */
  let shown = null;
  const loading = new Latest();

  async function show() {
    const { primary } = models;
    const signal = loading.begin();
    if (primary === shown) return;
    const isLoaded = await primary.load(signal).then(() => true, () => false); // its name is known without
    if (signal.aborted) return;
    shown = isLoaded ? primary : null; // what failed is tried again with the next change
    facts.replaceChildren(...primary.facts.map((fact) => makeText("li", "", fact)));
  }

  models.addEventListener("change", show);
  models.addEventListener("default", () => models.isChangedHere || announce(element, models.defaultModel));
  generations.addEventListener("grow", () => {
    if (!generations.speed) return;
    facts.append(speed);
    speed.textContent = `${number(generations.speed)} characters/s`;
  });
  void show();
}

/** Says that there is another default model; the page goes on. @param {HTMLElement} element @param {import("../shared/models.js").Model} model */
function announce(element, model) {
  document.querySelector(".other-model")?.remove();
  const words = make("p", "other-model", "The lecturer has switched the model to “");
  words.append(make("bdi", "", model.name), "”. Texts already on this page keep theirs.");
  words.setAttribute("role", "status");
  element.querySelector(".masthead").after(words);
  setTimeout(() => words.remove(), READ_MS);
}
