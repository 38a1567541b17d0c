// The choice of a head: a button for each layer, for each head of a layer, and for their average.
import { button, make } from "./dom.js";

export const AVERAGE = "average";

/**
 * @typedef {object} Choice of a head
 * @property {{n_layer: number, n_head: number} | null} capture what the heads belong to; null while there is nothing
 * @property {{layer: number, head: number | "average"}} head
 * @property {(layer: number, head: number | "average") => void} choose
 */

/** @param {Choice} look */
export function createHeadChooser(look) {
  const node = make("div", "head-chooser");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Layer and head. Up and down change the layer, left and right the head.");
  const layers = createRow("Layer", (layer) => look.choose(layer, look.head.head));
  const heads = createRow("Head", (head) => look.choose(look.head.layer, head));
  node.append(layers.node, heads.node);

  // Shows what is chosen among the layers and heads of the network.
  function draw() {
    const { n_layer, n_head } = look.capture;
    layers.draw([...Array(n_layer).keys()], look.head.layer);
    heads.draw([...Array(n_head).keys(), AVERAGE], look.head.head);
  }

  function move(byLayers, byHeads) {
    const { n_layer, n_head } = look.capture;
    const { layer, head } = look.head;
    const places = n_head + 1;
    const place = ((head === AVERAGE ? n_head : head) + byHeads + places) % places;
    look.choose((layer + byLayers + n_layer) % n_layer, place === n_head ? AVERAGE : place);
  }

  // The next head of all, layer after layer.
  function step(by) {
    const { n_layer, n_head } = look.capture;
    const { layer, head } = look.head;
    const all = n_layer * n_head;
    const place = (layer * n_head + (head === AVERAGE ? (by > 0 ? n_head - 1 : n_head) : head) + by + all) % all;
    look.choose(Math.floor(place / n_head), place % n_head);
  }

  node.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!by || !look.capture) return;
    event.preventDefault();
    const row = layers.node.contains(/** @type {Node} */ (event.target)) ? layers : heads;
    move(...by);
    row.focus();
  });
  return { node, draw, step };
}

function createRow(name, choose) {
  const node = make("div", "head-row");
  node.setAttribute("role", "radiogroup");
  node.setAttribute("aria-label", name);
  /** @type {any[]} */
  let drawn = [];
  /** @type {HTMLButtonElement[]} */
  let buttons = [];

  function draw(values, chosen) {
    if (String(values) !== String(drawn)) {
      drawn = values;
      buttons = values.map((value) => {
        const choice = button("head-choice", String(value), () => choose(value));
        choice.setAttribute("role", "radio");
        return choice;
      });
      node.replaceChildren(make("span", "head-row-name", name), ...buttons);
    }
    buttons.forEach((choice, i) => {
      const isChosen = values[i] === chosen;
      choice.setAttribute("aria-checked", String(isChosen));
      choice.tabIndex = isChosen ? 0 : -1;
    });
  }

  return { node, draw, focus: () => buttons.find((choice) => choice.tabIndex === 0)?.focus() };
}
