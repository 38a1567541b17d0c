// Steps in the address of the page: how many, and which characters are not what the dice give with its settings. Those are place.id, or place.id
// with a d where dice were thrown with other settings: place.id-place.idd. A seed that was drawn, not typed, is kept beside them; so is the model,
// where it is not the primary one.
const MOST = 2000;

// What to write when an address is opened: { id, byHand }, null for what the dice give.
/** @param {import("../main.js").SampleTab} tab @param {string[]} vocabulary @returns {import("./walk.js").Choice[]} */
export function readSteps({ address }, vocabulary) {
  const asked = address.get("steps");
  const choices = Array(/^\d{1,9}$/.test(asked) ? Math.min(MOST, Number(asked)) : 0).fill(null);
  for (const word of address.get("chosen").split("-")) {
    const [, place, id, drawn] = /^(\d{1,9})\.(\d{1,9})(d?)$/.exec(word) ?? [];
    if (Number(place) < choices.length && Number(id) < vocabulary.length) choices[Number(place)] = { id: Number(id), byHand: !drawn };
  }
  return choices;
}

/** The model that they are of. @param {import("../main.js").SampleTab} tab */
export const readModel = ({ address, models }) => models.find(address.get("next_model")) ?? models.primary;

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
export function keepSteps({ address, models }, steps, waiting, dice, model) {
  const all = [...steps.map((step) => (step.dice === dice.word ? null : step)), ...waiting];
  const chosen = all.flatMap((choice, place) => (choice ? [`${place}.${choice.id}${choice.byHand ? "" : "d"}`] : []));
  address.keep("next_model", all.length && model !== models.primary ? model.key : "");
  address.keep("steps", all.length || "");
  address.keep("chosen", chosen.join("-"));
  address.keep("dice_seed", all.length ? (dice.drawn ?? "") : "");
}
