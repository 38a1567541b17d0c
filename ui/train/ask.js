// A question in a dialog of the page. The browser's own dialogs are blocked in the frame of a Space.
import { button, limitChars, make } from "../shared/dom.js";

/**
 * Resolves to the text that was typed, or to "" where there is no field; to null for "Cancel".
 * @param {HTMLElement} element
 * @param {{words: string, go: string, text?: string, most?: number}} question `text` is what stands in the field; without it there is none
 * @returns {Promise<string | null>}
 */
export function ask(element, { words, go, text, most }) {
  const [dialog, form, buttons] = [make("dialog", "train-ask"), make("form"), make("div", "train-actions")];
  const question = make("p", "train-question", words);
  question.id = "train-question";
  dialog.setAttribute("aria-labelledby", question.id);
  const field = Object.assign(make("input", "field"), { value: text ?? "", required: true, dir: "auto" });
  if (most) limitChars(field, most);
  field.setAttribute("aria-labelledby", question.id);
  const sure = make("button", "button primary", go);
  sure.type = "submit";
  buttons.append(button("button", "Cancel", () => dialog.close()), sure);
  form.append(question, ...(text === undefined ? [] : [field]), buttons);
  dialog.append(form);
  element.append(dialog);
  return new Promise((resolve) => {
    let answer = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer = field.value.trim();
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    dialog.showModal();
    if (text !== undefined) field.select();
  });
}
