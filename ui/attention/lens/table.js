// The lens as a table: a row for each layer, a column for each character of a window of the text. It is built for the room that there is.
import { make, signOf } from "../../shared/dom.js";
import { colourOf } from "../../shared/heat_map.js";
import { nameOfRow } from "./data.js";

const CELL_REM = 1.5;
const LABEL_REM = { wide: 8, narrow: 3.25 }; // narrow: as lens.css has it for phones
const NARROW_REM = 40;
const DARK = 0.18; // relative luminance below which white has more contrast than black

// `label(row, at)` puts a cell into words; `point(row, at)` is called where somebody points, with nulls where nobody
// does any more, and `choose(row, at)` where somebody clicks or walks.
export function createLensTable(box, { label, point, choose }) {
  /** @type {HTMLTableElement | null} */
  let table = null;
  /** @type {[HTMLElement[][], HTMLElement[], HTMLElement[]]} */
  let [cells, heads, feet] = [[], [], []];
  let shape = "";
  /** @type {{lens: import("./data.js").Lens, bet: (row: number, at: number) => {char: string, p: number, right: boolean}} | null} what is drawn */
  let known = null;
  let [first, count] = [0, 0];
  let here = null; // the cell that is pointed at: { row, at }

  // As many columns as fit.
  function room(lens) {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const labels = innerWidth < NARROW_REM * rem ? LABEL_REM.narrow : LABEL_REM.wide;
    const fitting = Math.floor((box.clientWidth / rem - labels) / CELL_REM);
    return Math.max(1, Math.min(lens.capture.n, fitting));
  }

  function build(lens, columns) {
    const { n_rows } = lens;
    if (shape === `${n_rows} ${columns}`) return;
    shape = `${n_rows} ${columns}`;
    count = columns;
    table = make("table", "lens-grid");
    table.setAttribute("role", "grid");
    table.setAttribute("aria-label", "What each layer would guess. Arrow keys move from cell to cell.");
    table.tabIndex = 0;
    const places = Array.from({ length: columns }, (_, i) => i);
    const line = (name, short, tag) => {
      const tr = make("tr");
      const head = make("th", "lens-label");
      head.append(make("span", "lens-long", name), make("span", "lens-short", short));
      head.scope = "row";
      const nodes = places.map(() => make(tag));
      tr.append(head, ...nodes);
      return { tr, nodes };
    };
    const [top, bottom] = [line("after", "after", "th"), line("came", "came", "th")];
    const rows = Array.from({ length: n_rows }, (_, row) => line(row === n_rows - 1 ? `layer ${row - 1}: answer` : nameOfRow(row), row ? `${row - 1}` : "emb.", "td"));
    heads = top.nodes;
    feet = bottom.nodes;
    for (const node of heads) node.setAttribute("scope", "col");
    cells = rows.map(({ nodes }, row) =>
      nodes.map((node, column) => {
        Object.assign(node.dataset, { row, column });
        node.id = `lens-${row}-${column}`;
        node.setAttribute("role", "gridcell");
        return node;
      }),
    );
    const body = make("tbody");
    body.append(top.tr, ...rows.map(({ tr }) => tr), bottom.tr);
    table.append(body);
    listen(table);
    const focused = box.contains(document.activeElement);
    box.replaceChildren(table);
    if (focused) table.focus();
  }

  function listen(table) {
    const cellOf = ({ target }) => {
      const cell = /** @type {HTMLElement} */ (target).closest("td");
      return cell && { row: Number(cell.dataset.row), at: first + Number(cell.dataset.column) };
    };
    table.addEventListener("pointermove", (event) => {
      const cell = event.pointerType === "mouse" && cellOf(event);
      if (cell && (cell.row !== here.row || cell.at !== here.at)) point(cell.row, cell.at);
    });
    table.addEventListener("pointerleave", () => point(null, null));
    table.addEventListener("click", (event) => {
      const cell = cellOf(event);
      if (cell) choose(cell.row, cell.at);
    });
    table.addEventListener("keydown", (event) => {
      const { n } = known.lens.capture;
      const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0], Home: [0, -n], End: [0, n] }[event.key];
      if (!step) return;
      event.preventDefault();
      const clamp = (value, most) => Math.min(most, Math.max(0, value));
      choose(clamp(here.row + step[0], known.lens.n_rows - 1), clamp(here.at + step[1], n - 1));
    });
  }

  // The window stays where it is as long as the chosen character is in it.
  function aim(at, n) {
    const before = first;
    if (at < first || at >= first + count) first = at - Math.floor(count / 2);
    first = Math.max(0, Math.min(first, n - count));
    return first !== before;
  }

  function fill() {
    const { lens, bet } = known;
    const { characters } = lens.capture;
    for (let column = 0; column < count; column++) {
      const at = first + column;
      heads[column].textContent = signOf(characters[at]);
      feet[column].textContent = characters[at + 1] === undefined ? "–" : signOf(characters[at + 1]);
      for (const [row, line] of cells.entries()) {
        const { char, p, right } = bet(row, at);
        const cell = line[column];
        const colour = colourOf(p);
        cell.textContent = signOf(char);
        cell.style.background = colour;
        cell.className = `${isDark(colour) ? "lens-light" : ""} ${right ? "lens-right" : ""}`;
        cell.setAttribute("aria-label", label(row, at));
      }
    }
  }

  function mark(at, row) {
    here = { at, row };
    for (const node of table.querySelectorAll(".lens-here")) node.classList.remove("lens-here");
    const column = at - first;
    heads[column].classList.add("lens-here");
    feet[column].classList.add("lens-here");
    cells[row][0].previousElementSibling.classList.add("lens-here");
    cells[row][column].classList.add("lens-here");
    table.setAttribute("aria-activedescendant", cells[row][column].id);
  }

  return {
    isDark,
    draw({ lens, bet, at, row }) {
      if (!box.clientWidth) return;
      known = { lens, bet };
      build(lens, room(lens));
      aim(at, lens.capture.n);
      fill();
      mark(at, row);
    },
    follow(at, row) {
      if (!table) return;
      if (aim(at, known.lens.capture.n)) fill();
      mark(at, row);
    },
    shown: () => ({ first, count }),
  };
}

// Whether white has more contrast than black on a colour.
function isDark(colour) {
  const linear = colour.match(/\d+/g).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < DARK;
}
