// Characters are Unicode code points, here as in the model. JavaScript counts UTF-16 units, and some characters take two: places in a text
// (offsets, ranges, how much of a growing text is shown) are counted in units, and none may lie inside a character.
const PAIRS = /[\ud800-\udbff][\udc00-\udfff]/g;

const isLong = (text, place) => text.codePointAt(place) > 0xffff;

/** How many characters a text has. @param {string} text */
export const charsIn = (text) => text.length - (text.match(PAIRS)?.length ?? 0);

/** The character at a place. @param {string} text @param {number} place */
export const charAt = (text, place) => String.fromCodePoint(text.codePointAt(place));

/** The place after the character at a place. @param {string} text @param {number} place */
export const after = (text, place) => Math.min(text.length, place + (isLong(text, place) ? 2 : 1));

/** The place itself or, inside a character, the place of that. @param {string} text @param {number} place */
export const outside = (text, place) => (isLong(text, place - 1) ? place - 1 : place);

/**
 * Where a character begins, counted from 0; the text's end for the one after the last.
 * @param {string} text
 * @returns {(index: number) => number}
 */
export function placesIn(text) {
  if (charsIn(text) === text.length) return (index) => index;
  const places = [0];
  for (const char of text) places.push(places.at(-1) + char.length);
  return (index) => places[index];
}

/** As many characters from the beginning of a text. @param {string} text @param {number} count */
export const first = (text, count) => [...text.slice(0, 2 * count)].slice(0, count).join("");

/** As many characters from the end of a text. @param {string} text @param {number} count */
export const last = (text, count) => (count ? [...text.slice(-2 * count)].slice(-count).join("") : "");

/** How much of two texts is the same from the start, in units. @param {string} a @param {string} b */
export function commonLength(a, b) {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return outside(a, length);
}
