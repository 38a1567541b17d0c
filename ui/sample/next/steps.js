// Steps in the address of the page: how many, and which characters are not what the dice give with its settings. Those are place.id, or place.id
// with a d where dice were thrown with other settings: place.id-place.idd. The model is kept beside them, for the ids are those of its vocabulary; so
// is a seed that was drawn, not typed.
const MOST = 2000;

/**
 * What to write when an address is opened: { id, byHand }, null for what the dice give; and the model that writes it. Without the model there are
 * no steps, and `missing` says so.
 * @param {import("../main.js").SampleTab} tab
 * @returns {{model: import("../../shared/models.js").Model, choices: import("./walk.js").Choice[], missing: string}}
 */
export function readSteps({ address, models }) {
  const key = address.get("next_model");
  const why = key && models.whyNot(key);
  if (why) return { model: models.primary, choices: [], missing: `${why} Its steps are left out.` };
  const model = models.find(key) ?? models.primary; // old links name none
  return { model, choices: readChoices(address, model.vocabulary), missing: "" };
}

/** @param {import("../../shared/address.js").Address} address @param {string[]} vocabulary */
function readChoices(address, vocabulary) {
  const asked = address.get("steps");
  const choices = Array(/^\d{1,9}$/.test(asked) ? Math.min(MOST, Number(asked)) : 0).fill(null);
  for (const word of address.get("chosen").split("-")) {
    const [, place, id, drawn] = /^(\d{1,9})\.(\d{1,9})(d?)$/.exec(word) ?? [];
    if (Number(place) < choices.length && Number(id) < vocabulary.length) choices[Number(place)] = { id: Number(id), byHand: !drawn };
  }
  return choices;
}

// The seed that was drawn for them, or null.
export function readSeed({ address }) {
  const seed = address.get("dice_seed");
  return /^\d{1,16}$/.test(seed) && Number.isSafeInteger(Number(seed)) ? Number(seed) : null;
}

/**
 * @param {import("../main.js").SampleTab} tab
 * @param {import("./walk.js").Step[]} steps
 * @param {import("./walk.js").Choice[]} waiting what is still to be written
 * @param {import("./dice.js").Dice} dice
 * @param {import("../../shared/models.js").Model} model
 */
export function keepSteps({ address }, steps, waiting, dice, model) {
  const all = [...steps.map((step) => (step.dice === dice.word ? null : step)), ...waiting];
  const chosen = all.flatMap((choice, place) => (choice ? [`${place}.${choice.id}${choice.byHand ? "" : "d"}`] : []));
  address.keep("next_model", all.length ? model.key : "");
  address.keep("steps", all.length || "");
  address.keep("chosen", chosen.join("-"));
  address.keep("dice_seed", all.length ? (dice.drawn ?? "") : "");
}
