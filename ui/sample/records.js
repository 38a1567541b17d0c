// How the characters of a text came to be: the logits that each was drawn from, fetched when somebody asks.
import { die } from "../shared/dice.js";
import { distribution, land } from "../shared/distribution.js";
import { asViewer, post, readLines } from "./runs.js";

const UNREACHABLE = "The server cannot be reached. Nothing is lost; try again.";

// Logits of a sample's characters, as far as it is written: a Float32Array of (characters, vocabulary), kept with the run. Where the
// server remembers them no longer, or never did, they are computed anew from the text, and `run.recomputed` says so.
export async function logitsOf(run, sample) {
  const known = run.logits[sample] ?? new Float32Array(0);
  const vocabulary = window.soliloquy.vocabulary.length;
  const wanted = [...run.texts[sample]].length * vocabulary;
  if (known.length >= wanted) return known;
  const fetched = run.view.key && !run.recomputed && (await fetchSince(run.view.key, sample, known.length / vocabulary));
  if (fetched) run.logits[sample] = join(known, fetched);
  else {
    const start = [...run.start].length;
    const { logits } = await score(run.start + run.texts[sample]);
    run.recomputed = true;
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
  return { char, logits, settings: run.settings, die: hit ? thrown : null, recomputed: Boolean(run.recomputed) };
}

async function fetchSince(key, sample, since) {
  const answer = await fetch(`./logits/${key}/${sample}?since=${since}`).catch(() => {
    throw new Error(UNREACHABLE);
  });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return new Float32Array(await answer.arrayBuffer());
}

function join(before, after) {
  const both = new Float32Array(before.length + after.length);
  both.set(before);
  both.set(after, before.length);
  return both;
}

// What comes after a prompt: { prompt (as the model reads it), notice, logits }. Throws an Error in words for the reader.
export async function next(prompt, signal) {
  const answer = await accepted(post("./next", asViewer({ prompt }), signal));
  return answer.json();
}

// The logits of a whole text: row i is what the model expected after character i. `each` hears of every piece that has come:
// { text, notice } first, then { from, logits }.
export async function score(text, each = () => {}, signal) {
  const answer = await accepted(post("./score", asViewer({ text }), signal));
  let [known, logits, done] = [null, null, false];
  await readLines(answer.body, (line) => {
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
  });
  if (!done) throw new Error(UNREACHABLE);
  return { ...known, logits };
}

async function accepted(asked) {
  let answer;
  try {
    answer = await asked;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(UNREACHABLE);
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error ?? `The server answered ${answer.status}.`);
}
