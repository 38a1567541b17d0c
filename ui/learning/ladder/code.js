// The code of a rung as a listing: the lines that it adds are marked.
import { make, plural } from "../../shared/dom.js";

/** @param {import("./ladder.js").Rung} rung */
export function createCode({ title, file, lines }) {
  const figure = make("figure", "ladder-code");
  const added = lines.filter(({ is_new }) => is_new).length;
  const caption = make("figcaption", "", `${file}, ${plural(added, "new line")} marked`);
  const box = make("div", "ladder-listing");
  box.tabIndex = 0; // it scrolls
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", `Code of ${title}`);
  const listing = make("pre");
  for (const [i, { number, text, is_new }] of lines.entries()) {
    const line = make(is_new ? "ins" : "span", "ladder-line", `${text}\n`);
    line.dataset.number = String(number);
    line.classList.toggle("ladder-gap", i > 0 && number !== lines[i - 1].number + 1); // lines of the file are left out before it
    listing.append(line);
  }
  box.append(listing);
  figure.append(caption, box);
  return figure;
}
