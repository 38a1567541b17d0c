// How many have found each of two answers better.
import { make, plural } from "../shared/dom.js";
import { shareInWords } from "./words.js";

/** A bar that is as long as an answer's share of the votes, with the figures on it. */
export class TallyBar {
  node = make("div", "tally-bar");
  #fill = make("span", "tally-fill");
  #share = make("b", "tally-share");
  #count = make("span", "tally-count");

  constructor() {
    const figures = make("span", "tally-figures");
    figures.append(this.#share, this.#count);
    this.node.append(this.#fill, figures);
    this.node.hidden = true;
  }

  /** @param {number} own votes for this answer @param {number} other for the other one */
  show(own, other) {
    const all = own + other;
    this.node.hidden = false;
    this.node.classList.toggle("leads", own > other);
    this.#fill.style.width = `${all ? (100 * own) / all : 0}%`;
    this.#share.textContent = all ? shareInWords(own, all) : "–";
    this.#count.textContent = plural(own, "vote");
  }

  hide() {
    this.node.hidden = true;
  }
}
