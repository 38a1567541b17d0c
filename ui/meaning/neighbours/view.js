// The view "Neighbours": any sentence finds the nearest lines of the plays, by an embedding and by TF-IDF; a map of all lines; the similarity of two
// sentences; and how well each method finds the other half of a speech.
import { button, labelled, make } from "../../shared/dom.js";
import { createTrainingHere } from "../../shared/training_here.js";
import { tellTrouble } from "../../shared/trouble.js";
import { createGroups } from "./groups.js";
import { createLists } from "./lists.js";
import { createMap } from "./map.js";
import { createReading } from "./reading.js";
import { createRecall } from "./recall.js";
import { saveAnswer, saveLines, saveMap, saveRecall, saveTable } from "./save.js";
import { TwoSentences } from "./similarity.js";
import { EXAMPLES, Neighbours } from "./state.js";

const CAPTION =
  "Type any sentence. The embedding has learned which texts stand together in the plays; TF-IDF finds the lines with the most letters in common (underlined). Judge which are nearer in meaning.";
const TRAINING = { preset: "embedding", title: "embedding", words: "an embedding" };

/** @param {HTMLElement} panel @param {import("../main.js").Meaning} meaning @returns {import("../../shared/views.js").View} */
export function createNeighbours(panel, { address, page }) {
  const state = new Neighbours(address);
  const [trouble, notice] = [make("p", "trouble"), make("p", "notice")];
  trouble.setAttribute("role", "alert");
  notice.setAttribute("role", "status");
  const field = Object.assign(make("input", "field"), { id: "neighbours-sentence", type: "text", spellcheck: false, dir: "auto", autocomplete: "off", value: state.sentence });
  const find = Object.assign(make("button", "button primary", "Find"), { type: "submit" });
  const form = make("form", "neighbours-form");
  const chips = make("div", "neighbours-chips");
  chips.append(...EXAMPLES.map((words) => button("button neighbours-chip", words, () => ask(words))));
  form.append(labelled("Sentence", field, "neighbours-sentence"), find, chips);
  const [lists, map, reading, groups, recall] = [createLists(state), createMap(state), createReading(state), createGroups(state), createRecall(state)];
  const two = new TwoSentences(state, address);
  const training = createTrainingHere(page);
  const [frame, side, below] = [make("div", "neighbours-found"), make("div", "neighbours-side"), make("div", "neighbours-below")];
  side.append(map.node, reading.node, groups.node);
  frame.append(lists.node, side);
  recall.node.append(training.node);
  below.append(two.node, recall.node);
  const filled = make("div", "neighbours");
  filled.append(form, trouble, notice, frame, below);
  panel.append(filled);

  /** @param {string} words */
  function ask(words) {
    field.value = words;
    return state.ask(words);
  }

  /** The lines near to a line drawn at random. */
  function askRandom() {
    const lines = state.about?.lines?.text;
    if (lines) void ask(lines[Math.floor(Math.random() * lines.length)]);
  }

  function focus() {
    field.focus();
    field.select();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void state.ask(field.value);
  });
  state.addEventListener("about", () => {
    field.title = `1 to ${state.about.sentence_chars} characters`;
    notice.textContent = state.about.missing;
    filled.classList.toggle("without-lines", !state.about.lines);
  });
  state.addEventListener("answer", () => {
    const { about, answer } = state;
    if (document.activeElement !== field) field.value = answer.text;
    notice.textContent = [answer.notice, about.missing].filter(Boolean).join(" ");
  });
  state.addEventListener("trouble", () => {
    trouble.replaceChildren();
    if (state.trouble) tellTrouble(trouble, state.trouble, () => state.read());
  });

  return {
    caption: CAPTION,
    keeps: ["sentence", "similar_a", "similar_b", "map_by", "map_group"],
    take() {
      state.take();
      field.value = state.sentence;
      two.take();
    },
    show() {
      void training.show(TRAINING);
      if (state.answer) return;
      void state.read();
      void two.go();
    },
    hide() {
      state.cancel();
      two.leave();
      training.leave();
    },
    keys: [
      ["s", "Type a sentence", focus],
      ["r", "A random line", askRandom],
      ["ArrowRight", "Next of the nearest lines", () => state.walk(1)],
      ["ArrowLeft", "Previous of the nearest lines", () => state.walk(-1)],
      ["c", "Colour by play or by speaker", () => state.colourBy(state.by === "play" ? "speaker" : "play")],
      ["]", "Next play or speaker", () => state.step(1)],
      ["[", "Previous play or speaker", () => state.step(-1)],
      ["t", "Compare two sentences", () => two.focus()],
    ],
    /** @returns {import("../../shared/views.js").Entry[]} */
    get downloads() {
      const { about, answer } = state;
      /** @type {[boolean, string, () => unknown][]} */
      const all = [
        [Boolean(answer), "Nearest lines (CSV)", () => saveTable(answer)],
        [Boolean(answer), "Nearest lines (JSON)", () => saveAnswer(answer)],
        [Boolean(about?.lines), "Map (PNG)", () => saveMap(map)],
        [Boolean(about?.lines), "All lines with their places (CSV)", () => saveLines(about)],
        [Boolean(about?.recall), "Recall (CSV)", () => saveRecall(about.recall)],
      ];
      return all.filter(([isThere]) => isThere).map(([, words, action]) => [words, action]);
    },
  };
}
