// The view "Next character" as far as it is words and buttons.
import { button, make } from "../shared/dom.js";
import { ENOUGH } from "./next_draws.js";

const HINT = "Point at a bar for its numbers; click it to write that character.";

function part(tag, name, role) {
  const node = make(tag, `next-${name}`);
  node.dataset.testid = `next-${name}`;
  if (role) node.setAttribute("role", role);
  return node;
}

// Puts everything into the panel, from top to bottom, and gives back what fills it in.
export function createParts(panel, strip, bars, actions) {
  const text = createText();
  const notes = part("p", "notes", "status");
  const steps = createActions(actions);
  const said = part("p", "said", "status");
  const figures = createFigures(actions.sort);
  const failure = createFailure(actions.retry);
  const waiting = part("p", "waiting", "status");
  const readout = part("p", "readout", "status");
  const counted = part("p", "counted", "status");
  const legend = createLegend();
  readout.textContent = HINT;
  panel.append(text.node, notes, steps.node, said, strip, figures.node, failure.node, waiting, bars, readout, counted, legend.node);
  return {
    text: text.fill,
    notes: (words) => (notes.textContent = words.join(" ")),
    fail: failure.fill,
    readout: (words) => (readout.textContent = words || HINT),
    busy({ busy, slow, canGoBack }) {
      bars.setAttribute("aria-busy", String(busy));
      waiting.textContent = slow ? "Waiting for the server…" : "";
      steps.fill(busy, canGoBack);
    },
    said(story, words) {
      said.replaceChildren(...tell(story, actions.fix));
      counted.textContent = words;
    },
    figures(state) {
      figures.fill(state);
      legend.fill(state);
    },
  };
}

function* tell(story, fix) {
  if (!story) return;
  const { die, words, seed, which } = story;
  if (die) yield make("b", "next-die", die);
  yield words;
  if (seed === undefined) return;
  const fixed = button("next-seed", `seed ${seed}`, () => fix(seed));
  fixed.title = "Use this seed for what is written next";
  const source = make("span", "next-source");
  source.append(" ", fixed, `, ${which}`);
  yield source;
}

function createText() {
  const node = part("p", "text", "group");
  node.tabIndex = 0;
  node.setAttribute("aria-label", "The text so far");
  const fill = (start, steps) => {
    const runs = [make("span", "next-prompt", start)];
    steps.forEach(({ char, byHand }, place) => {
      const kind = byHand ? "next-chosen" : "next-written";
      if (place === 0 || runs.at(-1).className !== kind) runs.push(make("span", kind));
      runs.at(-1).append(char);
    });
    node.replaceChildren(...runs);
    node.scrollTop = node.scrollHeight;
  };
  return { node, fill };
}

function createActions({ step, back, over, drawOne, drawMany }) {
  const node = part("div", "actions");
  const [goBack, startOver] = [button("next-button", "Step back", back), button("next-button", "Start over", over)];
  const stepping = make("div", "next-buttons");
  stepping.append(button("next-button next-main", "Step", step), goBack, startOver);
  const throwing = make("div", "next-buttons");
  const draws = [button("next-button", "Draw one", drawOne), button("next-button", "Draw 1,000", drawMany)];
  throwing.append(...draws);
  node.append(stepping, throwing);
  const fill = (busy, canGoBack) => {
    goBack.disabled = startOver.disabled = !canGoBack;
    for (const draw of draws) draw.setAttribute("aria-disabled", String(busy)); // `disabled` would take the focus from them at every step
  };
  return { node, fill };
}

// Entropy and the number of choices it amounts to, large; and the order of the bars.
function createFigures(sort) {
  const node = part("div", "figures");
  const figure = (name, unit) => {
    const body = part("p", name);
    const [value, raw] = [make("b"), make("span", "next-raw")];
    body.append(value, ` ${unit} `, raw);
    node.append(body);
    return (drawn, before) => {
      value.textContent = drawn;
      raw.textContent = `raw ${before}`;
    };
  };
  const bits = figure("entropy", "bits of entropy");
  const choices = figure("choices", "effective choices");
  const order = make("div", "next-order");
  order.setAttribute("role", "group");
  order.setAttribute("aria-label", "Order of the bars");
  const orders = [button("next-switch", "by probability", () => sort(false)), button("next-switch", "by alphabet", () => sort(true))];
  order.append(...orders);
  node.append(order);
  const fill = ({ bits: { drawn, raw }, byAlphabet }) => {
    bits(drawn.toFixed(2), raw.toFixed(2));
    choices((2 ** drawn).toFixed(1), (2 ** raw).toFixed(1));
    orders.forEach((other, i) => other.setAttribute("aria-pressed", String(Boolean(i) === byAlphabet)));
  };
  return { node, fill };
}

function createFailure(retry) {
  const node = part("p", "failure", "alert");
  const again = button("next-button", "Try again", retry);
  const fill = (words, canRetry) => node.replaceChildren(...(words ? [make("span", "", words), ...(canRetry ? [again] : [])] : []));
  return { node, fill };
}

function createLegend() {
  const node = part("p", "legend");
  const entry = (name, words) => {
    const item = make("span", `next-key next-key-${name}`);
    item.append(make("i"), words);
    node.append(item);
    return item;
  };
  entry("drawn", "probability drawn from");
  entry("raw", "raw: temperature 1, nothing cut");
  const cut = entry("cut", "cut by top-k or top-p: 0");
  const [came, expected] = [entry("came", "share that came up"), entry("expected", "range expected")];
  const fill = ({ probabilities, draws }) => {
    cut.hidden = !probabilities.includes(0);
    came.hidden = expected.hidden = draws.total < ENOUGH;
  };
  return { node, fill };
}
