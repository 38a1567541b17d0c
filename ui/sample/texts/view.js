// The view "Texts": cards side by side, a group of them for each press of Generate or Again.
import { charsIn, commonLength } from "../../shared/characters.js";
import { bringIntoView, button, make, makeText, nameOf, number, plural } from "../../shared/dom.js";
import { drawSeed } from "../../shared/dice.js";
import { heat } from "../../shared/heat.js";
import { distribution, surprisal } from "../../shared/distribution.js";
import { mark, range } from "../../shared/marks.js";
import { factsOf, logitsOf } from "../../shared/logits.js";
import { Latest, Turns } from "../../shared/requests.js";

const EMPTY = "Type a prompt and press Generate. Each sample has its own dice.";
const NEAR = 24; // pixels from its end within which a card follows the writing
const SHADED = mark("shared"); // what all samples of a group begin with
const PARTING = mark("parting"); // where a sample leaves all others of its group

/** @typedef {import("../main.js").SampleTab} SampleTab */
/** @typedef {import("../../shared/generations.js").Generation} Generation */
/** @typedef {ReturnType<typeof drawGeneration>} Drawn */

/** @param {HTMLElement} panel @param {SampleTab} tab @returns {import("../../shared/views.js").View} */
export function createTexts(panel, tab) {
  const bar = make("div", "texts-bar");
  const folio = make("div", "folio");
  folio.dataset.testid = "folio";
  const colours = button("switch", "Colour by surprisal", () => colour(!coloured));
  const legend = heat.legend();
  const explanation = make("p", "texts-key");
  explanation.append(make("span", "key-shared", "shaded"), ": the same in all · ", make("span", "key-parting", "underlined"), ": first difference");
  bar.append(explanation, legend, colours, createComparison(tab));
  panel.append(bar, folio);

  /** @type {Map<Generation, Drawn>} */
  const shown = new Map();
  let coloured = false;
  const [latest, turns] = [new Latest(), new Turns(1)]; // the logits of all texts are asked for one after the other
  /** @type {AbortSignal} */
  let asking;

  function update() {
    for (const [generation, drawn] of shown) if (!tab.generations.list.includes(generation)) forget(generation, drawn);
    let newest = null;
    for (const generation of tab.generations.list) {
      if (shown.has(generation)) continue;
      newest = drawGeneration(tab, generation);
      shown.set(generation, newest);
      newest.cards.forEach(({ text }, sample) => grow(text, generation.texts[sample]));
    }
    const groups = group(tab.generations.list);
    const sections = groups.map((generations) => section(generations)).toReversed();
    settle(folio, sections.length ? sections : [make("p", "empty", EMPTY)]);
    groups.forEach(markPartings);
    if (newest && tab.generations.list.at(-1).live) {
      bringIntoView(newest.sheet.closest("section"));
      for (const { body } of newest.cards) body.scrollTop = body.scrollHeight; // to the end of a long prompt
    }
    if (coloured) tab.generations.list.forEach(colourGeneration);
  }

  function forget(generation, { cards }) {
    for (const { text } of cards) {
      heat.clear(text);
      unmark(text);
      tab.inspector.forget(text);
    }
    shown.delete(generation);
  }

  const cardsOf = (generations) => generations.flatMap((generation) => shown.get(generation).cards);

  function section(generations) {
    const node = shown.get(generations[0]).section;
    settle(node, generations.map((generation) => shown.get(generation).block));
    node.classList.toggle("abreast", generations.length > 1);
    return node;
  }

  function take(generation) {
    const drawn = shown.get(generation);
    if (!drawn) return;
    drawn.cards.forEach((card, sample) => {
      const more = generation.texts[sample].slice(card.text.data.length);
      if (more) write(card, more);
    });
    showStatus(generation, drawn);
    markPartings(group(tab.generations.list).find((generations) => generations.includes(generation)));
    if (!generation.live) drawn.cards.forEach(showBeginning);
    if (coloured) colourGeneration(generation);
  }

  function markPartings(generations) {
    const cards = cardsOf(generations);
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
    tab.address.keep("colours", on ? "1" : "");
    if (on) asking = latest.begin();
    else latest.cancel();
    if (on) tab.generations.list.forEach(colourGeneration);
    else shown.forEach(({ cards }) => cards.forEach((card) => uncolour(card)));
  }

  function uncolour(card) {
    heat.clear(card.text);
    card.coloured = 0;
  }

  // Only what is new is fetched and painted.
  async function colourGeneration(generation) {
    const drawn = shown.get(generation);
    if (drawn.colouring) return;
    drawn.colouring = true;
    const { model } = generation;
    const V = model.vocabulary.length;
    const signal = asking;
    try {
      for (const [sample, card] of drawn.cards.entries()) {
        const logits = await turns.take(() => logitsOf(generation, sample, signal));
        if (!coloured || !shown.has(generation)) return;
        const ids = [...generation.texts[sample]].map((char) => model.idOf(char));
        const bits = [];
        const until = Math.min(logits.length / V, ids.length);
        for (let i = card.coloured; i < until; i++) bits.push(surprisal(distribution(logits.subarray(i * V, (i + 1) * V))[ids[i]]));
        heat.paint(card.text, bits, card.coloured);
        card.coloured = until;
      }
    } catch (error) {
      if (!signal.aborted) tab.page.say(error.message, true);
      return; // the next change tries again
    } finally {
      drawn.colouring = false;
    }
    const isBehind = (card, sample) => card.coloured < charsIn(generation.texts[sample]);
    if (coloured && !generation.live && drawn.cards.some(isBehind)) colourGeneration(generation);
  }

  tab.generations.addEventListener("change", update);
  tab.generations.addEventListener("grow", ({ detail }) => take(detail));
  colour(tab.address.get("colours") === "1");
  update();
  return { keys: [["h", "Colour by surprisal", () => colour(!coloured)]] };
}

// Puts children into a node; those that are there already stay where they are scrolled to.
function settle(node, children) {
  for (const child of Array.from(node.children)) if (!children.includes(child)) child.remove();
  children.forEach((child, i) => node.children[i] !== child && node.insertBefore(child, node.children[i] ?? null));
}

// Generations that were asked for together stand abreast.
/** @param {Generation[]} generations */
function group(generations) {
  /** @type {Generation[][]} */
  const groups = [];
  for (const generation of generations) {
    if (generation.view.beside && groups.at(-1)?.[0].view.beside === generation.view.beside) groups.at(-1).push(generation);
    else groups.push([generation]);
  }
  return groups;
}

/** @param {SampleTab} tab @param {Generation} generation */
function drawGeneration(tab, generation) {
  const { model, view } = generation;
  const section = make("section", "group");
  section.dataset.testid = "group";
  const block = make("div", "group-block");
  const line = make("div", "group-line");
  const status = make("span", "status");
  status.dataset.testid = "status";
  status.setAttribute("role", "status");
  const others = tab.generations.list.some((other) => other.model !== model);
  const who = makeText("span", "setting group-model", model.name);
  who.hidden = tab.models.list.length < 2 && !others;
  line.append(who, make("span", "setting", `temperature ${view.temperature}`), seedOf(tab, generation), ...settingsOf(view), status);
  const sheet = make("div", "sheet");
  sheet.dataset.count = String(view.samples);
  const cards = generation.texts.map((_, sample) => drawCard(tab, generation, sample));
  sheet.append(...cards.map(({ card }) => card));
  block.append(line, sheet);
  const drawn = { section, block, sheet, status, cards, colouring: false };
  showStatus(generation, drawn);
  return drawn;
}

function seedOf(tab, { view }) {
  if (!(view.seed_repeats ?? true)) return make("span", "setting", `seed ${view.seed}`);
  const keep = () => {
    tab.settings.set({ seed: view.seed });
    tab.settings.focus("seed");
  };
  const seed = button("quiet inline seed", `seed ${view.seed}`, keep);
  seed.title = "Keep this seed: the next texts use the same dice";
  return seed;
}

function* settingsOf({ top_k, top_p, first_sample, first_step, samples, forced }) {
  if (top_k) yield make("span", "setting", `top-k ${top_k}`);
  if (top_p < 1) yield make("span", "setting", `top-p ${top_p}`);
  if (first_sample && samples > 1) yield make("span", "setting", `samples ${first_sample + 1} to ${first_sample + samples}`);
  if (forced) yield make("span", "setting", `‘${nameOf(forced.chosen)}’ chosen by hand`);
  if (first_step) yield make("span", "setting", `dice from number ${number(first_step + 1)} on`);
}

function drawCard(tab, generation, sample) {
  const { view } = generation;
  const card = make("article", "card");
  card.dataset.testid = "card";
  const name = view.first_sample + sample + 1;
  const heading = make("h2", "card-number", `${name}`);
  heading.setAttribute("aria-label", `Sample ${name}`);
  const body = makeText("p", "card-text");
  body.tabIndex = 0; // a long text scrolls, by keys too
  const text = document.createTextNode("");
  body.append(make("span", "prompt", view.prompt), text);
  card.append(heading, body);
  body.addEventListener("pointerdown", () => (tab.generations.selected = { generation, sample }));
  tab.inspector.watch(body, text, {
    at: (index, signal) => factsOf(generation, sample, index, signal),
    continueFrom: (index) => tab.continueFrom(generation, sample, index),
    force: (index, id) => tab.force(generation, sample, index, id),
  });
  return { card, body, text, coloured: 0 };
}

function showStatus(generation, { block, status }) {
  const { view } = generation;
  const written = generation.n_chars;
  const precision = view.seed_repeats ? "" : `, in float32; in ${view.precision}, as here, the same seed gives other texts`;
  const words = {
    stored: () => `written earlier by this model${precision}`,
    waiting: () => (view.ahead ? `waiting, ${number(view.ahead)} ahead of you` : "waiting for its turn"),
    running: () => "writing",
    stopped: () => `stopped after ${plural(written, "character")}`,
    failed: () => "failed",
    lost: () => `cut off after ${plural(written, "character")}`,
    done: () => `${plural(written, "character")} in ${view.elapsed_s.toFixed(1)} s`,
  };
  const text = words[view.state]();
  if (status.textContent !== text) status.textContent = text;
  block.classList.toggle("running", generation.live);
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

/** @type {WeakMap<Text, [Highlight, AbstractRange][]>} */
const marks = new WeakMap();

function unmark(text) {
  for (const [highlight, range] of marks.get(text) ?? []) highlight.delete(range);
  marks.delete(text);
}

function addMark(highlight, text, from, to = undefined) {
  const marked = range(text, from, to);
  highlight.add(marked);
  marks.set(text, [...(marks.get(text) ?? []), [highlight, marked]]);
}

const shade = (text, length) => addMark(SHADED, text, 0, length);
const part = (text, at) => addMark(PARTING, text, at);

// One prompt and one seed at three temperatures, side by side.
function createComparison(tab) {
  const form = make("form", "comparison");
  const { min, max } = tab.settings.range("temperature");
  const fields = [0.5, 0.8, 1.2].map((temperature, i) => {
    const field = make("input", "field comparison-temperature");
    Object.assign(field, { type: "number", min, max, step: 0.05, value: temperature, required: true });
    field.setAttribute("aria-label", `Temperature ${i + 1}`);
    return field;
  });
  const go = make("button", "quiet", "side by side");
  go.type = "submit";
  go.title = "One prompt and one seed at three temperatures";
  go.setAttribute("aria-label", "Write at three temperatures, side by side");
  form.append(...fields, go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const settings = tab.settings.get();
    const seed = String(settings.seed).trim() || drawSeed();
    const beside = tab.generations.pressName("temperatures");
    for (const field of fields) {
      const temperature = Number(field.value);
      void tab.generations.write({ ...settings, seed, samples: 1, temperature }, { beside, order: temperature });
    }
  });
  return form;
}
