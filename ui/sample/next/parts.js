// The words and buttons of the view "Next character".
import { button, CLICK, make } from "../../shared/dom.js";
import { onLook } from "../../shared/paint.js";
import { ENOUGH } from "./draws.js";
import { lineEnd, tellCut } from "./words.js";
import { againButton } from "../../shared/trouble.js";

const SHOWN_CHARS = 10; // of the text that the bars follow
const HINT = CLICK === "Click" ? "Point at a bar for its numbers; click it to write that character." : "Tap a bar to write its character.";

/** @template {keyof HTMLElementTagNameMap} Tag @param {Tag} tag @param {string} name @param {string} [role] */
function part(tag, name, role) {
  const node = make(tag, `next-${name}`);
  node.dataset.testid = `next-${name}`;
  if (role) node.setAttribute("role", role);
  return node;
}

// Puts everything into the panel, from top to bottom, and returns what fills it in.
export function createParts(panel, bars, alphabet, letter, actions) {
  const text = createText();
  const notes = part("p", "notes", "status");
  const steps = createActions(actions);
  const [told, said, counted] = [make("div", "next-told"), part("p", "said", "status"), part("p", "counted", "status")];
  told.append(said, counted);
  const heading = createHeading(actions);
  const figures = createFigures();
  const failure = createFailure(actions.retry);
  const waiting = part("p", "waiting", "status");
  const chart = part("div", "chart");
  chart.append(waiting, bars);
  const readout = part("p", "readout", "status");
  readout.textContent = HINT;
  const whole = createWhole(actions.whole);
  const legend = createLegend();
  panel.append(text.node, notes, steps.node, heading.node, told, failure.node, legend.node, chart, readout, figures.node, whole.node, alphabet, letter);
  return {
    text: text.fill,
    endOfText: text.end,
    notes: (words) => (notes.textContent = words.join(" ")),
    fail: failure.fill,
    readout(words) {
      if (readout.textContent !== (words || HINT)) readout.textContent = words || HINT;
    },
    busy({ busy, slow, canGoBack }) {
      for (const node of [bars, alphabet]) node.setAttribute("aria-busy", String(busy));
      waiting.textContent = slow ? "Waiting for the server…" : "";
      steps.fill(busy, canGoBack);
    },
    said(story, words) {
      said.replaceChildren(...tell(story, actions));
      counted.textContent = words;
    },
    figures(state) {
      heading.fill(state);
      figures.fill(state);
      legend.fill(state);
      whole.fill(state);
    },
  };
}

function* tell(story, { fix, prompt }) {
  if (!story) return;
  const { before = "", die, words, seed, which, example } = story;
  yield before;
  if (die) yield make("b", "next-die", die);
  if (example) yield button("quiet inline", `“${lineEnd(example, SHOWN_CHARS).replace(/^.*↵/, "")}”`, () => prompt(example));
  yield words;
  if (seed === undefined) return;
  const fixed = button("quiet inline", `seed ${seed}`, () => fix(seed));
  fixed.title = "Keep this seed: the next texts use the same dice";
  const source = make("span", "next-source");
  source.append(" ", fixed, `, ${which}`);
  yield source;
}

function createText() {
  const node = part("p", "text", "group");
  Object.assign(node, { tabIndex: 0, dir: "auto" });
  node.setAttribute("aria-label", "The text so far");
  const toEnd = () => (node.scrollTop = node.scrollHeight);
  new ResizeObserver(toEnd).observe(node);
  onLook(toEnd);
  document.fonts.addEventListener("loadingdone", toEnd);
  const fill = (start, steps) => {
    const runs = [make("span", "next-prompt", start)];
    steps.forEach(({ char, byHand }, place) => {
      const kind = byHand ? "next-chosen" : "next-written";
      if (place === 0 || runs.at(-1).className !== kind) runs.push(make("span", kind));
      runs.at(-1).append(char);
    });
    node.replaceChildren(...runs);
    toEnd();
  };
  /** Where the next character will stand, in the window. */
  const end = () => {
    const { right, bottom, height } = [...node.lastElementChild.getClientRects()].at(-1) ?? node.getBoundingClientRect();
    return { x: right, y: bottom - height / 2 };
  };
  return { node, fill, end };
}

function createActions({ step, back, over, drawOne, drawMany }) {
  const node = part("div", "actions");
  const [goBack, startOver] = [button("button", "Step back", back), button("button", "Start over", over)];
  const stepping = make("div", "next-buttons");
  stepping.append(button("button primary", "Step", step), goBack, startOver);
  const throwing = make("div", "next-buttons");
  const draws = [button("button", "Draw one", drawOne), button("button", "Draw 1,000", drawMany)];
  throwing.append(...draws);
  node.append(stepping, throwing);
  const fill = (busy, canGoBack) => {
    goBack.disabled = startOver.disabled = !canGoBack;
    for (const draw of draws) draw.setAttribute("aria-disabled", String(busy)); // `disabled` would take the focus from them at every step
  };
  return { node, fill };
}

// The text that the picture belongs to, what moves it on, and the order of its bars.
function createHeading({ sort, goAhead }) {
  const node = part("div", "heading");
  const title = part("h2", "after");
  const order = make("div", "next-order");
  order.setAttribute("role", "group");
  order.setAttribute("aria-label", "Order of the bars");
  const orders = [button("next-switch", "by alphabet", () => sort(true)), button("next-switch", "by probability", () => sort(false))];
  order.append(...orders);
  const who = part("span", "by");
  const ahead = button("quiet", "What comes next?", goAhead);
  node.append(title, who, ahead, order);
  const fill = ({ text, byAlphabet, by, isAhead }) => {
    title.replaceChildren(isAhead ? "Next, after “" : "Drawn after “", make("bdi", "", lineEnd(text, SHOWN_CHARS)), "”");
    who.textContent = by && `by ${by}`;
    ahead.hidden = isAhead;
    orders.forEach((other, i) => other.setAttribute("aria-pressed", String(Boolean(i) !== byAlphabet)));
  };
  return { node, fill };
}

function createWhole(toggle) {
  const node = button("disclosure", "Whole alphabet", toggle);
  node.dataset.testid = "next-whole";
  const fill = ({ isWhole }) => node.setAttribute("aria-expanded", String(isWhole));
  return { node, fill };
}

// Entropy and the number of choices it amounts to, in large type.
function createFigures() {
  const node = part("div", "figures");
  const figure = (name, unit) => {
    const body = part("p", name);
    const [value, raw] = [make("b"), make("span", "next-raw")];
    body.append(value, ` ${unit} `, raw);
    node.append(body);
    return (drawn, before) => {
      value.textContent = drawn;
      raw.textContent = before === drawn ? "" : `before temperature ${before}`;
    };
  };
  const bits = figure("entropy", "bits of entropy");
  const choices = figure("choices", "effective number of choices");
  const fill = ({ bits: { drawn, raw } }) => {
    bits(drawn.toFixed(2), raw.toFixed(2));
    choices((2 ** drawn).toFixed(1), (2 ** raw).toFixed(1));
  };
  return { node, fill };
}

function createFailure(retry) {
  const node = part("p", "failure", "alert");
  node.classList.add("trouble");
  const again = againButton("button", retry);
  const fill = (words, canRetry) => node.replaceChildren(...(words ? [make("span", "", words), ...(canRetry ? [again] : [])] : []));
  return { node, fill };
}

function createLegend() {
  const node = part("p", "legend");
  const entry = (name, words) => {
    const item = make("span", `next-key next-key-${name}`);
    const said = make("span", "", words);
    item.append(make("i"), said);
    node.append(item);
    return { item, said };
  };
  entry("drawn", "probability used");
  const raw = entry("raw", "before temperature");
  const cut = entry("cut", "");
  const [came, expected] = [entry("came", "share drawn"), entry("expected", "range expected")];
  const fill = ({ probabilities, settings, draws, isRaw }) => {
    raw.item.hidden = isRaw;
    cut.item.hidden = !probabilities.includes(0);
    cut.said.textContent = tellCut({ probabilities, settings });
    came.item.hidden = expected.item.hidden = draws.goal < ENOUGH;
    node.toggleAttribute("data-many", draws.goal >= ENOUGH);
  };
  return { node, fill };
}
