// What falls beside the strip, on a canvas: the die with its number, and many dice at once, which pile up where they land.
import { number } from "../../shared/dom.js";

export const BINS = 48; // of the pile, from 0 to 1
const DROP_SHARE = 0.15; // of the time of all throws, that each of them falls
const MOST_DROPS = 60; // seen at once
const SIDE = 1.5; // rem, of the die
const PIPS = [[0, 0], [-1, -1], [-1, 1], [1, -1], [1, 1]];

/**
 * The room: from `left` to `right`, where the strip begins, and from 0 at `top` to 1 at `bottom`, in pixels.
 * @typedef {{left: number, right: number, top: number, bottom: number, look: ReturnType<import("../../shared/paint.js").palette>}} Shaft
 */

/** How far something has fallen that falls for a share of its time. @param {number} share */
const fallen = (share) => share * share;

/** The die, which reads what is beside it on its way. @param {CanvasRenderingContext2D} context @param {Shaft} shaft @param {number} value @param {number} share */
export function paintDie(context, { left, right, top, bottom, look }, value, share) {
  const reads = value * fallen(share);
  const [side, y] = [SIDE * look.rem, top + reads * (bottom - top)];
  const x = right - 0.65 * side;
  context.save();
  context.translate(x, y);
  context.rotate(-2 * Math.PI * (1 - share) * (0.5 + value));
  context.fillStyle = look.accent;
  context.beginPath();
  context.roundRect(-side / 2, -side / 2, side, side, 0.2 * side);
  context.fill();
  context.fillStyle = look.paper;
  for (const [across, down] of PIPS) {
    context.beginPath();
    context.arc(across * 0.25 * side, down * 0.25 * side, 0.09 * side, 0, 2 * Math.PI);
    context.fill();
  }
  context.restore();
  const below = y - top < 1.2 * side;
  writeNumber(context, reads.toFixed(4), left, right, y + (below ? 1 : -1) * 1.05 * side, look);
}

/** Written so that it can be read on whatever lies below; left out where it has no room. */
function writeNumber(context, words, left, right, y, look) {
  context.font = `bold ${1.1875 * look.rem}px ${look.sans}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  if (context.measureText(words).width > right - left) return;
  const x = (left + right) / 2;
  [context.strokeStyle, context.lineWidth, context.lineJoin] = [look.paper, 0.3 * look.rem, "round"];
  context.strokeText(words, x, y);
  context.fillStyle = look.accent;
  context.fillText(words, x, y);
}

/**
 * All throws that were counted, piled up against the strip where they fell, and above them how many they are.
 * @param {CanvasRenderingContext2D} context
 * @param {Shaft} shaft
 * @param {import("./draws.js").Draws} draws
 */
export function paintPile(context, { left, right, top, bottom, look }, { pile, total, goal }) {
  const [high, room] = [(bottom - top) / BINS, 0.45 * (right - left)];
  context.fillStyle = look.accent;
  context.globalAlpha = 0.55;
  pile.forEach((count, bin) => {
    const width = Math.min(right - left, (count * BINS * room) / goal);
    context.fillRect(right - width, top + bin * high, width, Math.max(1, high - 1));
  });
  context.globalAlpha = 1;
  context.font = `bold ${look.rem}px ${look.sans}`;
  context.textAlign = "right";
  context.textBaseline = "alphabetic";
  if (context.measureText(number(total)).width <= right - left) context.fillText(number(total), right, top - 0.15 * look.rem);
}

/**
 * Those of many throws that are in the air: all fall within the time, one after the other.
 * @param {CanvasRenderingContext2D} context
 * @param {Shaft} shaft
 * @param {{die: number}[]} throws
 * @param {number} share of the time that has passed
 */
export function paintDrops(context, { left, right, top, bottom, look }, throws, share) {
  const [landed, begun] = [landedOf(throws, share), Math.floor((throws.length * share) / (1 - DROP_SHARE))];
  const every = Math.max(1, Math.ceil((begun - landed) / MOST_DROPS));
  context.fillStyle = look.accent;
  for (let i = landed; i < Math.min(begun, throws.length); i += every) {
    const since = share - (i / throws.length) * (1 - DROP_SHARE);
    const x = left + (right - left) * (0.1 + 0.8 * ((i * 0.618) % 1)); // side by side, as rain is
    const y = top + throws[i].die * (bottom - top) * fallen(since / DROP_SHARE);
    context.beginPath();
    context.arc(x, y, 0.2 * look.rem, 0, 2 * Math.PI);
    context.fill();
  }
}

/** How many of the throws have landed. @param {{length: number}} throws @param {number} share */
export function landedOf(throws, share) {
  return Math.round(throws.length * Math.min(1, Math.max(0, (share - DROP_SHARE) / (1 - DROP_SHARE))));
}
