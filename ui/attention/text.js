// The text: every character can be pointed at, and glows with the weight that the chosen one gives it.
import { shareOf } from "../shared/capture.js";
import { button, isRightToLeft, make, number, plural, signOf } from "../shared/dom.js";
import { mark, range } from "../shared/marks.js";
import { nameOf } from "./heads_off/parts.js";

// How much characters glow, in twentieths, and which come later: as highlights, because a style on each of 256 characters takes 12 ms.
const STEPS = 20;
const GLOWS = Array.from({ length: STEPS }, (_, i) => mark(`glow-${i + 1}`));
const AHEAD = mark("look-ahead");
const sheet = new CSSStyleSheet();
sheet.replaceSync(
  GLOWS.map((_, i) => `.look-char::highlight(glow-${i + 1}) { background-color: color-mix(in oklab, var(--glow) ${((i + 1) * 100) / STEPS}%, transparent); }`).join("\n"),
);
document.adoptedStyleSheets.push(sheet);

/** @typedef {import("./look.js").Look} Look */

/** @param {Look} look */
export function createText(look) {
  const line = look.element.querySelector(".look-line");
  const box = /** @type {HTMLElement} */ (look.element.querySelector(".look-characters"));
  box.setAttribute("role", "application");
  box.setAttribute("aria-label", "The text. Arrow keys move from character to character.");
  box.tabIndex = 0;
  /** @type {HTMLElement[]} */
  let spans = [];
  /** @type {HTMLElement[]} of them, the one that is looked from and the chosen one */
  let marked = [];
  const coming = make("span", "look-coming");

  function draw() {
    const { capture } = look;
    const { from, total, n, loss, heads_off, model } = capture;
    line.textContent = from ? `Characters ${number(from + 1)} to ${number(from + n)} of ${number(total)}` : plural(n, "character");
    if (loss !== null) line.append(`, loss ${loss.toFixed(3)} nats per character`);
    if (heads_off.length) line.append(make("b", "look-without", ` without ${heads_off.map(nameOf).join(", ")}`));
    if (look.models.list.length > 1) line.append(`, read by ${model.name}`, ...otherReader());
    spans = capture.characters.map((char) => make("span", /\s/.test(char) ? "look-char blank" : "look-char", char === "\n" ? "↵" : char));
    marked = [];
    coming.textContent = "";
    box.replaceChildren(...spans, coming);
    glow();
  }

  // Where texts are written by another model now, it can read this one too.
  function otherReader() {
    const { primary } = look.models;
    if (primary === look.capture.model || !primary.shows("attention")) return [];
    return [" ", button("quiet", `Read it with ${primary.name}`, () => void look.read(look.whole, { model: primary, headsOff: [] }))];
  }

  function glow() {
    const { capture, at, head } = look;
    if (!capture) return;
    for (const span of marked) span.classList.remove("here", "pinned");
    for (const highlight of [...GLOWS, AHEAD]) highlight.clear();
    if (at === null) return;
    marked = [spans[at], spans[look.pinned ?? at]];
    marked[0].classList.add("here");
    if (look.pinned !== null) marked[1].classList.add("pinned");
    const weights = look.weightsOf?.(at) ?? rowMean(capture, at, head);
    spans.slice(0, at).forEach(({ firstChild }, i) => GLOWS[Math.round(STEPS * Math.sqrt(weights[i])) - 1]?.add(range(firstChild, 0)));
    if (at < capture.n - 1) AHEAD.add(between(spans[at + 1], spans.at(-1)));
    box.setAttribute("aria-description", `At ${number(capture.place(at))}: ${signOf(capture.characters[at])}`);
    reveal();
  }

  // With large text the box shows two lines: that of the character and the one before it. What the mouse points at in it stays under the mouse.
  function reveal() {
    if (look.at === null || !document.documentElement.hasAttribute("data-large-text")) return;
    if (look.at !== look.pinned && box.matches(":hover")) return;
    const [frame, character] = [box.getBoundingClientRect(), spans[look.at].getBoundingClientRect()];
    const half = parseFloat(getComputedStyle(box).lineHeight) / 2;
    const middle = (character.top + character.bottom) / 2;
    if (middle - half < frame.top - 2 || middle + half > frame.bottom + 2) box.scrollTop += middle + half - frame.bottom;
  }

  /** @param {Event} event */
  const indexOf = (event) => spans.indexOf(/** @type {HTMLElement} */ (event.target));
  box.addEventListener("pointermove", (event) => {
    const index = event.pointerType === "mouse" ? indexOf(event) : -1;
    if (index >= 0) look.pointAt(index);
  });
  box.addEventListener("pointerleave", () => look.pointAt(null));
  box.addEventListener("click", (event) => {
    const index = indexOf(event);
    if (index >= 0) look.moveTo(index === look.pinned ? null : index);
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") look.moveTo(null);
    const forward = isRightToLeft(box) ? -1 : 1;
    const step = { ArrowRight: forward, ArrowLeft: -forward, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !look.capture) return;
    event.preventDefault();
    look.moveTo(look.at === null ? 0 : Math.min(look.capture.n - 1, Math.max(0, look.at + step)));
  });
  new ResizeObserver(reveal).observe(box);
  look.addEventListener("capture", draw);
  look.addEventListener("at", glow);
  look.addEventListener("head", glow);
  look.addEventListener("glow", glow);
  look.addEventListener("coming", ({ detail }) => (coming.textContent = detail));
  look.models.addEventListener("change", () => look.capture && draw());
  return createEditor(look);
}

/**
 * The weights of the chosen head's row; the mean of a layer is taken over the bytes, for drawing.
 * @param {import("../shared/capture.js").Capture} capture
 * @param {number} at
 * @param {import("./look.js").Head} head
 */
function rowMean(capture, at, { layer, head }) {
  if (head !== "average") return Array.from(capture.row(layer, head, at), shareOf);
  const sum = new Float64Array(at + 1);
  for (let h = 0; h < capture.n_head; h++) capture.row(layer, h, at).forEach((byte, j) => (sum[j] += shareOf(byte) / capture.n_head));
  return sum;
}

/** While a head is pointed at, the text glows with its weights. @param {Look} look @param {import("./look.js").Head | null} head */
export function pointAtHead(look, head) {
  look.weightsOf = head && ((at) => rowMean(look.capture, at, head));
  look.tell("glow");
}

const between = (first, last) => new StaticRange({ startContainer: first, startOffset: 0, endContainer: last, endOffset: 1 });

/** @param {Look} look */
function createEditor(look) {
  const form = /** @type {HTMLElement} */ (look.element.querySelector(".look-edit"));
  const [field, characters] = [form.querySelector("textarea"), /** @type {HTMLElement} */ (look.element.querySelector(".look-characters"))];
  const open = (isOpen) => {
    form.hidden = !isOpen;
    characters.hidden = isOpen;
    if (isOpen) {
      field.value = look.capture?.text ?? "";
      field.focus();
    } else edit.focus();
  };
  const read = async () => (await look.read(field.value)) && open(false);
  form.querySelector(".look-edit-actions").append(button("quiet", "Read it", read), button("quiet", "Cancel", () => open(false)));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void read();
    if (event.key === "Escape") open(false);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  const toggle = () => open(form.hidden);
  const edit = button("quiet", "Enter a text", toggle);
  const take = button("quiet", "Use latest sample", () => void look.readNewest());
  take.title = "To use another sample, click its card on the Sample tab";
  return { edit: toggle, sources: [edit, take] };
}
