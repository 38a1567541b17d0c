// Small helpers that every view needs. Text enters the page through text nodes only.
import { charsIn, first, last } from "./characters.js";

// How a hint begins.
const isFine = matchMedia("(pointer: fine)").matches;
export const POINT_AT = isFine ? "Point at" : "Tap";
export const CLICK = isFine ? "Click" : "Tap";

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

/**
 * An element for what somebody or a model has written or named: it runs in its own direction, from the left or from the right.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {string} [text]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export const makeText = (tag, className, text) => Object.assign(make(tag, className, text), { dir: "auto" });

/**
 * Lets no more characters than these be sent from a field of a form; `maxLength` would count UTF-16 units.
 * @param {HTMLInputElement} field
 * @param {number} most
 */
export const limitChars = (field, most) => Object.assign(field, { pattern: `.{1,${most}}`, title: `1 to ${most} characters` });

/** Whether the text in an element runs from the right: then the left arrow leads on. @param {Element} node */
export const isRightToLeft = (node) => getComputedStyle(node).direction === "rtl";

/**
 * Puts children into a node; those that are there already stay as they are, with the focus and where they are scrolled to. A child that is
 * moved loses the focus, so the others move around the one that has it.
 * @param {Element} node
 * @param {Element[]} children
 */
export function settle(node, children) {
  for (const child of Array.from(node.children)) if (!children.includes(child)) child.remove();
  children.forEach((child, i) => {
    if (child.parentElement === node && child.contains(document.activeElement)) while (node.children[i] !== child) node.append(node.children[i]);
    if (node.children[i] !== child) node.insertBefore(child, node.children[i] ?? null);
  });
}

/** @param {string} className @param {string} text @param {() => unknown} onClick */
export function button(className, text, onClick) {
  const node = make("button", className, text);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

/** The label of a field, which has its id. @param {string} words @param {HTMLElement} field @param {string} [className] */
export const labelOf = (words, field, className) => Object.assign(make("label", className, words), { htmlFor: field.id });

/** A field below or beside its label. @param {string} words @param {HTMLElement} field @param {string} [className] */
export function labelled(words, field, className) {
  const node = make("div", className);
  node.append(labelOf(words, field), field);
  return node;
}

/** Whether single keys mean text where the focus is. @param {Element} node */
export const isTyping = (node) => Boolean(node.closest?.('input:not([type="range"]), textarea, select, [contenteditable]'));

export const number = (value) => Math.round(value).toLocaleString("en");

/** "3", "3 and 4", "3, 4 and 7". @param {(string | number)[]} words */
export const listed = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

export const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

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

/** The beginning of what somebody typed or sent, for a sentence. @param {string} text @param {number} [most] */
export const shortened = (text, most = 40) => (charsIn(text) > most ? `${first(text, most)}…` : text);

/** The end of a text, likewise. @param {string} text @param {number} most */
export const endOf = (text, most) => (charsIn(text) > most ? `…${last(text, most)}` : text);

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

/** The height of the window in which the page is seen: all of it, or what is above the bar of a lecture (lecture/bar.js) or of a page that follows (following/bar.js). */
export function seenHeight() {
  const below = document.fullscreenElement ? 0 : parseFloat(document.documentElement.style.getPropertyValue("--below"));
  return innerHeight - (below || 0);
}

/** Scrolls to what would otherwise be out of sight, as on a phone, where the texts are below the controls. @param {Element} node */
export function bringIntoView(node) {
  const { top } = node.getBoundingClientRect();
  if (top >= 0 && top < seenHeight() * 0.8) return;
  node.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
}
