// One chunk opened: it holds as many examples as it has characters, each with one character more to go by.
import { make, plural, signOf } from "../../shared/dom.js";
import { hasMoved } from "./pointer.js";

const MOST = 12; // characters of an input that are shown, and numbers: its end

/**
 * @param {HTMLElement} place
 * @param {(at: number | null) => void} point
 */
export function createExamples(place, point) {
  const title = make("h3", "data-title");
  const table = make("table", "examples-table");
  const head = make("tr");
  for (const [words, span] of [["when the input is", 2], ["the target is", 2]]) {
    const cell = Object.assign(make("th", "", String(words)), { colSpan: span, scope: "col" });
    head.append(cell);
  }
  const body = make("tbody");
  const frame = make("div", "examples-frame");
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "The examples of the opened row");
  const header = make("thead");
  header.append(head);
  table.append(header, body);
  frame.append(table);
  place.append(title, frame);
  const atOf = ({ target }) => /** @type {Element} */ (target).closest("tbody tr");
  body.addEventListener("pointermove", (event) => hasMoved() && point([...body.children].indexOf(atOf(event))));
  body.addEventListener("pointerleave", () => point(null));
  return {
    /** @param {{row: number, chars: string[], x: number[], y: number[]}} chunk */
    show({ row, chars, x, y }) {
      title.replaceChildren("Row ", String(row + 1), ` holds ${plural(x.length, "example")}`);
      body.replaceChildren(...y.map((target, i) => line(chars.slice(0, i + 1), x.slice(0, i + 1), chars[i + 1], target)));
    },
    /** @param {number | null} at */
    mark(at) {
      body.querySelector(".here")?.classList.remove("here");
      body.children[at ?? -1]?.classList.add("here");
    },
  };
}

/** @param {string[]} chars @param {number[]} ids */
function line(chars, ids, target, targetId) {
  const node = make("tr");
  const cut = chars.length > MOST ? "…" : "";
  node.append(
    make("td", "examples-text", cut + chars.slice(-MOST).map(signOf).join("")),
    make("td", "examples-ids", [...(cut ? [cut] : []), ...ids.slice(-MOST)].join(" ")),
    make("td", "examples-target", signOf(target)),
    make("td", "examples-target-id", String(targetId)),
  );
  return node;
}
