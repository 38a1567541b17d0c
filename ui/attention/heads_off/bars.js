// The next character at the chosen position, with everything on at the left and without some parts at the right: the ten most likely of either.
import { make, nameOf, percent, quoted, signOf } from "../../shared/dom.js";
import { without } from "./parts.js";

const MOST = 10;

/** @param {import("../look.js").Look} look */
export function createBars(look) {
  const node = make("section", "off-bars");
  const title = make("p", "off-bars-title");
  const table = make("table", "off-bars-table");
  const [head, body] = [make("thead"), make("tbody")];
  const [before, after] = [make("th", "", "everything on"), make("th")];
  const heading = make("tr");
  for (const th of [before, after]) Object.assign(th, { scope: "col", colSpan: 2 });
  heading.append(before, make("td"), after);
  head.append(heading);
  table.append(head, body);
  node.append(title, table);
  const rows = Array.from({ length: MOST }, createRow);
  const found = rows.map(({ tr }) => tr);

  return {
    node,
    draw(both) {
      const { capture } = both.after;
      const { vocabulary } = capture.model;
      const at = look.at ?? capture.n - 1;
      const came = capture.characters[at + 1];
      const last = quoted(capture.characters[at]);
      title.textContent = came === undefined ? `Next after ${last}` : `After ${last} came ${quoted(came)}`;
      after.textContent = without(capture.heads_off);
      const [p, q] = [both.before.answer(at), both.after.answer(at)];
      const best = Array.from(p.keys()).toSorted((a, b) => Math.max(p[b], q[b]) - Math.max(p[a], q[a]) || a - b).slice(0, MOST);
      const most = Math.max(p[best[0]], q[best[0]]);
      best.forEach((id, i) => fill(rows[i], vocabulary[id], p[id], q[id], most, vocabulary[id] === came));
      body.replaceChildren(...found.slice(0, best.length));
    },
  };
}

function createRow() {
  /** @type {{tr: HTMLElement, char: HTMLTableCellElement, cells: {number: HTMLElement, bar: HTMLElement}[]}} */
  const row = { tr: make("tr"), char: make("th", "off-bars-char"), cells: [] };
  row.char.scope = "row";
  const side = (name) => {
    const [number, track] = [make("td", "off-bars-number"), make("td", `off-bars-track ${name}`)];
    const bar = track.appendChild(make("span", "off-bars-bar"));
    row.cells.push({ number, bar });
    return [number, track];
  };
  row.tr.append(...side("before"), row.char, ...side("after").toReversed());
  return row;
}

function fill({ tr, char, cells }, name, before, after, most, came) {
  char.textContent = signOf(name);
  [before, after].forEach((p, i) => {
    cells[i].number.textContent = percent(p);
    cells[i].bar.style.width = `${(100 * p) / most}%`;
  });
  tr.classList.toggle("came", came);
  tr.title = `${nameOf(name)}: ${percent(before)} with everything on, ${percent(after)} without${came ? "; it came next" : ""}`;
}
