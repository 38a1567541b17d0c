// Logits -> distribution -> character, step by step as in model/sampling.py, so that what is shown is what was sampled from.

/** @typedef {{temperature?: number, top_k?: number, top_p?: number}} Shaping what makes a distribution of logits */

/** As the model learned it: nothing is shaped. */
export const AS_LEARNED = { temperature: 1, top_k: 0, top_p: 1 };

/** Probabilities of all characters, in vocabulary order. @param {ArrayLike<number>} logits @param {Shaping} [shaping] */
export function distribution(logits, { temperature = 1, top_k = 0, top_p = 1 } = {}) {
  const most = Math.max(.../** @type {number[]} */ (logits));
  const keep = temperature === 0 ? 1 : top_k > 0 ? top_k : logits.length;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - most) / (temperature || 1)));
  if (keep < logits.length || top_p < 1) keepLikeliest(weights, logits, keep, top_p);
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

// Zeroes all but the `keep` likeliest, and of those all but the ones that reach `top_p`.
function keepLikeliest(weights, logits, keep, top_p) {
  const order = ranking(logits);
  for (const id of order.slice(keep)) weights[id] = 0;
  const enough = top_p * weights.reduce((a, b) => a + b, 0);
  let reached = 0;
  order.forEach((id, rank) => {
    const weight = weights[id];
    reached += weight;
    const before = reached - weight; // what the likelier ones reach together, rounded as the server rounds it
    if (rank > 0 && top_p < 1 && before >= enough) weights[id] = 0;
  });
}

// Ids from the likeliest to the least; ties go to the lower id.
export const ranking = (values) => Array.from(values.keys()).toSorted((a, b) => values[b] - values[a] || a - b);

// Where each character ends when all are laid out on [0, 1) in vocabulary order.
export function edges(probabilities) {
  let sum = 0;
  const ends = probabilities.map((p) => (sum += p));
  return ends.map((end) => end / sum);
}

// Where a throw lands: { id, low, high }.
export function land(probabilities, throwOfDie, ends = edges(probabilities)) {
  let last = probabilities.length - 1;
  while (last > 0 && probabilities[last] === 0) last--;
  let [from, to] = [0, last]; // the first character that ends beyond the throw
  while (from < to) {
    const middle = (from + to) >> 1;
    if (ends[middle] <= throwOfDie) from = middle + 1;
    else to = middle;
  }
  return { id: from, low: from ? ends[from - 1] : 0, high: ends[from] };
}

// The information in a character that came with this probability, in bits.
export const surprisal = (p) => -Math.log2(p);

// Of a distribution, in bits. Two to its power is the effective number of choices.
export const entropy = (probabilities) => probabilities.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0);
