// The dice of a seed, the same as in model/sampling.py: numpy's Philox4x64-10 keyed by (seed, sample), step t using the t-th number.
const MASK = (1n << 64n) - 1n;
const MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const WEYL = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];
const ROUNDS = 10;
const WORDS = 4; // of a block

function block(seed, sample, number) {
  let key = [BigInt(seed), BigInt(sample)];
  let words = [BigInt(number), 0n, 0n, 0n];
  for (let round = 0; round < ROUNDS; round++) {
    const product = [words[0] * MULTIPLIERS[0], words[2] * MULTIPLIERS[1]];
    words = [(product[1] >> 64n) ^ words[1] ^ key[0], product[1] & MASK, (product[0] >> 64n) ^ words[3] ^ key[1], product[0] & MASK];
    key = key.map((word, i) => (word + WEYL[i]) & MASK);
  }
  return words;
}

// Throw number `step` (from 0) of one sample's dice, in [0, 1).
export function die(seed, sample, step) {
  const word = block(seed, sample, Math.floor(step / WORDS) + 1)[step % WORDS];
  return Number(word >> 11n) * 2 ** -53;
}

// A seed where none was typed, as short as the server's.
export const drawSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
