// A head as files: a picture of the whole map or of the lines as they are shown, and a table of the exact weights.
import { toCSV } from "../../shared/csv.js";
import { nameOf } from "../../shared/dom.js";
import { AVERAGE } from "../../shared/head_chooser.js";
import { download, palette, savePicture } from "../../shared/paint.js";
import { nameOfHead, placeOf } from "./data.js";
import { paintCells } from "./map.js";

const WIDTH = 1000; // pixels of the page, for the map
const LEAST_WIDTH = 480; // for the title
const CELL = { least: 4, most: 32 };
const [HEAD, LINE] = [3, 1.35]; // rem, for the title and for each line below it

const fileName = ({ layer, head }, end) => `head-${layer}.${head === AVERAGE ? "average" : head}.${end}`;

export function saveMap(look, picture, does) {
  const { capture, head } = look;
  const cell = Math.max(CELL.least, Math.min(CELL.most, Math.floor(WIDTH / capture.n)));
  const left = Math.max(2 * CELL.least, 1.5 * cell);
  const room = { rows: capture.n, columns: capture.n, cellWidth: cell, cellHeight: cell, left };
  const size = left + cell * capture.n;
  savePage(look, does, Math.max(size, LEAST_WIDTH), size, fileName(head, "png"), (context, colours) => {
    paintCells(context, { capture, picture, cell: null, room, window: { top: 0, first: 0 }, colours });
  });
}

// What `paint` draws, below what it is.
function savePage(look, does, width, height, name, paint) {
  const colours = palette();
  const margin = colours.rem;
  const font = `${colours.rem}px ${colours.sans || "sans-serif"}`;
  const lines = wrap(font, does, width);
  const top = (HEAD + LINE * lines.length) * colours.rem;
  savePicture(name, width + 2 * margin, top + height + margin, (context) => {
    context.fillStyle = colours.ink;
    context.font = `600 ${1.25 * colours.rem}px ${colours.serif}`;
    context.fillText(nameOfHead(look.head), margin, 1.9 * colours.rem);
    context.fillStyle = colours.inkSoft;
    context.font = font;
    lines.forEach((line, i) => context.fillText(line, margin, (3.4 + LINE * i) * colours.rem));
    context.translate(margin, top);
    paint(context, colours);
  });
}

function wrap(font, words, width) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = font;
  const lines = [""];
  for (const word of words.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export const saveLines = (look, does, { width, height }, paint) => savePage(look, does, width, height, fileName(look.head, "png"), paint);

// Each weight on a line of its own; characters are counted from 1 in the whole text, as on screen.
export function saveTable(look, exact) {
  const { capture } = look;
  const names = capture.characters.map(nameOf);
  const rows = [];
  for (let row = 0; row < capture.n; row++) {
    for (let column = 0; column <= row; column++) {
      rows.push([capture.place(row), names[row], capture.place(column), names[column], exact[placeOf(row, column)], capture.model.name]);
    }
  }
  const table = toCSV(["from", "from_character", "to", "to_character", "weight", "model"], rows);
  download(fileName(look.head, "csv"), new Blob([table], { type: "text/csv" }));
}
