// The legend of the colours of a map of weights: square roots, so that faint weights are visible.
import { make } from "./dom.js";
import { colourOf } from "./heat_map.js";
import { onLook } from "./paint.js";

export function createMapLegend() {
  const node = make("div", "map-legend");
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", "Colours from weight 0 to weight 1, by square roots");
  const strip = make("span", "map-strip");
  const numbers = make("span", "map-numbers");
  numbers.append(...["0", "0.06", "0.25", "0.56", "1"].map((weight) => make("span", "", weight)));
  node.append(strip, numbers);
  const draw = () => {
    const stops = Array.from({ length: 17 }, (_, i) => colourOf((i / 16) ** 2));
    strip.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  };
  draw();
  onLook(draw);
  return { node };
}
