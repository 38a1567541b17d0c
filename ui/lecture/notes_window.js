// The page's end of the window with the notes: opens it, and tells it what is shown whenever that changes or it asks.

/**
 * @typedef {object} Told
 * @property {string} lecture its title
 * @property {number} number of the scene, from 1; 0 before the first
 * @property {number} total
 * @property {string} title
 * @property {string} caption
 * @property {string} notes
 * @property {string} next the title of the next scene
 * @property {number} startedAt 0 before the first scene
 */

const NAME = "soliloquy-notes";
const SIZE = "popup,width=920,height=640";

export class NotesWindow {
  /** @type {Window | null} */
  #window = null;
  #tell;

  /** @param {() => Told} tell @param {(by: number) => void} step @param {AbortSignal} signal of the lecture's end */
  constructor(tell, step, signal) {
    this.#tell = tell;
    addEventListener("message", ({ data, origin, source }) => {
      const words = data?.soliloquy;
      if (origin !== location.origin || !words) return;
      if (words === "hello") this.#window = /** @type {Window} */ (source);
      else if (source !== this.#window) return;
      if (words.step === 1 || words.step === -1) step(words.step);
      this.update();
    }, { signal });
  }

  /** Opens it, or brings it to the front. @returns {boolean} whether the browser allows it */
  open() {
    const opened = window.open("./lecture/notes", NAME, SIZE);
    opened?.focus();
    this.#window = opened ?? this.#window;
    return opened !== null;
  }

  update() {
    if (!this.#window?.closed) this.#window?.postMessage({ notes: this.#tell() }, location.origin);
  }
}
