// What a head does, in words and numbers: on held-out text where that was measured, else on the text in view.
import { button, make } from "../../shared/dom.js";
import { AVERAGE } from "../../shared/head_chooser.js";
import { describe, measureOf } from "../grid.js";
import { toggled } from "../heads_off/parts.js";
import { nameOfHead, signed } from "./data.js";

/** @typedef {import("../look.js").Look} Look */

const OFF = "It is off; these are the weights it would have used.";
const SOME_OFF = "Some of its heads are off.";

/** The measures that are shares of attention. @param {Look} look */
const sharesOf = (look) => look.page.limits.measures.filter(({ unit }) => unit === "share");

const share = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)}\u00a0%`);

// { node, draw() }
/** @param {Look} look */
export function createAbout(look) {
  const node = make("div", "one-about");
  const [head, title, does, worth] = [make("div", "one-about-head"), make("h3", "one-title"), make("p", "one-does"), make("p", "one-worth")];
  const [table, measured] = [make("dl", "one-scores"), make("p", "one-measured")];
  const toggle = button("quiet", "", () => void switchHead());
  title.setAttribute("aria-live", "polite");
  head.append(title, toggle);
  node.append(head, does, worth, table, measured);
  table.dataset.testid = "one-head-scores";

  // A head that is switched off is looked at where its absence shows.
  async function switchHead() {
    const part = [look.head.layer, look.head.head];
    const wasOff = look.isOff(part);
    if ((await look.readAgain(toggled(look.headsOff, part))) && !wasOff) look.views.show("off");
  }

  function draw() {
    const { layer, head } = look.head;
    const stats = statsOf(look);
    const uniform = (look.measured ?? look.capture).uniform;
    const isSilent = head === AVERAGE ? look.headsOff.some(([l, h]) => l === layer && h !== undefined) : look.isOff([layer, head]);
    title.textContent = nameOfHead(look.head);
    toggle.textContent = isSilent ? "Switch on again" : "Switch off";
    toggle.hidden = head === AVERAGE;
    does.textContent = inOneSentence(look, stats, uniform);
    if (isSilent) does.append(" ", make("b", "", head === AVERAGE ? SOME_OFF : OFF));
    worth.hidden = stats.worth === undefined;
    if (!worth.hidden) worth.replaceChildren("Loss without it: ", make("b", "", `${stats.worth > 0 ? "+" : ""}${signed(stats.worth, 3)} nats`));
    measured.textContent = `Measured on ${look.measured ? "the validation text" : "this text"}. Grey: uniform attention.`;
    const rows = sharesOf(look).map(({ name, words }) => [words, share(stats[name]), share(uniform?.[name]), stats.label === name]);
    if (stats.entropy !== undefined) rows.push(["entropy (bits)", fixed(stats.entropy), fixed(uniform?.entropy)]);
    rows.push(["distance (characters)", fixed(stats.distance), fixed(uniform?.distance)]);
    table.replaceChildren(...rows.map(scoreRow));
  }

  return { node, draw };
}

function scoreRow([name, value, even, isLabel]) {
  const row = make("div", isLabel ? "one-score label" : "one-score");
  row.append(make("dt", "", name), make("dd", "", value), make("dd", "one-even", even));
  return row;
}

const fixed = (value) => (typeof value === "number" ? value.toFixed(1) : "–");

/** A share of the average is the average of the shares; entropy and the loss cannot be had that way. @param {Look} look @returns {import("../../shared/capture.js").Stats} */
function statsOf(look) {
  const { layer, head } = look.head;
  if (head !== AVERAGE) return describe(look, layer, head);
  const all = [...Array(look.capture.n_head).keys()].map((h) => describe(look, layer, h));
  const mean = (name) => (typeof all[0][name] === "number" ? all.reduce((sum, stats) => sum + stats[name], 0) / all.length : null);
  return Object.fromEntries([...sharesOf(look).map(({ name }) => name), "distance"].map((name) => [name, mean(name)]));
}

/** @param {Look} look @param {import("../../shared/capture.js").Stats} stats @param {Object<string, number> | null} uniform */
function inOneSentence(look, stats, uniform) {
  const { label } = stats;
  if (look.head.head === AVERAGE) return "The average of the layer’s heads.";
  if (label === "mixed") return "No clear pattern: none of the measures stands out.";
  const what = measureOf(look, label)?.target ?? label;
  return `Looks at ${what}: ${share(stats[label])} of its attention (uniform attention: ${share(uniform?.[label])}).`;
}
