// A character on its way from its bar into the text.
import { make, signOf } from "../../shared/dom.js";

/** @typedef {{x: number, y: number}} Point of the window, in pixels */

/** The letter: { node, fly(char, from, to, share) }; it is seen for shares between 0 and 1 only. */
export function createLetter() {
  const node = make("span", "next-letter");
  node.setAttribute("aria-hidden", "true");
  node.hidden = true;
  /** @param {string} char @param {Point} from @param {Point} to @param {number} share */
  const fly = (char, from, to, share) => {
    node.hidden = share <= 0 || share >= 1;
    node.textContent = signOf(char);
    const eased = share * share * (3 - 2 * share);
    const [x, y] = [from.x + (to.x - from.x) * eased, from.y + (to.y - from.y) * eased];
    node.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%) scale(${1.6 - 0.6 * eased})`;
  };
  return { node, fly };
}
