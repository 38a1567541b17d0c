// What a fine-tuning run begins with, in the form for a new run: the model that it goes on from, and what rewards it.
import { make } from "../shared/dom.js";

/** The texts of each task: what the choice is called, and what it offers. @type {Object<string, {label: string, made: string, file: string, paste: string, about: string} | null>} */
export const TEXTS = {
  pretrain: { label: "Training text", made: "Tiny Shakespeare", file: "A text file", paste: "A pasted text", about: "" },
  sft: {
    label: "Examples",
    made: "Made from the plays",
    file: "A file of pairs",
    paste: "Pasted pairs",
    about: 'Requests and answers. Your own: one a line, {"request": "Insult me.", "answer": "Thou villain!"}.',
  },
  reward: {
    label: "Comparisons",
    made: "Made by rule",
    file: "Made by rule, and a file",
    paste: "Made by rule, and pasted ones",
    about: 'Pairs of answers, one of which is better. Your own: one a line, {"request": "...", "better": "...", "worse": "..."}.',
  },
  policy: null, // it learns from a reward
  translate: null, // from pairs made by rule
};
const REWARD = "reward";
const FROM_RANDOM = ["pretrain", "translate"]; // tasks without a parent
const PARENTS = { sft: ["shakespeare"], reward: ["assistant/supervised"], policy: ["assistant/supervised"] }; // ids of the usual ones

/**
 * @param {import("./main.js").Train} train
 * @returns {{nodes: HTMLElement[], show: (task: string, hasReward: boolean) => void, asked: () => object, flags: () => string, keep: () => string[], restore: (kept: string[]) => void}}
 */
export function createBeginning(train) {
  const [parent, reward] = [make("select", "field"), make("select", "field")];
  [parent.id, reward.id] = ["train-parent", "train-reward"];
  const labels = [labelOf("Parent model", parent), labelOf("Reward", reward)];
  const { models } = train.page;
  let [task, hasReward] = ["pretrain", false];

  const isTuned = () => !FROM_RANDOM.includes(task);
  const rewards = () => train.runs.filter(({ kind, has_weights, task: of }) => (kind === REWARD || of === REWARD) && has_weights);

  // The choices; what was chosen stays chosen as long as it is there.
  function fill() {
    const usable = models.list.filter((model) => model.kind === "gpt" && !model.trouble);
    const usual = usable.find(({ id }) => PARENTS[task]?.includes(id)) ?? usable[0];
    refill(parent, usable.map((model) => new Option(model.name, model.key)), usual?.key);
    const shipped = hasReward ? [new Option("The reward model that ships", "shipped")] : [];
    refill(reward, [...shipped, ...rewards().map(({ name, id }) => new Option(name, id)), new Option("The rule", "rule")]);
  }

  // A run that has weights is a model that the page may not have heard of.
  let known = "";
  function look() {
    if (!isTuned()) return;
    const now = train.runs.filter(({ has_weights }) => has_weights).map(({ id, best_step }) => `${id} ${best_step}`).join();
    if (now !== known) void models.refresh().catch(() => {});
    known = now;
    fill();
  }

  train.addEventListener("runs", look);
  models.addEventListener("change", () => isTuned() && fill());

  const chosen = () => models.list.find(({ key }) => key === parent.value);

  return {
    nodes: [labels[0], parent, labels[1], reward],
    show(of, has) {
      if (of !== task) parent.replaceChildren(); // another task has another usual parent
      [task, hasReward] = [of, has];
      look();
      for (const node of [labels[0], parent]) node.hidden = !isTuned();
      for (const node of [labels[1], reward]) node.hidden = task !== "policy";
    },
    asked: () => ({ ...(isTuned() && { parent: parent.value || null }), ...(task === "policy" && { reward: reward.value }) }),
    flags() {
      if (!isTuned()) return "";
      const model = chosen();
      const from = model && ` --from ${model.run ? model.id : `weights/${model.id}`}`;
      const judge = reward.value === "shipped" ? "weights/assistant/reward" : reward.value === "rule" ? "rule" : `runs/${reward.value}`;
      return `${from ?? ""}${task === "policy" ? ` --reward ${judge}` : ""}`;
    },
    keep: () => [parent.value, reward.value],
    restore(kept) {
      [parent, reward].forEach((field, place) => [...field.options].some(({ value }) => value === kept?.[place]) && (field.value = kept[place]));
    },
  };
}

/** @param {HTMLSelectElement} field @param {HTMLOptionElement[]} options @param {string} [usual] */
function refill(field, options, usual = options[0]?.value) {
  const before = field.value;
  field.replaceChildren(...options);
  field.value = options.some(({ value }) => value === before) ? before : (usual ?? "");
}

/** @param {string} words @param {HTMLElement} field */
function labelOf(words, field) {
  return Object.assign(make("label", "train-label", words), { htmlFor: field.id });
}
