// How often each character came next at a branch, beside its true probability and the range that 95 of 100 classes stay in.
import { distribution, ranking } from "../../shared/distribution.js";
import { button, listed, make, nameOf, number, percent, plural, quoted, settle, signOf } from "../../shared/dom.js";
import { firstChar } from "../../shared/prefix_tree.js";
import { chiSquared, expectedRange } from "./statistics.js";

const [MOST, FEW] = [8, 5]; // characters that have a row; where two rounds are abreast
const [SELDOM, RARE] = [0.05, 0.001];

/**
 * @typedef {object} Next what came at a branch
 * @property {string[]} vocabulary
 * @property {number[]} counts by character
 * @property {Float64Array} probabilities of a round's settings
 * @property {number} n how many went on
 */

/**
 * @param {any} node of the tree
 * @param {import("../../shared/models.js").Model} model
 * @param {ArrayLike<number>} logits after the branch
 * @param {import("../../shared/distribution.js").Shaping} settings
 * @returns {Next}
 */
export function nextAt(node, model, logits, settings) {
  const counts = model.vocabulary.map(() => 0);
  for (const child of node.children) counts[model.idOf(firstChar(child))] += child.count;
  return { vocabulary: model.vocabulary, counts, probabilities: distribution(logits, settings), n: node.count - node.ends.length };
}

export class Shares {
  node = make("div", "wall-shares");
  #rows = make("ol", "wall-rows");
  #verdict = make("p", "wall-verdict");
  #legend = make("p", "wall-legend");
  /** @type {Map<string, HTMLElement>} what is in a row, by its character and whether it came */
  #bodies = new Map();
  #choose;

  /** @param {(char: string) => void} choose goes on to the branch that begins with a character */
  constructor(choose) {
    this.#choose = choose;
    for (const [name, words] of [["came", "came"], ["true", "true probability"], ["range", "95 % range"]]) {
      this.#legend.append(make("span", `wall-key wall-key-${name}`, words));
    }
    this.#verdict.dataset.testid = "verdict";
    this.node.append(this.#legend, this.#rows, this.#verdict);
  }

  clear() {
    this.node.hidden = true;
  }

  /** @param {Next} next @param {boolean} isAbreast */
  show({ vocabulary, counts, probabilities, n }, isAbreast) {
    this.node.hidden = false;
    const order = ranking(probabilities).filter((id) => probabilities[id] > 0 || counts[id] > 0);
    const most = isAbreast ? FEW : MOST;
    const seen = order.length <= most ? order : [...order.slice(0, most - 1)];
    const rows = seen.map((id) => {
      return { char: vocabulary[id], count: counts[id], p: probabilities[id] };
    });
    const others = order.slice(seen.length);
    if (others.length) rows.push({ char: "", count: sum(others.map((id) => counts[id])), p: sum(others.map((id) => probabilities[id])) });
    const ranges = rows.map(({ p }) => expectedRange(n, Math.min(1, p)));
    const widest = Math.max(...rows.map(({ count, p }, i) => Math.max(count / n, p, ranges[i][1] / n))) || 1;
    settle(this.#rows, rows.map((row, i) => this.#row(row, ranges[i], n, widest, others.length)));
    this.#verdict.textContent = verdict(counts, probabilities, n);
  }

  #row({ char, count, p }, [low, high], n, widest, others) {
    const body = this.#bodyOf(char, count > 0);
    const isOut = count < low || count > high;
    body.classList.toggle("wall-row-out", isOut);
    const bars = make("span", "wall-bars");
    const [bar, range, tick] = ["wall-bar", "wall-range", "wall-tick"].map((name) => bars.appendChild(make("span", name)));
    const part = (share) => `${(100 * share) / widest}%`;
    bar.style.width = part(count / n);
    range.style.left = part(low / n);
    range.style.width = part((high - low) / n);
    tick.style.left = part(p);
    const isNamed = signOf(char) !== char;
    const label = make("span", `wall-char${!char || isNamed ? " wall-char-named" : ""}`, char ? (isNamed ? nameOf(char) : char) : `${others} others`);
    body.replaceChildren(label, bars, make("span", "wall-count", `${number(count)}`), make("span", "wall-share", percent(count / n)), make("span", "wall-p", percent(p)));
    const expected = low === high ? number(low) : `${number(low)} to ${number(high)}`;
    const words = `${char ? nameOf(char) : `${others} other characters`}: ${number(count)} of ${number(n)}, expected ${expected}; true probability ${percent(p)}`;
    body.title = words;
    if (body instanceof HTMLButtonElement) body.setAttribute("aria-label", `Go on to ${words}`);
    return body.parentElement;
  }

  /** The same one each time, so that it keeps the focus while texts come. @param {string} char @param {boolean} came */
  #bodyOf(char, came) {
    const key = `${char} ${came}`;
    if (!this.#bodies.has(key)) {
      const body = char && came ? button("wall-row", "", () => this.#choose(char)) : make("div", "wall-row");
      make("li").append(body);
      this.#bodies.set(key, body);
    }
    return this.#bodies.get(key);
  }
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** What the counts say of the dice, in a sentence. @param {number[]} counts @param {ArrayLike<number>} probabilities @param {number} n */
function verdict(counts, probabilities, n) {
  const impossible = counts.flatMap((count, id) => (count && !probabilities[id] ? [id] : []));
  if (impossible.length) return `${plural(sum(impossible.map((id) => counts[id])), "text")} went on with a character that has no probability here.`;
  const tested = chiSquared(counts, probabilities);
  if (!tested) return Array.from(probabilities).some((p) => p === 1) ? "There is no chance here: one character has all the probability." : `${plural(n, "text")}: too few for a test of the dice.`;
  const { statistic, degrees, p } = tested;
  const chance = p < RARE ? "p < 0.001" : `p = ${p.toFixed(p < 0.1 ? 3 : 2)}`;
  const words = p >= SELDOM ? "as fair dice fall" : `fair dice fall as unevenly in ${percent(p)} of all classes`;
  return `χ² = ${statistic.toFixed(1)}, ${plural(degrees, "degree")} of freedom, ${chance}: ${words}.`;
}

/** Which characters came, for a sentence: "12 with ‘h’, 3 with newline and 2 with others". @param {any} node @param {number} [most] */
export function whatCame(node, most = 4) {
  const named = node.children.slice(0, most).map((child) => `${number(child.count)} with ${quoted(firstChar(child))}`);
  const rest = sum(node.children.slice(most).map(({ count }) => count));
  return listed([...named, ...(rest ? [`${number(rest)} with others`] : [])]);
}
