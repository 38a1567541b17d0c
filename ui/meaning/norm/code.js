// The lines that run a block, from the file that runs.
import { make } from "../../shared/dom.js";

const NORM = /(self\.ln_[12])/;

/** { node, show(norm) } */
export function createCode() {
  const node = make("figure", "norm-code");
  const [caption, listing] = [make("figcaption"), make("pre")];
  listing.tabIndex = 0; // it scrolls where it has no room
  listing.setAttribute("role", "group");
  node.append(caption, listing);
  return {
    node,
    /** @param {import("./runs.js").Norm} norm */
    show({ title, file, lines }) {
      caption.textContent = `${file}; attn and mlp add to the stream, x`;
      listing.setAttribute("aria-label", `Code of ${title}`);
      const indent = Math.min(...lines.filter(({ text }) => text.trim()).map(({ text }) => text.search(/\S/)));
      listing.replaceChildren(...lines.flatMap(({ text }) => lineOf(text.slice(indent))));
    },
  };
}

/** A line, its norms marked. @param {string} text */
function lineOf(text) {
  const parts = text.split(NORM);
  return [...parts.map((part) => (NORM.test(part) ? make("mark", "", part) : part)), "\n"];
}
