// All lines on a map: near lines have similar embeddings. The sentence and its nearest lines are marked; a pointer or the arrow keys read any line.
import { make } from "../../shared/dom.js";
import { fit, onLook, palette } from "../../shared/paint.js";
import { COLOURS } from "./state.js";

const EDGE = 0.75; // rem around the points
const DOT = 0.11; // rem: radius of a line's point
const NEAR = 0.27; // ... of one of the nearest
const SENTENCE = 0.42;
const REACH = 1.25; // rem between a pointer and the line that it reads, at most
const PLAIN = 0.5; // opacity of a point
const FAINT = 0.14; // ... of those out of the group that is chosen
const DIRECTIONS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

/** @typedef {import("./state.js").Neighbours} Neighbours */

/** { node, paint(context, width, height), size } @param {Neighbours} state */
export function createMap(state) {
  const node = make("div", "neighbours-map");
  Object.assign(node, { tabIndex: 0, role: "application", ariaLabel: "Map of the lines of the plays", ariaDescription: "Arrow keys go from line to line. Enter looks for its neighbours." });
  node.dataset.testid = "neighbours-map";
  const [points, marks] = [make("canvas"), make("canvas", "neighbours-marks")];
  node.append(points, marks);

  /** The room of the map, where it has one and the lines are here. */
  function room() {
    const [width, height] = [node.clientWidth, node.clientHeight];
    return width && height && state.about?.lines ? places(width, height, state.about.lines, palette()) : null;
  }

  function draw() {
    const { lines } = state.about ?? {};
    node.dataset.points = String(lines?.x.length ?? 0);
    const here = room();
    if (here) paintPoints(fit(points, here.width, here.height), here, state);
    drawMarks();
  }

  function drawMarks() {
    const here = room();
    if (here) paintMarks(fit(marks, here.width, here.height), here, state);
  }

  /** The line at a place of the map, if there is one within reach. @param {MouseEvent} event */
  function lineAt({ clientX, clientY }) {
    const here = room();
    if (!here) return -1;
    const { left, top } = node.getBoundingClientRect();
    const [line, distance] = nearestTo(here, clientX - left, clientY - top);
    return distance <= REACH * here.rem ? line : -1;
  }

  node.addEventListener("pointermove", (event) => event.pointerType === "mouse" && state.point(lineAt(event)));
  node.addEventListener("click", (event) => {
    const line = lineAt(event);
    if (line >= 0 && line === state.pointed) void state.askFor(line); // a mouse has pointed at it before; a finger taps once more
    else state.point(line);
  });
  node.addEventListener("keydown", (event) => {
    const direction = DIRECTIONS[event.key];
    const here = room();
    if (!here || (!direction && event.key !== "Enter")) return;
    event.preventDefault();
    if (direction) state.point(lineTowards(here, state, direction));
    else if (state.pointed >= 0) void state.askFor(state.pointed);
  });
  for (const event of ["about", "groups"]) state.addEventListener(event, draw);
  for (const event of ["answer", "pointed"]) state.addEventListener(event, drawMarks);
  new ResizeObserver(draw).observe(node);
  onLook(draw);
  return {
    node,
    /** As a picture. @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
    paint(context, width, height) {
      const here = places(width, height, state.about.lines, palette());
      paintPoints(context, here, state);
      paintMarks(context, here, state);
    },
    get size() {
      return /** @type {[number, number]} */ ([node.clientWidth, node.clientHeight]);
    },
  };
}

/** @typedef {{width: number, height: number, rem: number, n: number, x: (i: number) => number, y: (i: number) => number, toX: (x: number) => number, toY: (y: number) => number}} Places */

/** Where the lines are on a canvas. @param {number} width @param {number} height @param {import("./data.js").Lines} lines @param {{rem: number}} look @returns {Places} */
function places(width, height, lines, { rem }) {
  const edge = EDGE * rem;
  const toX = (x) => edge + ((x + 1) / 2) * (width - 2 * edge);
  const toY = (y) => edge + ((1 - y) / 2) * (height - 2 * edge);
  return { width, height, rem, n: lines.x.length, x: (i) => toX(lines.x[i]), y: (i) => toY(lines.y[i]), toX, toY };
}

/** The line that is nearest to a place, and how far away it is. @param {Places} places @param {number} x @param {number} y */
export function nearestTo(places, x, y) {
  let [line, least] = [-1, Infinity];
  for (let i = 0; i < places.n; i++) {
    const distance = Math.hypot(places.x(i) - x, places.y(i) - y);
    if (distance < least) [line, least] = [i, distance];
  }
  return [line, least];
}

/** The nearest line in a direction from the one that is read, or from the sentence. @param {Places} here @param {Neighbours} state @param {number[]} direction */
function lineTowards(here, { pointed, answer }, [right, down]) {
  const from = pointed >= 0 ? [here.x(pointed), here.y(pointed)] : answer ? [here.toX(answer.x), here.toY(answer.y)] : [here.width / 2, here.height / 2];
  let [line, least] = [pointed, Infinity];
  for (let i = 0; i < here.n; i++) {
    const [x, y] = [here.x(i) - from[0], here.y(i) - from[1]];
    const along = x * right + y * down;
    const aside = Math.abs(x * down) + Math.abs(y * right);
    if (along > 0 && aside <= along && along + aside < least) [line, least] = [i, along + aside];
  }
  return line;
}

/** @param {number} place of a group @param {Element} [node] */
export const colourOf = (place, node = document.querySelector(".neighbours")) => getComputedStyle(node).getPropertyValue(`--group-${place % COLOURS}`).trim();

/** @param {CanvasRenderingContext2D} context @param {Places} here @param {Neighbours} state */
function paintPoints(context, here, state) {
  const { groups, group, by, about } = state;
  const placeOf = new Map(groups.map(({ id }, place) => [id, place]));
  /** @type {Map<number, number[]>} the lines of each group, by its place; −1 for those of no group */
  const members = new Map();
  about.lines[by].forEach((id, line) => {
    const place = group && id !== group.id ? -1 : (placeOf.get(id) ?? -1);
    if (!members.has(place)) members.set(place, []);
    members.get(place).push(line);
  });
  const { inkSoft } = palette();
  for (const [place, lines] of [...members].toSorted(([a], [b]) => a - b)) {
    context.fillStyle = place < 0 ? inkSoft : colourOf(place);
    context.globalAlpha = place < 0 ? (group ? FAINT : PLAIN / 2) : group ? 0.9 : PLAIN;
    context.beginPath();
    for (const line of lines) addDot(context, here.x(line), here.y(line), (group && place >= 0 ? 1.4 : 1) * DOT * here.rem);
    context.fill();
  }
  context.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} context @param {Places} here @param {Neighbours} state */
function paintMarks(context, here, { answer, pointed }) {
  const { accent, ink, paper } = palette();
  const { rem } = here;
  if (answer) {
    const [x, y] = [here.toX(answer.x), here.toY(answer.y)];
    paintNear(context, here, [x, y], answer.tfidf ?? [], { colour: ink, dashes: [0.25 * rem, 0.25 * rem], fill: paper });
    paintNear(context, here, [x, y], answer.embedding, { colour: accent, dashes: [], fill: accent });
    context.beginPath();
    addDiamond(context, x, y, SENTENCE * rem);
    Object.assign(context, { fillStyle: accent, strokeStyle: paper, lineWidth: 0.16 * rem });
    context.fill();
    context.stroke();
  }
  if (pointed < 0) return;
  context.beginPath();
  addDot(context, here.x(pointed), here.y(pointed), 1.7 * NEAR * rem);
  Object.assign(context, { strokeStyle: paper, lineWidth: 0.3 * rem });
  context.stroke();
  Object.assign(context, { strokeStyle: ink, lineWidth: 0.14 * rem });
  context.stroke();
}

/** The nearest lines, joined to the sentence. @param {CanvasRenderingContext2D} context @param {Places} here @param {number[]} from @param {import("./data.js").Near[]} found */
function paintNear(context, here, from, found, { colour, dashes, fill }) {
  const { rem } = here;
  Object.assign(context, { strokeStyle: colour, lineWidth: 0.07 * rem, globalAlpha: 0.7 });
  context.setLineDash(dashes);
  context.beginPath();
  for (const { line } of found) {
    context.moveTo(from[0], from[1]);
    context.lineTo(here.x(line), here.y(line));
  }
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
  context.beginPath();
  for (const { line } of found) addDot(context, here.x(line), here.y(line), NEAR * rem);
  Object.assign(context, { fillStyle: fill, lineWidth: 0.1 * rem });
  context.fill();
  context.stroke();
}

function addDot(context, x, y, radius) {
  context.moveTo(x + radius, y);
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

function addDiamond(context, x, y, radius) {
  context.moveTo(x, y - radius);
  for (const [right, down] of [[1, 0], [0, 1], [-1, 0]]) context.lineTo(x + right * radius, y + down * radius);
  context.closePath();
}
