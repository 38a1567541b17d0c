// Where a text has letters in common with a sentence: the stretches that TF-IDF over characters goes by.
export const LEAST = 3; // characters, the shortest that it counts

/**
 * The stretches of a text all of whose runs of three characters are in the sentence too.
 * @param {string} text
 * @param {string} sentence
 * @returns {[number, number][]} from one place on and before another, in order
 */
export function sharedStretches(text, sentence) {
  const [inText, inSentence] = [text.toLowerCase(), sentence.toLowerCase()];
  const runs = new Set(Array.from({ length: Math.max(0, inSentence.length - LEAST + 1) }, (_, i) => inSentence.slice(i, i + LEAST)));
  /** @type {[number, number][]} */
  const stretches = [];
  for (let i = 0; i + LEAST <= inText.length; i++) {
    if (!runs.has(inText.slice(i, i + LEAST))) continue;
    const last = stretches.at(-1);
    if (last && last[1] >= i) last[1] = i + LEAST;
    else stretches.push([i, i + LEAST]);
  }
  return stretches;
}
