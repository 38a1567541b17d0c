// A text that a model has read: its characters coloured by surprisal, and the probability of each in words.
import { charAt, placesIn } from "../../shared/characters.js";
import { percent, quoted } from "../../shared/dom.js";
import { ReadText } from "../../shared/read_text.js";
import { bitsOf } from "./results.js";

export class SurprisalText extends ReadText {
  /**
   * @param {string} text
   * @param {number[]} logProbs of its last characters, in nats; those before them are only read by the model
   * @param {number} [from] the first of these that is coloured
   */
  surprise(text, logProbs, from = 0) {
    const place = placesIn(text);
    const before = [...text].length - logProbs.length;
    const bits = [...Array.from({ length: before }, () => 0), ...bitsOf(logProbs)];
    const inWords = (index) => {
      const char = quoted(charAt(text, place(index)));
      return index < before ? `${char} is given` : `${char}: ${percent(Math.exp(logProbs[index - before]))}, ${bits[index].toFixed(1)} bits`;
    };
    this.mark(text, bits, inWords, before + from);
  }
}
