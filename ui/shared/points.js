// Points of a curve, [step, value], in order of steps.

/** The last point of a curve up to a step. @param {number[][]} points [step, loss], ... @param {number} [until] */
export const lastOf = (points, until = Infinity) => points.findLast(([step]) => step <= until);

/** The lowest point of a curve up to a step. @param {number[][]} points @param {number} [until] @returns {number[] | undefined} */
export function lowestOf(points, until = Infinity) {
  let lowest;
  for (const point of points) if (point[0] <= until && !(point[1] >= lowest?.[1])) lowest = point;
  return lowest;
}
