// Small helpers that every view needs. Text enters the page through text nodes only.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {string} [text]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

/** @param {string} className @param {string} text @param {() => unknown} onClick */
export function button(className, text, onClick) {
  const node = make("button", className, text);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

export const number = (value) => Math.round(value).toLocaleString("en");

export const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

/** How many characters a text has, for the model: code points, not UTF-16 units. @param {string} text */
export const charsIn = (text) => [...text].length;

// Characters that cannot be seen, by name.
const NAMES = { "\n": "newline", " ": "space", "\t": "tab", "\u00a0": "no-break space" };
const SIGNS = { "\n": "↵", " ": "␣", "\t": "⇥" };
const isSeen = (char) => !/[\p{C}\p{Z}]/u.test(char);

// A character as it can be read in a sentence, and as it is written in one place on an axis.
export const nameOf = (char) => NAMES[char] ?? (isSeen(char) ? char : `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);
export const signOf = (char) => SIGNS[char] ?? (isSeen(char) ? char : "□");

// A character in a sentence: ‘h’, but newline without quotes. A text on one line, with its spaces as they are.
export const quoted = (char) => (signOf(char) === char ? `‘${char}’` : nameOf(char));
export const readable = (text) => [...text].map((char) => (char === " " ? " " : signOf(char))).join("");

/** A word of an address, for a sentence. @param {string} word */
export const shortened = (word) => (word.length > 40 ? `${word.slice(0, 40)}…` : word);

/** What a distribution was made with. @param {{temperature: number, top_k: number, top_p: number}} settings */
export function inFull({ temperature, top_k, top_p }) {
  const cuts = [top_k && `top-k ${top_k}`, top_p < 1 && `top-p ${top_p}`];
  return [`temperature ${temperature}`, ...cuts.filter(Boolean)].join(", ");
}

// A probability as a class reads it: 41 %, 3.2 %, 0.08 %, < 0.01 %. Only what is certain or impossible reads 100 % or 0 %.
export function percent(p) {
  const value = 100 * p;
  if (p === 0 || p === 1) return `${value} %`;
  if (value < 0.01) return "< 0.01 %";
  if (value >= 99.95) return "> 99.9 %";
  return `${value >= 10 ? value.toFixed(value >= 99 ? 1 : 0) : value >= 1 ? value.toFixed(1) : value.toFixed(2)} %`;
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Scrolls to what would otherwise be out of sight, as on a phone, where the texts are below the controls. @param {Element} node */
export function bringIntoView(node) {
  const { top } = node.getBoundingClientRect();
  if (top >= 0 && top < innerHeight * 0.8) return;
  node.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
}
