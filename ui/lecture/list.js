// All scenes of the lecture: one is pressed to be shown; the list can be edited, opened from a file and saved to one.
import { button, make, number, plural } from "../shared/dom.js";
import { download } from "../shared/paint.js";
import { Latest } from "../shared/requests.js";
import { SceneForm } from "./form.js";

/** @typedef {import("./main.js").Given} Given */

export class SceneList {
  element = make("div", "menu-list lecture-list");
  #given;
  #say;
  #title = make("h2");
  #rows = make("ol");
  #edit = button("switch", "Edit", () => this.#setEditing(!this.#isEditing));
  #undo = button("quiet", "Undo", () => this.#given.scenes.undo());
  #earlier = button("quiet", "Your edited lecture", () => this.#given.scenes.takeEarlier());
  #discard = button("quiet", "Discard changes", () => this.#given.scenes.discard());
  #file = make("input");
  #form;
  #asking = new Latest();
  #isEditing = false;
  #at = -1; // the scene that was drawn as the one that is shown

  /** @param {Given} given @param {HTMLElement} opener @param {(words: string) => void} say */
  constructor(given, opener, say) {
    this.#given = given;
    this.#say = say;
    this.#form = new SceneForm(given);
    this.#earlier.title = "This browser keeps a lecture that you edited while the app had another one";
    this.element.popover = "auto";
    this.element.setAttribute("aria-label", "All scenes");
    opener.setAttribute("aria-haspopup", "dialog");
    const foot = make("div", "lecture-list-foot");
    const save = button("button", "Save this state as a scene", () => this.#form.add());
    Object.assign(this.#file, { type: "file", accept: ".md,.markdown,.txt,text/markdown", hidden: true });
    this.#file.addEventListener("change", () => void this.#openFile());
    const open = button("quiet", "Open a file", () => this.#file.click());
    foot.append(save, this.#edit, this.#undo, button("quiet", "Download", () => void this.#download()), open, this.#earlier, this.#discard, this.#file);
    this.element.append(this.#title, this.#rows, foot, this.#form.element);
    this.element.addEventListener("beforetoggle", () => this.#draw());
    this.element.addEventListener("toggle", () => this.#current?.scrollIntoView({ block: "center" }));
    for (const event of ["change", "scene"]) given.scenes.addEventListener(event, () => this.#drawAt());
  }

  toggle() {
    this.element.togglePopover();
  }

  get isAsking() {
    return this.#form.element.open;
  }

  get #current() {
    return this.#rows.querySelector("[aria-current]");
  }

  /** The scene that is shown stays in sight, as one that was just saved comes into it. */
  #drawAt() {
    const { at } = this.#given.scenes;
    const isOther = at !== this.#at;
    this.#at = at;
    this.#draw();
    if (isOther) this.#current?.scrollIntoView({ block: "nearest" });
  }

  #draw() {
    const { scenes } = this.#given;
    const focused = /** @type {HTMLElement | null} */ (this.#rows.querySelector(":focus"))?.dataset.does;
    this.#title.textContent = scenes.lecture.title;
    const kept = scenes.isUnkept ? "edited; this browser does not keep it: download it" : "edited, kept in this browser";
    this.#title.append(make("small", "", `${plural(scenes.list.length, "scene")}${scenes.isEdited ? `, ${kept}` : scenes.hasEarlier ? "; the one that you edited is kept in this browser" : ""}`));
    this.#rows.replaceChildren(...scenes.list.map((scene, at) => this.#row(scene, at)));
    this.element.classList.toggle("editing", this.#isEditing);
    this.#edit.setAttribute("aria-pressed", String(this.#isEditing));
    this.#undo.hidden = !scenes.canUndo;
    this.#discard.hidden = !scenes.isEdited;
    this.#earlier.hidden = !scenes.hasEarlier;
    if (focused) /** @type {HTMLElement | null} */ (this.#rows.querySelector(`[data-does="${focused}"]`))?.focus();
  }

  /** @param {import("./scenes.js").Scene} scene @param {number} at */
  #row(scene, at) {
    const { scenes } = this.#given;
    const row = make("li");
    const open = button("lecture-scene", "", () => {
      this.#given.show(at);
      if (!this.#isEditing) this.element.hidePopover();
    });
    open.append(make("span", "lecture-number", number(at + 1)), make("span", "", scene.title));
    open.dataset.does = `open ${at}`;
    if (at === scenes.at) open.setAttribute("aria-current", "true");
    row.append(open);
    if (!this.#isEditing) return row;
    /** @type {[string, string, () => void, boolean][]} */
    const tools = [
      ["↑", "Move up", () => this.#move(at, -1), at === 0],
      ["↓", "Move down", () => this.#move(at, 1), at === scenes.list.length - 1],
      ["Edit", "Edit", () => this.#form.change(at), false],
      ["×", "Delete", () => scenes.remove(at), scenes.list.length === 1],
    ];
    for (const [words, does, action, isOff] of tools) {
      const node = button("quiet", words, action);
      node.setAttribute("aria-label", `${does}: ${scene.title}`);
      Object.assign(node, { title: does, disabled: isOff });
      node.dataset.does = `${does} ${at}`;
      row.append(node);
    }
    return row;
  }

  /** The focus goes with the scene. @param {number} at @param {number} by */
  #move(at, by) {
    this.#given.scenes.move(at, by);
    const moved = this.#rows.querySelector(`[data-does="${by < 0 ? "Move up" : "Move down"} ${at + by}"]`);
    /** @type {HTMLElement | null} */ (moved)?.focus();
  }

  /** @param {boolean} isEditing */
  #setEditing(isEditing) {
    this.#isEditing = isEditing;
    this.#draw();
  }

  async #openFile() {
    const [file] = this.#file.files;
    this.#file.value = ""; // the same file can be chosen again
    if (!file) return;
    const signal = this.#asking.begin();
    try {
      await this.#given.scenes.open(file, signal);
      this.#say("");
    } catch (error) {
      if (!signal.aborted) this.#say(`${file.name} cannot be opened. ${error.message}`);
    }
  }

  async #download() {
    const { scenes } = this.#given;
    const signal = this.#asking.begin();
    try {
      const text = await scenes.file(signal);
      const name = scenes.lecture.title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "lecture";
      download(`${name}.md`, new Blob([text], { type: "text/markdown" }));
      this.#say("");
    } catch (error) {
      if (!signal.aborted) this.#say(error.message);
    }
  }
}
