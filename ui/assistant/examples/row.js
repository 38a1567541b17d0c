// One example as the network reads it: each character above the one that should come next, and which of those the loss counts.
import { make, signOf } from "../../shared/dom.js";

export function createRow() {
  const node = make("div", "examples-row");
  const [labels, cells] = [make("div", "examples-row-labels"), make("div", "examples-cells")];
  labels.append(make("span", "", "reads"), make("span", "", "learns"));
  node.append(labels, cells);
  return {
    node,
    /** @param {import("./examples.js").Example} example */
    show({ row, is_read: read }) {
      const chars = [...row];
      cells.setAttribute("role", "img");
      cells.setAttribute("aria-label", `${chars.length} characters. The first ${read} are only read; the loss counts the other ${chars.length - read}, the stop sign among them.`);
      cells.replaceChildren(...chars.slice(0, -1).map((char, i) => cellOf(char, i + 1 >= read ? chars[i + 1] : "")));
    },
  };
}

/** @param {string} read @param {string} learned the next character, "" where the loss does not count it */
function cellOf(read, learned) {
  const cell = make("span", "examples-cell");
  cell.append(make("span", "examples-read", signOf(read)), make("span", learned ? "examples-learned" : "examples-uncounted", learned ? signOf(learned) : "·"));
  return cell;
}
