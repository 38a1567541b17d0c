// The view "Layer by layer", a logit lens: what each layer would predict if the network ended there, around the chosen character.
import { createCandidates } from "../../shared/candidates.js";
import { AS_LEARNED } from "../../shared/distribution.js";
import { make, nameOf, number, percent, quoted, signOf } from "../../shared/dom.js";
import { colourOf } from "../../shared/heat_map.js";
import { onLook } from "../../shared/paint.js";
import { Latest } from "../../shared/requests.js";
import { againButton } from "../../shared/trouble.js";
import { nameOf as nameOfPart } from "../heads_off/parts.js";
import { createLensChart } from "./chart.js";
import { Lens, nameOfRow } from "./data.js";
import { saveLensPicture, saveLensTable } from "./save.js";
import { createLensTable } from "./table.js";

const SHOWN = 5;
const SCALE = [0, 0.02, 0.1, 0.25, 0.5, 0.75, 1];
const CAPTION =
  "Each row reads the network after one layer as if it were the last: its best guess for the next character. Watch the guesses settle from top " +
  "to bottom, and point at one to see what else was likely.";
const WHAT =
  "The final norm and the output head are applied to the residual stream at that point (“logit lens”). The network was not trained to be read in " +
  "the middle: only the last row is its answer. The embeddings alone mostly name the character just read, because the network uses the same " +
  "vector for it at input and output.";

/** @param {HTMLElement} panel @param {import("../look.js").Look} look @returns {import("../../shared/views.js").View} */
export function createLens(panel, look) {
  const page = build(panel);
  const table = createLensTable(page.table, { label: labelOf, point, choose });
  const candidates = createCandidates();
  const chart = createLensChart((row) => point(row, null));
  page.detail.append(page.title, candidates.node, page.came, chart.node);
  /** @type {Lens | null} */
  let lens = null;
  /** @type {number | null} the row that is pointed at */
  let pointed = null;
  let stale = true;
  const loading = new Latest();

  const at = () => look.at ?? look.capture.n - 1;
  const row = () => Math.min(pointed ?? look.row ?? Infinity, lens.n_rows - 1);

  // What the table's cell says: the bet, and whether it is what came.
  function bet(row, at) {
    const { id, p } = lens.bet(row, at);
    const came = lens.capture.characters[at + 1];
    const char = lens.capture.model.vocabulary[id];
    return { char, p, right: char === came };
  }

  function labelOf(row, at) {
    const { char, p, right } = bet(row, at);
    const { characters } = lens.capture;
    const came = characters[at + 1] === undefined ? "" : right ? ", correct" : `, but ${nameOf(characters[at + 1])} came`;
    return `${nameOfRow(row)}, after ${nameOf(characters[at])} at ${number(lens.capture.place(at))}: ${nameOf(char)}, ${percent(p)}${came}`;
  }

  async function load() {
    const { capture } = look;
    const signal = loading.begin();
    stale = !capture || Boolean(panel.hidden);
    if (stale) return;
    page.trouble.replaceChildren();
    try {
      const loaded = await Lens.of(capture, signal);
      if (signal.aborted) return;
      lens = loaded;
    } catch (error) {
      if (signal.aborted) return;
      lens = null;
      page.trouble.replaceChildren(`${error.message} `, againButton("quiet", () => void look.retry()));
    }
    loading.end(signal);
    page.filled.hidden = !lens;
    if (!lens) return;
    const off = capture.heads_off.map(nameOfPart).join(", ");
    page.off.textContent = off && ` Off: ${off}.`;
    draw();
  }

  function draw() {
    if (!lens || panel.hidden) return;
    table.draw({ lens, bet, at: at(), row: row() });
    explain();
  }

  function follow() {
    if (!lens || panel.hidden || lens.capture !== look.capture) return;
    table.follow(at(), row());
    explain();
  }

  function explain() {
    const here = at();
    const { characters, model } = lens.capture;
    const came = characters[here + 1];
    const last = row() === lens.n_rows - 1;
    const where = last ? "The answer" : row() === 0 ? "Embeddings alone" : `Layer ${row() - 1}`;
    page.title.replaceChildren(make("b", "", where), ", after ", make("b", "lens-sign", signOf(characters[here])), ` at ${number(lens.capture.place(here))}`);
    const id = came === undefined ? lens.bet(lens.n_rows - 1, here).id : model.idOf(came);
    const drawn = came === undefined ? undefined : id;
    candidates.show({ vocabulary: model.vocabulary, logits: lens.logits(row(), here), settings: AS_LEARNED, id: drawn, count: SHOWN });
    const rows = Array.from({ length: lens.n_rows }, (_, row) => lens.probabilities(row, here)[id]);
    const place = `number ${lens.rank(row(), here, id)} of ${lens.capture.vocab_size}`;
    page.came.textContent = `${quoted(model.vocabulary[id])}${came === undefined ? " in the end" : " came"}: ${percent(rows[row()])}, ${place}`;
    chart.draw(rows, row(), `Probability of ${nameOf(model.vocabulary[id])} by layer`);
  }

  // Both are null where nothing is pointed at any more.
  function point(row, at) {
    pointed = row;
    const before = look.at;
    look.pointAt(at);
    if (look.at === before) follow();
  }

  function choose(row, at) {
    pointed = null;
    look.chooseRow(row === lens.n_rows - 1 ? null : row);
    look.moveTo(at);
    follow();
  }

  function legend() {
    page.scale.replaceChildren(
      ...SCALE.map((p) => {
        const step = make("span", "lens-step", percent(p).replace(".0", ""));
        step.style.background = colourOf(p);
        step.classList.toggle("lens-light", table.isDark(colourOf(p)));
        return step;
      }),
    );
  }

  legend();
  look.addEventListener("capture", load);
  look.addEventListener("at", follow);
  look.addEventListener("row", follow);
  onLook(() => {
    legend();
    draw();
  });
  new ResizeObserver(draw).observe(page.table);
  return {
    caption: CAPTION,
    show: () => stale && void load(),
    hide() {
      stale ||= loading.isBusy;
      loading.cancel();
    },
    downloads: [
      ["Layer by layer (PNG)", () => lens && saveLensPicture(lens, bet, table.shown())],
      ["Layer by layer (CSV)", () => lens && saveLensTable(lens)],
    ],
  };
}

function build(panel) {
  const trouble = make("p", "trouble");
  trouble.setAttribute("role", "alert");
  const filled = make("div", "lens");
  filled.hidden = true;
  const [main, table] = [make("div", "lens-main"), make("div", "lens-table")];
  const legend = make("p", "lens-legend", "Probability of this guess ");
  const scale = make("span", "lens-scale");
  const right = make("span", "lens-key");
  right.append(make("span", "lens-key-right", "e"), " correct");
  legend.append(scale, right);
  const about = make("p", "lens-about", WHAT);
  const off = make("b", "lens-off");
  about.append(off);
  main.append(table, legend, about);
  const detail = make("aside", "lens-detail");
  detail.setAttribute("aria-label", "The chosen layer");
  const [title, came] = [make("p", "lens-title"), make("p", "lens-came")];
  filled.append(main, detail);
  panel.append(trouble, filled);
  return { trouble, filled, table, scale, off, detail, title, came };
}
