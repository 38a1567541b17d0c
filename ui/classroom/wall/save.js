// A round as files.
import { toCSV } from "../../shared/csv.js";
import { inFull, plural, readable, endOf } from "../../shared/dom.js";
import { download, palette, savePicture } from "../../shared/paint.js";
import { saveTrees as saveTreePicture } from "../../shared/tree_picture.js";
import { layTiles, PAD, shownText } from "./mosaic.js";

/** @typedef {import("./stage.js").Stage} Stage */

const NOTHING = "No texts yet.";
const [WIDTH, HEIGHT, REM, EDGE, HEAD] = [1600, 900, 18, 32, 48];
const LINE = 1.3; // of a text, by the size of its letters

/** What names a round in files and titles. @param {import("../../shared/classroom.js").Round} round */
const titleOf = (round) => `Round ${round.number}: “${readable(endOf(round.prompt, 40))}”, ${inFull(round)}`;

/** @param {Stage[]} stages */
const numbersOf = (stages) => stages.map(({ round }) => round.number).join("-");

/** @param {Stage[]} stages those with texts */
function some(stages) {
  const full = stages.filter(({ texts }) => texts.length);
  if (!full.length) throw new Error(NOTHING);
  return full;
}

/** @param {Stage[]} stages */
export function saveJSON(stages) {
  const rounds = some(stages).map(({ round, texts }) => {
    const { number, prompt, temperature, length, top_k, top_p, seed, model, model_name } = round;
    return { round: number, prompt, temperature, length, top_k, top_p, seed, model: { key: model, name: model_name }, texts };
  });
  download("soliloquy-class.json", new Blob([JSON.stringify({ rounds }, null, 1)], { type: "application/json" }));
}

/** @param {Stage[]} stages */
export function saveCSV(stages) {
  const head = ["round", "sample", "name", "text", "prompt", "temperature", "length", "top_k", "top_p", "seed", "model"];
  const rows = some(stages).flatMap(({ round, texts }) =>
    texts.map(({ sample, text, name }) => [round.number, sample, name, text, round.prompt, round.temperature, round.length, round.top_k, round.top_p, round.seed, round.model_name]),
  );
  download("soliloquy-class.csv", new Blob([toCSV(head, rows)], { type: "text/csv" }));
}

/** @param {Stage[]} stages */
export function saveTrees(stages) {
  const full = some(stages);
  const trees = full.map((stage) => {
    const { model, round } = stage;
    const rank = (code) => model?.idOf(String.fromCodePoint(code)) ?? code;
    return { title: `${titleOf(round)}, ${plural(stage.texts.length, "text")}`, samples: stage.samples(), rank };
  });
  saveTreePicture(`soliloquy-class-tree-${numbersOf(full)}.png`, trees);
}

/** @param {Stage[]} stages */
export function saveMosaics(stages) {
  const full = some(stages);
  const look = palette();
  savePicture(`soliloquy-class-${numbersOf(full)}.png`, full.length * (WIDTH + EDGE) + EDGE, HEIGHT + 2 * EDGE + HEAD, (context) => {
    for (const { round, texts } of full) {
      context.fillStyle = look.ink;
      context.font = `600 24px ${look.serif}`;
      context.fillText(`${titleOf(round)}, ${plural(texts.length, "text")}`, EDGE, EDGE + 20);
      const newest = texts.toReversed();
      const words = newest.map(({ text, name }) => (name ? `${name}\n` : "") + shownText(text));
      context.save();
      context.translate(EDGE, EDGE + HEAD);
      layTiles(words, WIDTH, HEIGHT, REM).forEach((tile, i) => drawTile(context, look, tile, newest[i]));
      context.restore();
      context.translate(WIDTH + EDGE, 0);
    }
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {ReturnType<typeof palette>} look
 * @param {import("./mosaic.js").Tile} tile
 * @param {import("../../shared/classroom.js").ClassText} text
 */
function drawTile(context, look, { x, y, width, height, font }, { text, name }) {
  const pad = PAD * font;
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.fillStyle = look.sheet;
  context.fillRect(x, y, width, height);
  let line = y + pad + 0.9 * font;
  if (name) {
    context.fillStyle = look.accent;
    context.font = `600 ${0.7 * font}px ${look.sans}`;
    context.fillText(name, x + pad, line);
    line += LINE * font;
  }
  context.fillStyle = look.ink;
  context.font = `${font}px ${look.serif}`;
  for (const words of linesOf(context, shownText(text), width - 2 * pad)) {
    if (line > y + height) break;
    context.fillText(words, x + pad, line);
    line += LINE * font;
  }
  context.restore();
}

/** Breaks a text at spaces, and words that are too long anywhere. @param {CanvasRenderingContext2D} context @param {string} text @param {number} room */
function* linesOf(context, text, room) {
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(/(?<= )/)) {
      if (line && context.measureText(line + word.trimEnd()).width > room) {
        yield line;
        line = "";
      }
      line += word;
      while (context.measureText(line.trimEnd()).width > room && [...line].length > 1) {
        let fitting = [...line];
        while (fitting.length > 1 && context.measureText(fitting.join("")).width > room) fitting = fitting.slice(0, -1);
        yield fitting.join("");
        line = line.slice(fitting.join("").length);
      }
    }
    yield line;
  }
}
