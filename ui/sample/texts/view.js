// The view "Texts": cards side by side, a group of them for each press of Generate or Again.
import { charsIn, commonLength } from "../../shared/characters.js";
import { bringIntoView, button, CLICK, endOf, listed, make, makeText, number, plural, quoted, settle } from "../../shared/dom.js";
import { drawSeed } from "../../shared/dice.js";
import { heat } from "../../shared/heat.js";
import { distribution, surprisal } from "../../shared/distribution.js";
import { mark, range } from "../../shared/marks.js";
import { factsOf, logitsOf } from "../../shared/logits.js";
import { Latest, Turns } from "../../shared/requests.js";
import { comparison, isPaired } from "./compared.js";

const CAPTION = "One prompt, several samples: each gets its own throws of the dice. Point at any character to see how it was drawn, or press Generate again.";
const EMPTY = "Type a prompt and press Generate. Each sample gets its own throws of the dice.";
const MOST_PROMPT = 240; // characters of a prompt that a card shows
const SHADED = mark("shared"); // what all samples of a group begin with
const PARTING = mark("parting"); // where a sample leaves all others of its group
const HINT = CLICK === "Click" ? "Point at a character to see how it was drawn." : "Tap a character."; // a phone has no room for more
const KEY = { group: ["the same in all samples", "where this one diverges"], pair: ["the same in both", "where they diverge"] };

/** @typedef {import("../main.js").SampleTab} SampleTab */
/** @typedef {import("../../shared/generations.js").Generation} Generation */
/** @typedef {ReturnType<typeof drawGeneration>} Drawn */

/** @param {HTMLElement} panel @param {SampleTab} tab @returns {import("../../shared/views.js").View} */
export function createTexts(panel, tab) {
  const bar = make("div", "texts-bar");
  const folio = make("div", "folio");
  folio.dataset.testid = "folio";
  const switches = {
    colours: button("switch", "Colour by surprisal", () => toggle("colours")),
    guesses: button("switch", "Colour guesses", () => toggle("guesses")),
  };
  const legend = heat.legend();
  const explanation = make("p", "texts-key");
  const [shadedKey, partingKey] = [make("span"), make("span")];
  explanation.append(make("span", "key-shared", "shaded"), shadedKey, make("span", "key-parting", "underlined"), partingKey);
  bar.append(switches.colours, switches.guesses, explanation, legend, make("p", "texts-hint", HINT), createComparison(tab));
  panel.append(bar, folio);
  // What has the focus is seen whole, where the bar scrolls.
  bar.addEventListener("focusin", ({ target }) => /** @type {Element} */ (target).scrollIntoView({ block: "nearest", inline: "nearest" }));

  /** @type {Map<Generation, Drawn>} */
  const shown = new Map();
  /** @type {"" | "colours" | "guesses"} what the characters are coloured by */
  let coloured = "";
  /** @type {ReturnType<typeof import("../guesses/guesses.js").createGuesses> | null} fetched when it is first wanted */
  let guesses = null;
  // The logits of all texts are asked for one after the other.
  const [latest, turns] = [new Latest(), new Turns(1)];
  /** @type {AbortSignal} */
  let asking;

  function update() {
    for (const [generation, drawn] of shown) if (!tab.generations.list.includes(generation)) forget(generation, drawn);
    let newest = null;
    for (const generation of tab.generations.list) {
      if (shown.has(generation)) continue;
      newest = drawGeneration(tab, generation, () => coloured === "guesses");
      shown.set(generation, newest);
      newest.cards.forEach(({ text }, sample) => grow(text, generation.texts[sample]));
    }
    const { list } = tab.generations;
    const groups = group(list);
    const paired = pairIn(list);
    const sections = groups.filter(([first]) => !paired || first !== paired.earlier).map((generations) => section(generations)).toReversed();
    if (paired) sections[0] = pair(paired);
    settle(folio, sections.length ? sections : [make("p", "empty", EMPTY)]);
    for (const generation of list) showEarlier(generation);
    groups.forEach(markPartings);
    const [shaded, parting] = paired ? KEY.pair : KEY.group;
    shadedKey.textContent = `: ${shaded} · `;
    partingKey.textContent = `: ${parting}`;
    if (newest && list.at(-1).live) bringIntoView(newest.sheet.closest("section"));
    list.forEach(colour);
  }

  function forget(generation, { cards }) {
    for (const { text } of cards) {
      heat.clear(text);
      guesses?.clear(text);
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
    nameCards(generations, shown);
    return node;
  }

  // The newest generation and the earlier one in two columns, a row for each sample.
  function pair(generation) {
    const node = shown.get(generation).pair;
    node.style.setProperty("--rows", String(1 + Math.max(generation.texts.length, generation.earlier.texts.length)));
    settle(node, [generation, generation.earlier].map((one) => section([one])));
    return node;
  }

  const pairIn = (list) => (list.length && isPaired(list.at(-1), list) ? list.at(-1) : null);

  function showEarlier(generation) {
    const { earlier, compared } = shown.get(generation);
    earlier.hidden = tab.generations.current.includes(generation);
    const words = generation.earlier && tab.generations.list.includes(generation.earlier) ? comparison(generation) : "";
    compared.hidden = !words;
    if (compared.textContent !== words) compared.textContent = words;
  }

  function take(generation) {
    const drawn = shown.get(generation);
    if (!drawn) return;
    drawn.cards.forEach((card, sample) => {
      const more = generation.texts[sample].slice(card.text.data.length);
      if (more) grow(card.text, more);
    });
    showStatus(generation, drawn);
    showEarlier(generation);
    markPartings(group(tab.generations.list).find((generations) => generations.includes(generation)));
    colour(generation);
  }

  function markPartings(generations) {
    const cards = cardsOf(generations);
    const paired = pairIn(tab.generations.list);
    if (paired && generations.some((one) => one === paired || one === paired.earlier)) return markPair(paired);
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

  function markPair(generation) {
    const [now, before] = [generation, generation.earlier].map((one) => shown.get(one).cards);
    for (const { text } of [...now, ...before]) unmark(text);
    now.slice(0, before.length).forEach(({ text }, i) => {
      const both = [text, before[i].text];
      const length = commonLength(text.data, before[i].text.data);
      if (length) both.forEach((one) => shade(one, length));
      if (both.every(({ data }) => length < data.length)) both.forEach((one) => part(one, length));
    });
  }

  const toggle = (name) => colourBy(coloured === name ? "" : name);
  const chosen = () => /** @type {const} */ (["colours", "guesses"]).find((name) => tab.address.get(name) === "1") ?? "";

  /** @param {"" | "colours" | "guesses"} name */
  function colourBy(name) {
    coloured = name;
    for (const [other, node] of Object.entries(switches)) {
      node.setAttribute("aria-pressed", String(name === other));
      tab.address.keep(other, name === other ? "1" : "");
    }
    legend.hidden = name !== "colours";
    if (guesses) guesses.node.hidden = name !== "guesses";
    else if (name === "guesses") void fetchGuesses();
    explanation.hidden = name !== ""; // a shade would pass for a colour
    for (const [highlight, marked] of Object.entries({ shared: SHADED, parting: PARTING })) {
      if (name) CSS.highlights.delete(highlight);
      else CSS.highlights.set(highlight, marked);
    }
    if (name === "colours") asking = latest.begin();
    else latest.cancel();
    for (const { cards, guessed } of shown.values()) {
      cards.forEach((card) => uncolour(card));
      guessed.hidden = name !== "guesses";
    }
    for (const generation of shown.keys()) colour(generation);
  }

  function uncolour(card) {
    heat.clear(card.text);
    guesses?.clear(card.text);
    card.coloured = 0;
  }

  /** @param {Generation} generation that is new, or has more text */
  function colour(generation) {
    if (coloured === "colours") void colourGeneration(generation);
    if (coloured === "guesses" && guesses) colourGuesses(generation);
  }

  async function fetchGuesses() {
    try {
      const { createGuesses } = await import("../guesses/guesses.js");
      guesses ??= createGuesses();
      bar.after(guesses.node);
      colourBy(coloured);
    } catch (error) {
      tab.page.say(error.message, true);
      if (coloured === "guesses") colourBy("");
    }
  }

  function colourGuesses(generation) {
    const { cards, guessed } = shown.get(generation);
    cards.forEach((card, sample) => (card.coloured = guesses.paint(card.text, generation, sample, card.coloured)));
    guessed.textContent = guesses.inWords(generation);
    guessed.hidden = tab.generations.list.length === 1; // the legend says it
    guesses.show(tab.generations.list);
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
        if (coloured !== "colours" || !shown.has(generation)) return;
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
    if (coloured === "colours" && !generation.live && drawn.cards.some(isBehind)) colourGeneration(generation);
  }

  tab.generations.addEventListener("change", update);
  tab.generations.addEventListener("grow", ({ detail }) => take(detail));
  colourBy(chosen());
  update();
  return {
    caption: CAPTION,
    keeps: ["colours", "guesses"],
    take: () => colourBy(chosen()),
    keys: [["h", "Colour by surprisal", () => toggle("colours")], ["e", "Colour guesses", () => toggle("guesses")]],
  };
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

/** @param {SampleTab} tab @param {Generation} generation @param {() => boolean} tellsGuesses */
function drawGeneration(tab, generation, tellsGuesses) {
  const { model, view } = generation;
  const [section, pair] = [make("section", "group"), make("div", "pair")];
  section.dataset.testid = "group";
  const block = make("div", "group-block");
  const line = make("div", "group-line");
  const status = make("span", "status");
  status.dataset.testid = "status";
  status.setAttribute("role", "status");
  const others = tab.generations.list.some((other) => other.model !== model);
  const who = makeText("span", "setting group-model", model.name);
  who.hidden = tab.models.list.length < 2 && !others;
  const earlier = make("span", "group-earlier", "before");
  const guessed = make("span", "group-guesses");
  guessed.hidden = !tellsGuesses();
  const compared = make("p", "compared");
  compared.dataset.testid = "compared";
  compared.setAttribute("role", "status");
  line.append(earlier, who, make("span", "setting", `temperature ${view.temperature}`), seedOf(tab, view), ...settingsOf(generation), status, guessed, compared);
  const sheet = make("div", "sheet");
  sheet.dataset.count = String(view.samples);
  const cards = generation.texts.map((_, sample) => drawCard(tab, generation, sample, tellsGuesses));
  sheet.append(...cards.map(({ card }) => card));
  block.append(line, sheet);
  const drawn = { section, pair, block, sheet, status, guessed, earlier, compared, cards, colouring: false };
  showStatus(generation, drawn);
  return drawn;
}

function seedOf(tab, view) {
  const keep = () => {
    tab.settings.set({ seed: view.seed });
    tab.settings.focus("seed");
  };
  const seed = button("quiet inline seed", `seed ${view.seed}`, keep);
  seed.title = "Keep this seed: the next texts use the same dice";
  return seed;
}

/** @param {Generation} generation */
function* settingsOf({ model, view: { top_k, top_p, first_sample, first_step, samples, forced, prompt } }) {
  yield make("span", "setting", samplesOf(first_sample, samples));
  if (top_k) yield make("span", "setting", `top-k ${top_k}`);
  if (top_p < 1) yield make("span", "setting", `top-p ${top_p}`);
  if (forced) yield make("span", "setting", `${quoted(forced.chosen)} chosen by hand`);
  if (first_step) yield make("span", "setting", `dice continue from throw ${number(first_step + 1)}`);
  if (charsIn(prompt) > model.blockSize) yield make("span", "setting", `reads at most the last ${number(model.blockSize)} characters`);
}

// Which of a seed's samples: "samples 3 and 4".
function samplesOf(before, count) {
  if (count < 3) return `sample${count === 1 ? "" : "s"} ${listed(Array.from({ length: count }, (_, i) => number(before + i + 1)))}`;
  return `samples ${number(before + 1)} to ${number(before + count)}`;
}

// What stands abreast at several temperatures is named by them: all are sample 1.
function nameCards(generations, shown) {
  const byTemperature = generations.every(({ texts }) => texts.length === 1) && new Set(generations.map(({ view }) => view.temperature)).size > 1;
  for (const generation of generations) {
    shown.get(generation).cards.forEach(({ heading }, sample) => {
      const number = generation.view.first_sample + sample + 1;
      heading.textContent = byTemperature ? `at ${generation.view.temperature}` : `${number}`;
      heading.setAttribute("aria-label", byTemperature ? `Sample ${number} at temperature ${generation.view.temperature}` : `Sample ${number}`);
    });
  }
}

function drawCard(tab, generation, sample, tellsGuesses) {
  const { view } = generation;
  const card = make("article", "card");
  card.dataset.testid = "card";
  const heading = make("h2", "card-number");
  const body = makeText("p", "card-text");
  body.tabIndex = 0; // the arrow keys go through its characters
  const text = document.createTextNode("");
  body.append(promptOf(view), text);
  card.append(heading, body);
  body.addEventListener("pointerdown", () => (tab.generations.selected = { generation, sample }));
  tab.inspector.watch(body, text, {
    at: async (index, signal) => {
      const facts = await factsOf(generation, sample, index, signal);
      return facts && tellsGuesses() ? { ...facts, guess: generation.guesses[sample][index] } : facts;
    },
    continueFrom: (index) => tab.continueFrom(generation, sample, index),
    force: (index, id) => tab.force(generation, sample, index, id),
  });
  return { card, heading, text, coloured: 0 };
}

// A long prompt is shown by its end. The character that was chosen by hand is marked.
function promptOf({ prompt, forced }) {
  const node = make("span", "prompt");
  const shown = endOf(prompt, MOST_PROMPT);
  const end = forced?.chosen.length ?? 0;
  node.append(shown.slice(0, shown.length - end));
  if (end) node.append(make("span", "forced", shown.slice(-end)));
  return node;
}

function showStatus(generation, { block, status }) {
  const { view } = generation;
  const written = generation.n_chars;
  const words = {
    waiting: () => (view.ahead ? `waiting, ${number(view.ahead)} ahead of you` : "waiting for its turn"),
    running: () => "writing",
    stopped: () => `stopped after ${plural(written, "character")}`,
    failed: () => "failed",
    lost: () => `interrupted after ${plural(written, "character")}`,
    done: () => `${plural(written, "character")} in ${view.elapsed_s.toFixed(1)} s`,
  };
  const text = words[view.state]();
  if (status.textContent !== text) status.textContent = text;
  block.classList.toggle("running", generation.live);
}

const grow = (text, more) => text.appendData(more);

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
  const go = make("button", "quiet", "Compare temperatures");
  go.type = "submit";
  go.title = "One prompt and one seed at these three temperatures, side by side";
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
