// One line of fields: a text, and the temperature and the seed of the dice that are thrown after it.
import { button, labelled, make } from "./dom.js";

const PAUSE_MS = 500; // after a keystroke: then what was typed counts

/**
 * @typedef {object} Text what the row has besides the dice
 * @property {string} name "prompt"
 * @property {string} hint
 * @property {string} placeholder
 * @property {() => string} get
 * @property {(text: string) => void} set
 */

/**
 * Fills a form; returns what shows the values that it has now.
 * @param {import("./fixed_dice.js").FixedDice} dice
 * @param {HTMLFormElement} form
 * @param {string} ids what the ids of its fields begin with
 * @param {Text} text
 */
export function createDiceRow(dice, form, ids, text) {
  const words = Object.assign(make("textarea", "field"), { rows: 1, dir: "auto", spellcheck: false, placeholder: text.placeholder });
  words.title = text.hint;
  const temperature = numberField(dice.range("temperature"), "0.05");
  const seed = numberField(dice.range("seed"), "1");
  const fields = { [text.name]: words, temperature, seed };
  const roll = button("button", "New dice", () => dice.roll());
  roll.title = "Another seed (s)";
  for (const [name, field] of Object.entries(fields)) {
    Object.assign(field, { name, id: `${ids}${name}` });
    form.append(labelled(`${name[0].toUpperCase()}${name.slice(1)}`, field, field === words ? "dice-row-text" : `dice-row-${name}`));
  }
  form.append(roll);
  form.classList.add("dice-row");
  form.addEventListener("submit", (event) => event.preventDefault());

  let waiting = 0;
  const take = () => {
    clearTimeout(waiting);
    const numbers = [temperature, seed].filter((field) => field.value !== "").map((field) => [field.name, Number(field.value)]);
    text.set(words.value);
    dice.set(Object.fromEntries(numbers));
  };
  const show = () => {
    for (const [name, value] of Object.entries({ ...dice.settings, [text.name]: text.get() })) {
      const field = fields[name];
      if (field && field !== document.activeElement) field.value = String(value); // nobody's typing is overwritten
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(take, PAUSE_MS);
  });
  form.addEventListener("change", take);
  form.addEventListener("focusout", () => setTimeout(show)); // when the focus is elsewhere
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target === roll) return;
    event.preventDefault();
    take();
  });
  dice.addEventListener("change", show);
  show();
  return show;
}

/** @param {{min: number, max: number}} range @param {string} step */
function numberField({ min, max }, step) {
  const title = `${min} to ${max.toLocaleString("en")}`;
  return Object.assign(make("input", "field"), { type: "number", min: String(min), max: String(max), step, title });
}
