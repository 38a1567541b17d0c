// The downloads: the losses, the texts, and the staircase as a picture.
import { toCSV } from "../../shared/csv.js";
import { download, palette, savePicture } from "../../shared/paint.js";

/** @typedef {import("./ladder.js").Ladder} Ladder */

const [LABELS, BARS, NUMBERS] = [15, 28, 9]; // rem, side by side
const ROW = 2; // rem

/** @param {Ladder} ladder */
export function saveLosses({ rungs }) {
  const rows = rungs.map(({ title, n_params, context, val_loss, lecture_loss, note, key }) => [title, n_params, context, val_loss, lecture_loss, note, key]);
  download("ladder-losses.csv", new Blob([toCSV(["rung", "parameters", "context", "validation_loss", "lecture_loss", "note", "model"], rows)], { type: "text/csv" }));
}

/** @param {Ladder} ladder @param {import("../../shared/texts.js").Throw} dice */
export function saveTexts(ladder, { prompt, temperature, seed }) {
  const head = `prompt: ${JSON.stringify(prompt)}, temperature ${temperature}, seed ${seed}`;
  const texts = ladder.rungs.map((rung) => `## ${rung.title}\n\n${ladder.pieceOf(rung).prompt}${ladder.pieceOf(rung).text}`);
  download("ladder-texts.txt", new Blob([`${[head, ...texts].join("\n\n")}\n`], { type: "text/plain" }));
}

/** @param {Ladder} ladder @param {import("../../shared/texts.js").Throw} dice */
export function saveTextsAsJSON(ladder, dice) {
  const rungs = ladder.rungs.map((rung) => {
    const { id, title, key, n_params, val_loss } = rung;
    const { prompt, text, isDone } = ladder.pieceOf(rung);
    return { id, title, model: key, n_params, val_loss, prompt, text, complete: isDone };
  });
  download("ladder-texts.json", new Blob([JSON.stringify({ ...dice, rungs }, null, 2)], { type: "application/json" }));
}

/** @param {Ladder} ladder @param {number} uniform the loss of guessing */
export function savePictureOf({ rungs }, uniform) {
  const look = palette();
  const { rem, ink, inkSoft, accent, sans } = look;
  const bars = [{ title: "Guessing", val_loss: uniform, lecture_loss: null }, ...rungs];
  savePicture("ladder.png", (LABELS + BARS + NUMBERS) * rem, (bars.length + 2.5) * ROW * rem, (context) => {
    const at = (loss) => (LABELS + (BARS * loss) / uniform) * rem;
    const write = (words, x, row, colour, weight = 400) => {
      Object.assign(context, { fillStyle: colour, font: `${weight} ${rem}px ${sans}`, textBaseline: "middle" });
      context.fillText(words, x, (row + 1) * ROW * rem);
    };
    bars.forEach(({ title, val_loss, lecture_loss }, row) => {
      const middle = (row + 1) * ROW * rem;
      write(title, rem, row, ink);
      context.fillStyle = row === bars.length - 1 ? accent : inkSoft;
      if (val_loss) context.fillRect(at(0), middle - 0.5 * rem, at(val_loss) - at(0), rem);
      context.fillStyle = ink;
      if (lecture_loss) context.fillRect(at(lecture_loss) - 0.1 * rem, middle - 0.8 * rem, 0.2 * rem, 1.6 * rem);
      write(val_loss?.toFixed(3) ?? "–", at(uniform) + rem, row, ink, 600);
      if (lecture_loss) write(`(${lecture_loss})`, at(uniform) + 4.5 * rem, row, inkSoft);
    });
    write("Validation loss, nats per character; mark and brackets: the lecture's figure", rem, bars.length + 0.25, inkSoft);
  });
}
