// The sentences of the view "Locked dice".
import { charAt, charsIn } from "../../shared/characters.js";
import { inFull, make, number, quoted } from "../../shared/dom.js";

export function* headline(changed, all, same, settings) {
  const where = same ? "at the original’s own settings" : `at ${inFull(settings)}`;
  yield make("b", "", number(changed));
  yield ` of ${number(all)} throws ${same ? (changed === 1 ? "lands" : "land") : "would land"} elsewhere ${where}`;
}

/** @param {import("./throws.js").Throws} throws @param {boolean} same */
export function tellFirst({ chars, landed, changed: [first], model }, same) {
  const [before, now] = [chars[first], model.vocabulary[landed[first]]].map(quoted);
  return `First at character ${number(first + 1)}: ${before} ${same ? "is" : "would be"} ${now}`;
}

/** What the reader must know to judge the count. @param {import("./throws.js").Throws} throws @param {boolean} same @param {number} changed */
export function note({ generation, model, recomputed }, same, changed) {
  if (!recomputed) return same ? "Move the temperature: the dice stay as they fell." : "";
  const stored = generation.view.state === "stored";
  const foreign = stored && generation.view.seed_repeats === false;
  const why = stored ? "This text was written earlier" : "The server has forgotten this text";
  const how = `${why}; its logits were computed again${foreign ? `, in ${model.precision} instead of float32` : ""}.`;
  const edge = same && changed ? "That is why throws near an edge land" : "A throw near an edge may land";
  return `${how} ${edge} on the other side, and from there the text differs.`;
}

export function comparison(before, after, at, live) {
  const place = number(charsIn(before.slice(0, at)) + 1);
  if (at < before.length && at < after.length) {
    const [was, is] = [before, after].map((text) => quoted(charAt(text, at)));
    return `First difference at character ${place}: ${is} instead of ${was}${live ? "; writing" : ""}`;
  }
  if (live) return "Writing";
  return at === before.length ? "The same text, character for character" : "The same, as far as it goes";
}
