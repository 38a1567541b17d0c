// The words and buttons of the view "Same dice".
import { button, make, makeText } from "../../shared/dom.js";
import { againButton } from "../../shared/trouble.js";

const EMPTY = "No text yet. Press Generate, then come back and move the temperature.";

// Puts everything into the panel, from top to bottom, and returns what fills it in.
/** @typedef {ReturnType<typeof createColumn>} Column */

/**
 * @param {HTMLElement} panel
 * @param {{min: number, max: number}} temperature
 * @param {{choose: (select: HTMLSelectElement) => void, back: () => void, first: () => void, move: (temperature: number) => void}} actions
 */
export function createParts(panel, temperature, actions) {
  const empty = make("p", "empty", EMPTY);
  const filled = make("div", "locked");
  const bar = createBar(actions);
  const slider = createSlider(temperature, actions.move);
  const headline = make("p", "locked-headline");
  headline.setAttribute("role", "status");
  const more = make("p", "locked-more");
  const first = button("quiet", "", actions.first);
  const note = make("span", "locked-note");
  more.append(first, note);
  const trouble = createTrouble();
  const original = createColumn("The original text", "Marked: characters that would change.");
  const fresh = createColumn("The same dice from the start", "Shaded: the same. Underlined: where it diverges.");
  const columns = make("div", "locked-columns");
  columns.append(original.node, fresh.node);
  filled.append(bar.node, slider.node, headline, more, trouble, columns);
  panel.append(empty, filled);
  return { ...bar, temperature: slider.range, empty, filled, headline, first, note, trouble, original, fresh };
}

function createBar({ choose, back: goBack }) {
  const node = make("div", "locked-bar");
  const label = make("label", "locked-label", "Sample");
  const select = make("select", "field locked-select");
  select.id = "locked-select";
  label.htmlFor = select.id;
  select.addEventListener("change", () => choose(select));
  const step = (by) => {
    const place = select.selectedIndex + by;
    if (place < 0 || place >= select.length) return;
    select.selectedIndex = place;
    choose(select);
  };
  const back = button("quiet", "Original settings", goBack);
  node.append(label, select, back);
  return { node, select, step, back };
}

function createSlider({ min, max }, move) {
  const node = make("label", "locked-temperature", "Temperature");
  const range = make("input");
  Object.assign(range, { type: "range", min, max, step: 0.05 });
  range.addEventListener("input", () => move(Number(range.value)));
  node.append(range);
  return { node, range };
}

function createColumn(title, explanation) {
  const node = make("section", "locked-column");
  const heading = make("h2", "locked-title", title);
  const status = make("p", "locked-status");
  status.setAttribute("role", "status");
  const trouble = createTrouble();
  const card = make("article", "card");
  const body = makeText("p", "card-text locked-text");
  body.tabIndex = 0;
  body.setAttribute("aria-label", title);
  const start = make("span", "prompt");
  const text = document.createTextNode("");
  body.append(start, text);
  card.append(body);
  node.append(heading, make("p", "locked-explanation", explanation), status, trouble, card);
  return { node, status, trouble, card, body, start, text };
}

function createTrouble() {
  const node = make("p", "trouble");
  node.setAttribute("role", "alert");
  return node;
}

// An error beside what it is about, with a way to try again; without words, none.
export function complain(node, words = "", again = null) {
  node.replaceChildren(...(words ? [`${words} `, againButton("quiet", again)] : []));
}
