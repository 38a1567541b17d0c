// Characters as numbers: a text, its numbers, each character above its own, and the vocabulary that they come from.
import { charsIn } from "../../shared/characters.js";
import { labelOf, make, number, plural, POINT_AT, quoted } from "../../shared/dom.js";
import { tellTrouble } from "../../shared/trouble.js";
import { Cells } from "./cells.js";
import { createVocabulary } from "./vocabulary.js";

const TYPING_MS = 150; // between the last key and the question
const ROOM = 10.5; // rem, for the cells: half a row more than three, and the vocabulary in sight below them

/**
 * @param {HTMLElement} part
 * @param {import("./text.js").EncodedText} text
 * @param {import("./corpus.js").Corpus} corpus
 */
export function createCharacters(part, text, corpus) {
  const page = build(part);
  /** @type {string | null} the character that is pointed at */
  let pointed = null;
  /** @type {number | null} and its place in the text, if it is pointed at there */
  let place = null;
  let typing = 0;

  const cells = new Cells(page.cells, {
    label: "The text, each character above its number. Arrow keys move from character to character.",
    room: ROOM,
    markOf: (index) => (pointed === null || text.chars[index] !== pointed ? "" : index === place ? "accent" : "strong"),
    point: (index) => point(index === null ? null : text.chars[index], index),
    describe: (index) => `${quoted(text.chars[index])}, number ${text.ids[index]}, at ${number(index + 1)}`,
  });
  const vocabulary = createVocabulary(page.vocabulary, corpus, (char) => point(char, null));

  function point(char, index) {
    [pointed, place] = [char, index];
    cells.draw();
    vocabulary.mark(char);
    page.said.textContent = char === null ? hint() : about(char);
  }

  const hint = () => `${plural(text.chars.length, "character")}, ${number(new Set(text.chars).size)} distinct. ${POINT_AT} one.`;

  function about(char) {
    const id = text.model.idOf(char);
    const here = text.chars.reduce((count, other) => count + (other === char ? 1 : 0), 0);
    const inCorpus = corpus.countOf(char);
    const elsewhere = inCorpus === null ? "" : `, ${number(inCorpus)} times in ${corpus.known.name}`;
    return `${quoted(char)} is number ${id}: ${number(here)} times in this text${elsewhere}.`;
  }

  /** @param {string} [by] "encode" or "decode": what the other field was made from */
  function show(by) {
    if (by === "decode") page.text.value = text.chars.join("");
    else page.numbers.value = text.ids.join(" ");
    tellCount();
    page.notice.textContent = text.notice;
    cells.show(text);
    if (text.model) vocabulary.show(text.model.vocabulary);
    point(null, null);
  }

  const tellCount = () => (page.count.textContent = `${number(charsIn(page.text.value))} of ${number(text.most)} characters`);

  function onInput(field, take) {
    field.addEventListener("input", () => {
      tellCount();
      clearTimeout(typing);
      typing = setTimeout(() => void take(field.value), TYPING_MS);
    });
  }

  const showTyped = () => {
    page.text.value = text.typed;
    tellCount();
  };
  showTyped();
  text.addEventListener("taken", showTyped);
  onInput(page.text, (typed) => text.encode(typed));
  onInput(page.numbers, (typed) => text.decode(typed));
  text.addEventListener("change", ({ detail }) => show(detail));
  text.addEventListener("trouble", ({ detail }) => (detail ? tellTrouble(page.trouble, detail, text.again) : page.trouble.replaceChildren()));
  corpus.addEventListener("change", () => text.model && vocabulary.show(text.model.vocabulary));
}

function build(part) {
  const fields = make("div", "data-fields");
  const field = (id, words, className) => {
    const node = Object.assign(make("textarea", `field ${className}`), { id, rows: 2, spellcheck: false });
    const [column, head] = [make("div", "data-field"), make("div", "data-head")];
    head.append(labelOf(words, node, "data-label"));
    column.append(head, node);
    fields.append(column);
    return { node, head };
  };
  const text = field("data-text", "Text", "");
  text.node.dir = "auto";
  const count = make("span", "data-count");
  text.head.append(count);
  const numbers = field("data-numbers", "Numbers", "data-numbers");
  numbers.head.append(make("span", "data-count", "edit either one"));
  const trouble = make("p", "trouble");
  trouble.setAttribute("role", "alert");
  const [notice, said] = [make("p", "notice"), make("p", "data-said")];
  for (const node of [notice, said]) node.setAttribute("role", "status");
  const [cells, vocabulary] = [make("div", "data-cells"), make("section", "data-vocabulary")];
  part.append(fields, trouble, notice, cells, said, vocabulary);
  return { text: text.node, numbers: numbers.node, count, trouble, notice, cells, said, vocabulary };
}
