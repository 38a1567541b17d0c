// A slider over sizes that are not evenly apart.
import { make, number } from "../../shared/dom.js";

/**
 * @param {HTMLElement} place
 * @param {{label: string, values: number[], value: number, change: (value: number) => void}} wishes
 */
export function createSlider(place, { label, values, value, change }) {
  const node = make("label", "data-control data-slider");
  const said = make("span", "data-value");
  const head = make("span", "data-head");
  head.append(make("span", "data-label", label), said);
  const placeOf = (value) => values.reduce((best, each, i) => (Math.abs(each - value) < Math.abs(values[best] - value) ? i : best), 0); // the nearest
  const range = Object.assign(make("input"), { type: "range", min: "0", max: String(values.length - 1), step: "1", value: String(placeOf(value)) });
  range.setAttribute("aria-label", label);
  const current = () => values[Number(range.value)];
  const tell = () => {
    said.textContent = number(current());
    range.setAttribute("aria-valuetext", number(current()));
  };
  range.addEventListener("input", () => {
    tell();
    change(current());
  });
  tell();
  node.append(head, range);
  place.append(node);
  return {
    get value() {
      return current();
    },
    set value(value) {
      range.value = String(placeOf(value));
      tell();
    },
  };
}
