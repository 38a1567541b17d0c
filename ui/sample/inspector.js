// How a character was drawn, shown beside it: hover, tap, or move there with the arrow keys.
import { createCandidates } from "../shared/candidates.js";
import { after, charsIn, outside } from "../shared/characters.js";
import { distribution, surprisal } from "../shared/distribution.js";
import { button, CLICK, isRightToLeft, make, nameOf, number, percent, quoted, seenHeight } from "../shared/dom.js";
import { mark, measured, range, reveal } from "../shared/marks.js";
import { Latest } from "../shared/requests.js";
import { createStrip, inDigits, intervalOf } from "../shared/strip.js";

const SHOWN = 10; // candidates
const GAP = 10; // pixels between a text and its popover
const LEAVE_MS = 350; // to get from a character to its popover

/** @typedef {import("../shared/logits.js").Facts} Facts */

/**
 * What explains the characters of a text.
 * @typedef {object} Source
 * @property {(index: number, signal: AbortSignal) => Facts | null | Promise<Facts | null>} at
 * @property {(index: number) => void} [continueFrom]
 * @property {(index: number, id: number) => void} [force]
 *
 * @typedef {object} Here
 * @property {HTMLElement} body the element around the text, which takes the focus
 * @property {Text} text
 * @property {number} place where its character begins, in UTF-16 units
 * @property {Source} source
 * @property {number} [x] where it is pointed at: a newline also far beyond the end of its line
 */

export class Inspector {
  /** @type {import("./main.js").SampleTab} */
  #tab;
  #node = make("div", "inspector");
  /** @type {Here | null} */
  #here = null;
  #going = null; // where the keys lead, which can be quicker than the picture
  #pinned = false;
  #mark = mark("inspected");
  #leaving = 0;
  #asking = new Latest();

  /** @param {import("./main.js").SampleTab} tab */
  constructor(tab) {
    this.#tab = tab;
    this.#mark.priority = 2;
    this.#build();
    tab.element.append(this.#node);
    document.addEventListener("pointerdown", (event) => {
      const target = /** @type {Node} */ (event.target);
      if (this.#here && !this.#node.contains(target) && !this.#here.body.contains(target)) this.close();
    });
    const escape = (event) => {
      if (event.key !== "Escape" || !this.#here) return;
      if (this.#node.matches(":popover-open")) event.preventDefault(); // it stops no writing
      this.close();
    };
    document.addEventListener("keydown", escape, true);
    // Other texts may scroll: those that are written do.
    const scrolled = ({ target }) => !this.#pinned && target.contains(this.#here?.body ?? null) && this.close();
    document.addEventListener("scroll", scrolled, { capture: true, passive: true });
  }

  /** Makes the characters of a text explain themselves. @param {HTMLElement} body @param {Text} text @param {Source} source */
  watch(body, text, source) {
    const look = (event, pin) => {
      const place = placeAt(text, event.clientX, event.clientY);
      if (place === null) {
        if (pin) this.close();
        else this.#leave();
      } else void this.#show({ body, text, place, source, x: event.clientX }, pin);
    };
    body.addEventListener("pointermove", (event) => event.pointerType === "mouse" && !event.buttons && !this.#pinned && look(event, false));
    body.addEventListener("pointerleave", () => this.#leave());
    body.addEventListener("click", (event) => getSelection().isCollapsed && look(event, true));
    body.addEventListener("keydown", (event) => this.#key(event, { body, text, source }));
  }

  close() {
    if (!this.#here) return;
    const { body } = this.#here;
    const inside = this.#node.contains(document.activeElement);
    this.#asking.cancel();
    this.#here = null;
    this.#pinned = false;
    this.#mark.clear();
    this.#node.hidePopover();
    if (inside) body.focus();
  }

  // Closes if it explains this text, which is about to leave the page.
  forget(text) {
    if (this.#here?.text === text) this.close();
  }

  #build() {
    this.#node.popover = "manual";
    this.#node.setAttribute("role", "dialog");
    this.#node.setAttribute("aria-label", "How this character was drawn");
    this.#node.dataset.testid = "inspector";
    this.title = make("p", "inspector-title");
    this.bits = make("p", "inspector-bits");
    this.said = make("p", "inspector-said");
    for (const words of [this.title, this.bits, this.said]) words.setAttribute("aria-live", "polite"); // the focus stays in the text
    this.strip = createStrip();
    this.candidates = createCandidates({ onPick: (id) => this.#force(id) });
    this.actions = make("div", "inspector-actions");
    this.goOn = button("quiet", "Continue from here", () => this.#continue());
    this.hint = make("p", "inspector-hint");
    this.actions.append(this.goOn, this.hint);
    this.#node.append(this.title, this.bits, this.said, this.strip.node, this.candidates.node, this.actions);
    this.#node.addEventListener("pointerenter", () => clearTimeout(this.#leaving));
    this.#node.addEventListener("pointerleave", () => this.#leave());
  }

  #leave() {
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(() => !this.#pinned && this.close(), LEAVE_MS);
  }

  async #show(here, pin) {
    clearTimeout(this.#leaving);
    this.#going = null;
    const same = this.#here?.text === here.text && this.#here.place === here.place;
    if (same && pin === this.#pinned) return;
    this.#here = here;
    this.#pinned = pin;
    this.#mark.clear();
    this.#mark.add(range(here.text, here.place));
    const signal = this.#asking.begin();
    let facts;
    try {
      facts = await here.source.at(indexOf(here.text.data, here.place), signal);
    } catch (error) {
      if (signal.aborted) return;
      this.close();
      this.#tab.page.say(error.message, true);
      return;
    }
    if (signal.aborted) return; // the reader has moved on
    if (!facts) {
      this.#pinned = false;
      this.#node.hidePopover(); // but the arrow keys go on from here
      return;
    }
    this.#node.classList.toggle("pinned", pin);
    this.#node.showPopover();
    this.#fill(facts);
    this.#place();
  }

  /** @param {Facts} facts */
  #fill({ model, char, instead, logits, settings, die, recomputed, guess }) {
    const { vocabulary } = model;
    const id = model.idOf(char);
    const probabilities = distribution(logits, settings);
    const raw = distribution(logits);
    const place = instead ? ` instead of ${quoted(instead)},` : "";
    this.title.replaceChildren(make("b", "", nameOf(char)), `${place} had a ${percent(probabilities[id])} chance`);
    this.title.append(make("span", "inspector-place", `character ${number(1 + indexOf(this.#here.text.data, this.#here.place))}`));
    const bits = surprisal(raw[id]).toFixed(1);
    this.bits.textContent = `before temperature: ${percent(raw[id])} (surprisal ${bits} bits)`;
    this.said.replaceChildren(...this.#story({ model, id, probabilities, die, recomputed, guess }));
    this.strip.node.hidden = die === null;
    if (die !== null) this.strip.draw(probabilities, { die, id, vocabulary });
    this.candidates.show({ vocabulary, logits, settings, id, count: SHOWN });
    const { source } = this.#here;
    this.goOn.hidden = !source.continueFrom;
    this.hint.textContent = !source.force ? "" : this.#pinned ? "Choose a character to write it instead." : `${CLICK} to continue from here or to choose another character.`;
    this.candidates.node.inert = !source.force || !this.#pinned; // buttons that would do nothing
  }

  *#story({ model: { vocabulary }, id, probabilities, die, recomputed, guess }) {
    if (die !== null) {
      const { low, high } = intervalOf(probabilities, id);
      const words = inDigits(die, low, high);
      yield `The die showed ${words.die}: between ${words.low} and ${words.high}, which is ${quoted(vocabulary[id])}.`;
    }
    if (guess === id) yield " The table had guessed it.";
    else if (guess >= 0) yield ` The table had guessed ${quoted(vocabulary[guess])}.`;
    if (recomputed) yield " Recomputed.";
  }

  // Beside its text if there is room, so that it does not cover how the text goes on; else below its character, or above; on a phone at the
  // lower edge.
  #place() {
    const node = this.#node;
    node.style.removeProperty("left");
    node.style.removeProperty("top");
    const { body, text, place, x } = this.#here;
    const at = measured(text, place).getBoundingClientRect();
    const { width, height, top: edge } = node.getBoundingClientRect();
    if (innerWidth < 640) {
      const covered = at.bottom - edge + GAP; // what was tapped stays in sight
      if (this.#pinned && covered > 0) (document.fullscreenElement ?? document.scrollingElement).scrollBy(0, covered + GAP);
      return;
    }
    const frame = body.getBoundingClientRect();
    const anchor = at.height ? upTo(at, x) : frame;
    const fits = (left) => left >= GAP && left + width <= innerWidth - GAP;
    const sides = (box) => [box.right + GAP, box.left - GAP - width].find(fits);
    const [below, above] = [anchor.bottom + GAP, anchor.top - GAP - height];
    const isBelow = below + height <= seenHeight() - GAP;
    const beside = sides(frame) ?? (isBelow || above >= GAP ? undefined : sides(anchor));
    const within = (value, most) => Math.max(GAP, Math.min(value, most - GAP));
    node.style.left = `${within(beside ?? anchor.left - 2 * GAP, innerWidth - width)}px`;
    node.style.top = `${within(beside !== undefined ? anchor.top - 2 * GAP : isBelow ? below : above, seenHeight() - height)}px`;
  }

  #key(event, { body, text, source }) {
    if (event.target !== body || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.#going ?? this.#here;
    const here = last?.text === text ? last.place : null;
    const step = (isRightToLeft(body) ? { ArrowLeft: 1, ArrowRight: -1 } : { ArrowRight: 1, ArrowLeft: -1 })[event.key];
    const lines = here === null ? 0 : { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if ((step || lines) && text.length) {
      event.preventDefault();
      const moved = () => (lines ? onNextLine(text, here, lines) : (beside(text.data, here, step) ?? here));
      const place = here === null ? firstVisible(body, text) : moved();
      reveal(body, text, place);
      const going = (this.#going = { body, text, place, source });
      requestAnimationFrame(() => this.#show(going, false));
    } else if (event.key === "Enter" && here !== null) {
      event.preventDefault();
      const pinned = this.#show({ body, text, place: here, source }, true);
      void pinned.then(() => /** @type {HTMLElement | null} */ (this.#node.querySelector("button:not([hidden])"))?.focus());
    }
  }

  #continue() {
    const { source, text, place } = this.#here;
    this.close();
    source.continueFrom(indexOf(text.data, place));
  }

  #force(id) {
    const { source, text, place } = this.#here ?? {};
    if (!source?.force || !this.#pinned) return;
    this.close();
    source.force(indexOf(text.data, place), id);
  }
}

// A box made wide enough to hold what is pointed at, which a popover beside it must not cover: a click would go to the popover.
const upTo = ({ left, right, top, bottom }, x = left) => ({ left: Math.min(left, x), right: Math.max(right, x), top, bottom });

/** The number of the character that begins at a place. @param {string} data @param {number} place */
const indexOf = (data, place) => charsIn(data.slice(0, place));

/**
 * Where the next character begins, or the one before (`step` 1, -1); null at the ends.
 * @param {string} data
 * @param {number} place
 * @param {number} step
 */
function beside(data, place, step) {
  const next = step > 0 ? after(data, place) : outside(data, place - 1);
  return next >= 0 && next < data.length ? next : null;
}

// Where the character begins that stands below another, or above it (`step` 1, -1); where there is no such line, its own place.
function onNextLine(text, place, step) {
  const boxOf = (at) => measured(text, at).getBoundingClientRect();
  const here = boxOf(place);
  let [line, nearest, distance] = [null, place, Infinity];
  for (let at = beside(text.data, place, step); at !== null; at = beside(text.data, at, step)) {
    const { top, left, height } = boxOf(at);
    if (Math.abs(top - here.top) < height / 2) continue;
    line ??= top;
    if (Math.abs(top - line) > height / 2) break;
    if (Math.abs(left - here.left) < distance) [nearest, distance] = [at, Math.abs(left - here.left)];
  }
  return nearest;
}

// Where the character under a point begins, or null. Beyond the end of a line is the newline that ends it.
function placeAt(text, x, y) {
  const caret = document.caretPositionFromPoint?.(x, y) ?? fromRange(document.caretRangeFromPoint?.(x, y));
  // Without a caret in the text: the newline that ends the prompt's line is a character of it.
  const offset = caret?.offsetNode === text ? outside(text.data, caret.offset) : 0;
  const style = getComputedStyle(text.parentElement);
  const leading = parseFloat(style.lineHeight);
  for (const place of [beside(text.data, offset, -1), offset]) {
    if (place === null || place >= text.length) continue;
    for (const { left, right, top, bottom } of measured(text, place).getClientRects()) {
      const between = (leading - (bottom - top)) / 2; // half of it belongs to the line above
      const isOnLine = y >= top - between && y < bottom + between;
      const isBeyond = text.data[place] === "\n" && (style.direction === "rtl" ? x < right : x >= left);
      if (isOnLine && (isBeyond || (x >= left && x < right))) return place;
    }
  }
  return null;
}

const fromRange = (range) => range && { offsetNode: range.startContainer, offset: range.startOffset };

function firstVisible(body, text) {
  const { top, left } = body.getBoundingClientRect();
  const caret = document.caretPositionFromPoint?.(left + 24, top + 24);
  return caret?.offsetNode === text ? outside(text.data, Math.min(caret.offset, text.length - 1)) : 0;
}
