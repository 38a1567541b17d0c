// The lens as files: what is shown as a picture, and the whole text as a table.
import { toCSV } from "../../shared/csv.js";
import { nameOf, signOf } from "../../shared/dom.js";
import { colourOf } from "../../shared/heat_map.js";
import { download, palette, savePicture } from "../../shared/paint.js";
import { nameOfRow } from "./data.js";

const CELL = 30; // pixels of the page
const LABELS = 130;

export function saveLensPicture(lens, bet, { first, count }) {
  const { n_rows, capture } = lens;
  const [width, height] = [LABELS + (count + 1) * CELL, (n_rows + 3) * CELL];
  savePicture("layer-by-layer.png", width, height, (context) => {
    const colours = palette();
    const write = (text, column, line) => context.fillText(text, LABELS + (column + 0.5) * CELL, (line + 1) * CELL);
    context.textBaseline = "middle";
    context.font = `15px ${colours.sans || "sans-serif"}`;
    context.fillStyle = colours.inkSoft;
    ["after", ...Array.from({ length: n_rows }, (_, row) => nameOfRow(row)), "came"].forEach((name, line) => context.fillText(name, 10, (line + 1) * CELL));
    context.textAlign = "center";
    context.font = `18px ${colours.mono || "monospace"}`;
    for (let column = 0; column < count; column++) {
      const { characters } = capture;
      context.fillStyle = colours.ink;
      write(signOf(characters[first + column]), column, 0);
      write(signOf(characters[first + column + 1] ?? " "), column, n_rows + 1);
      for (let row = 0; row < n_rows; row++) paintCell(context, bet(row, first + column), LABELS + column * CELL, (row + 1.5) * CELL, colours);
    }
  });
}

function paintCell(context, { char, p, right }, x, y, { ink, paper }) {
  context.fillStyle = colourOf(p);
  context.fillRect(x, y, CELL - 1, CELL - 1);
  context.fillStyle = p > 0.4 ? paper : ink;
  context.fillText(signOf(char), x + CELL / 2, y + CELL / 2);
  if (right) context.fillRect(x + 5, y + CELL - 6, CELL - 11, 2);
}

// A line for each layer at each character; characters are counted from 1 in the whole text, as on screen.
export function saveLensTable(lens) {
  const { capture } = lens;
  const { characters, n, model } = capture;
  const rows = [];
  for (let row = 0; row < lens.n_rows; row++) {
    for (let at = 0; at < n; at++) {
      const { id, p } = lens.bet(row, at);
      const came = characters[at + 1];
      const own = came === undefined ? undefined : model.idOf(came);
      const of = own === undefined ? ["", "", ""] : [nameOf(came), lens.probabilities(row, at)[own], lens.rank(row, at, own)];
      rows.push([nameOfRow(row), capture.place(at), nameOf(characters[at]), nameOf(model.vocabulary[id]), p, ...of, model.name]);
    }
  }
  const head = ["layer", "at", "after", "bet", "probability_of_bet", "came", "probability_of_came", "rank_of_came", "model"];
  download("layer-by-layer.csv", new Blob([toCSV(head, rows)], { type: "text/csv" }));
}
