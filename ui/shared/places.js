// Where the generations that an address asks for stand, and which of them are on the page already.

/** @typedef {import("./generations.js").Generation} Generation */

/**
 * What an address asks for, the key by which the server remembers it or "", and the generation, once it is on the page.
 * @typedef {{asked: import("./address.js").Asked | "stored", key: string, here: Generation | null}} Place
 */

/**
 * Splits a list where one does not stand abreast of the one before.
 * @template T
 * @param {T[]} list
 * @param {(one: T, before: T) => boolean} joins
 * @returns {T[][]}
 */
export function groupsOf(list, joins) {
  /** @type {T[][]} */
  const groups = [];
  list.forEach((one, i) => (i && joins(one, list[i - 1]) ? groups.at(-1).push(one) : groups.push([one])));
  return groups;
}

/**
 * Finds the groups that are on the page; such as stand abreast stay together or not at all. Gives their generations, in the order of the address.
 * @param {Place[][]} groups
 * @param {Generation[]} list
 * @param {(generation: Generation, place: Place) => boolean} isSame
 */
export function keepThose(groups, list, isSame) {
  const isWhole = ({ view }) => view.state !== "failed" && view.state !== "lost";
  const abreast = (one, before) => Boolean(one.view.beside) && one.view.beside === before.view.beside;
  const free = groupsOf(list, abreast).filter((group) => group.every(isWhole));
  for (const group of groups) {
    const at = free.findIndex((found) => found.length === group.length && group.every((place, i) => isSame(found[i], place)));
    if (at < 0) continue;
    const [found] = free.splice(at, 1);
    group.forEach((place, i) => (place.here = found[i]));
  }
  return groups.flat().flatMap(({ here }) => here ?? []);
}
