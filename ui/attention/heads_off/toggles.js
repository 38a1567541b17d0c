// A button for each head, each MLP, each layer and the position embedding, pressed where it is off. Below each head's number, its importance.
import { button, CLICK, make, number } from "../../shared/dom.js";
import { describe, inWords } from "../grid.js";
import { count, isOff, mlp, POSITIONS, toggled } from "./parts.js";

/** @typedef {import("./parts.js").Part} Part */

const WORTH = "Small number: how much the validation loss rises without this head, MLP or embedding (nats).";

/** @param {import("../look.js").Look} look @param {(off: Part[]) => void} change called with the parts that are to be off */
export function createToggles(look, change) {
  const node = make("div", "off-toggles");
  const bar = node.appendChild(make("div", "off-bar"));
  const said = make("span", "off-count");
  said.setAttribute("role", "status");
  const allOn = button("quiet", "All on", () => change([]));
  bar.append(said, allOn);
  const grid = node.appendChild(make("div", "off-grid"));
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", "Parts to switch off. Arrow keys move from part to part.");
  new ResizeObserver(fold).observe(node);
  const worth = node.appendChild(make("p", "off-worth", WORTH));
  /** @type {{tile: HTMLButtonElement, parts: Part[]}[][]} the buttons of each line, and what each switches */
  let lines = [];
  let shape = "";
  /** @type {Part[]} */
  let off = [];

  function build({ model, n_layer, n_head }) {
    if (shape === `${model.key} ${n_layer} ${n_head}`) return;
    shape = `${model.key} ${n_layer} ${n_head}`;
    grid.style.setProperty("--heads", String(n_head));
    lines = [[part("off-part off-positions", "Position embedding", "Position embedding", POSITIONS)]];
    for (let layer = 0; layer < n_layer; layer++) {
      const parts = [...Array.from({ length: n_head }, (_, head) => part("off-part", `${layer}.${head}`, `Head ${layer}.${head}`, [layer, head])), part("off-part", "MLP", `MLP ${layer}`, mlp(layer))];
      lines.push([wholeLayer(layer, parts.flatMap((one) => one.parts)), ...parts]);
    }
    grid.replaceChildren(...lines.flat().map(({ tile }) => tile));
    worth.hidden = worthOf([0, 0]) === undefined;
    fold();
  }

  // Where a layer does not fit on one line, it takes several.
  function fold() {
    grid.classList.remove("folded");
    grid.classList.toggle("folded", grid.scrollWidth > grid.clientWidth);
  }

  /** Of a table that was measured by an earlier version, only heads are known. @param {Part} which */
  function worthOf(which) {
    const { heads = [], others = [] } = /** @type {any} */ (look.measured ?? {});
    const entry = heads.find(({ layer, head }) => isOff([which], [layer, head])) ?? others.find(({ part }) => part === which.join("."));
    return entry?.worth;
  }

  /** @param {string} classes @param {string} name @param {string} title @param {Part} which */
  function part(classes, name, title, which) {
    const tile = button(classes, "", () => press(which));
    const value = worthOf(which);
    tile.append(make("span", "off-name", name));
    if (value !== undefined) tile.append(make("span", "off-value", value.toFixed(2).replace(/^-0\.00$/, "0.00").replace("-", "−")));
    const words = value === undefined ? "" : `, importance ${inWords(look, { worth: value }, "worth")}`;
    tile.setAttribute("aria-label", `${title} off${words}`);
    return { tile, parts: [which] };
  }

  /** @param {number} layer @param {Part[]} parts */
  function wholeLayer(layer, parts) {
    const tile = button("off-layer", "", () => {
      const rest = off.filter((other) => !isOff(parts, other));
      change(off.length - rest.length === parts.length ? rest : [...rest, ...parts]);
    });
    tile.append(make("span", "off-word", "Layer "), String(layer));
    tile.setAttribute("aria-label", `Whole layer ${layer} off`);
    return { tile, parts };
  }

  /** @param {Part} which */
  const press = (which) => change(toggled(off, which));

  // Arrow keys move to the next button that way.
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!step) return;
    const line = lines.findIndex((all) => all.some(({ tile }) => tile === document.activeElement));
    const place = lines[line].findIndex(({ tile }) => tile === document.activeElement);
    const next = lines[line + step[0]];
    event.preventDefault();
    next?.[Math.min(place + step[1], next.length - (step[0] ? 1 : 0))]?.tile.focus();
  });

  return {
    node,
    press,
    /** @param {Part[]} parts */
    show(parts) {
      off = parts;
      build(look.capture);
      for (const { tile, parts } of lines.flat()) tile.setAttribute("aria-pressed", String(parts.every((one) => isOff(off, one))));
      for (const { tile, parts } of lines.flat()) {
        const [layer, head] = parts[0];
        if (parts.length === 1 && typeof layer === "number") tile.title = `${layer}.${head}: ${inWords(look, describe(look, layer, Number(head)))}`;
      }
      const { n_layer, n_head } = look.capture;
      const invitation = `All ${number(n_layer * n_head)} heads on: ${CLICK.toLowerCase()} heads, MLPs or positions to switch them off`;
      said.textContent = off.length ? `Off: ${count(off)}` : invitation;
      bar.dataset.room = invitation;
      allOn.style.visibility = off.length ? "" : "hidden";
    },
  };
}
