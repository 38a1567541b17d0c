// All that the picture shows, and what belongs to it.
import { distribution, entropy, land } from "../../shared/distribution.js";

/**
 * @param {object} what
 * @param {{model: import("../../shared/models.js").Model, logits: number[], raw: Float64Array, order: number[], text: string}} what.shown
 * @param {import("../../shared/settings.js").Values} what.settings
 * @param {import("./walk.js").Thrown | null} what.thrown
 * @param {import("./draws.js").Draws} what.draws
 * @param {boolean} what.isMany whether many throws take the place of one
 * @param {import("./air.js").Motion} what.motion
 */
export function stateOf({ shown, settings, thrown, draws, isMany, motion: { fall = 1, rain } }) {
  const { model, logits, raw } = shown;
  const probabilities = distribution(logits, settings);
  const isOne = thrown && !rain && !isMany;
  const hit = isOne && fall === 1 ? (thrown.die === null ? thrown.id : land(probabilities, thrown.die).id) : undefined;
  return {
    ...shown,
    vocabulary: model.vocabulary,
    settings,
    probabilities,
    isRaw: probabilities.every((p, id) => p === raw[id]),
    bits: { drawn: entropy(probabilities), raw: entropy(raw) },
    draws,
    die: isOne && thrown.die !== null ? thrown.die : undefined,
    fall,
    rain,
    hit,
  };
}
