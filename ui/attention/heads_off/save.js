// The comparison as files: for each character its probability with all heads and without some.
import { toCSV } from "../../shared/csv.js";
import { nameOf } from "../../shared/dom.js";
import { download } from "../../shared/paint.js";
import { changes } from "./text.js";

export function saveComparison(both, kind, written = null) {
  const { model, text, precision, heads_off, loss } = both.after.capture;
  const harder = changes(both);
  const characters = both.after.capture.characters.map((char, i) => {
    const of = (answers) => (i ? answers.answer(i - 1)[model.idOf(char)] : null);
    return { char, probability: of(both.before), probability_without: of(both.after), harder_by_bits: harder[i] };
  });
  if (kind === "csv") {
    const rows = characters.map(({ char, probability, probability_without, harder_by_bits }, i) => [
      both.after.capture.place(i), nameOf(char), probability, probability_without, harder_by_bits, model.name,
    ]);
    const head = ["at", "character", "probability", "probability_without", "harder_by_bits", "model"];
    download("heads-off.csv", new Blob([toCSV(head, rows)], { type: "text/csv" }));
    return;
  }
  const told = { model: model.about, precision, text, heads_off, loss: both.before.capture.loss, loss_without: loss, characters, written };
  download("heads-off.json", new Blob([JSON.stringify(told, null, 1)], { type: "application/json" }));
}
