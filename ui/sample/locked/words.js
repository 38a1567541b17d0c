// What the view "Locked dice" says in sentences.
import { inFull, make, number, quoted } from "../../shared/dom.js";
import { charAt } from "../../shared/marks.js";

export function* headline(changed, all, same, settings) {
  const where = same ? "at the original’s own settings" : `at ${inFull(settings)}`;
  yield make("b", "", number(changed));
  yield ` of ${number(all)} throws ${same ? (changed === 1 ? "lands" : "land") : "would land"} elsewhere ${where}`;
}

export function tellFirst({ chars, landed, changed: [first] }, vocabulary, same) {
  const [before, now] = [chars[first], vocabulary[landed[first]]].map(quoted);
  return `First at character ${number(first + 1)}: ${before} ${same ? "is" : "would be"} ${now}`;
}

// What the reader must know to take the count for what it is.
export function note({ run, recomputed }, precision, same, changed) {
  if (!recomputed) return same ? "Move the temperature at the left: the dice stay as they fell." : "";
  const stored = run.view.state === "stored";
  const foreign = stored && run.view.seed_repeats === false;
  const why = stored ? "This text was written earlier" : "The server no longer remembers what these characters were drawn from";
  const how = `${why}; it was computed again from the text${foreign ? `, in ${precision} instead of float32` : ""}.`;
  const edge = same && changed ? "That is why throws near an edge fall" : "A throw near an edge may fall";
  return `${how} ${edge} on its other side, and from there the dice write another text.`;
}

export function comparison(before, after, at, live) {
  const place = number([...before.slice(0, at)].length + 1);
  if (at < before.length && at < after.length) {
    const [was, is] = [before, after].map((text) => quoted(charAt(text, at)));
    return `Parts at character ${place}: ${is} instead of ${was}${live ? "; writing" : ""}`;
  }
  if (live) return "Writing";
  return at === before.length ? "The same text, character for character" : "The same, as far as it was written";
}
