// The Model menu: which of the server's models write. Several write abreast, with the same prompt and the same dice.
import { make, makeText, number, plural, settle } from "../shared/dom.js";

/** @typedef {import("../shared/models.js").Model} Model */

/** @param {import("./main.js").SampleTab} tab */
export function createModelMenu({ models, page }) {
  const box = document.getElementById("model");
  const [label, opener, list] = [make("span", "model-label", "Model"), make("button", "model-opener"), make("div", "model-list")];
  const names = makeText("span", "model-names");
  const arrow = make("span", "model-arrow", "▾");
  arrow.setAttribute("aria-hidden", "true");
  opener.append(names, arrow);
  label.id = "model-label";
  Object.assign(opener, { type: "button", id: "model-opener" });
  opener.setAttribute("aria-labelledby", "model-label model-opener");
  list.popover = "auto";
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Models that write");
  opener.popoverTargetElement = list;
  box.append(label, opener, list);
  const hint = make("p", "model-hint", "Several write side by side, with the same prompt and dice.");
  /** @type {Map<Model, ReturnType<typeof createRow>>} */
  const rows = new Map();

  function show() {
    const { list: all, writers } = models;
    box.hidden = all.length < 2;
    names.textContent = writers.map(({ name }) => name).join(", ");
    if (list.matches(":popover-open")) fill();
  }

  // Rows are updated in place, so that the focus stays.
  function fill() {
    const nodes = models.list.map((model) => {
      const row = rows.get(model) ?? createRow(model, choose);
      rows.set(model, row);
      row.update(models.writers.includes(model), models.defaultModel);
      return row.node;
    });
    settle(list, [...nodes, hint]);
  }

  /** @param {Model} model @param {boolean} isChosen */
  function choose(model, isChosen) {
    const others = models.writers.filter((other) => other !== model);
    models.choose(isChosen ? [...others, model] : others);
  }

  list.addEventListener("beforetoggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState !== "open") return;
    fill();
    const { left, bottom } = box.getBoundingClientRect();
    Object.assign(list.style, { left: `${left}px`, top: `${bottom + 6}px` });
    models.refresh().catch((error) => page.say(error.message, true)); // runs may have come or gone
  });
  models.addEventListener("change", show);
  show();
}

/** @param {Model} model @param {(model: Model, isChosen: boolean) => void} choose */
function createRow(model, choose) {
  const [node, tick, words, facts] = [make("label", "model-row"), make("input"), make("span", "model-words"), make("span", "model-facts")];
  Object.assign(tick, { type: "checkbox", value: model.key });
  words.append(makeText("span", "model-name", model.name), facts);
  node.append(tick, words);
  tick.addEventListener("change", () => choose(model, tick.checked));
  /** @param {boolean} isChosen @param {Model} defaultModel */
  const update = (isChosen, defaultModel) => {
    Object.assign(tick, { checked: isChosen, disabled: Boolean(model.trouble) });
    facts.textContent = model.trouble || factsOf(model, defaultModel);
  };
  return { node, update };
}

/** The size of a vocabulary is a fact where it differs from the default's. @param {Model} model @param {Model} defaultModel */
function factsOf(model, defaultModel) {
  const { size, valLoss, vocabulary, run, step } = model;
  const isOther = vocabulary.length !== defaultModel.vocabulary.length;
  const origin = run && (step === null ? "run" : `run, step ${number(step)}`);
  const characters = isOther && plural(vocabulary.length, "character");
  const facts = [origin, size, characters, valLoss && `validation loss ${valLoss.toFixed(2)}`, model === defaultModel && "default"];
  return facts.filter(Boolean).join(" · ");
}
