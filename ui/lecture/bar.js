// The lecturer's bar at the bottom of the page: the scene's caption for the class, and what the lecturer presses. The page has room above it.
import { button, make, number } from "../shared/dom.js";
import { SceneList } from "./list.js";

const LONG = 145; // characters: more would take a third line

/** @typedef {import("./main.js").Given} Given */

export class LectureBar {
  element = make("section", "lecture");
  #given;
  #place = button("lecture-place", "", () => this.#list.toggle());
  #title = make("b", "lecture-title");
  #caption = make("span", "lecture-caption");
  #line = make("p", "lecture-line");
  #said = make("p", "lecture-said trouble");
  #list;
  #gone = new AbortController();

  /** @param {Given} given */
  constructor(given) {
    this.#given = given;
    const { element } = this;
    element.setAttribute("aria-label", "Lecture");
    element.dataset.testid = "lecture";
    element.tabIndex = -1;
    this.#said.setAttribute("role", "alert");
    const words = make("div", "lecture-words");
    words.setAttribute("aria-live", "polite");
    this.#line.append(this.#title, " ", this.#caption);
    words.append(this.#line, this.#said);
    const [back, on] = [button("lecture-step", "‹", () => given.step(-1)), button("lecture-step", "›", () => given.step(1))];
    for (const [node, label, title] of /** @type {const} */ ([[back, "Previous scene", "←, PageUp"], [on, "Next scene", "→, PageDown"]])) {
      node.setAttribute("aria-label", label);
      node.title = `${label} (${title})`;
    }
    this.#place.title = "All scenes";
    const steps = make("div", "lecture-steps");
    steps.append(back, this.#place, on);
    const tools = make("div", "lecture-tools");
    tools.append(button("quiet", "Notes", () => this.#openNotes()), button("quiet", "End", () => given.end()));
    tools.firstElementChild.setAttribute("title", "Your notes, in a window of their own");
    tools.lastElementChild.setAttribute("title", "End the lecture");
    const controls = make("div", "lecture-controls");
    controls.append(steps, tools);
    this.#list = new SceneList(given, this.#place, (words) => this.say(words));
    element.append(words, controls, this.#list.element);
    document.body.append(element);
    const { signal } = this.#gone;
    for (const event of ["scene", "change"]) given.scenes.addEventListener(event, () => this.#show(), { signal });
    this.#sizes = new ResizeObserver(() => this.#makeRoom());
    this.#sizes.observe(element);
    document.documentElement.toggleAttribute("data-lecture", true);
    this.#show();
    if (!document.activeElement?.closest(".panels")) element.focus(); // from where arrows are steps
  }

  #sizes;

  /** Whether something is being typed about a scene. */
  get isAsking() {
    return this.#list.isAsking;
  }

  /** @param {string} words */
  say(words) {
    this.#said.textContent = words;
  }

  remove() {
    this.#gone.abort();
    this.#sizes.disconnect();
    this.element.remove();
    document.documentElement.toggleAttribute("data-lecture", false);
    document.documentElement.style.removeProperty("--below");
  }

  #openNotes() {
    this.say(this.#given.notes.open() ? "" : "The browser has blocked the window with the notes. Allow windows of this page and press Notes again.");
  }

  #show() {
    const { at, list, scene, lecture } = this.#given.scenes;
    this.say("");
    this.#place.textContent = `${at < 0 ? "–" : number(at + 1)} / ${number(list.length)}`;
    this.#place.setAttribute("aria-label", at < 0 ? `All scenes: ${number(list.length)}` : `Scene ${number(at + 1)} of ${number(list.length)}. All scenes`);
    this.#title.textContent = scene?.title ?? lecture.title;
    this.#caption.textContent = scene ? scene.caption : "Press → to begin.";
    this.#line.classList.toggle("long", this.#line.textContent.length > LONG);
    this.element.dataset.scene = String(at + 1);
  }

  /** What is shown ends above the bar, and views lay themselves out in the room that is left. */
  #makeRoom() {
    document.documentElement.style.setProperty("--below", `${this.element.offsetHeight}px`);
  }
}
