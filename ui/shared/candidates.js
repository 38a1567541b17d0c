// The likeliest characters of one position, each with the probability that was drawn from and the raw one.
import { make, nameOf, percent, signOf } from "./dom.js";
import { distribution, ranking } from "./distribution.js";

const MOST = 10;

// { node, show({ logits, settings, id, count }) }: `id` is the character that was drawn, if one was. With `onPick(id)` rows are buttons.
export function createCandidates(app, { onPick } = {}) {
  const node = make("div", "candidates");
  const head = node.appendChild(make("div", "candidates-head"));
  head.append(make("span", "candidates-drawn", "drawn from"), make("span", "candidates-raw", "raw"));
  const list = node.appendChild(make("ol", "candidates-list"));
  const rows = [];

  function rowAt(place) {
    if (!rows[place]) {
      const item = list.appendChild(make("li"));
      const body = item.appendChild(make(onPick ? "button" : "div", "candidate"));
      if (onPick) body.type = "button";
      const row = { item, body, char: make("span", "candidate-char"), bars: make("span", "candidate-bars") };
      row.sampled = row.bars.appendChild(make("span", "candidate-bar"));
      row.raw = row.bars.appendChild(make("span", "candidate-tick"));
      row.percent = make("span", "candidate-percent");
      row.rawPercent = make("span", "candidate-percent candidates-raw");
      body.append(row.char, row.bars, row.percent, row.rawPercent);
      if (onPick) body.addEventListener("click", () => onPick(row.id));
      rows[place] = row;
    }
    return rows[place];
  }

  return {
    node,
    show({ logits, settings, id, count = MOST }) {
      const [sampled, raw] = [distribution(logits, settings), distribution(logits)];
      const order = ranking(logits);
      const shown = order.slice(0, count);
      if (id !== undefined && id !== null && !shown.includes(id)) shown.push(id);
      node.classList.toggle("candidates-same", sampled.every((p, i) => p === raw[i]));
      shown.forEach((other, place) => {
        const row = rowAt(place);
        row.id = other;
        fill(row, app.vocabulary[other], sampled[other], raw[other]);
        const drawn = other === id;
        row.body.classList.toggle("candidate-drawn", drawn);
        row.body.classList.toggle("candidate-cut", sampled[other] === 0);
        const rank = place === count ? ` (number ${order.indexOf(other) + 1})` : "";
        row.item.classList.toggle("candidate-far", rank !== "");
        const likely = `${percent(sampled[other])}, raw ${percent(raw[other])}`;
        const words = `${nameOf(app.vocabulary[other])}${rank}: ${likely}${drawn ? ", drawn" : ""}`;
        row.body.title = words;
        if (onPick) row.body.setAttribute("aria-label", `Write ${words}`);
      });
      for (const row of rows.splice(shown.length)) row.item.remove();
    },
  };
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
