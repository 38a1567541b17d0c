// The kinds of pairs, one below the other: each is chosen here, and beside it stands how often the model is right, and the n-gram model.
import { button, make } from "../../shared/dom.js";
import { wholePercent } from "./results.js";

const COIN = 0.5;
const NGRAM = "n-gram, 6 characters"; // a test compares it with model/meaning/ngram.py
/** @type {[string, (kind: import("./results.js").Kind) => boolean][]} */
const GROUPS = [
  ["A few characters decide", ({ counted, reach }) => counted && reach === "near"],
  ["It takes a longer memory", ({ counted, reach }) => counted && reach === "far"],
  ["Found too hard, not counted", ({ counted }) => !counted],
];

/** @typedef {import("./results.js").Judge} Judge */
/** @typedef {import("./results.js").Share} Share */

/** @param {(kind: string) => void} choose */
export function createKinds(choose) {
  const node = make("section", "zero-kinds");
  node.setAttribute("aria-label", "Kinds of pairs");
  const [list, key] = [make("ul", "zero-rows"), make("p", "zero-key")];
  node.append(key, list);
  /** @type {Map<string, HTMLButtonElement>} by kind */
  const openers = new Map();
  /** @type {unknown[]} whose figures are drawn: somebody's focus may be in them */
  let drawn = [];

  /** @param {import("./results.js").Results} results @param {Judge | null} judge null: it was not measured @param {Judge | null} ngram */
  function draw(results, judge, ngram) {
    const now = [results, judge, ngram];
    if (now.every((one, i) => one === drawn[i])) return;
    drawn = now;
    const { kinds } = results;
    const shares = [judge, ngram].flatMap((one) => (one ? [one.mean.low, ...Object.values(one.kinds).map(({ low }) => low)] : []));
    const least = Math.min(COIN, ...shares) - 0.02;
    list.style.setProperty("--coin", String((COIN - least) / (1 - least)));
    const all = make("li", "zero-all");
    const row = make("div", "zero-row");
    row.append(...cellsOf("Mean of the kinds counted", judge?.mean, ngram?.mean, least));
    all.append(row);
    openers.clear();
    const groups = GROUPS.flatMap(([title, isIn]) => {
      const some = kinds.filter(isIn);
      return some.length ? [make("li", "zero-heading", title), ...some.map((kind) => rowOf(kind, judge, ngram, least))] : [];
    });
    list.replaceChildren(all, ...groups);
    key.replaceChildren(...(judge ? [sign("zero-dot", judge.name)] : []), ...(ngram ? [sign("zero-ring", NGRAM)] : []), sign("zero-coin", "a coin"));
  }

  function rowOf(kind, judge, ngram, least) {
    const item = make("li");
    const opener = button("zero-row", "", () => choose(kind.id));
    opener.append(...cellsOf(kind.title, judge?.kinds[kind.id], ngram?.kinds[kind.id], least));
    const figures = figuresOf(kind, judge, ngram);
    opener.setAttribute("aria-label", [kind.title, ...figures].join(", "));
    opener.title = figures.join(", ");
    openers.set(kind.id, opener);
    item.append(opener);
    return item;
  }

  /** @param {string} chosen */
  function mark(chosen) {
    for (const [id, opener] of openers) {
      if (id === chosen) opener.setAttribute("aria-current", "true");
      else opener.removeAttribute("aria-current");
    }
  }

  return { node, draw, mark };
}

/** "shakespeare 99 %", "n-gram 45 %". @param {import("./results.js").Kind} kind @param {(Judge | null)[]} judges */
export const figuresOf = ({ id }, ...judges) => judges.flatMap((one) => (one?.kinds[id] ? [`${one.name} ${wholePercent(one.kinds[id].right)}`] : []));

/** @param {string} title @param {Share | undefined} own @param {Share | undefined} ngram @param {number} least share on the axis */
function cellsOf(title, own, ngram, least) {
  const at = (share) => String((share - least) / (1 - least));
  const track = make("span", "zero-track");
  track.setAttribute("aria-hidden", "true");
  if (own) {
    const interval = make("span", "zero-interval");
    interval.style.setProperty("--from", at(own.low));
    interval.style.setProperty("--to", at(own.high));
    track.append(interval);
  }
  /** @param {string} className @param {Share | undefined} share */
  const mark = (className, share) => share && track.appendChild(make("span", className)).style.setProperty("--at", at(share.right));
  mark("zero-ring", ngram);
  mark("zero-dot", own);
  const figure = make("span", "zero-figure", own ? wholePercent(own.right) : "–");
  if (own) figure.title = `${wholePercent(own.low)} to ${wholePercent(own.high)} (95\u00a0% interval)`;
  return [make("span", "zero-title", title), track, figure];
}

function sign(className, words) {
  const node = make("span", "zero-sign");
  node.append(make("span", className), words);
  return node;
}
