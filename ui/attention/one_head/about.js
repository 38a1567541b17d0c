// What a head does, in words and numbers: on held-out text where that was measured, else on the text in view.
import { make } from "../../shared/dom.js";
import { describe, measureOf } from "../grid.js";
import { AVERAGE, nameOfHead, signed } from "./data.js";

/** @typedef {import("../look.js").Look} Look */

const OFF = "It is off; these are the weights it would have used.";
const SOME_OFF = "Some of its heads are off.";
const WORTH = "Importance: how much the validation loss rises without the head, in nats.";

/** The measures that are shares of attention. @param {Look} look */
const sharesOf = (look) => look.page.limits.measures.filter(({ unit }) => unit === "share");

const share = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)}\u00a0%`);

// { node, draw() }
/** @param {import("../look.js").Look} look */
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
    does.textContent = inOneSentence(look, stats, uniform);
    if (isOff) does.append(" ", make("b", "", head === AVERAGE ? SOME_OFF : OFF));
    const where = look.measured ? "Measured on text that the model was not trained on" : "Measured on this text";
    const hasWorth = stats.worth !== undefined;
    measured.textContent = `${where}. In grey: uniform attention.${hasWorth ? ` ${WORTH}` : ""}`;
    const rows = sharesOf(look).map(({ name, words }) => [words, share(stats[name]), share(uniform?.[name]), stats.label === name]);
    if (stats.entropy !== undefined) rows.push(["entropy, bits", fixed(stats.entropy, 1), fixed(uniform?.entropy, 1)]);
    rows.push(["distance", fixed(stats.distance, 0), fixed(uniform?.distance, 0)]);
    if (hasWorth) rows.push(["importance, nats", `${stats.worth > 0 ? "+" : ""}${signed(stats.worth, 3)}`, ""]);
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

/** A share of the average is the average of the shares; entropy and importance cannot be had that way. @param {Look} look @returns {import("../capture.js").Stats} */
function statsOf(look) {
  const { layer, head } = look.head;
  if (head !== AVERAGE) return describe(look, layer, head);
  const all = [...Array(look.capture.n_head).keys()].map((h) => describe(look, layer, h));
  const mean = (name) => (typeof all[0][name] === "number" ? all.reduce((sum, stats) => sum + stats[name], 0) / all.length : null);
  return Object.fromEntries([...sharesOf(look).map(({ name }) => name), "distance"].map((name) => [name, mean(name)]));
}

/** @param {Look} look @param {import("../capture.js").Stats} stats @param {Object<string, number> | null} uniform */
function inOneSentence(look, stats, uniform) {
  const { label } = stats;
  if (look.head.head === AVERAGE) return "The mean of the weights of the layer’s heads.";
  if (label === "mixed") return "Mixed: none of the measures stands out.";
  const what = measureOf(look, label)?.target ?? label;
  const [value, even] = [share(stats[label]), share(uniform?.[label])];
  return `Attends mainly to ${what}: ${value} of its attention, against ${even} if it were uniform.`;
}
