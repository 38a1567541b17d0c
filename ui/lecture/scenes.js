// The scenes of a lecture, and which of them is shown. A lecture that was edited is kept in this browser until its changes are discarded; which
// scene is shown is kept as long as this browser tab is open.
import { Emitter } from "../shared/emitter.js";
import { LECTURE_PLACE } from "../shared/lecture.js";
import { getJSON, postForJSON } from "../shared/server.js";
import { inBrowser, inTab } from "../shared/storage.js";

/**
 * @typedef {{title: string, address: string, caption: string, notes: string}} Scene
 * @typedef {{title: string, about: string, scenes: Scene[]}} Lecture
 * @typedef {Object<"scenes" | "title" | "caption" | "notes" | "address", number>} Limits
 */

const EDITED = "soliloquy-lecture"; // the lecture that was edited
const ORIGIN = "soliloquy-lecture-of"; // which one of the server's it came from
const EARLIER = "soliloquy-lecture-earlier"; // one that was edited while the app had another lecture

const isText = (value) => typeof value === "string";
const isScene = (scene) => Boolean(scene) && ["title", "address", "caption", "notes"].every((name) => isText(scene[name])) && scene.address.startsWith("#");
const isLecture = (kept) => Boolean(kept) && isText(kept.title) && isText(kept.about) && Array.isArray(kept.scenes) && kept.scenes.length > 0 && kept.scenes.every(isScene);

/** Tells lectures apart: a hash of the whole text. @param {Lecture} lecture */
function markOf(lecture) {
  let hash = 0;
  for (const char of JSON.stringify(lecture)) hash = (Math.imul(hash, 31) + char.codePointAt(0)) | 0;
  return hash;
}

/** Events: "scene" (another is shown), "change" (the lecture is another one). */
export class Scenes extends Emitter {
  /** @type {Lecture} */
  lecture;
  at = -1; // before the first
  startedAt = 0;
  /** Whether changes could not be kept in this browser. */
  isUnkept = false;
  /** @type {Lecture} the server's */
  #original;
  /** @type {Lecture | null} one that was edited while the app had another lecture */
  #earlier = null;
  /** @type {Lecture | null} what undo brings back */
  #before = null;

  /** @param {Lecture} original @param {Limits} limits */
  constructor(original, limits) {
    super();
    this.limits = limits;
    this.#original = original;
    const kept = inBrowser.getJSON(EDITED);
    const isKept = isLecture(kept);
    const isSame = inBrowser.getJSON(ORIGIN) === markOf(original);
    const earlier = isKept && !isSame ? kept : inBrowser.getJSON(EARLIER);
    this.lecture = isKept && isSame ? kept : original;
    this.#earlier = isLecture(earlier) ? earlier : null;
    this.#keep();
    const { at = -1, startedAt = 0 } = inTab.getJSON(LECTURE_PLACE) ?? {};
    if (Number.isInteger(at) && at >= -1 && at < this.list.length) this.at = at;
    if (Number.isFinite(startedAt)) this.startedAt = startedAt;
    this.#keepPlace();
  }

  static async read() {
    const { limits, ...lecture } = await getJSON("./lecture");
    return new Scenes(lecture, limits);
  }

  get list() {
    return this.lecture.scenes;
  }

  /** The scene that is shown; null before the first. */
  get scene() {
    return this.list[this.at] ?? null;
  }

  get isEdited() {
    return this.lecture !== this.#original;
  }

  get hasEarlier() {
    return this.#earlier !== null && this.lecture !== this.#earlier;
  }

  get canUndo() {
    return this.#before !== null;
  }

  /** @param {number} at @returns {boolean} whether there is such a scene */
  show(at) {
    if (at < 0 || at >= this.list.length) return false;
    this.at = at;
    this.startedAt ||= Date.now();
    this.#keepPlace();
    this.tell("scene");
    return true;
  }

  /** The lecture is over. */
  end() {
    [this.at, this.startedAt] = [-1, 0];
    inTab.keepJSON(LECTURE_PLACE, null);
  }

  /** Adds a scene behind the one that is shown, which it then is. @param {Scene} scene */
  add(scene) {
    this.at++;
    this.#change(this.list.toSpliced(this.at, 0, scene));
  }

  /** @param {number} at @param {Scene} scene */
  replace(at, scene) {
    this.#change(this.list.with(at, scene));
  }

  /** @param {number} at @param {number} by */
  move(at, by) {
    const to = at + by;
    if (to < 0 || to >= this.list.length) return;
    const shown = this.scene;
    const list = this.list.toSpliced(at, 1).toSpliced(to, 0, this.list[at]);
    if (shown) this.at = list.indexOf(shown);
    this.#change(list);
  }

  /** The last scene cannot be deleted. @param {number} at */
  remove(at) {
    if (this.list.length === 1) return;
    if (at < this.at || this.at === this.list.length - 1) this.at--;
    this.#change(this.list.toSpliced(at, 1));
  }

  /** @param {string} title */
  rename(title) {
    this.#take({ ...this.lecture, title });
  }

  /** Reads a file. Throws the server's words. @param {File} file @param {AbortSignal} signal */
  async open(file, signal) {
    const lecture = await postForJSON("./lecture/file", { text: await file.text() }, signal);
    this.at = -1;
    this.#take(lecture);
  }

  /** The file's text. Throws the server's words. @param {AbortSignal} signal @returns {Promise<string>} */
  async file(signal) {
    return (await postForJSON("./lecture/download", { lecture: this.lecture }, signal)).text;
  }

  /** Brings back the lecture that was edited while the app had another. */
  takeEarlier() {
    this.at = Math.min(this.at, this.#earlier.scenes.length - 1);
    this.#take(this.#earlier);
  }

  discard() {
    this.at = Math.min(this.at, this.#original.scenes.length - 1);
    this.#take(this.#original);
  }

  undo() {
    this.at = Math.min(this.at, this.#before.scenes.length - 1);
    this.#take(this.#before);
    this.#before = null;
    this.tell("change");
  }

  /** @param {Scene[]} scenes */
  #change(scenes) {
    this.#take({ ...this.lecture, scenes });
  }

  /** @param {Lecture} lecture */
  #take(lecture) {
    this.#before = this.lecture;
    this.lecture = lecture;
    this.#keep();
    this.#keepPlace();
    this.tell("change");
  }

  #keep() {
    const { isEdited } = this;
    inBrowser.keepJSON(EARLIER, this.hasEarlier ? this.#earlier : null);
    inBrowser.keepJSON(ORIGIN, isEdited ? markOf(this.#original) : null);
    this.isUnkept = !inBrowser.keepJSON(EDITED, isEdited ? this.lecture : null);
  }

  #keepPlace() {
    inTab.keepJSON(LECTURE_PLACE, { at: this.at, startedAt: this.startedAt });
  }
}
