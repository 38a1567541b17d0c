// What a head does, in words and numbers: on held-out text where that was measured, else on the text that is shown.
import { make } from "../../shared/dom.js";
import { describe } from "../grid.js";
import { AVERAGE, nameOfHead, signed } from "./data.js";

// Shares of attention: name in the list, and what such a head looks at.
const SHARES = {
  previous: ["previous", "the character before"],
  first: ["first", "the first character of the text"],
  space: ["last space", "the last space or newline"],
  word: ["word so far", "the word so far"],
  word_start: ["word start", "the first letter of the word"],
  newline: ["newlines", "the newlines before"],
  line_start: ["line start", "the first character of the line"],
  same: ["same letter", "the same character, earlier"],
  induction: ["induction", "what followed the same character before"],
  speaker: ["speaker", "the name of who speaks"],
};

const OFF = "It is switched off; these are the weights it would have used.";
const SOME_OFF = "Some of them are switched off.";

const share = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)}\u00a0%`);

// { node, draw() }
export function createAbout(look) {
  const node = make("div", "one-about");
  const [title, does] = [make("h3", "one-title"), make("p", "one-does")];
  const [measured, table] = [make("p", "one-measured"), make("dl", "one-scores")];
  title.setAttribute("aria-live", "polite");
  node.append(title, does, measured, table);
  table.dataset.testid = "one-head-scores";

  function draw() {
    const { layer, head } = look.head;
    const stats = statsOf(look);
    const uniform = (look.measured ?? look.capture).uniform;
    const isOff = look.capture.heads_off.some(([l, h]) => l === layer && (h === head || head === AVERAGE));
    title.textContent = nameOfHead(look.head);
    does.textContent = inOneSentence(stats, uniform, head);
    if (isOff) does.append(" ", make("b", "", head === AVERAGE ? SOME_OFF : OFF));
    const where = look.measured ? "Measured on text that the model never saw" : "Measured on this text";
    measured.textContent = `${where}. In grey: looking everywhere alike.`;
    const rows = Object.entries(SHARES).map(([name, [short]]) => [short, share(stats[name]), share(uniform?.[name]), stats.label === name]);
    if (stats.entropy !== undefined) rows.push(["entropy, bits", fixed(stats.entropy, 1), fixed(uniform?.entropy, 1)]);
    rows.push(["distance", fixed(stats.distance, 0), fixed(uniform?.distance, 0)]);
    if (stats.worth !== undefined) rows.push(["worth, nats", `${stats.worth > 0 ? "+" : ""}${signed(stats.worth, 3)}`, ""]);
    table.replaceChildren(...rows.map(scoreRow));
  }

  return { node, draw };
}

function scoreRow([name, value, even, isLabel]) {
  const row = make("div", isLabel ? "one-score label" : "one-score");
  row.append(make("dt", "", name), make("dd", "", value), make("dd", "one-even", even));
  return row;
}

const fixed = (value, places) => (typeof value === "number" ? value.toFixed(places) : "–");

// A share of the average is the average of the shares; entropy and worth are not to be had that way.
function statsOf(look) {
  const { layer, head } = look.head;
  if (head !== AVERAGE) return describe(look, layer, head);
  const all = [...Array(look.capture.n_head).keys()].map((h) => describe(look, layer, h));
  const mean = (name) => (typeof all[0][name] === "number" ? all.reduce((sum, stats) => sum + stats[name], 0) / all.length : null);
  return Object.fromEntries([...Object.keys(SHARES), "distance"].map((name) => [name, mean(name)]));
}

function inOneSentence(stats, uniform, head) {
  const { label } = stats;
  if (head === AVERAGE) return "The mean of the weights of the layer’s heads.";
  if (label === "mixed") return "Mixed: nothing that is measured stands out.";
  const [, what] = SHARES[label] ?? [label, label];
  const [value, even] = [share(stats[label]), share(uniform?.[label])];
  return `Looks most clearly at ${what}: ${value} of its attention, where looking everywhere alike would give ${even}.`;
}
