// The card of a branch: the text up to it, how many samples went that way, and how likely that was.
import { charsIn } from "../../shared/characters.js";
import { distribution } from "../../shared/distribution.js";
import { button, CLICK, endOf, inFull, make, makeText, number, percent, plural, quoted, readable, shortened, signOf } from "../../shared/dom.js";
import { firstChar, wentOn } from "../../shared/prefix_tree.js";
import { logitsOf } from "../../shared/logits.js";
import { Latest } from "../../shared/requests.js";

const BEFORE = 56; // characters shown before the one at which the branch diverges
const AFTER = 28;
const WAIT_MS = 120; // how long a pointer rests before logits are fetched
const NAMED = 6;
const HINT = "Point at a branch, tap it, or move through the tree with the arrow keys.";
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** @typedef {import("../main.js").SampleTab} SampleTab */

/** @param {SampleTab} tab */
export function createCard(tab) {
  const node = make("div", "tree-card");
  const said = make("div", "tree-said");
  const alert = make("p", "trouble");
  said.setAttribute("role", "status");
  said.dataset.testid = "tree-card";
  let item = null;
  const goOn = button("quiet inline", "Continue from here", () => continueFrom(tab, item.node));
  node.append(goOn, said, alert);
  let waiting = 0;
  let last = "";
  const asking = new Latest();

  // Counts are there at once, probabilities when they have come. Without a branch: what is to be said of the whole tree.
  function show(next, root) {
    item = next;
    goOn.hidden = !item || Boolean(item.hidden) || !placeToGoOn(item.node);
    const words = item ? describe(item) : [make("p", "tree-facts", beginning(root)), make("p", "tree-hint", HINT)];
    const key = [...words.map(({ textContent }) => textContent), item && basis(item.node)].join("\n");
    if (key === last) return; // the same branch, while others grow
    last = key;
    said.replaceChildren(...words);
    alert.removeAttribute("role");
    alert.textContent = "";
    clearTimeout(waiting);
    asking.cancel();
    if (item?.parent && !item.hidden) waiting = setTimeout(() => void addChances(), isKnown(item.node) ? 0 : WAIT_MS);
  }

  async function addChances() {
    const { node: branch } = item;
    const signal = asking.begin();
    try {
      const chances = await chancesOf(branch, signal);
      if (!signal.aborted && chances) said.append(...chanceLines(branch, chances));
    } catch (error) {
      if (signal.aborted) return;
      alert.setAttribute("role", "alert");
      alert.textContent = error.message;
    }
  }

  // While the tree is not seen, nothing is asked for.
  function hide() {
    clearTimeout(waiting);
    asking.cancel();
    last = "";
  }

  return { node, show, hide };
}

// Of the samples that have a branch in common, the one of which most was drawn.
const mostDrawn = ({ samples }) => samples.reduce((best, sample) => (sample.start.length < best.start.length ? sample : best));

// Where a branch ends, in a sample that goes through it; null where it ends within all prompts.
function placeToGoOn(node) {
  const { generation, index, start, text } = mostDrawn(node);
  if (node.to < start.length) return null;
  return { generation, sample: index, index: charsIn(text.slice(0, node.to - start.length)) - 1 };
}

export function continueFrom(tab, node) {
  const place = placeToGoOn(node);
  if (place) tab.continueFrom(place.generation, place.sample, place.index);
}

function describe(item) {
  const { node, parent, hidden } = item;
  const path = makeText("p", "tree-path");
  const facts = make("p", "tree-facts");
  const sample = node.samples[0];
  const whole = sample.start + sample.text;
  const upTo = (place) => readable(endOf(whole.slice(0, place), BEFORE));
  if (hidden) {
    path.append(make("span", "tree-before", upTo(node.to)));
    const ways = hidden.slice(0, NAMED).map((child) => `${quoted(firstChar(child))} ${number(child.count)}`);
    const rest = hidden.length > NAMED ? ", …" : "";
    const count = `${hidden.length}${parent.forks > 1 ? " more" : ""} ways`;
    facts.append(`${plural(item.count, "sample")} continued in ${count}: ${ways.join(", ")}${rest}. ${CLICK}, or press Enter, to see them.`);
  } else if (!parent) {
    path.append(make("span", "", node.to ? upTo(node.to) : "(nothing in common)"));
    facts.append(beginning(node));
  } else {
    const first = firstChar(node);
    path.append(make("span", "tree-before", upTo(node.from)), make("b", "tree-first", signOf(first)));
    path.append(make("span", "tree-before", readable(shortened(node.text.slice(first.length), AFTER))));
    facts.append(make("b", "", `${number(node.count)} of ${number(wentOn(node))}`), ` continued with ${quoted(first)}${notDrawn(node)}.`);
  }
  return [path, facts];
}

function beginning({ count, to, children, ends, text }) {
  if (!to) return `The prompts of these ${number(count)} samples begin differently.`;
  if (count === 1) return "One sample: nothing to compare it with yet.";
  if (!children.length) return `All ${number(count)} samples are the same${ends.some(({ live }) => live) ? " so far" : ""}.`;
  return `All ${number(count)} samples start with “${readable(endOf(text, BEFORE))}”.`;
}

const chosenByHand = ({ generation, start }, place) => Boolean(generation.view.forced) && place === start.length - [...start].at(-1).length;
const given = (node) => node.samples.filter(({ start }) => node.from < start.length);

// A prompt was typed, or taken from another sample: its characters were not drawn.
function notDrawn(node) {
  const some = given(node);
  if (!some.length) return "";
  const hand = some.filter((sample) => chosenByHand(sample, node.from)).length;
  const ways = [];
  if (hand) ways.push(`${hand === node.count ? "" : `${number(hand)} of them `}chosen by hand`);
  if (some.length > hand) ways.push(`${some.length === node.count ? "" : `${number(some.length - hand)} of them `}given by the prompt`);
  return `, ${ways.join(", ")}${some.length === node.count ? ": not drawn" : ""}`;
}

const rootOf = (node) => (node.parent ? rootOf(node.parent) : node);
const rowsKnown = ({ generation, index }) => (generation.logits[index]?.length ?? 0) / generation.model.vocabulary.length;
const isKnown = (node) => {
  const sample = mostDrawn(node);
  return rowsKnown(sample) > charsIn(sample.text.slice(0, Math.max(0, node.from - sample.start.length)));
};

const drawnBy = (node) => node.samples.filter(({ start }) => start.length <= node.from);
const settingsOf = (samples) => new Map(samples.map(({ generation }) => [inFull(generation.settings), generation.settings]));

// What its probabilities depend on, besides its words.
const basis = (node) => [rootOf(node).to, mostDrawn(node).start.length, ...settingsOf(drawnBy(node)).keys()].join();

// The probability of the branch's first character, raw and with each of the settings that it was drawn with here, and of everything drawn from
// the first fork up to it. Null where it was not drawn. What the prompt gave is left out of the product.
async function chancesOf(node, signal) {
  const drawn = drawnBy(node);
  if (!drawn.length) return null;
  const teller = mostDrawn(node);
  const from = Math.max(rootOf(node).to, teller.start.length);
  const { model } = teller.generation;
  const V = model.vocabulary.length;
  const skipped = charsIn(teller.text.slice(0, from - teller.start.length));
  const ids = [...teller.text.slice(from - teller.start.length, node.from - teller.start.length), firstChar(node)].map((char) => model.idOf(char));
  const known = isKnown(node) ? teller.generation.logits[teller.index] : await logitsOf(teller.generation, teller.index, signal);
  if (known.length < (skipped + ids.length) * V) throw new Error("Its probability is not known yet. Point at it again.");
  const rows = ids.map((_, i) => known.subarray((skipped + i) * V, (skipped + i + 1) * V));
  const chances = [...settingsOf(drawn)].map(([words, setting]) => {
    const each = ids.map((id, i) => distribution(rows[i], setting)[id]);
    return { words, here: each.at(-1), all: each.reduce((product, p) => product * p, 1) };
  });
  const raw = distribution(rows.at(-1))[ids.at(-1)];
  const since = teller.start.length > rootOf(node).to ? "everything drawn up to it" : "the whole path from the first fork";
  return { chances, raw, path: ids.length > 1 && since, recomputed: Boolean(teller.generation.recomputed[teller.index]) };
}

function* chanceLines(node, { chances, raw, path, recomputed }) {
  const char = quoted(firstChar(node));
  const last = chances.length - 1;
  for (const [i, { words, here, all }] of chances.entries()) {
    const line = make("p", "tree-chance");
    line.append(make("b", "", percent(here)), ` for ${char} at ${words}`);
    if (i === last) line.append(", ", make("b", "", percent(raw)), " before temperature");
    if (path) line.append(`; ${path}: `, make("b", "", oneIn(all)));
    line.append(i === last && recomputed ? " (recomputed)." : ".");
    yield line;
  }
}

// 1 in 2.5, 1 in 240, 1 in 4.1 million, 1 in 3 · 10¹⁴
function oneIn(p) {
  if (p <= 0) return "never";
  const n = 1 / p;
  if (n < 1.05) return "almost certain";
  if (n < 10) return `1 in ${n.toFixed(1)}`;
  if (n < 1000) return `1 in ${number(n)}`;
  const digits = Math.floor(Math.log10(n));
  if (n < 1e6) return `1 in ${number(Number(n.toPrecision(2)))}`;
  if (n < 1e9) return `1 in ${Number((n / 1e6).toPrecision(2))} million`;
  return `1 in ${(n / 10 ** digits).toFixed(0)} · 10${[...String(digits)].map((digit) => SUPERSCRIPTS[digit]).join("")}`;
}
