// A text in which the stretches that are copied from the training text are marked. Pointing at one, or moving to it with the arrow keys, shows
// the lines that it stands on in the corpus.
import { charsIn, placesIn } from "../../shared/characters.js";
import { button, make, makeText, number, percent, plural, seenHeight } from "../../shared/dom.js";
import { mark, measured, range, reveal } from "../../shared/marks.js";
import { postForJSON } from "../../shared/server.js";
import { askForJSON, hasSession } from "../../shared/session.js";

const PATH = "./learning/copied";
const GAP = 8; // pixels between a stretch and its source
const MOST_LINES = 7; // of a source
const [EVEN, ODD, HERE] = ["copied-even", "copied-odd", "copied-here"].map(mark); // two shades, so that neighbours can be told apart
HERE.priority = 1;

/**
 * Where it stands is null for a text that the admin alone may read.
 * @typedef {object} Stretch in characters
 * @property {number} start
 * @property {number} length
 * @property {number | null} line
 * @property {string | null} before
 * @property {string | null} after
 *
 * @typedef {object} Answer of POST /learning/copied (ui/web/copied.py)
 * @property {string} text
 * @property {string} notice
 * @property {string} corpus
 * @property {number} chars
 * @property {number} least
 * @property {Stretch[]} stretches
 * @property {string} trouble
 */

/**
 * What of a text is copied.
 * @param {{text: string, source?: string, run?: string, chars?: number}} asked
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
export const askCopied = (asked, signal) => (hasSession() ? askForJSON(PATH, { method: "POST", json: asked, signal }) : postForJSON(PATH, asked, signal));

export class CopiedText {
  node = make("article", "card copied");
  #title = make("h4", "copied-title");
  #body = makeText("p", "card-text copied-text");
  #prompt = make("span", "prompt");
  #text = document.createTextNode("");
  #said = make("p", "copied-said");
  /** @type {StaticRange[]} */
  #ranges = [];
  #source;
  /** @type {Answer | null} what is marked */
  answer = null;
  /** @type {number | null} the stretch whose source is shown */
  here = null;

  /** @param {Source} source where it shows what a stretch is copied from @param {string} label */
  constructor(source, label) {
    this.#source = source;
    this.#body.tabIndex = 0;
    this.#body.setAttribute("role", "group"); // a paragraph may have no name
    this.#body.setAttribute("aria-label", label);
    this.#said.setAttribute("role", "status");
    this.#body.append(this.#prompt, this.#text);
    this.node.append(this.#title, this.#body, this.#said);
    this.#body.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.#point(event));
    this.#body.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.leave());
    this.#body.addEventListener("click", (event) => this.#point(event));
    this.#body.addEventListener("blur", () => this.leave());
    this.#body.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {string} words */
  set title(words) {
    this.#title.textContent = words;
  }

  get text() {
    return this.#text.data;
  }

  /** The share of its characters that are copied; null until that is known. */
  get share() {
    if (!this.answer || this.answer.trouble || !this.text) return null;
    return this.answer.stretches.reduce((sum, { length }) => sum + length, 0) / charsIn(this.text);
  }

  /** A text, or more of it. @param {string} prompt @param {string} text */
  show(prompt, text) {
    this.#clear();
    this.#prompt.textContent = prompt;
    this.#text.data = text;
    this.#said.textContent = "";
  }

  /** Marks what is copied. @param {Answer} answer */
  mark(answer) {
    this.#clear();
    if (answer.text !== this.text) this.#text.data = answer.text;
    this.answer = answer;
    const place = placesIn(this.text);
    this.#ranges = answer.stretches.map(({ start, length }) => range(this.#text, place(start), place(start + length)));
    this.#ranges.forEach((stretch, i) => (i % 2 ? ODD : EVEN).add(stretch));
    this.#said.replaceChildren(...this.#summary());
  }

  /** @param {...(string | Node)} words in place of what is copied */
  say(...words) {
    this.#said.replaceChildren(...words);
  }

  /** The element for words of others, with a way on. */
  get said() {
    return this.#said;
  }

  leave() {
    if (this.here === null) return;
    HERE.delete(this.#ranges[this.here]);
    this.here = null;
    this.#source.hide();
  }

  /** Shows the source of a stretch. @param {number} index @param {number} [line] of the stretch, that is pointed at */
  visit(index, line) {
    if (index === this.here) return;
    this.leave();
    const { startOffset, endOffset } = this.#ranges[index];
    if (line === undefined) reveal(this.#body, this.#text, startOffset);
    this.here = index;
    HERE.add(this.#ranges[index]);
    const words = this.text.slice(startOffset, endOffset);
    const stretch = this.#ranges[index];
    this.#source.show(this.answer, this.answer.stretches[index], words, () => boxesOf(stretch), line ?? 0);
  }

  /** The same from elsewhere. @param {number} index */
  go(index) {
    this.#body.focus({ preventScroll: true });
    this.visit(index);
  }

  #clear() {
    this.leave();
    for (const stretch of this.#ranges) for (const highlight of [EVEN, ODD]) highlight.delete(stretch);
    [this.#ranges, this.answer] = [[], null];
  }

  #summary() {
    const { stretches, trouble, notice, chars, least } = this.answer;
    if (trouble) return [];
    if (!stretches.length) return [`0 % copied: no ${least}-character sequence occurs in the ${number(chars)} training characters. ${notice}`];
    const longest = stretches.reduce((a, b) => (b.length > a.length ? b : a));
    const words = `${plural(longest.length, "character")}${longest.line === null ? "" : `, from line ${number(longest.line)}`}`;
    return [
      make("b", "", `${percent(this.share)} copied`),
      `: ${plural(stretches.length, "stretch").replace(/hs$/, "hes")}, the longest `,
      button("quiet inline", words, () => this.go(stretches.indexOf(longest))),
      notice && ` ${notice}`,
    ];
  }

  /** @param {MouseEvent} event */
  #point({ clientX, clientY }) {
    const slack = (box) => (parseFloat(getComputedStyle(this.#body).lineHeight) - box.height) / 2;
    const has = (box) => clientX >= box.left && clientX < box.right && clientY >= box.top - slack(box) && clientY < box.bottom + slack(box);
    const found = this.#ranges.findIndex((stretch) => boxesOf(stretch).some(has));
    if (found < 0) this.leave();
    else this.visit(found, boxesOf(this.#ranges[found]).findIndex(has));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const last = this.#ranges.length - 1;
    const to = { ArrowRight: Math.min(last, (this.here ?? -1) + 1), ArrowLeft: Math.max(0, (this.here ?? 1) - 1), Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.leave();
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.visit(to);
  }
}

/** @param {StaticRange} stretch @returns {DOMRect[]} */
function boxesOf({ startContainer, startOffset, endOffset }) {
  const live = measured(startContainer, startOffset);
  live.setEnd(startContainer, endOffset);
  return [...live.getClientRects()].filter(({ width }) => width);
}

/** The lines of the corpus that a stretch is copied from, beside it. */
export class Source {
  #node = make("div", "copied-source");
  #place = () => {};

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#node.popover = "manual";
    this.#node.setAttribute("role", "status");
    this.#node.dataset.testid = "copied-source";
    root.append(this.#node);
    const scrolled = () => this.#node.matches(":popover-open") && this.#place();
    document.addEventListener("scroll", scrolled, { capture: true, passive: true });
  }

  hide() {
    if (this.#node.matches(":popover-open")) this.#node.hidePopover();
  }

  /**
   * @param {Answer} answer
   * @param {Stretch} stretch
   * @param {string} words the stretch
   * @param {() => DOMRect[]} boxes where its lines are
   * @param {number} at the line that is looked at
   */
  show({ corpus }, { length, line: first, before, after }, words, boxes, at) {
    const place = first === null ? corpus : `line ${number(first)} of ${corpus}`;
    const title = make("p", "copied-source-title", `${plural(length, "character")}, word for word from ${place}`);
    const lines = make("div", "copied-lines");
    const all = words.split("\n");
    all.slice(0, MOST_LINES).forEach((part, i) => {
      const whole = makeText("p", "copied-line");
      const copy = make("mark", "", part);
      whole.append(i ? "" : (before ?? ""), copy, i === all.length - 1 ? (after ?? "") : "");
      lines.append(make("span", "copied-number", first === null ? "" : number(first + i)), whole);
    });
    if (all.length > MOST_LINES) lines.append("", make("p", "copied-line", `… and ${plural(all.length - MOST_LINES, "more line")}`));
    this.#node.replaceChildren(title, lines);
    this.#node.showPopover();
    this.#place = () => this.#stand(boxes(), at);
    this.#place();
  }

  /** Stands below the stretch where there is room, or else above it; of a long one, below the line that is looked at. */
  #stand(boxes, at) {
    const line = boxes[at] ?? boxes[0];
    const { offsetWidth: width, offsetHeight: height } = this.#node;
    const [top, bottom] = [Math.min(...boxes.map((box) => box.top)), Math.max(...boxes.map((box) => box.bottom))];
    const places = [bottom + GAP, top - GAP - height, line.bottom + GAP];
    const fits = places.find((y) => y >= GAP && y + height <= seenHeight() - GAP) ?? line.bottom + GAP;
    const left = Math.max(GAP, Math.min(line.left, innerWidth - GAP - width));
    const inside = Math.max(GAP, Math.min(fits, seenHeight() - GAP - height));
    Object.assign(this.#node.style, { left: `${left}px`, top: `${inside}px` });
  }
}
