// The Model menu: which of the server's models write. Several write abreast, with the same prompt and the same dice.
import { make, number, plural } from "../shared/dom.js";

/** @typedef {import("../shared/models.js").Model} Model */

/** @param {import("./main.js").SampleTab} tab */
export function createModelMenu({ models, page }) {
  const box = document.getElementById("model");
  const [label, opener, list] = [make("span", "model-label", "Model"), make("button", "model-opener"), make("div", "model-list")];
  label.id = "model-label";
  Object.assign(opener, { type: "button", id: "model-opener" });
  opener.setAttribute("aria-labelledby", "model-label model-opener");
  list.popover = "auto";
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Models that write");
  opener.popoverTargetElement = list;
  box.append(label, opener, list);

  function show() {
    const { list: all, writers } = models;
    box.hidden = all.length < 2;
    opener.textContent = writers.map(({ name }) => name).join(", ");
    if (list.matches(":popover-open")) fill();
  }

  // What is there keeps the focus.
  function fill() {
    const focused = /** @type {HTMLInputElement | null} */ (document.activeElement)?.value;
    list.replaceChildren(...models.list.map(row), make("p", "model-hint", "Several write side by side, with the same prompt and dice."));
    /** @type {HTMLInputElement | null} */ (list.querySelector(`input[value="${CSS.escape(focused ?? "")}"]`))?.focus();
  }

  /** @param {Model} model */
  function row(model) {
    const [node, tick, words] = [make("label", "model-row"), make("input"), make("span", "model-words")];
    Object.assign(tick, { type: "checkbox", value: model.key, checked: models.writers.includes(model), disabled: Boolean(model.trouble) });
    words.append(make("span", "model-name", model.name), make("span", "model-facts", model.trouble || factsOf(model, model === models.defaultModel)));
    node.append(tick, words);
    tick.addEventListener("change", () => {
      const others = models.writers.filter((other) => other !== model);
      models.choose(tick.checked ? [...others, model] : others);
    });
    return node;
  }

  list.addEventListener("beforetoggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState !== "open") return;
    fill();
    const { left, bottom } = opener.getBoundingClientRect();
    Object.assign(list.style, { left: `${left}px`, top: `${bottom + 6}px` });
    models.refresh().catch((error) => page.say(error.message, true)); // runs may have come or gone
  });
  models.addEventListener("change", show);
  show();
}

/** @param {Model} model @param {boolean} isDefault */
function factsOf({ parameters, valLoss, vocabulary }, isDefault) {
  const size = parameters < 1e6 ? `${number(parameters)} parameters` : `${(parameters / 1e6).toFixed(1)} M parameters`;
  const facts = [size, plural(vocabulary.length, "character"), valLoss && `loss ${valLoss.toFixed(2)}`, isDefault && "default"];
  return facts.filter(Boolean).join(" · ");
}
