// A chart of characters on a canvas: what is pointed at is told, what is clicked is picked, arrow keys move from character to character.
import { make } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";

/** @typedef {ReturnType<palette>} Look */
/** @typedef {{width: number, height: number, look: Look}} Room on the canvas, in pixels */

/**
 * What a chart shows, `shown` being the view's state (view.js).
 * @typedef {object} Drawing
 * @property {(shown: any, width: number, look: Look, node: HTMLElement) => number} heightOf
 * @property {(shown: any, room: Room) => number[]} idsOf in the order of the arrow keys
 * @property {(shown: any, room: Room, x: number, y: number) => number | null} idAt
 * @property {(context: CanvasRenderingContext2D, room: Room, shown: any) => void} paint
 */

/**
 * The chart: { node, draw(shown), room() }.
 * @param {string} name
 * @param {Drawing} drawing
 * @param {{onPoint: (id: number | null) => void, onPick: (id: number) => void}} on
 */
export function createChart(name, { heightOf, idsOf, idAt, paint }, { onPoint, onPick }) {
  const node = make("div", `next-${name}`);
  const canvas = node.appendChild(make("canvas"));
  Object.assign(node, { tabIndex: 0, role: "application" });
  node.setAttribute("aria-roledescription", "bar chart");
  node.dataset.testid = `next-${name}`;
  /** @type {any} */
  let shown = null;
  /** @type {number | null} */
  let pointed = null;
  /** @type {Room} */
  let room = { width: 0, height: 0, look: palette() };
  const redraw = () => {
    const width = node.clientWidth;
    if (!shown || !width) return;
    const look = palette();
    room = { width, height: heightOf(shown, width, look, node), look };
    const height = `${room.height}px`;
    if (node.style.height !== height) node.style.height = height;
    paint(fit(canvas, width, room.height), room, { ...shown, pointed });
  };
  const point = (id) => {
    if (id === pointed) return;
    pointed = id;
    redraw();
    onPoint(id);
  };
  const under = ({ offsetX, offsetY }) => idAt(shown, room, offsetX, offsetY);
  canvas.addEventListener("pointermove", (event) => shown && point(under(event)));
  canvas.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && point(null));
  canvas.addEventListener("click", (event) => {
    if (!shown) return;
    const [id, before] = [under(event), pointed];
    point(id);
    if (id !== null && (event.pointerType === "mouse" || id === before)) onPick(id); // a finger looks first
  });
  node.addEventListener("keydown", (event) => {
    const ids = shown ? idsOf(shown, room) : [];
    const here = pointed === null ? -1 : ids.indexOf(pointed);
    const [before, after, last] = [Math.max(0, here - 1), Math.min(ids.length - 1, here + 1), ids.length - 1];
    const to = { ArrowRight: after, ArrowDown: after, ArrowLeft: before, ArrowUp: before, Home: 0, End: last }[event.key];
    if (to !== undefined && ids.length) point(ids[to]);
    else if (event.key === "Enter" && pointed !== null) onPick(pointed);
    else if (event.key === "Escape" && pointed !== null) point(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  node.addEventListener("blur", () => point(null));
  new ResizeObserver(redraw).observe(node);
  onLook(redraw);
  return {
    node,
    draw(what) {
      shown = what;
      redraw();
      if (pointed !== null) onPoint(pointed);
    },
    room: () => room,
  };
}
