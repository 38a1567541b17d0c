// The lecture: scenes that the lecturer goes through by keys, in a bar below whatever is shown.
import { isTyping } from "../shared/dom.js";
import { listKeys } from "../shared/keys.js";
import { page } from "../shared/page.js";
import { fetchAhead } from "./ahead.js";
import { LectureBar } from "./bar.js";
import { NotesWindow } from "./notes_window.js";
import { Scenes } from "./scenes.js";
import { isClicker, stepOf } from "./step.js";

const QUICK_MS = 250; // between two steps of somebody who is looking for a scene
const OWN_ARROWS = 'input[type="range"], [role="slider"], [role="tab"], [role="radio"], [role="menuitem"], [role="option"]';

/** @type {import("../shared/views.js").Key[]} */
const KEYS = [
  ["→", "Next scene; PageDown, and a presenter's clicker"],
  ["←", "Previous scene; PageUp"],
];

export class Given {
  #stepped = -Infinity; // when
  #waiting = 0;
  #ending = new AbortController();

  /** @param {Scenes} scenes @param {import("../shared/page.js").Page} page @param {() => void} ended */
  constructor(scenes, page, ended) {
    this.scenes = scenes;
    this.page = page;
    this.#ended = ended;
    this.notes = new NotesWindow(() => this.#told(), (by) => this.step(by), this.#ending.signal);
    this.bar = new LectureBar(this);
    const { signal } = this.#ending;
    addEventListener("keydown", (event) => this.#firstKey(event), { capture: true, signal });
    addEventListener("keydown", (event) => this.#lastKey(event), { signal });
    for (const event of ["scene", "change"]) scenes.addEventListener(event, () => this.notes.update(), { signal });
    listKeys("Lecture", KEYS);
    void fetchAhead(signal).then(() => (this.bar.element.dataset.ahead = ""));
  }

  #ended;

  /** @param {number} by */
  step(by) {
    this.show(this.scenes.at + by);
  }

  /** Shows a scene: at once, or where steps follow each other quickly, the one where they end. @param {number} at */
  show(at) {
    if (!this.scenes.show(at)) return;
    const now = performance.now();
    const isQuick = now - this.#stepped < QUICK_MS;
    this.#stepped = now;
    clearTimeout(this.#waiting);
    if (isQuick) this.#waiting = setTimeout(() => this.#go(), QUICK_MS);
    else this.#go();
  }

  #go() {
    if (document.fullscreenElement && document.fullscreenElement !== document.documentElement) void document.exitFullscreen(); // it shows one tab alone
    void this.page.address.go(this.scenes.scene.address);
  }

  end() {
    this.#ending.abort();
    clearTimeout(this.#waiting);
    this.scenes.end();
    this.notes.update();
    this.bar.remove();
    listKeys("Lecture", []);
    this.#ended();
  }

  /** A clicker's keys come before all others; arrows too, where the focus is in nothing that may have a use for them. @param {KeyboardEvent} event */
  #firstKey(event) {
    const target = /** @type {Element} */ (event.target);
    const isFree = target === document.body || target === document.documentElement || this.bar.element.contains(target);
    const isOver = document.querySelector("dialog[open]") !== null;
    if (stepOf(event) && !this.bar.isAsking && (isClicker(event) || (isFree && !isOver))) this.#take(event);
  }

  /** @param {KeyboardEvent} event that nothing else has used */
  #lastKey(event) {
    const target = /** @type {Element} */ (event.target);
    if (!stepOf(event) || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (!isTyping(target) && !target.matches?.(OWN_ARROWS)) this.#take(event);
  }

  /** @param {KeyboardEvent} event */
  #take(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.repeat) return; // a key that is held down is one press
    for (const dialog of /** @type {NodeListOf<HTMLDialogElement>} */ (document.querySelectorAll("dialog[open]"))) dialog.close();
    if (this.bar.element.contains(document.activeElement)) this.bar.element.focus(); // no ring on the projector
    this.step(stepOf(event));
  }

  /** @returns {import("./notes_window.js").Told} */
  #told() {
    const { at, list, lecture, startedAt } = this.scenes;
    const { title, caption, notes } = this.scenes.scene ?? { title: lecture.title, caption: "", notes: lecture.about };
    return { lecture: lecture.title, number: at + 1, total: list.length, title, caption, notes, next: list[at + 1]?.title ?? "", startedAt };
  }
}

/** @type {Promise<Given> | null} */
let given = null;

/** Opens the lecture, where it was if this browser tab was reloaded; opens it once. @param {() => void} ended called when it is over */
export function openLecture(ended) {
  given ??= Promise.all([Scenes.read(), page]).then(([scenes, page]) => new Given(scenes, page, () => {
    given = null;
    ended();
  }));
  given.catch(() => (given = null));
  return given;
}
