// The comparison as files: for each character the probability that it had with all heads and without some.
import { nameOf } from "../../shared/dom.js";
import { download } from "../../shared/paint.js";
import { changes } from "./text.js";
import { quote } from "../lens/save.js";

export function saveComparison(look, both, kind, written = null) {
  const { text, precision, heads_off, loss } = both.after.capture;
  const harder = changes(both, look.idOf);
  const characters = both.after.capture.characters.map((char, i) => {
    const of = (lens) => (i ? lens.answer(i - 1)[look.idOf(char)] : null);
    return { char, probability: of(both.before), probability_without: of(both.after), harder_by_bits: harder[i] };
  });
  if (kind === "csv") {
    const lines = characters.map((entry, i) => {
      const { char, probability, probability_without, harder_by_bits } = entry;
      return [both.after.capture.place(i), quote(nameOf(char)), probability ?? "", probability_without ?? "", harder_by_bits ?? ""].join(",");
    });
    const head = "at,character,probability,probability_without,harder_by_bits";
    download("heads-off.csv", new Blob([`${[head, ...lines].join("\n")}\n`], { type: "text/csv" }));
    return;
  }
  const told = { model: look.page, precision, text, heads_off, loss: both.before.capture.loss, loss_without: loss, characters, written };
  download("heads-off.json", new Blob([JSON.stringify(told, null, 1)], { type: "application/json" }));
}
