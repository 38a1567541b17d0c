// A text whose characters are coloured, each of which can be read: by pointing at it, or with the arrow keys.
import { placesIn } from "./characters.js";
import { make, makeText } from "./dom.js";
import { heat } from "./heat.js";
import { measured } from "./marks.js";

export class ReadText {
  node;
  /** Says what there is to say of the character that is pointed at. */
  reading;
  #text = document.createTextNode("");
  #count = 0; // characters that can be read
  #here = -1;
  /** @type {(index: number) => string} */
  #inWords = () => "";

  /** @param {string} className @param {string} label @param {HTMLElement} [reading] where it is said; without one, in a line of its own */
  constructor(className, label, reading = make("p", "reading")) {
    this.node = makeText("p", `card-text ${className}`);
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "group"); // a paragraph may have no name
    this.node.setAttribute("aria-label", label);
    this.reading = reading;
    reading.setAttribute("role", "status");
    this.node.append(this.#text);
    this.node.addEventListener("pointermove", (event) => this.#point(event));
    this.node.addEventListener("click", (event) => this.#point(event));
    this.node.addEventListener("pointerleave", () => this.#read(-1));
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("blur", () => this.#read(-1));
  }

  /** @param {string} text as it is, without colours */
  show(text) {
    heat.clear(this.#text);
    this.#text.data = text;
    this.#count = 0;
    this.#read(-1);
  }

  /**
   * @param {string} text
   * @param {number[]} shades of its characters
   * @param {(index: number) => string} inWords what is said of a character
   * @param {number} [from] the first character that is coloured
   */
  mark(text, shades, inWords, from = 0) {
    this.show(text);
    [this.#count, this.#inWords] = [shades.length, inWords];
    heat.paint(this.#text, shades.slice(from), from);
  }

  /** @param {MouseEvent} event */
  #point({ clientX, clientY }) {
    const place = placesIn(this.#text.data);
    const holds = ({ left, right, top, bottom }) => clientX >= left && clientX < right && clientY >= top && clientY < bottom;
    const characters = Array.from({ length: this.#count }, (_, i) => i);
    this.#read(characters.findIndex((i) => [...measured(this.#text, place(i)).getClientRects()].some(holds)));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || !this.#count) return;
    event.preventDefault();
    this.#read(Math.min(this.#count - 1, Math.max(0, this.#here + by)));
  }

  /** @param {number} index of a character; −1 for none */
  #read(index) {
    if (index === this.#here && index < 0) return;
    this.#here = index;
    this.reading.textContent = index < 0 ? "" : this.#inWords(index);
  }
}
