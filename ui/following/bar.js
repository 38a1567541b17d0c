// The bar at the lower edge of a page that follows the lecturer's, or has left it.
import { button, make } from "../shared/dom.js";

/**
 * @typedef {object} Shown
 * @property {string} title of what the lecturer's page shows
 * @property {boolean} isOn whether this page shows it too
 * @property {boolean} isHeld whether it will, once a throw or a vote here is over
 * @property {boolean} isOnline
 * @property {string[]} missing what of it is not here
 */

export class FollowingBar {
  element = make("section", "following");
  #words = make("p", "following-words");
  #lead = make("span");
  #title = make("b");
  #more = make("span", "following-more");
  #action;
  #isOn = false;

  /** @param {{leave: () => void, follow: () => void}} on */
  constructor({ leave, follow }) {
    this.#action = button("button", "", () => (this.#isOn ? leave() : follow()));
    this.element.setAttribute("aria-label", "The lecturer's page");
    this.element.dataset.testid = "following";
    this.#words.setAttribute("role", "status");
    this.#words.append(this.#lead, this.#title, this.#more);
    this.element.append(this.#words, this.#action);
    new ResizeObserver(() => this.#makeRoom()).observe(this.element);
  }

  /** @param {Shown} shown */
  show({ title, isOn, isHeld, isOnline, missing }) {
    const begins = !isOnline ? "No connection. The lecturer showed " : missing.length ? "On the projector: " : isOn ? "Following the lecturer: " : "The lecturer shows ";
    this.#isOn = isOn;
    setText(this.#lead, begins);
    setText(this.#title, title);
    setText(this.#more, [isHeld ? "." : "", ...missing].filter(Boolean).map((words) => ` ${words}`).join("") || (isOn ? "" : "."));
    setText(this.#action, isOn ? "Leave" : "Follow");
    this.element.dataset.state = isOn ? "on" : "left";
    if (!this.element.isConnected) document.body.append(this.element);
  }

  hide() {
    if (!this.element.isConnected) return;
    this.element.remove();
    this.#makeRoom();
  }

  /** What is shown ends above the bar, and views lay themselves out in the room that is left. A lecture that is given here has a bar of its own. */
  #makeRoom() {
    const root = document.documentElement;
    const isGiven = root.hasAttribute("data-lecture");
    root.toggleAttribute("data-following", this.element.isConnected && !isGiven);
    if (isGiven) return;
    if (this.element.isConnected) root.style.setProperty("--below", `${this.element.offsetHeight}px`);
    else root.style.removeProperty("--below");
    dispatchEvent(new Event("resize")); // views measure the room again
  }
}

/** What has not changed is not announced again. @param {HTMLElement} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
