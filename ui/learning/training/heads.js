// All heads of a step as small maps, layer by layer.
import { button, make } from "../../shared/dom.js";
import { paintMap } from "../../shared/heat_map.js";
import { onLook } from "../../shared/paint.js";
import { isSame, nameOf } from "./formation.js";

/** @typedef {import("./formation.js").Head} Head */

/**
 * @param {object} on
 * @param {(head: Head) => void} on.choose
 * @param {(head: Head | null) => void} on.point
 * @param {(head: Head) => string} on.describe
 */
export function createHeads({ choose, point, describe }) {
  const node = make("div", "training-maps");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "All heads, layer by layer");
  /** @type {(Head & {node: HTMLButtonElement, map: HTMLCanvasElement})[]} */
  let tiles = [];
  /** @type {import("../../shared/capture.js").Capture | null} */
  let shown = null;

  /** @param {number} layers @param {number} heads */
  function build(layers, heads) {
    tiles = Array.from({ length: layers * heads }, (_, i) => createTile({ layer: Math.floor(i / heads), head: i % heads }));
    node.style.setProperty("--layers", String(layers));
    node.style.setProperty("--heads", String(heads));
    node.replaceChildren(...tiles.map((tile) => tile.node));
  }

  /** @param {Head} head */
  function createTile(head) {
    const tile = button("training-map", "", () => choose(head));
    const map = tile.appendChild(make("canvas"));
    tile.dataset.head = nameOf(head);
    tile.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && point(head));
    tile.addEventListener("pointerleave", () => point(null));
    return { ...head, node: tile, map };
  }

  function paint() {
    if (!shown) return;
    const cells = (shown.n * (shown.n + 1)) / 2;
    for (const { layer, head, map } of tiles) {
      const start = shown.offset(layer, head);
      paintMap(map, shown.bytes.subarray(start, start + cells), shown.n);
    }
  }
  onLook(paint);

  return {
    node,
    /** @param {import("../../shared/capture.js").Capture | null} capture null while it has not come */
    draw(capture) {
      node.classList.toggle("stale", !capture);
      if (!capture || capture === shown) return;
      const isOther = capture.n_layer !== shown?.n_layer || capture.n_head !== shown.n_head;
      shown = capture;
      if (isOther) build(capture.n_layer, capture.n_head);
      paint();
    },
    /** Marks a head, and says of each what it does. @param {Head | null} marked */
    mark(marked) {
      for (const tile of tiles) {
        tile.node.classList.toggle("marked", isSame(tile, marked));
        tile.node.title = describe(tile);
        tile.node.setAttribute("aria-label", tile.node.title);
      }
    },
  };
}
