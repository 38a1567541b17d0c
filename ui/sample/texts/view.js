// The view "Texts": cards side by side, a group of them for each press of Generate or Again.
import { button, make, nameOf, number, plural } from "../../shared/dom.js";
import { drawSeed } from "../../shared/dice.js";
import { heat } from "../../shared/heat.js";
import { distribution, surprisal } from "../../shared/distribution.js";
import { commonLength, mark, range } from "../../shared/marks.js";
import { factsOf, logitsOf } from "../records.js";
import { bringIntoView } from "../main.js";

const EMPTY = "Type a prompt and press Generate. Each sample is a throw of the dice of its own.";
const NEAR = 24; // pixels from its end within which a card follows the writing
const SHADED = mark("shared"); // what all samples of a group begin with
const PARTING = mark("parting"); // where a sample leaves all others of its group

export function createTexts(panel, app) {
  const bar = make("div", "texts-bar");
  const folio = make("div", "folio");
  folio.dataset.testid = "folio";
  const colours = button("switch", "Colour by surprisal", () => colour(!coloured));
  const legend = heat.legend();
  const explanation = make("p", "texts-key");
  explanation.append(make("span", "key-shared", "shaded"), ": common to all · ", make("span", "key-parting", "underlined"), ": parts ways");
  bar.append(explanation, legend, colours, createComparison(app));
  panel.append(bar, folio);

  const shown = new Map(); // run -> what is drawn of it
  let coloured = false;

  function update() {
    for (const [run, drawn] of shown) if (!app.runs.list.includes(run)) forget(run, drawn);
    let newest = null;
    for (const run of app.runs.list) {
      if (shown.has(run)) continue;
      newest = drawRun(app, run);
      shown.set(run, newest);
      newest.cards.forEach(({ text }, sample) => grow(text, run.texts[sample]));
    }
    const groups = group(app.runs.list);
    const sections = groups.map((runs) => section(runs)).reverse();
    settle(folio, sections.length ? sections : [make("p", "empty", EMPTY)]);
    groups.forEach(markPartings);
    if (newest && app.runs.list.at(-1).live) {
      bringIntoView(newest.sheet.closest("section"));
      for (const { body } of newest.cards) body.scrollTop = body.scrollHeight; // to the end of a long prompt
    }
    if (coloured) app.runs.list.forEach(colourRun);
  }

  function forget(run, { cards }) {
    for (const { text } of cards) {
      heat.clear(text);
      unmark(text);
      app.inspector.forget(text);
    }
    shown.delete(run);
  }

  const cardsOf = (runs) => runs.flatMap((run) => shown.get(run).cards);

  function section(runs) {
    const node = shown.get(runs[0]).section;
    settle(node, runs.map((run) => shown.get(run).block));
    node.classList.toggle("abreast", runs.length > 1);
    return node;
  }

  function take(run) {
    const drawn = shown.get(run);
    if (!drawn) return;
    drawn.cards.forEach((card, sample) => {
      const more = run.texts[sample].slice(card.text.data.length);
      if (more) write(card, more);
    });
    showStatus(run, drawn);
    markPartings(group(app.runs.list).find((runs) => runs.includes(run)));
    if (!run.live) drawn.cards.forEach(showBeginning);
    if (coloured) colourRun(run);
  }

  function markPartings(runs) {
    const cards = cardsOf(runs);
    cards.forEach(({ text }) => unmark(text));
    if (cards.length < 2) return;
    const texts = cards.map(({ text }) => text.data);
    const shared = Math.min(...texts.slice(1).map((text) => commonLength(texts[0], text)));
    cards.forEach(({ text }, i) => {
      if (shared) shade(text, shared);
      const alone = Math.max(...texts.map((other, j) => (i === j ? 0 : commonLength(texts[i], other))));
      if (alone < texts[i].length && texts.every((other, j) => i === j || other.length > commonLength(texts[i], other))) part(text, alone);
    });
  }

  function colour(on) {
    coloured = on;
    colours.setAttribute("aria-pressed", String(on));
    legend.hidden = !on;
    explanation.hidden = on; // a shade would pass for a colour
    for (const [name, highlight] of Object.entries({ shared: SHADED, parting: PARTING })) {
      if (on) CSS.highlights.delete(name);
      else CSS.highlights.set(name, highlight);
    }
    app.address.keep("colours", on ? "1" : "");
    if (on) app.runs.list.forEach(colourRun);
    else shown.forEach(({ cards }) => cards.forEach((card) => uncolour(card)));
  }

  function uncolour(card) {
    heat.clear(card.text);
    card.coloured = 0;
  }

  // Only what is new is fetched and painted.
  async function colourRun(run) {
    const drawn = shown.get(run);
    if (drawn.colouring) return;
    drawn.colouring = true;
    const V = app.vocabulary.length;
    try {
      for (const [sample, card] of drawn.cards.entries()) {
        const logits = await logitsOf(run, sample);
        if (!coloured) return;
        const ids = [...run.texts[sample]].map(app.idOf);
        const bits = [];
        const until = Math.min(logits.length / V, ids.length);
        for (let i = card.coloured; i < until; i++) bits.push(surprisal(distribution(logits.subarray(i * V, (i + 1) * V))[ids[i]]));
        heat.paint(card.text, bits, card.coloured);
        card.coloured = until;
      }
    } catch (error) {
      app.tell(error.message, true);
      return; // the next change tries again
    } finally {
      drawn.colouring = false;
    }
    if (coloured && !run.live && drawn.cards.some((card, sample) => card.coloured < [...run.texts[sample]].length)) colourRun(run);
  }

  app.runs.addEventListener("change", update);
  app.runs.addEventListener("grow", ({ detail }) => take(detail));
  colour(app.address.get("colours") === "1");
  update();
  return { keys: [["h", "Colour by surprisal", () => colour(!coloured)]] };
}

// Puts children into a node; those that are there already stay where they are scrolled to.
function settle(node, children) {
  for (const child of [...node.children]) if (!children.includes(child)) child.remove();
  children.forEach((child, i) => node.children[i] !== child && node.insertBefore(child, node.children[i] ?? null));
}

// Runs that were asked for together stand abreast, the coldest first.
function group(runs) {
  const groups = [];
  for (const run of runs) {
    if (run.view.beside && groups.at(-1)?.[0].view.beside === run.view.beside) groups.at(-1).push(run);
    else groups.push([run]);
  }
  return groups.map((runs) => runs.sort((a, b) => a.view.temperature - b.view.temperature));
}

function drawRun(app, run) {
  const { view } = run;
  const section = make("section", "group");
  section.dataset.testid = "group";
  const block = make("div", "group-block");
  const line = make("div", "group-line");
  const status = make("span", "status");
  status.dataset.testid = "status";
  status.setAttribute("role", "status");
  line.append(make("span", "setting", `temperature ${view.temperature}`), seedOf(app, run), ...settingsOf(view), status);
  const sheet = make("div", "sheet");
  sheet.dataset.count = view.samples;
  const cards = run.texts.map((_, sample) => drawCard(app, run, sample));
  sheet.append(...cards.map(({ card }) => card));
  block.append(line, sheet);
  const drawn = { section, block, sheet, status, cards };
  showStatus(run, drawn);
  return drawn;
}

function seedOf(app, { view }) {
  if (!(view.seed_repeats ?? true)) return make("span", "setting", `seed ${view.seed}`);
  const keep = () => {
    app.controls.set({ seed: view.seed });
    app.controls.focus("seed");
  };
  const seed = button("seed", `seed ${view.seed}`, keep);
  seed.title = "Keep this seed: the next texts are thrown with the same dice";
  return seed;
}

function* settingsOf({ top_k, top_p, first_sample, first_step, samples, forced }) {
  if (top_k) yield make("span", "setting", `top-k ${top_k}`);
  if (top_p < 1) yield make("span", "setting", `top-p ${top_p}`);
  if (first_sample && samples > 1) yield make("span", "setting", `samples ${first_sample + 1} to ${first_sample + samples}`);
  if (forced) yield make("span", "setting", `‘${nameOf(forced.chosen)}’ chosen by hand`);
  if (first_step) yield make("span", "setting", `dice from throw ${number(first_step + 1)} on`);
}

function drawCard(app, run, sample) {
  const { view } = run;
  const card = make("article", "card");
  card.dataset.testid = "card";
  const name = view.first_sample + sample + 1;
  const heading = make("h2", "card-number", `${name}`);
  heading.setAttribute("aria-label", `Sample ${name}`);
  const body = make("p", "card-text");
  body.tabIndex = 0; // a long text scrolls, by keys too
  const text = document.createTextNode("");
  body.append(make("span", "prompt", view.prompt), text);
  card.append(heading, body);
  body.addEventListener("pointerdown", () => (app.selected = { run, sample }));
  app.inspector.watch(body, text, {
    at: (index) => factsOf(app, run, sample, index),
    continueFrom: (index) => app.continueFrom(run, sample, index),
    force: (index, id) => app.force(run, sample, index, id),
  });
  return { card, body, text, coloured: 0 };
}

function showStatus(run, { block, status }) {
  const { view } = run;
  const written = run.n_chars;
  const precision = view.seed_repeats ? "" : `, in float32; here, in ${view.precision}, a seed gives other texts`;
  const words = {
    stored: () => `written earlier by this model${precision}`,
    waiting: () => (view.ahead ? `waiting, ${number(view.ahead)} before you` : "waiting for its turn"),
    running: () => "writing",
    stopped: () => `stopped after ${plural(written, "character")}`,
    failed: () => "failed",
    lost: () => `cut off after ${plural(written, "character")}`,
    done: () => `${plural(written, "character")} in ${view.elapsed_s.toFixed(1)} s`,
  };
  const text = words[view.state]();
  if (status.textContent !== text) status.textContent = text;
  block.classList.toggle("running", run.live);
}

const atEnd = ({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight < NEAR;

const grow = (text, more) => text.appendData(more);

// A card that its reader has not scrolled away from the end follows the writing.
function write({ body, text }, more) {
  const follows = atEnd(body);
  grow(text, more);
  if (follows) body.scrollTop = body.scrollHeight;
}

// A finished text is read from its beginning, unless its reader is somewhere in it already. A long prompt is scrolled past.
function showBeginning({ body }) {
  if (!atEnd(body)) return;
  const prompt = body.querySelector(".prompt").getBoundingClientRect();
  const below = prompt.bottom - body.getBoundingClientRect().top + body.scrollTop;
  body.scrollTop = Math.max(0, below - body.clientHeight / 3);
}

const marks = new WeakMap(); // text -> its ranges, by highlight

function unmark(text) {
  for (const [highlight, range] of marks.get(text) ?? []) highlight.delete(range);
  marks.delete(text);
}

function addMark(highlight, text, from, to) {
  const marked = range(text, from, to);
  highlight.add(marked);
  marks.set(text, [...(marks.get(text) ?? []), [highlight, marked]]);
}

const shade = (text, length) => addMark(SHADED, text, 0, length);
const part = (text, at) => addMark(PARTING, text, at, at + 1);

// One prompt and one seed at three temperatures, side by side.
function createComparison(app) {
  const form = make("form", "comparison");
  const fields = [0.5, 0.8, 1.2].map((temperature, i) => {
    const field = make("input", "comparison-temperature");
    Object.assign(field, { type: "number", min: 0, max: 2, step: 0.05, value: temperature, required: true });
    field.setAttribute("aria-label", `Temperature ${i + 1}`);
    return field;
  });
  const go = make("button", "quiet", "side by side");
  go.type = "submit";
  go.title = "One prompt and one seed at three temperatures";
  go.setAttribute("aria-label", "Write at three temperatures, side by side");
  form.append(...fields, go);
  let presses = 0;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const settings = app.controls.get();
    const seed = String(settings.seed).trim() || drawSeed();
    const beside = `comparison ${++presses}`;
    for (const { value } of fields) void app.runs.write({ ...settings, seed, samples: 1, temperature: Number(value) }, { beside });
  });
  return form;
}
