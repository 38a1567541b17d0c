// The view "Data": what a language model learns from. Characters as numbers, the corpus, and random chunks of it.
import { button, make } from "../../shared/dom.js";
import { createBatches } from "./batches.js";
import { createCharacters } from "./characters.js";
import { Corpus } from "./corpus.js";
import { saveBatch, saveJSON, saveNumbers, saveVocabulary } from "./save.js";
import { EncodedText } from "./text.js";

const CAPTION =
  "Each character has a number. Type a text or edit the numbers, then draw the chunks that a network learns from.";
const PARTS = { characters: "Characters as numbers", batches: "Corpus and batches" };

/** @param {HTMLElement} panel @param {import("../main.js").Learning} learning @returns {import("../../shared/views.js").View} */
export function createData(panel, learning) {
  const { address } = learning;
  const [text, corpus] = [new EncodedText(learning), new Corpus()];
  const chooser = make("div", "data-parts");
  chooser.setAttribute("role", "group");
  chooser.setAttribute("aria-label", "Parts of this view");
  panel.append(chooser);
  /** @type {Map<string, {opener: HTMLButtonElement, node: HTMLElement}>} */
  const parts = new Map();
  for (const [name, title] of Object.entries(PARTS)) {
    const opener = chooser.appendChild(button("data-part", title, () => choose(name)));
    parts.set(name, { opener, node: panel.appendChild(make("div", "data-content")) });
  }
  createCharacters(parts.get("characters").node, text, corpus);
  const batches = createBatches(parts.get("batches").node, learning, text, corpus);
  let isShown = false;

  const isBatches = () => address.get("part") === "batches";

  function choose(name) {
    address.keep("part", name === "batches" ? name : "");
    for (const [other, { opener, node }] of parts) {
      opener.setAttribute("aria-pressed", String((other === "batches") === isBatches()));
      node.hidden = (other === "batches") !== isBatches();
    }
    if (isShown && isBatches()) batches.refresh();
  }

  function another() {
    if (isBatches()) batches.another();
    else choose("batches");
  }

  function show() {
    isShown = true;
    learning.showDice(false);
    if (!corpus.known && !corpus.isAsked) void corpus.read();
    if (!text.isCurrent) void text.encode();
    choose(address.get("part"));
  }

  corpus.addEventListener("change", () => isShown && isBatches() && batches.refresh());
  text.addEventListener("change", () => isShown && isBatches() && batches.refresh());
  learning.page.models.addEventListener("change", () => isShown && !text.isCurrent && void text.encode());
  return {
    caption: CAPTION,
    show,
    keeps: ["part", "chars", "rows", "block", "batch", "from", "row"],
    take() {
      text.take();
      batches.take();
      if (isShown) show();
    },
    hide() {
      isShown = false;
      learning.showDice(true);
    },
    keys: [
      ["c", PARTS.characters, () => choose("characters")],
      ["b", "Another batch", another],
      ["[", "Previous row", () => isBatches() && batches.move(-1)],
      ["]", "Next row", () => isBatches() && batches.move(1)],
    ],
    get downloads() {
      /** @type {import("../../shared/views.js").Entry[]} */
      const ofText = [
        ["Text as numbers (JSON)", () => saveJSON(text)],
        ["Text as numbers (CSV)", () => saveNumbers(text)],
        ["Vocabulary (CSV)", () => saveVocabulary(text.model.vocabulary, corpus)],
      ];
      /** @type {import("../../shared/views.js").Entry[]} */
      const ofBatch = [["Batch (CSV)", () => saveBatch(batches.batch)]];
      return [...(text.model ? ofText : []), ...(batches.batch ? ofBatch : [])];
    },
  };
}
