// Strip and bars as one picture. The strip is [0, 1) from top to bottom, in vocabulary order, which the die hits; each of the likeliest characters
// has a bar, joined with its segment.
import { edges } from "../../shared/distribution.js";
import { seenHeight, signOf } from "../../shared/dom.js";
import { ENOUGH } from "./draws.js";
import { paintDie, paintDrops, paintPile } from "./falling.js";
import { OTHERS, paintBar, paintOthers } from "./rows.js";

const [MOST_ROWS, FEW_ROWS, LEAST_ROWS] = [10, 6, 2];
const [LEAST_PITCH, PITCH, MOST_PITCH] = [1.25, 1.9, 2.75]; // rem from bar to bar
const MARGIN = 0.9; // rem above and below the strip, for half a die
const BELOW = 2.25; // rem, for a line of words below the picture
// How much each part takes across, in rem: where the die falls, the strip that it hits, what joins it with the characters, and the numbers.
const ROOMS = [
  { from: 34, shaft: 4.75, strip: 2.25, joint: 4, char: 2.25, figures: 4.5, counts: 4 },
  { from: 17, shaft: 4.75, strip: 2.25, joint: 1.75, char: 1.75, figures: 4.25, counts: 0 },
  { from: 0, shaft: 1.75, strip: 1.75, joint: 1, char: 1.5, figures: 3.75, counts: 0 },
];

const heightOfRows = (rows, pitch) => 2 * MARGIN + (rows + 1) * pitch;

// Where the window ends, or the buttons that lie over its lower edge begin.
function floorOf() {
  const actions = document.getElementById("actions");
  const outside = document.fullscreenElement && !document.fullscreenElement.contains(actions);
  if (!actions || outside || getComputedStyle(actions).position !== "fixed") return seenHeight();
  return Math.min(seenHeight(), actions.getBoundingClientRect().top);
}

// As high as there is room in the window, within bounds; where text is large, the line below gives way. A window that is held upright is scrolled anyway.
function heightOf(shown, width, { rem }, node) {
  const scrolled = document.fullscreenElement?.scrollTop ?? scrollY;
  const left = (floorOf() - scrolled - node.getBoundingClientRect().top) / rem;
  const room = Math.max(left - BELOW, Math.min(left, heightOfRows(FEW_ROWS, LEAST_PITCH)));
  const least = innerHeight > innerWidth ? heightOfRows(MOST_ROWS, PITCH) : heightOfRows(LEAST_ROWS, LEAST_PITCH);
  return Math.floor(Math.min(heightOfRows(MOST_ROWS, MOST_PITCH), Math.max(least, room)) * rem);
}

// The characters with a bar of their own, from top to bottom: the likeliest, and the one that was hit.
function barsOf({ order, hit, byAlphabet }, { height, look }) {
  const fitting = Math.floor((height / look.rem - 2 * MARGIN) / LEAST_PITCH + 0.1) - 1;
  const ids = order.slice(0, Math.max(LEAST_ROWS, Math.min(MOST_ROWS, fitting)));
  if (hit !== undefined && !ids.includes(hit)) ids.splice(-1, 1, hit);
  return byAlphabet ? ids.toSorted((a, b) => a - b) : ids;
}

// Where everything is, in pixels.
function layOut(shown, room) {
  const { width, height, look } = room;
  const ids = barsOf(shown, room);
  const parts = ROOMS.find(({ from }) => width >= from * look.rem);
  const strip = parts.shaft * look.rem;
  const joint = strip + parts.strip * look.rem;
  const char = joint + parts.joint * look.rem;
  const bars = char + parts.char * look.rem;
  const [top, bottom] = [MARGIN * look.rem, height - MARGIN * look.rem];
  const pitch = (bottom - top) / (ids.length + 1);
  const end = width - (parts.figures + parts.counts) * look.rem;
  return { ids, strip, joint, char, bars, end, width, top, bottom, pitch, hasCounts: parts.counts > 0 };
}

function idAt(shown, room, x, y) {
  const { ids, strip, joint, top, bottom, pitch } = layOut(shown, room);
  if (x < strip) return null;
  if (x < joint) {
    const at = (y - top) / (bottom - top);
    const id = edges(shown.probabilities).findIndex((end) => at < end);
    return at < 0 || id < 0 ? null : id;
  }
  return ids[Math.max(0, Math.floor((y - top) / pitch))] ?? (ids.length < shown.vocabulary.length ? OTHERS : null);
}

function idsOf(shown, room) {
  const ids = barsOf(shown, room);
  return ids.length < shown.vocabulary.length ? [...ids, OTHERS] : ids;
}

/** Where a character's bar begins, on the canvas. */
export function placeOfBar(shown, room, id) {
  const { ids, char, bars, top, pitch } = layOut(shown, room);
  return { x: (char + bars) / 2, y: top + (Math.max(0, ids.indexOf(id)) + 0.5) * pitch };
}

/**
 * Draws on any canvas.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./chart.js").Room} room
 * @param {any} shown the view's state; `die`: what it shows, `fall`: how far it has fallen, from 0 to 1; `rain`: many throws on their way
 */
function paint(context, room, shown) {
  const { look } = room;
  const place = layOut(shown, room);
  const { draws, die, fall, rain } = shown;
  const ends = edges(shown.probabilities);
  const most = Math.max(...place.ids.map((id) => Math.max(shown.probabilities[id], shown.raw[id])));
  const scale = (place.end - place.bars) / most;
  place.ids.forEach((id, row) => paintJoint(context, place, ends, id, row, shown, look));
  paintStrip(context, place, ends, shown, look);
  place.ids.forEach((id, row) => paintBar(context, place, scale, id, row, shown, look));
  paintOthers(context, place, shown, look);
  const shaft = { left: 0, right: place.strip, top: place.top, bottom: place.bottom, look };
  if (draws.goal >= ENOUGH && die === undefined) paintPile(context, shaft, draws);
  if (rain) paintDrops(context, shaft, rain.throws, rain.share);
  if (die === undefined) return;
  paintDie(context, shaft, die, fall);
  if (fall < 1) return;
  context.fillStyle = look.paper; // a needle goes through what it hit
  context.fillRect(place.strip, place.top + die * (place.bottom - place.top) - 1, place.joint - place.strip, 2);
}

const segment = ({ top, bottom }, ends, id) => [top + (id ? ends[id - 1] : 0) * (bottom - top), top + ends[id] * (bottom - top)];

// From the segment of a character to its bar.
function paintJoint(context, place, ends, id, row, { hit, pointed, probabilities }, look) {
  if (!probabilities[id]) return;
  const { joint, char, top, pitch } = place;
  const [from, to] = segment(place, ends, id);
  const [above, below] = [top + (row + 0.18) * pitch, top + (row + 0.82) * pitch];
  const middle = (joint + char) / 2;
  context.beginPath();
  context.moveTo(joint, from);
  context.bezierCurveTo(middle, from, middle, above, char, above);
  context.lineTo(char, below);
  context.bezierCurveTo(middle, below, middle, to, joint, to);
  context.globalAlpha = id === hit ? 0.45 : id === pointed ? 0.35 : 0.65;
  context.fillStyle = id === hit ? look.accent : id === pointed ? look.inkSoft : look.rule;
  context.fill();
  context.globalAlpha = 1;
}

function paintStrip(context, place, ends, { vocabulary, probabilities, hit, pointed }, look) {
  const { strip, joint, top, bottom, ids } = place;
  const size = 1.125 * look.rem;
  context.font = `bold ${size}px ${look.mono || "monospace"}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = look.sheet;
  context.fillRect(strip, top, joint - strip, bottom - top);
  vocabulary.forEach((char, id) => {
    if (!probabilities[id]) return;
    const [from, to] = segment(place, ends, id);
    const isPointed = id === pointed || (pointed === OTHERS && !ids.includes(id));
    context.fillStyle = id === hit ? look.accent : isPointed ? look.ruleStrong : ids.includes(id) ? look.rule : look.sheet;
    context.fillRect(strip, from, joint - strip, id === hit ? Math.max(2, to - from) : to - from);
    if (to - from < size) return;
    context.fillStyle = id === hit || isPointed ? look.paper : look.ink;
    context.fillText(signOf(char), (strip + joint) / 2, (from + to) / 2);
  });
  context.fillStyle = look.ruleStrong;
  for (const id of vocabulary.keys()) {
    const [from, to] = segment(place, ends, id);
    if (to - from > 2) for (const edge of [from, to]) context.fillRect(strip, Math.round(edge) - 0.5, joint - strip, 1);
  }
  context.strokeStyle = look.ruleStrong;
  context.lineWidth = 1;
  context.strokeRect(strip + 0.5, top + 0.5, joint - strip - 1, bottom - top - 1);
}

export const picture = { heightOf, idsOf, idAt, paint };
