// What is asked about a scene: its title, its caption, its notes, and whether the page's state now is what it shows.
import { button, labelled, make, number } from "../shared/dom.js";

/** @typedef {import("./main.js").Given} Given */

export class SceneForm {
  element = make("dialog", "lecture-form");
  #given;
  #heading = make("h2");
  #title = make("input", "field");
  #caption = make("textarea", "field");
  #notes = make("textarea", "field");
  #takesState = make("input");
  #stateLabel = make("label", "lecture-check");
  #trouble = make("p", "trouble");
  /** @type {number | null} the scene that is changed; null for a new one */
  #at = null;
  #address = "#";

  /** @param {Given} given */
  constructor(given) {
    this.#given = given;
    const { limits } = given.scenes;
    Object.assign(this.#title, { id: "lecture-form-title", required: true, maxLength: limits.title });
    Object.assign(this.#caption, { id: "lecture-form-caption", rows: 2, maxLength: limits.caption });
    Object.assign(this.#notes, { id: "lecture-form-notes", rows: 7, maxLength: limits.notes });
    this.#takesState.type = "checkbox";
    this.#stateLabel.append(this.#takesState, "Use the page as it is now");
    this.#trouble.setAttribute("role", "alert");
    this.#heading.id = "lecture-form-heading";
    this.element.setAttribute("aria-labelledby", this.#heading.id);
    const form = make("form");
    const foot = make("div", "lecture-form-foot");
    const save = make("button", "button primary", "Save");
    save.type = "submit";
    foot.append(save, button("button", "Cancel", () => this.element.close()));
    const fields = [labelled("Title", this.#title), labelled("Caption, for the class", this.#caption), labelled("Notes, for you", this.#notes)];
    form.append(this.#heading, ...fields, this.#stateLabel, this.#trouble, foot);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    this.element.append(form);
  }

  /** Asks for a scene that shows the page as it is now. */
  add() {
    const { address, missing } = this.#given.page.address.write();
    this.#open(null, { title: viewName(), address: new URL(address).hash || "#", caption: "", notes: "" }, "Save this state as a scene");
    this.#trouble.textContent = missing.join(" ");
  }

  /** @param {number} at */
  change(at) {
    this.#open(at, this.#given.scenes.list[at], `Scene ${at + 1}`);
  }

  /** @param {number | null} at @param {import("./scenes.js").Scene} scene @param {string} heading */
  #open(at, { title, address, caption, notes }, heading) {
    this.#at = at;
    this.#address = address;
    this.#heading.textContent = heading;
    [this.#title.value, this.#caption.value, this.#notes.value] = [title, caption, notes];
    this.#takesState.checked = false;
    this.#stateLabel.hidden = at === null;
    this.#trouble.textContent = "";
    this.element.showModal();
    this.#title.select();
  }

  #save() {
    const { page, scenes } = this.#given;
    const { address: most, scenes: mostScenes } = scenes.limits;
    const address = this.#takesState.checked ? new URL(page.address.write().address).hash || "#" : this.#address;
    const scene = { title: this.#title.value.trim(), address, caption: this.#caption.value.replace(/\s+/g, " ").trim(), notes: this.#notes.value.trim() };
    if (!scene.title) this.#trouble.textContent = "A scene needs a title.";
    else if (address.length > most) {
      this.#trouble.textContent = `The page's address is too long for a scene: it has ${number(address.length)} characters, and may have ${number(most)}. Leave out long texts.`;
    } else if (this.#at === null && scenes.list.length >= mostScenes) {
      this.#trouble.textContent = `A lecture may have at most ${number(mostScenes)} scenes. Delete one first.`;
    } else {
      if (this.#at === null) scenes.add(scene);
      else scenes.replace(this.#at, scene);
      this.element.close();
    }
  }
}

/** What is shown now, as a title: "Attention · One head". */
function viewName() {
  const chosen = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('#tabs > .tab-wrapper [role="tab"][aria-selected="true"], .view-tab[aria-selected="true"]')]);
  const words = chosen.filter((node) => node.checkVisibility()).map((node) => node.textContent.trim());
  return words.join(" · ");
}
