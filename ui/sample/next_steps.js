// Steps in the address of the page: how many, and which characters are not what the dice of its settings give: place.id-place.id
const MOST = 2000;

// What to write when an address is opened: an id where one was chosen, null for the die's.
export function readSteps({ address, vocabulary }) {
  const asked = address.get("steps");
  const ids = Array(/^\d{1,9}$/.test(asked) ? Math.min(MOST, Number(asked)) : 0).fill(null);
  for (const word of address.get("chosen").split("-")) {
    const [place, id] = /^\d{1,9}\.\d{1,9}$/.test(word) ? word.split(".").map(Number) : [];
    if (place < ids.length && id < vocabulary.length) ids[place] = id;
  }
  return ids;
}

export function keepSteps(address, steps, dice) {
  const chosen = steps.flatMap((step, place) => (step.dice === dice.word ? [] : [`${place}.${step.id}`]));
  address.keep("steps", steps.length || "");
  address.keep("chosen", chosen.join("-"));
}
