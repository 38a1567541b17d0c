// Colours the characters of text nodes by surprisal: highlights heat-1 to heat-7, one for each whole bit (heat.css); below one bit the paper
// stays as it is.
import { make } from "./dom.js";
import { Shades } from "./shades.js";

const STEPS = 8;
const shades = new Shades(Array.from({ length: STEPS - 1 }, (_, i) => `heat-${i + 1}`));

const stepOf = (bits) => Math.min(STEPS - 1, Math.max(0, Math.floor(bits)));

// Colours the characters of a text node from number `from` on; `bits` has only theirs (see Shades.paint).
const paint = (node, bits, from = 0) => shades.paint(node, Array.from(bits, stepOf), from);

// The legend of the scale, to stand beside a coloured text.
function legend() {
  const scale = make("p", "heat-legend", "surprisal, bits: ");
  const steps = make("span", "heat-steps");
  for (let step = 0; step < STEPS; step++) {
    const swatch = make("span", "heat-step", step < STEPS - 1 ? `${step} ` : `${step}+`);
    swatch.style.background = `var(--heat-${step})`;
    steps.append(swatch);
  }
  scale.append(steps);
  return scale;
}

export const heat = { paint, clear: (node) => shades.clear(node), legend };
