// The bar at the lower edge of a page that follows the lecturer's, or has left it.
import { button, make } from "../shared/dom.js";

const HELD = "This page follows when you are done here.";

/**
 * @typedef {object} Shown
 * @property {string} title of what the lecturer's page shows
 * @property {boolean} isOn whether this page shows it too
 * @property {boolean} isApart whether this page shows something else of the class meanwhile: Take part
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
    makeRoomFor(this.element);
  }

  /** @param {Shown} shown */
  show({ title, isOn, isApart, isHeld, isOnline, missing }) {
    const begins = !isOnline ? "No connection. The lecturer showed " : missing.length ? "On the projector: " : isOn && !isApart ? "Following the lecturer: " : "The lecturer shows ";
    this.#isOn = isOn;
    setText(this.#lead, begins);
    setText(this.#title, title);
    const sentences = [...(isHeld ? [HELD] : []), ...missing].map((words) => ` ${words}`).join("");
    setText(this.#more, isHeld || !(isOn || missing.length) ? `.${sentences}` : sentences);
    setText(this.#action, isOn ? "Leave" : "Follow");
    this.element.dataset.state = isOn ? "on" : "left";
    if (!this.element.isConnected) document.body.append(this.element);
  }

  hide() {
    this.element.remove();
  }
}

/**
 * What is shown ends above a bar, and views lay themselves out in the room that is left. A lecture that is given here has a bar of its own.
 * @param {HTMLElement} bar
 */
export function makeRoomFor(bar) {
  new ResizeObserver(() => { // also told when the bar comes and goes
    const root = document.documentElement;
    const isGiven = root.hasAttribute("data-lecture");
    const shown = [...document.querySelectorAll(".following")].at(-1);
    root.toggleAttribute("data-following", Boolean(shown) && !isGiven);
    if (isGiven) return;
    if (shown) root.style.setProperty("--below", `${/** @type {HTMLElement} */ (shown).offsetHeight}px`);
    else root.style.removeProperty("--below");
    dispatchEvent(new Event("resize")); // views measure the room again
  }).observe(bar);
}

/** What has not changed is not announced again. @param {HTMLElement} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
