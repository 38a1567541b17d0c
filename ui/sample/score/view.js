// The view "Score": any text as the model reads it. Each character is coloured by its surprisal, and their mean is the loss.
import { AS_LEARNED, distribution, surprisal } from "../../shared/distribution.js";
import { charsIn } from "../../shared/characters.js";
import { toCSV } from "../../shared/csv.js";
import { button, make, makeText, number, plural } from "../../shared/dom.js";
import { heat } from "../../shared/heat.js";
import { download } from "../../shared/paint.js";
import { score } from "../../shared/logits.js";
import { Latest } from "../../shared/requests.js";
import { tellTrouble } from "../../shared/trouble.js";

const CAPTION = "How surprised the model is by each character of a text. Type your own, and point at a character to see what was expected instead.";
const UNITS =
  "Surprisal: minus the logarithm of the probability that the model gave a character. Its mean is the loss, in nats (natural logarithm, as in training) or in bits (1 nat is 1.44 bits). Perplexity: e to the power of the loss.";
const LIKE_SHAKESPEARE = `HORTENSIO:
Good madam, keep thy candle from the door;
The night hath ears, and every ear a tongue.
What I have sworn, I swore unto the king,
And will not for a kingdom swear it twice.

LADY:
Then go, my lord, and be thou true to him.
`;
const MODERN = "Please update your password before Friday, or your account will be locked and you will have to email the help desk.\n";
const LONGER = { "…": 3, "—": 2, "―": 2, "\t": 4, "Æ": 2, "æ": 2, "Œ": 2, "œ": 2, "ß": 2 }; // what the server makes of them

/** @typedef {import("../../shared/models.js").Model} Model */

/** @param {HTMLElement} panel @param {import("../main.js").SampleTab} tab @returns {import("../../shared/views.js").View} */
export function createScore(panel, tab) {
  const page = build(panel);
  const { field, notice } = page;
  const most = tab.page.limits.score_chars;
  let given = ""; // the text of the address: scored when the view is shown
  const reading = new Latest();
  let begun = false; // whether what is shown belongs to the text that is, or was, read last
  /** @type {{model: Model, text: string, chars: string[], logits: Float32Array, bits: number[], total: number, state: string} | null} */
  let scored = null;

  async function go() {
    const all = field.value;
    const text = beginning(all, most);
    if (!text.trim()) return tell("Nothing to score yet. Type or paste a text.", true);
    const signal = reading.begin();
    begun = false;
    page.stop.disabled = false;
    const cut = text.length < all.length ? `Only the first ${number(charsIn(text))} characters are scored. ` : "";
    tell("");
    const model = tab.models.primary;
    try {
      await score(text, model, (piece) => read(piece, cut, model), signal);
      if (!signal.aborted) end("done");
    } catch (error) {
      if (signal.aborted) return;
      stop();
      tell(error.message, true);
      tellTrouble(notice, error, go);
    }
  }

  function stop() {
    end("stopped");
    page.result.classList.toggle("stale", !begun);
  }

  function end(state) {
    reading.cancel();
    page.stop.disabled = true;
    settle(state);
  }

  // What was there before stays until there is something to put in its place.
  function read(piece, cut, model) {
    if (piece.text !== undefined) {
      begun = true;
      begin(piece.text, model);
      tell(cut + piece.notice);
      return;
    }
    const { chars, bits } = scored;
    const V = model.vocabulary.length;
    const from = bits.length;
    scored.logits.set(piece.logits, piece.from * V);
    const rows = piece.from + piece.logits.length / V;
    for (let i = from; i <= rows && i < chars.length; i++) {
      bits.push(surprisal(distribution(rowBefore(i), AS_LEARNED)[model.idOf(chars[i])]));
      scored.total += bits[i];
    }
    heat.paint(page.text, bits.slice(from), from);
    showFigures();
  }

  // What the model expected at a place comes from the character before it.
  const rowBefore = (index) => scored.logits.subarray((index - 1) * scored.model.vocabulary.length, index * scored.model.vocabulary.length);

  /** @param {string} text @param {Model} model */
  function begin(text, model) {
    const chars = [...text];
    const logits = new Float32Array(chars.length * model.vocabulary.length);
    scored = { model, text, chars, logits, bits: [0], total: 0, state: "running" };
    tab.inspector.close();
    heat.clear(page.text);
    page.text.data = text;
    page.body.scrollTop = 0;
    page.result.hidden = false;
    page.result.classList.remove("stale");
    page.figures.replaceChildren();
    page.status.textContent = "reading";
  }

  function settle(state) {
    if (scored?.state !== "running") return;
    scored.state = state;
    showFigures();
  }

  function showFigures() {
    const { model, chars, bits, total, state } = scored;
    const count = bits.length - 1; // the first character is only context
    page.status.textContent = words(state, count, chars.length, tab.models.list.length > 1 ? ` by ${model.name}` : "");
    if (!count) return page.figures.replaceChildren();
    const perCharacter = total / count;
    const loss = perCharacter * Math.LN2;
    page.figures.replaceChildren(
      figure("loss", loss.toFixed(2), "nats per character", "mean loss"),
      figure("bits", perCharacter.toFixed(2), "bits per character", "mean surprisal"),
      figure("perplexity", Math.exp(loss).toFixed(1), "perplexity", "equally likely choices"),
      scale(loss, model.valLoss, model.vocabulary.length),
    );
  }

  function tell(words, isError = false) {
    notice.setAttribute("role", isError ? "alert" : "status");
    notice.classList.toggle("error", isError);
    notice.textContent = words;
  }

  function use(text) {
    const focused = /** @type {HTMLElement} */ (document.activeElement);
    field.focus();
    field.select();
    document.execCommand("insertText", false, text); // unlike setting the value, this leaves what was typed to Ctrl-Z
    focused.focus();
    void go();
  }

  function useSample() {
    const { generation, sample } = tab.generations.newest() ?? {};
    if (!generation?.texts.some(Boolean)) return tell("There are no samples on the page. Press Generate.", true);
    use(generation.view.prompt + generation.texts[sample]);
  }

  const take = () => {
    const count = charsIn(field.value);
    page.count.textContent = `${number(count)} of ${number(most)} characters${count > most ? ": its beginning is scored" : ""}`;
    tab.address.keep("text", field.value === LIKE_SHAKESPEARE ? "" : field.value);
  };

  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    void go();
  });
  page.stop.addEventListener("click", stop);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && reading.isBusy) stop();
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target !== field) return;
    event.preventDefault();
    void go();
  });
  field.addEventListener("input", take);
  page.actions.append(
    button("quiet", "Use the latest sample", useSample),
    button("quiet", "Shakespeare-like example", () => use(LIKE_SHAKESPEARE)),
    button("quiet", "Modern example", () => use(MODERN)),
  );
  tab.inspector.watch(page.body, page.text, {
    at: (index) => {
      if (!scored || index === 0 || index >= scored.bits.length) return null;
      return { model: scored.model, char: scored.chars[index], logits: rowBefore(index), settings: AS_LEARNED, die: null, recomputed: false };
    },
  });
  function takeGiven() {
    given = tab.address.get("text") || LIKE_SHAKESPEARE;
    if (field.value !== given || scored?.model !== tab.models.primary) {
      reading.cancel();
      scored = null;
      page.stop.disabled = page.result.hidden = true;
    }
    field.value = given;
    take();
  }

  const show = () => void (!scored && !reading.isBusy && field.value === given && go());

  takeGiven();
  return {
    caption: CAPTION,
    show,
    take() {
      takeGiven();
      show();
    },
    keys: [
      ["n", "Use the latest sample", useSample],
      ["Ctrl Enter", "Score, while typing a text"],
    ],
    /** @returns {import("../../shared/views.js").Entry[]} */
    get downloads() {
      return scored ? [["Scored text (CSV)", () => download("score.csv", new Blob([asCSV(scored)], { type: "text/csv" }))]] : [];
    },
  };
}

function words(state, count, all, by) {
  if (all === 1) return "One character is only context for the next: nothing to score.";
  const scored = count < all - 1 ? `${number(count)} of ${plural(all - 1, "character")}` : plural(count, "character");
  const ends = { running: "; reading", stopped: "; stopped", done: "" }[state];
  return `${scored} scored${by}; the first is only context${ends}`;
}

function build(panel) {
  const form = make("form", "score-form");
  const head = make("div", "score-head");
  const label = make("label", "score-label", "Your text");
  const field = make("textarea", "field score-field");
  Object.assign(field, { id: "score-field", rows: 4, spellcheck: false, dir: "auto" });
  label.htmlFor = field.id;
  const hint = make("span", "score-hint", "Ctrl Enter scores it");
  const count = make("span", "score-count");
  head.append(label, hint, count);
  const actions = make("div", "score-actions");
  const go = make("button", "button primary", "Score");
  go.type = "submit";
  const stop = button("button", "Stop", () => {});
  stop.disabled = true;
  actions.append(go, stop);
  const notice = make("p", "notice score-notice");
  notice.setAttribute("role", "status");
  form.append(head, field, actions, notice);
  const result = make("div", "score-result");
  result.hidden = true;
  const figures = make("div", "score-figures");
  const line = make("div", "score-line");
  const status = make("p", "score-status");
  status.setAttribute("role", "status");
  line.append(heat.legend(), status);
  const card = make("article", "card");
  const body = makeText("p", "card-text score-text");
  body.tabIndex = 0;
  body.setAttribute("aria-label", "The scored text");
  const text = document.createTextNode("");
  body.append(text);
  card.append(body);
  result.append(figures, line, card, make("p", "score-units", UNITS));
  panel.append(form, result);
  return { form, field, count, actions, stop, notice, result, figures, status, body, text };
}

function figure(name, value, unit, meaning) {
  const node = make("p", "score-figure");
  node.dataset.figure = name;
  node.append(make("b", "", value), make("span", "score-unit", ` ${unit}`), make("span", "score-meaning", ` ${meaning}`));
  return node;
}

// The loss on a line from certainty to guessing, with the model's own on its validation text.
function scale(loss, own, choices) {
  const chance = Math.log(choices);
  const most = Math.max(chance, loss) * 1.02;
  const node = make("div", "score-scale");
  const axis = make("div", "score-axis");
  const place = (className, value, words) => {
    const mark = make("span", className, words);
    mark.style.setProperty("--at", String(value / most));
    mark.classList.toggle("late", value > most / 2);
    axis.append(mark);
  };
  place("score-mark", loss, `this text ${loss.toFixed(2)}`);
  if (own) place("score-mark below", own, `validation loss ${own.toFixed(2)}`);
  place("score-mark below lowest", chance, `guessing: ln ${choices} = ${chance.toFixed(2)}`);
  node.append(axis);
  return node;
}

const lengthOf = (char) => LONGER[char] ?? charsIn(char.normalize("NFKD").replace(/\p{M}/gu, ""));

// As much of a text as may be scored, also where the server writes one character as several.
function beginning(text, most) {
  let [end, count] = [0, 0];
  for (const char of text) {
    count += Math.max(1, lengthOf(char));
    if (count > most) break;
    end += char.length;
  }
  return text.slice(0, end);
}

function asCSV({ model, chars, bits }) {
  const rows = bits.map((b, i) => [i, chars[i], i ? 2 ** -b : "", i ? b : "", model.name]);
  return toCSV(["index", "character", "probability", "surprisal_bits", "model"], rows);
}
