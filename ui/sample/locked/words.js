// The sentences of the view "Same dice".
import { charAt, charsIn } from "../../shared/characters.js";
import { inFull, make, number, quoted } from "../../shared/dom.js";

export function* headline(changed, all, same, settings) {
  yield make("b", "", number(changed));
  yield ` of ${number(all)} characters ${same ? "change at the original settings" : `would change at ${inFull(settings)}`}`;
}

/** @param {import("./throws.js").Throws} throws */
export function tellFirst({ landed, changed: [first], model, chars }) {
  const [before, now] = [chars[first], model.vocabulary[landed[first]]].map(quoted);
  return `First change: character ${number(first + 1)}, ${now} instead of ${before}`;
}

/** What the reader must know to judge the count. @param {import("./throws.js").Throws} throws @param {boolean} same */
export function note({ recomputed }, same) {
  if (recomputed) return "The server no longer remembers this text; its probabilities were recomputed.";
  return same ? "Move the temperature: the throws of the dice stay as they are." : "";
}

export function comparison(before, after, at, live) {
  const place = number(charsIn(before.slice(0, at)) + 1);
  if (at < before.length && at < after.length) {
    const [was, is] = [before, after].map((text) => quoted(charAt(text, at)));
    return `Diverges at character ${place}: ${is} instead of ${was}${live ? "; writing" : ""}`;
  }
  if (live) return "Writing";
  return at === before.length ? "Identical, character for character ✓" : "Identical as far as it goes ✓";
}
