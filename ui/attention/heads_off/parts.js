// The parts of a network that can be switched off, as the server names them (ui/web/attention.py).
import { plural } from "../../shared/dom.js";

/** @typedef {import("../../shared/capture.js").Part} Part */

/** @type {Part} */
export const POSITIONS = ["positions"];
/** @param {number} layer @returns {Part} */
export const mlp = (layer) => ["mlp", layer];

/** @param {Part[]} off @param {Part} part */
export const isOff = (off, part) => off.some((other) => other.join() === part.join());

/** @param {Part[]} off @param {Part} part @returns {Part[]} with this part on if it was off, and off if it was on */
export const toggled = (off, part) => (isOff(off, part) ? off.filter((other) => other.join() !== part.join()) : [...off, part]);

/** Whether a network has a part. @param {{n_layer: number, n_head: number}} network @param {any[]} part as in an address */
export function isPartOf({ n_layer, n_head }, [kind, layer]) {
  const has = (count, index) => Number.isInteger(index) && index >= 0 && index < count;
  if (kind === "positions") return layer === undefined;
  return kind === "mlp" ? has(n_layer, layer) : has(n_layer, kind) && has(n_head, layer);
}

/** "0.2", "MLP 3" or "positions". @param {Part} part */
export const nameOf = (part) => (part[0] === "mlp" ? `MLP ${part[1]}` : part.join("."));

/** "2 heads, 1 MLP, positions". @param {Part[]} off */
export function count(off) {
  const mlps = off.filter(([kind]) => kind === "mlp").length;
  const heads = off.filter(([kind]) => typeof kind === "number").length;
  return [heads && plural(heads, "head"), mlps && plural(mlps, "MLP"), isOff(off, POSITIONS) && "positions"].filter(Boolean).join(", ");
}

/** "without 0.2", or "without 3 parts". @param {Part[]} off */
export const without = (off) => (off.length ? `without ${off.length === 1 ? nameOf(off[0]) : plural(off.length, "part")}` : "everything on");
