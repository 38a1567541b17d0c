// Whether counts are what dice give: the range that a share is expected in, and the chi-squared test. Pure numbers.

const [TAIL, LEAST] = [0.025, 5]; // outside a range at each end; expected in each cell of the test
const PRECISION = 1e-14;
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Γ(x). @param {number} x more than 0 @returns {number} */
export function logGamma(x) {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const z = x - 1;
  const t = z + 7.5;
  const sum = LANCZOS.slice(1).reduce((sum, c, i) => sum + c / (z + i + 1), LANCZOS[0]);
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The regularised upper incomplete gamma function Q(a, x). @param {number} a more than 0 @param {number} x 0 or more */
export function upperGamma(a, x) {
  if (x <= 0) return 1;
  if (x === Infinity) return 0;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; Math.abs(term) > Math.abs(sum) * PRECISION; n++) sum += term *= x / (a + n);
    return 1 - sum * scale;
  }
  // Lentz's continued fraction
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let fraction = d;
  for (let i = 1; i < 10_000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b || tiny);
    c = b + an / c || tiny;
    const step = d * c;
    fraction *= step;
    if (Math.abs(step - 1) < PRECISION) break;
  }
  return fraction * scale;
}

/** How probable a sum at least as large is. @param {number} x @param {number} degrees of freedom */
export const chiSquaredTail = (x, degrees) => upperGamma(degrees / 2, x / 2);

/**
 * The counts within which a character of probability p falls 95 times in 100, of n draws: between the 2.5 % and the 97.5 % quantile.
 * @param {number} n
 * @param {number} p
 * @returns {[number, number]}
 */
export function expectedRange(n, p) {
  if (p <= 0 || n === 0) return [0, 0];
  if (p >= 1) return [n, n];
  const [logP, logQ] = [Math.log(p), Math.log1p(-p)];
  let [below, low] = [0, -1];
  for (let k = 0; k <= n; k++) {
    below += Math.exp(logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1) + k * logP + (n - k) * logQ);
    if (low < 0 && below >= TAIL) low = k;
    if (below >= 1 - TAIL) return [low, k];
  }
  return [Math.max(0, low), n];
}

/**
 * Tests counts against the probabilities that they were drawn with. Cells that expect fewer than 5 are one cell, which takes in the smallest of
 * the others until it expects 5.
 * @param {ArrayLike<number>} counts
 * @param {ArrayLike<number>} probabilities
 * @returns {{statistic: number, degrees: number, p: number, impossible: number} | null} impossible: how many were drawn that have no probability;
 *   null where there are too few for two cells
 */
export function chiSquared(counts, probabilities) {
  const n = Array.from(counts).reduce((a, b) => a + b, 0);
  const cells = Array.from(counts, (observed, i) => ({ observed, expected: n * probabilities[i] })).toSorted((a, b) => a.expected - b.expected);
  const impossible = cells.filter(({ expected }) => expected === 0).reduce((sum, { observed }) => sum + observed, 0);
  const pooled = { observed: 0, expected: 0 };
  let first = 0;
  for (; first < cells.length && (cells[first].expected < LEAST || (pooled.expected > 0 && pooled.expected < LEAST)); first++) {
    pooled.observed += cells[first].observed;
    pooled.expected += cells[first].expected;
  }
  const all = [...(pooled.expected > 0 ? [pooled] : []), ...cells.slice(first)];
  if (all.length < 2) return null;
  const statistic = all.reduce((sum, { observed, expected }) => sum + (observed - expected) ** 2 / expected, 0);
  return { statistic, degrees: all.length - 1, p: chiSquaredTail(statistic, all.length - 1), impossible };
}
