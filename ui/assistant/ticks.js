// Round numbers for an axis.

/** The multiples of 1, 2 or 5 times a power of ten between two ends, at most so many steps apart. @param {number} low @param {number} high @param {number} most */
export function ticks(low, high, most) {
  const least = (high - low) / most;
  if (!(least > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(least));
  const unit = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= least);
  const [from, to] = [Math.ceil(low / unit), Math.floor(high / unit)];
  return Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * unit).toPrecision(6)));
}
