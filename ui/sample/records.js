// How the characters of a text came to be: the logits that each was drawn from, fetched when somebody asks.
import { die } from "../shared/dice.js";
import { distribution, land } from "../shared/distribution.js";
import { getBytes, postForJSON, postForLines, UNREACHABLE } from "../shared/server.js";

// Logits of a sample's characters, as far as it is written: a Float32Array of (characters, vocabulary), kept with the run. Where the
// server remembers them no longer, or never did, they are computed anew from the text, and `run.recomputed[sample]` says so.
export async function logitsOf(run, sample) {
  const known = run.logits[sample] ?? new Float32Array(0);
  const vocabulary = window.soliloquy.vocabulary.length;
  const wanted = [...run.texts[sample]].length * vocabulary;
  if (known.length >= wanted) return known;
  const fetched = run.view.key && !run.recomputed[sample] && (await fetchSince(run.view.key, sample, known.length / vocabulary));
  if (fetched) run.logits[sample] = join(known, fetched);
  else {
    const start = [...run.start].length;
    const { logits } = await score(run.start + run.texts[sample]);
    run.recomputed[sample] = true;
    run.logits[sample] = logits.slice((start - 1) * vocabulary, -vocabulary);
  }
  return run.logits[sample];
}

// How one character came to be: { char, logits, settings, die, recomputed }. Without a die where it is not known to have fallen there:
// logits that were computed anew, in another precision than the text was written in, may put an edge elsewhere.
export async function factsOf(app, run, sample, index) {
  const V = app.vocabulary.length;
  const all = await logitsOf(run, sample);
  if ((index + 1) * V > all.length) return null;
  const char = [...run.texts[sample]][index];
  const logits = all.subarray(index * V, (index + 1) * V);
  const { seed, first_sample, first_step = 0 } = run.view;
  const thrown = die(seed, first_sample + sample, first_step + index);
  const hit = land(distribution(logits, run.settings), thrown).id === app.idOf(char);
  return { char, logits, settings: run.settings, die: hit ? thrown : null, recomputed: Boolean(run.recomputed[sample]) };
}

async function fetchSince(key, sample, since) {
  const bytes = await getBytes(`./logits/${key}/${sample}?since=${since}`);
  return bytes && new Float32Array(bytes);
}

function join(before, after) {
  const both = new Float32Array(before.length + after.length);
  both.set(before);
  both.set(after, before.length);
  return both;
}

// What comes after a prompt: { prompt (as the model reads it), notice, logits }. Throws an Error in words for the reader.
export const next = (prompt, signal) => postForJSON("./next", { prompt }, signal);

// The logits of a whole text: row i is what the model expected after character i. `each` hears of every piece that has come:
// { text, notice } first, then { from, logits }.
export async function score(text, each = () => {}, signal) {
  let [known, logits, done] = [null, null, false];
  const take = (line) => {
    if (line.text !== undefined) {
      known = line;
      logits = new Float32Array([...line.text].length * line.vocab_size);
      each(line);
    } else if (line.logits) {
      const bytes = Uint8Array.from(atob(line.logits), (char) => char.charCodeAt(0));
      const piece = new Float32Array(bytes.buffer);
      logits.set(piece, line.from * known.vocab_size);
      each({ from: line.from, logits: piece });
    } else if (line.error) throw new Error(line.error);
    else done = line.state === "done";
  };
  await postForLines("./score", { text }, take, signal);
  if (!done) throw new Error(UNREACHABLE);
  return { ...known, logits };
}
