// A button for each head and each layer, pressed where it is off. Below each head's number, its importance.
import { button, make, plural } from "../../shared/dom.js";
import { describe, inWords } from "../grid.js";

const WORTH = "Small figures: importance, the validation loss increase when the head is off, in nats.";
const isOff = (heads, layer, head) => heads.some(([l, h]) => l === layer && h === head);

/** @param {import("../look.js").Look} look @param {(heads: number[][]) => void} change called with the heads that are to be off */
export function createToggles(look, change) {
  const node = make("div", "off-toggles");
  const bar = node.appendChild(make("div", "off-bar"));
  const count = make("span", "off-count");
  count.setAttribute("role", "status");
  const allOn = button("quiet", "All on", () => change([]));
  bar.append(count, allOn);
  const grid = node.appendChild(make("div", "off-grid"));
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", "Heads to switch off. Arrow keys move from head to head.");
  const worth = node.appendChild(make("p", "off-worth", WORTH));
  /** @type {{whole: HTMLElement, heads: HTMLElement[]}[]} */
  let rows = [];
  let shape = "";
  /** @type {number[][]} */
  let off = [];

  function build({ model, n_layer, n_head }) {
    if (shape === `${model.key} ${n_layer} ${n_head}`) return;
    shape = `${model.key} ${n_layer} ${n_head}`;
    grid.style.setProperty("--heads", String(n_head));
    rows = Array.from({ length: n_layer }, (_, layer) => ({
      whole: wholeLayer(layer, n_head),
      heads: Array.from({ length: n_head }, (_, head) => oneHead(layer, head)),
    }));
    grid.replaceChildren(...rows.flatMap(({ whole, heads }) => [whole, ...heads]));
    worth.hidden = worthOf(0, 0) === undefined;
  }

  const worthOf = (layer, head) => look.measured?.heads.find((entry) => entry.layer === layer && entry.head === head)?.worth;

  function oneHead(layer, head) {
    const tile = button("off-head", "", () => press(layer, head));
    const value = worthOf(layer, head);
    tile.append(make("span", "off-name", `${layer}.${head}`));
    if (value !== undefined) tile.append(make("span", "off-value", value.toFixed(3).replace("-", "−")));
    const words = value === undefined ? "" : `, importance ${inWords(look, { worth: value }, "worth")}`;
    tile.setAttribute("aria-label", `Head ${layer}.${head} off${words}`);
    return tile;
  }

  function wholeLayer(layer, n_head) {
    const all = Array.from({ length: n_head }, (_, head) => [layer, head]);
    const tile = button("off-layer", `Layer ${layer}`, () => {
      const rest = off.filter(([other]) => other !== layer);
      change(off.length - rest.length === n_head ? rest : [...rest, ...all]);
    });
    tile.setAttribute("aria-label", `Whole layer ${layer} off`);
    return tile;
  }

  const press = (layer, head) => change(isOff(off, layer, head) ? off.filter(([l, h]) => l !== layer || h !== head) : [...off, [layer, head]]);

  // Arrow keys move to the next button that way.
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!step) return;
    const lines = rows.map(({ whole, heads }) => [whole, ...heads]);
    const focused = /** @type {HTMLElement} */ (document.activeElement);
    const line = lines.findIndex((nodes) => nodes.includes(focused));
    const next = lines[line + step[0]]?.[lines[line].indexOf(focused) + step[1]];
    event.preventDefault();
    next?.focus();
  });

  return {
    node,
    press,
    show(heads) {
      off = heads;
      build(look.capture);
      rows.forEach(({ whole, heads }, layer) => {
        heads.forEach((tile, head) => {
          tile.setAttribute("aria-pressed", String(isOff(off, layer, head)));
          tile.title = `${layer}.${head}: ${inWords(look, describe(look, layer, head))}`;
        });
        whole.setAttribute("aria-pressed", String(heads.every((_, head) => isOff(off, layer, head))));
      });
      const all = look.capture.n_layer * look.capture.n_head;
      count.textContent = off.length ? `${off.length} of ${plural(all, "head")} off` : `All ${plural(all, "head")} on: press some to switch them off`;
      allOn.hidden = !off.length;
    },
  };
}
