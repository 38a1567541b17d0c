// The vocabulary: every character with its number, and how often the corpus has it.
import { make, number, quoted, signOf } from "../../shared/dom.js";
import { hasMoved } from "./pointer.js";

const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 };

/**
 * @param {HTMLElement} place
 * @param {import("./corpus.js").Corpus} corpus
 * @param {(char: string | null) => void} point called where somebody points or walks to; null where nobody points any more
 */
export function createVocabulary(place, corpus, point) {
  const title = make("h3", "data-title");
  const legend = make("p", "data-legend");
  const head = make("div", "data-headline");
  head.append(title, legend);
  const list = make("div", "vocabulary");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Vocabulary");
  list.tabIndex = 0;
  place.append(head, list);
  /** @type {string[]} */
  let chars = [];
  let at = -1; // where the keys are
  /** @type {string | null} */
  let pointed = null;
  let shown = "";

  function show(vocabulary) {
    const key = JSON.stringify([vocabulary, corpus.known?.name]);
    if (key === shown) return;
    shown = key;
    chars = vocabulary;
    const counts = chars.map((char) => corpus.countOf(char));
    const most = Math.max(...counts);
    title.textContent = `The vocabulary: ${number(chars.length)} characters`;
    legend.textContent = corpus.known ? `how often in ${corpus.known.name}` : "";
    list.replaceChildren(...chars.map((char, id) => tile(char, id, counts[id], most)));
  }

  function mark(char) {
    pointed = char;
    const id = char === null ? -1 : chars.indexOf(char);
    list.querySelector(".here")?.classList.remove("here");
    list.children[id]?.classList.add("here");
    if (id < 0) list.removeAttribute("aria-activedescendant");
    else list.setAttribute("aria-activedescendant", list.children[id].id);
  }

  const pointAt = (char) => char !== pointed && point(char);
  const idOf = ({ target }) => [...list.children].indexOf(/** @type {Element} */ (target).closest(".vocabulary-tile"));
  list.addEventListener("pointermove", (event) => hasMoved() && idOf(event) >= 0 && pointAt(chars[idOf(event)]));
  list.addEventListener("pointerleave", () => pointAt(null));
  list.addEventListener("blur", () => pointAt(null));
  list.addEventListener("click", (event) => idOf(event) >= 0 && pointAt(chars[(at = idOf(event))]));
  list.addEventListener("keydown", (event) => {
    const { key } = event;
    const columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
    const step = STEPS[key] * (key === "ArrowDown" || key === "ArrowUp" ? columns : 1);
    const to = key === "Home" ? 0 : key === "End" ? chars.length - 1 : at < 0 ? 0 : at + step;
    if (Number.isNaN(step) && key !== "Home" && key !== "End") return;
    event.preventDefault();
    if (to >= 0 && to < chars.length) at = to;
    pointAt(chars[at]);
    list.children[at].scrollIntoView({ block: "nearest" });
  });
  return { show, mark };
}

/** @param {string} char @param {number} id @param {number | null} count in the corpus @param {number} most of all characters */
function tile(char, id, count, most) {
  const node = make("div", "vocabulary-tile");
  Object.assign(node, { id: `vocabulary-${id}`, role: "option" });
  const times = count === null ? "" : `, ${number(count)} times in the corpus`;
  node.setAttribute("aria-label", `${quoted(char)}, number ${id}${times}`);
  const sign = make("span", signOf(char) === char ? "vocabulary-char" : "vocabulary-char sign", signOf(char));
  node.append(make("span", "vocabulary-id", String(id)), sign);
  if (count === null) return node;
  const bar = make("span", "vocabulary-bar");
  bar.style.width = `${(100 * count) / most}%`;
  node.append(make("span", "vocabulary-count", number(count)), bar);
  return node;
}
