// What is in the air: a die, its character on the way into the text, or many dice at once.
import { calm } from "../../shared/dom.js";
import { landedOf } from "./falling.js";
import { createLetter } from "./letter.js";
import { play } from "./motion.js";

const [FALL_MS, FLY_MS, RAIN_MS] = [600, 400, 2000];

/** @typedef {import("./draws.js").Landed} Landed */
/** @typedef {import("./letter.js").Point} Point */
/** @typedef {{fall?: number, fly?: number, rain?: {throws: Landed[], share: number}}} Motion shares of their times, of what moves */

export class Air {
  /** @type {Motion} */
  motion = {};
  /** @type {(() => void) | null} */
  #end = null;
  #letter = createLetter();
  #draw;
  #update;

  /** @param {{draw: () => void, update: () => void}} on `draw`: something has moved; `update`: something has landed */
  constructor({ draw, update }) {
    [this.#draw, this.#update] = [draw, update];
  }

  /** The character that flies. */
  get node() {
    return this.#letter.node;
  }

  /**
   * A die falls; then the character that it fell on flies into the text.
   * @param {string} char "" where none does
   * @param {() => [Point, Point]} places where it begins and ends, asked for when the die has landed
   */
  throw(char, places) {
    /** @type {[Point, Point] | null} */
    let path = null;
    const fly = (share) => {
      if (!path) {
        this.motion = { fly: share };
        this.#update(); // what was drawn is said while its character is on its way
        path = places();
      }
      this.#letter.fly(char, ...path, share);
    };
    this.#play([[FALL_MS, (fall) => this.#move({ fall })], ...(char ? [/** @type {import("./motion.js").Phase} */ ([FLY_MS, fly])] : [])]);
  }

  /** Many dice fall, each of which is counted when it lands. @param {Landed[]} throws @param {(landed: Landed[]) => void} count */
  rain(throws, count) {
    let landed = 0;
    const fall = (share) => {
      const now = landedOf(throws, share);
      count(throws.slice(landed, now));
      landed = now;
      this.#move({ rain: { throws, share } });
    };
    this.#play([[RAIN_MS, fall]]);
  }

  /** Lets everything land at once. */
  finish() {
    const end = this.#end;
    this.#end = null;
    end?.();
  }

  /** @param {import("./motion.js").Phase[]} phases */
  #play(phases) {
    const rest = () => {
      [this.#end, this.motion] = [null, {}];
      this.#update();
    };
    const end = play(phases, rest);
    if (calm()) end();
    else {
      this.#end = end;
      this.#update();
    }
  }

  #move(motion) {
    this.motion = motion;
    this.#draw();
  }
}
