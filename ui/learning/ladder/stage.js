// One rung, large: what it adds, its figures, its text, what it expects next, its code, and its training.
import { createCandidates } from "../../shared/candidates.js";
import { charAt } from "../../shared/characters.js";
import { button, make } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { createTrainingHere } from "../../shared/training_here.js";
import { tellTrouble } from "../../shared/trouble.js";
import { createCode } from "./code.js";
import { createText, lossInWords } from "./rows.js";

/** @typedef {import("./ladder.js").Rung} Rung */

const SHOWN = 6; // characters that may come next
const PROMPT_SHOWN = 200; // characters of its end
const MOST_PARAMETERS = 1_000_000; // of a network that is trained while a class waits

/**
 * @param {import("./ladder.js").Ladder} ladder
 * @param {import("../main.js").Learning} learning
 * @param {object} actions
 * @param {(by: number) => void} actions.step
 * @param {() => void} actions.close
 * @param {() => void} actions.toggleCode
 * @param {() => unknown} actions.again
 */
export function createStage(ladder, learning, { step, close, toggleCode, again }) {
  const node = make("section", "ladder-stage");
  node.setAttribute("aria-labelledby", "ladder-stage-title");
  const [title, about] = [make("h2", "ladder-stage-title"), make("p", "ladder-about")];
  const [figures, note] = [make("ul", "ladder-figures"), make("p", "ladder-note")];
  title.id = "ladder-stage-title";
  const text = createText("ladder-stage-text", undefined, PROMPT_SHOWN);
  const [trouble, troubleNext] = [make("p", "trouble"), make("p", "trouble")];
  const candidates = createCandidates();
  const [back, on] = [button("button", "←", () => step(-1)), button("button", "→", () => step(1))];
  back.setAttribute("aria-label", "Previous rung");
  on.setAttribute("aria-label", "Next rung");
  const code = button("switch", "Code", toggleCode);
  const training = createTrainingHere(learning.page);
  const place = make("div", "ladder-code-place");
  const nav = make("div", "ladder-nav");
  nav.append(code, button("switch", "All nine", close), back, on);
  const head = make("div", "ladder-head");
  head.append(title, nav);
  const [written, next] = [make("div", "ladder-stage-written"), make("div", "ladder-next")];
  written.append(text.node, trouble);
  const key = make("p", "ladder-bars-key");
  next.append(make("h3", "", "Next character after the prompt"), candidates.node, key, troubleNext);
  const body = make("div", "ladder-body");
  body.append(written, next, note, place);
  node.append(head, about, figures, body, training.node);
  /** @type {Rung | null} */
  let rung = null;
  /** @type {{key: string, prompt: string, vocabulary: string[], logits: number[]} | null} */
  let expected = null;
  const asking = new Latest();

  function drawBars() {
    if (!rung || expected?.key !== rung.key) return;
    const { vocabulary, logits } = expected;
    const piece = ladder.pieceOf(rung);
    const drawn = piece.text && !piece.isOld ? vocabulary.indexOf(charAt(piece.text, 0)) : undefined;
    const { temperature } = learning.dice.settings;
    candidates.show({ vocabulary, logits, settings: { temperature }, id: drawn, count: SHOWN });
    key.textContent = temperature === 1 ? "" : `Thick bars: at temperature ${temperature}. Thin bars: at temperature 1.`;
  }

  async function ask() {
    const signal = asking.begin();
    const { key } = rung;
    const { prompt } = learning.dice.settings;
    next.hidden = !key;
    if (!key) return;
    try {
      const [logits, vocabulary] = await Promise.all([learning.texts.next(key, prompt, signal), learning.texts.vocabularyOf(key, signal)]);
      if (signal.aborted) return;
      expected = { key, prompt, vocabulary, logits };
      troubleNext.replaceChildren();
      drawBars();
    } catch (error) {
      if (!signal.aborted && !ladder.trouble) tellTrouble(troubleNext, error, ask);
    }
    asking.end(signal);
  }

  return {
    node,
    /** @param {Rung} opened @param {boolean} hasCode */
    open(opened, hasCode) {
      const isOther = opened !== rung;
      rung = opened;
      title.textContent = rung.title;
      about.textContent = rung.about;
      note.textContent = rung.note;
      figures.replaceChildren(...figuresOf(rung));
      on.ariaDisabled = String(rung === ladder.rungs.at(-1)); // not `disabled`, which would lose the focus
      code.setAttribute("aria-pressed", String(hasCode));
      code.hidden = !rung.lines.length;
      if (isOther || Boolean(place.firstChild) !== hasCode) place.replaceChildren(...(hasCode && rung.lines.length ? [createCode(rung)] : []));
      if (isOther) training.show(trainingOf(rung));
      this.show(rung, false);
      void ask();
    },
    close() {
      rung = null;
      asking.cancel();
      training.leave();
    },
    /** @param {Rung} changed @param {boolean} isSaid whether what went wrong is said elsewhere */
    show(changed, isSaid) {
      if (changed !== rung) return;
      const piece = ladder.pieceOf(rung);
      text.show(piece);
      if (!rung.key) trouble.replaceChildren(rung.trouble);
      else if (piece.error && !isSaid) tellTrouble(trouble, piece.error, again);
      else trouble.replaceChildren();
      drawBars();
    },
    /** The dice are others. */
    ask: () => rung && void ask(),
    drawBars,
  };
}

/** @param {Rung} rung @returns {import("../../shared/training_here.js").Subject} */
const trainingOf = ({ preset, title, n_params, val_loss }) => ({
  preset,
  title,
  words: "this rung",
  isSlow: n_params > MOST_PARAMETERS,
  isOf: (run) => run.preset === preset && run.as_preset && run.corpus !== null && !run.corpus.own, // the same recipe on the same text
  figures: ({ val_loss }) => (val_loss?.length ? `validation loss ${lossInWords(val_loss.at(-1))}` : ""),
  result: ({ best_loss }) => (best_loss === null ? "" : `validation loss ${lossInWords(best_loss)} here, ${lossInWords(val_loss)} as shipped`),
});

/** @param {Rung} rung */
function figuresOf({ n_params, context, val_loss, lecture_loss }) {
  const figure = (value, words, className = "") => {
    const item = make("li", className);
    item.append(make("b", "", value), ` ${words}`);
    return item;
  };
  return [
    figure(lossInWords(val_loss), "validation loss", "ladder-own"),
    ...(lecture_loss === null ? [] : [figure(String(lecture_loss), "in the lecture")]),
    figure(n_params.toLocaleString("en"), "parameters"),
    figure(String(context), context === 1 ? "character of context" : "characters of context"),
  ];
}
