// The logits that each character of a text was drawn from, fetched when somebody asks for them.
import { charsIn } from "./characters.js";
import { die } from "./dice.js";
import { distribution, land } from "./distribution.js";
import { Shared } from "./requests.js";
import { getBytes, postForJSON, postForLines, UnreachableError } from "./server.js";

/** @typedef {import("./models.js").Model} Model */
/** @typedef {import("./generations.js").Generation} Generation */

/**
 * Logits of a sample's characters, as far as it is written: (characters, vocabulary), kept with the generation. Where the server no longer
 * remembers them, or never did, they are computed again from the text, and `generation.recomputed[sample]` says so.
 * @param {Generation} generation
 * @param {number} sample
 * @param {AbortSignal} [signal]
 * @returns {Promise<Float32Array>}
 */
export async function logitsOf(generation, sample, signal) {
  const { asked, logits, model, texts } = generation;
  const wanted = charsIn(texts[sample]) * model.vocabulary.length;
  // A request that is under way already may be older than the end of the text.
  for (let tries = 0; tries < 2 && (logits[sample]?.length ?? 0) < wanted; tries++) {
    signal?.throwIfAborted();
    if (asked[sample]?.state !== "asked") asked[sample] = new Shared((signal) => readLogits(generation, sample, signal));
    await asked[sample].wait(signal);
  }
  return logits[sample] ?? new Float32Array(0);
}

/** Asks for what is not known yet. @param {Generation} generation @param {number} sample @param {AbortSignal} signal */
async function readLogits(generation, sample, signal) {
  const { model, view } = generation;
  const known = generation.logits[sample] ?? new Float32Array(0);
  const V = model.vocabulary.length;
  const fetched = view.key && !generation.recomputed[sample] && (await fetchSince(view.key, sample, known.length / V, signal));
  if (fetched) generation.logits[sample] = join(known, fetched);
  else {
    const start = charsIn(generation.start);
    const { logits } = await score(generation.start + generation.texts[sample], model, undefined, signal);
    generation.recomputed[sample] = true;
    generation.logits[sample] = logits.slice((start - 1) * V, -V);
  }
}

/**
 * How a character was drawn: what the inspector shows.
 * @typedef {object} Facts
 * @property {Model} model
 * @property {string} char
 * @property {Float32Array} logits
 * @property {import("./distribution.js").Shaping} settings
 * @property {number | null} die null where it is not known to have fallen on this character
 * @property {boolean} recomputed
 * @property {number} [guess] the id that was guessed before the model wrote it; NO_GUESS if none was, undefined if that is not of interest
 * @property {string} [instead] what stands in the text where the die would give `char`
 */

/**
 * How one character was drawn. Logits that were computed again, in another precision than the text was written in, may move an edge past the
 * die: then there is no die.
 * @param {Generation} generation
 * @param {number} sample
 * @param {number} index
 * @param {AbortSignal} [signal]
 * @returns {Promise<Facts | null>}
 */
export async function factsOf(generation, sample, index, signal) {
  const { model, settings } = generation;
  const V = model.vocabulary.length;
  const all = await logitsOf(generation, sample, signal);
  if ((index + 1) * V > all.length) return null;
  const char = [...generation.texts[sample]][index];
  const logits = all.subarray(index * V, (index + 1) * V);
  const { seed, first_sample, first_step = 0 } = generation.view;
  const thrown = die(seed, first_sample + sample, first_step + index);
  const hit = land(distribution(logits, settings), thrown).id === model.idOf(char);
  return { model, char, logits, settings, die: hit ? thrown : null, recomputed: Boolean(generation.recomputed[sample]) };
}

/** @param {string} key @param {number} sample @param {number} since @param {AbortSignal} signal */
async function fetchSince(key, sample, since, signal) {
  const bytes = await getBytes(`./logits/${key}/${sample}?since=${since}`, signal);
  return bytes && new Float32Array(bytes);
}

/** @param {Float32Array} before @param {Float32Array} after */
function join(before, after) {
  const both = new Float32Array(before.length + after.length);
  both.set(before);
  both.set(after, before.length);
  return both;
}

/**
 * The logits of the next character after a prompt, and the prompt as the model reads it.
 * @param {string} prompt
 * @param {Model} model
 * @param {AbortSignal} [signal]
 * @returns {Promise<{prompt: string, notice: string, logits: number[]}>}
 */
export const next = (prompt, model, signal) => postForJSON("./next", { prompt, model: model.key }, signal);

/**
 * The logits of a whole text: row i is what the model expected after character i. `each` is called with every piece as it arrives: first
 * { text, notice }, then { from, logits }.
 * @param {string} text
 * @param {Model} model
 * @param {(piece: any) => void} [each]
 * @param {AbortSignal} [signal]
 * @returns {Promise<{text: string, notice: string, logits: Float32Array}>}
 */
export async function score(text, model, each = () => {}, signal = undefined) {
  let [known, logits, done] = [null, null, false];
  const take = (line) => {
    if (line.text !== undefined) {
      known = line;
      logits = new Float32Array(charsIn(line.text) * line.vocab_size);
      each(line);
    } else if (line.logits) {
      const bytes = Uint8Array.from(atob(line.logits), (char) => char.charCodeAt(0));
      const piece = new Float32Array(bytes.buffer);
      logits.set(piece, line.from * known.vocab_size);
      each({ from: line.from, logits: piece });
    } else if (line.error) throw new Error(line.error);
    else done = line.state === "done";
  };
  await postForLines("./score", { text, model: model.key }, take, signal);
  if (!done) throw new UnreachableError();
  return { ...known, logits };
}
