// The distribution as a file: the picture of strip and bars, or a table.
import { download, palette, savePicture } from "../../shared/paint.js";
import { toCSV } from "../../shared/csv.js";
import { inFull, nameOf } from "../../shared/dom.js";
import { picture } from "./picture.js";
import { lineEnd } from "./words.js";

const SIZE = [66, 30]; // rem
const HEAD = 4.5; // rem
const SHOWN_CHARS = 48; // of the text's end

export function saveBars(state) {
  const look = palette();
  const [width, height] = SIZE.map((size) => size * look.rem);
  savePicture("next-character.png", width, height, (context) => {
    const margin = look.rem;
    context.fillStyle = look.ink;
    context.font = `600 ${1.25 * look.rem}px ${look.serif}`;
    context.fillText(`After “${lineEnd(state.text, SHOWN_CHARS)}”`, margin, 1.9 * look.rem);
    context.fillStyle = look.inkSoft;
    context.font = `${look.rem}px ${look.sans}`;
    context.fillText(about(state), margin, 3.4 * look.rem);
    context.translate(margin, HEAD * look.rem);
    picture.paint(context, { width: width - 2 * margin, height: height - (HEAD + 1) * look.rem, look }, state);
  });
}

function about({ settings, bits, model }) {
  const choices = `effective number of choices ${(2 ** bits.drawn).toFixed(1)} (before temperature ${bits.raw.toFixed(2)} bits)`;
  return `${model.name}, ${inFull(settings)}: ${bits.drawn.toFixed(2)} bits, ${choices}`;
}

export function saveTable({ model, vocabulary, logits, raw, probabilities, draws }) {
  const rows = vocabulary.map((char, id) => [nameOf(char), id, logits[id], raw[id], probabilities[id], draws.counts[id], model.name]);
  const table = toCSV(["character", "id", "logit", "raw", "sampled", "count", "model"], rows);
  download("next-character.csv", new Blob([table], { type: "text/csv" }));
}
