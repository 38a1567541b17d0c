// The most likely characters at one position, each with the probability that was used for the draw and the one before temperature.
import { button, make, nameOf, percent, signOf } from "./dom.js";
import { distribution, ranking } from "./distribution.js";

const MOST = 10;

/**
 * The list; with `onPick` its rows are buttons.
 * @param {{onPick?: (id: number) => void}} [on]
 */
export function createCandidates({ onPick } = {}) {
  const node = make("div", "candidates");
  const head = node.appendChild(make("div", "candidates-head"));
  head.append(make("span", "candidates-drawn", "used for the draw"), make("span", "candidates-raw", "before temperature"));
  const list = node.appendChild(make("ol", "candidates-list"));
  /** @type {ReturnType<typeof createRow>[]} */
  const rows = [];

  /** @param {number} place */
  function rowAt(place) {
    if (!rows[place]) {
      rows[place] = createRow(onPick);
      list.append(rows[place].item);
    }
    return rows[place];
  }

  return {
    node,
    /**
     * @param {object} what
     * @param {string[]} what.vocabulary
     * @param {ArrayLike<number>} what.logits
     * @param {import("./distribution.js").Shaping} what.settings
     * @param {number} [what.id] the character that was drawn, if one was
     * @param {number} [what.count]
     */
    show({ vocabulary, logits, settings, id, count = MOST }) {
      const [sampled, raw] = [distribution(logits, settings), distribution(logits)];
      const order = ranking(logits);
      const shown = order.slice(0, count);
      if (id !== undefined && id !== null && !shown.includes(id)) shown.push(id);
      node.classList.toggle("candidates-same", sampled.every((p, i) => p === raw[i]));
      shown.forEach((other, place) => {
        const row = rowAt(place);
        row.id = other;
        fill(row, vocabulary[other], sampled[other], raw[other]);
        const drawn = other === id;
        row.body.classList.toggle("candidate-drawn", drawn);
        row.body.classList.toggle("candidate-cut", sampled[other] === 0);
        const rank = place === count ? ` (number ${order.indexOf(other) + 1})` : "";
        row.item.classList.toggle("candidate-far", rank !== "");
        const likely = `${percent(sampled[other])}, ${percent(raw[other])} before temperature`;
        const words = `${nameOf(vocabulary[other])}${rank}: ${likely}${drawn ? ", drawn" : ""}`;
        row.body.title = words;
        if (onPick) row.body.setAttribute("aria-label", `Write ${words}`);
      });
      for (const row of rows.splice(shown.length)) row.item.remove();
    },
  };
}

/** @param {((id: number) => void) | undefined} onPick */
function createRow(onPick) {
  const item = make("li");
  const body = item.appendChild(onPick ? button("candidate", "", () => onPick(row.id)) : make("div", "candidate"));
  const [char, bars] = [make("span", "candidate-char"), make("span", "candidate-bars")];
  const [percent, rawPercent] = [make("span", "candidate-percent"), make("span", "candidate-percent candidates-raw")];
  const [sampled, raw] = [make("span", "candidate-bar"), make("span", "candidate-tick")];
  bars.append(sampled, raw);
  body.append(char, bars, percent, rawPercent);
  const row = { id: -1, item, body, char, sampled, raw, percent, rawPercent };
  return row;
}

function fill(row, char, sampled, raw) {
  const seen = signOf(char) === char;
  row.char.textContent = seen ? char : nameOf(char);
  row.char.classList.toggle("candidate-named", !seen);
  row.sampled.style.width = `${100 * sampled}%`;
  row.raw.style.width = `${100 * raw}%`;
  row.percent.textContent = percent(sampled);
  row.rawPercent.textContent = percent(raw);
}
