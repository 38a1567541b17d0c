// The view "Locked dice": the throws of a text stay as they fell, and the settings at the left move. On one side, which of the throws would
// now land elsewhere along the text; on the other, what the same dice write from the start.
import { die } from "../shared/dice.js";
import { distribution, land } from "../shared/distribution.js";
import { button, make, nameOf, number } from "../shared/dom.js";
import { factsOf, logitsOf } from "./records.js";
import { asViewer, post, readLines, Run } from "./runs.js";

const PAUSE_MS = 300; // after the last move, before the server is asked
const FOLLOW_MS = 400; // between two looks at a text that is being written
const UNREACHABLE = "The server cannot be reached. Nothing is lost.";
const EMPTY = "No text is here yet. Press Generate, then keep its dice and move the temperature.";
const CHANGED = mark("locked-changed"); // throws that would land elsewhere
const SHARED = mark("locked-shared"); // what both texts begin with
const PARTING = mark("locked-parting"); // the first character that differs

function mark(name) {
  const highlight = new Highlight();
  CSS.highlights.set(name, highlight);
  return highlight;
}

export function createLocked(panel, app) {
  const page = build(panel);
  const V = app.vocabulary.length;
  let shown = false;
  let byHand = null; // { run, sample } that somebody chose
  let seen = null; // the last app.selected that was taken
  let chosen = null; // { run, sample } that is shown
  let thrown = null; // of it: { chars, ids, dice, logits }, as far as it is written
  let settings = relevant(app.controls.get());
  let landed = []; // where each throw lands with these settings: ids
  let other = null; // the text from the start: a Run of one sample
  let [frame, pause, following, abort] = [0, 0, 0, null];

  // Which text.

  const written = () => app.runs.list.filter(({ view }) => view.key); // as the address counts them
  const isHere = (choice) => choice?.run && app.runs.list.includes(choice.run) && choice.sample < choice.run.texts.length;

  function inAddress() {
    const [run, sample] = app.address.get("dice").split(".").map(Number);
    return { run: written()[run - 1], sample: sample - 1 };
  }

  function choose() {
    if (byHand && !isHere(byHand)) {
      byHand = null;
      app.address.keep("dice", "");
    }
    const newest = { run: app.runs.list.at(-1), sample: 0 };
    const choice = [byHand, inAddress(), newest].find(isHere) ?? null;
    fillSelect(page.select, app.runs.list, choice);
    page.empty.hidden = Boolean(choice);
    page.filled.hidden = !choice;
    if (!choice) forget();
    else if (choice.run !== chosen?.run || choice.sample !== chosen.sample) open(choice);
  }

  function chooseByHand(choice) {
    byHand = choice;
    const place = written().indexOf(choice.run);
    app.address.keep("dice", place < 0 ? "" : `${place + 1}.${choice.sample + 1}`);
    choose();
  }

  function forget() {
    drop();
    [chosen, thrown, landed, other] = [null, null, [], null];
  }

  function open(choice) {
    forget();
    chosen = choice;
    const { prompt } = choice.run.view;
    for (const { start, text } of [page.original, page.fresh]) {
      start.textContent = prompt;
      text.data = "";
    }
    for (const highlight of [CHANGED, SHARED, PARTING]) highlight.clear();
    page.fresh.status.textContent = "";
    page.headline.textContent = "";
    page.first.hidden = true;
    void load();
  }

  // The original: what its throws fell on.

  async function load() {
    const choice = chosen;
    const { run, sample } = choice;
    tell(page.trouble);
    page.original.text.data = run.texts[sample];
    try {
      const logits = await logitsOf(run, sample);
      if (choice !== chosen) return;
      const chars = [...run.texts[sample]].slice(0, logits.length / V);
      const dice = thrown?.dice ?? [];
      const { seed, first_sample, first_step = 0 } = run.view;
      for (let i = dice.length; i < chars.length; i++) dice.push(die(seed, first_sample + sample, first_step + i));
      thrown = { chars, ids: chars.map(app.idOf), dice, logits };
    } catch (error) {
      if (choice === chosen) tell(page.trouble, inWords(error), load);
      return;
    }
    count();
    ask();
  }

  function follow(run) {
    if (!shown || run !== chosen?.run || following) return;
    following = setTimeout(() => {
      following = 0;
      if (run === chosen?.run) void load();
    }, FOLLOW_MS);
  }

  function count() {
    const { chars, ids, dice, logits } = thrown;
    landed = dice.map((fell, i) => land(distribution(logits.subarray(i * V, (i + 1) * V), settings), fell).id);
    const changed = ids.flatMap((id, i) => (id === landed[i] ? [] : [i]));
    highlightChanged(page.original.text, chars, changed);
    const { run } = chosen;
    const same = isSame(settings, run.settings);
    page.back.disabled = same;
    page.headline.replaceChildren(...headline(changed.length, chars.length, same, settings));
    const [first] = changed;
    page.first.hidden = first === undefined;
    if (first !== undefined) {
      const [before, now] = [chars[first], app.vocabulary[landed[first]]].map(nameOf);
      page.first.textContent = `First at character ${number(first + 1)}: ‘${before}’ ${same ? "is" : "would be"} ‘${now}’`;
    }
    page.note.textContent = note(run, app.page.precision, same, changed.length);
  }

  // The same dice from the start.

  // Asks the server once the settings have come to rest.
  function ask() {
    drop();
    if (!shown || !chosen || chosen.run.live || !thrown?.chars.length) return;
    page.fresh.card.classList.add("stale");
    pause = setTimeout(write, PAUSE_MS);
  }

  function drop() {
    clearTimeout(pause);
    abort?.abort();
    abort = null;
  }

  async function write() {
    const { run, sample } = chosen;
    const { prompt, seed, first_sample, first_step = 0 } = run.view;
    const dice = { seed, first_sample: first_sample + sample, first_step };
    const asked = new AbortController();
    abort = asked;
    tell(page.fresh.trouble);
    const body = asViewer({ prompt, ...dice, ...settings, samples: 1, length: thrown.chars.length });
    try {
      const answer = await post("./write", body, asked.signal);
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The server answered ${answer.status}.`);
      let begun = null;
      await readLines(answer.body, (view) => {
        if (asked.signal.aborted) return;
        if (begun) grow(begun, view);
        else begun = begin(view);
        if (view.error) throw new Error(view.error);
      });
      if (!begun || begun.live) throw new TypeError("cut off");
    } catch (error) {
      if (!asked.signal.aborted) tell(page.fresh.trouble, inWords(error), ask);
    } finally {
      if (abort === asked) abort = null;
    }
  }

  function begin(view) {
    other = new Run(view);
    app.inspector.close();
    page.fresh.text.data = "";
    page.fresh.body.scrollTop = 0;
    page.fresh.card.classList.remove("stale");
    compare();
    return other;
  }

  function grow(run, { new: [more] = [""], ...news }) {
    Object.assign(run.view, news);
    run.texts[0] += more;
    page.fresh.text.appendData(more);
    compare();
  }

  function compare() {
    const { text, status } = page.fresh;
    const before = thrown.chars.join("");
    const at = commonLength(before, text.data);
    SHARED.clear();
    PARTING.clear();
    if (at) SHARED.add(rangeOf(text, 0, at));
    const differs = at < before.length && at < text.length;
    if (differs) PARTING.add(rangeOf(text, at, at + charAt(text.data, at).length));
    status.textContent = comparison(before, text.data, at, other.live);
  }

  // Beside the panel.

  function move(values) {
    const next = relevant(values);
    if (isSame(next, settings)) return;
    settings = next;
    page.temperature.value = settings.temperature;
    if (!shown || !thrown) return;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => thrown && count());
    ask();
  }

  page.select.addEventListener("change", () => {
    const [run, sample] = page.select.value.split(".").map(Number);
    chooseByHand({ run: app.runs.list[run], sample });
  });
  page.back.addEventListener("click", () => app.controls.set(chosen.run.settings));
  page.first.addEventListener("click", () => {
    for (const { body, text } of [page.original, page.fresh]) reveal(body, text, offsetOf(thrown, landed));
  });
  page.temperature.addEventListener("input", () => app.controls.set({ temperature: Number(page.temperature.value) }));
  app.controls.onChange(move);
  // A number out of range is moved without an event when its field is left.
  document.getElementById("controls").addEventListener("focusout", () => setTimeout(() => move(app.controls.get())));
  app.runs.addEventListener("change", () => {
    if (!shown) return;
    choose();
    if (chosen && thrown && !chosen.run.live && thrown.chars.length < [...chosen.run.texts[chosen.sample]].length) void load();
  });
  app.runs.addEventListener("grow", ({ detail }) => follow(detail));

  app.inspector.watch(page.original.body, page.original.text, {
    at: (index) => {
      if (!thrown || index >= landed.length) return null;
      const { chars, ids, dice } = thrown;
      const logits = thrown.logits.subarray(index * V, (index + 1) * V);
      const here = { logits, settings, die: dice[index], recomputed: Boolean(chosen.run.recomputed) };
      if (landed[index] === ids[index]) return { ...here, char: chars[index] };
      return { ...here, char: app.vocabulary[landed[index]], instead: chars[index] };
    },
  });
  app.inspector.watch(page.fresh.body, page.fresh.text, {
    at: (index) => other && factsOf(app, other, 0, index),
  });

  return {
    show() {
      shown = true;
      if (app.selected && app.selected !== seen) {
        seen = app.selected;
        if (isHere(seen)) byHand = seen;
      }
      settings = relevant(app.controls.get());
      page.temperature.value = settings.temperature;
      const before = chosen;
      choose();
      if (chosen && chosen === before) void load();
    },
    hide() {
      shown = false;
      drop();
    },
  };
}

// What decides where a throw lands.
const relevant = ({ temperature, top_k, top_p }) => ({ temperature, top_k, top_p });

const isSame = (a, b) => a.temperature === b.temperature && a.top_k === b.top_k && a.top_p === b.top_p;

function* headline(changed, all, same, settings) {
  const where = same ? "at the original’s own settings" : `at ${inFull(settings)}`;
  yield make("b", "", number(changed));
  yield ` of ${number(all)} throws ${same ? (changed === 1 ? "lands" : "land") : "would land"} elsewhere ${where}`;
}

function inFull({ temperature, top_k, top_p }) {
  return [`temperature ${temperature}`, ...(top_k ? [`top-k ${top_k}`] : []), ...(top_p < 1 ? [`top-p ${top_p}`] : [])].join(", ");
}

// What the reader must know to take the count for what it is.
function note(run, precision, same, changed) {
  if (!run.recomputed) return same ? "Move the temperature at the left: the dice stay as they fell." : "";
  const stored = run.view.state === "stored";
  const foreign = stored && run.view.seed_repeats === false;
  const why = stored ? "This text was written earlier" : "The server no longer remembers what these characters were drawn from";
  const how = `${why}; it was computed again from the text${foreign ? `, in ${precision} instead of float32` : ""}.`;
  const edge = same && changed ? "That is why throws near an edge fall" : "A throw near an edge may fall";
  return `${how} ${edge} on its other side, and from there the dice write another text.`;
}

function comparison(before, after, at, live) {
  const place = number([...before.slice(0, at)].length + 1);
  if (at < before.length && at < after.length) {
    const [was, is] = [before, after].map((text) => nameOf(charAt(text, at)));
    return `Parts at character ${place}: ‘${is}’ instead of ‘${was}’${live ? "; writing" : ""}`;
  }
  if (live) return "Writing";
  return at === before.length ? "The same text, character for character" : "The same, as far as it was written";
}

const inWords = (error) => (error instanceof TypeError ? UNREACHABLE : error.message);

// A complaint beside what it is about, with a way to try again; without words, none.
function tell(node, words = "", again = null) {
  node.replaceChildren(...(words ? [`${words} `, button("quiet", "Try again", again)] : []));
}

function fillSelect(select, runs, choice) {
  const groups = runs.map((run, i) => {
    const { view, texts } = run;
    const group = make("optgroup");
    group.label = `Temperature ${view.temperature}, seed ${view.seed}`;
    group.append(...texts.map((text, sample) => option(`${i}.${sample}`, view.first_sample + sample + 1, view.prompt + text)));
    return group;
  });
  select.replaceChildren(...groups.reverse());
  select.value = choice && `${runs.indexOf(choice.run)}.${choice.sample}`;
}

function option(value, name, text) {
  const beginning = text.replace(/\s+/g, " ").trim().slice(0, 28);
  const node = make("option", "", `Sample ${name}: ${beginning}`);
  node.value = value;
  return node;
}

function build(panel) {
  const empty = make("p", "empty", EMPTY);
  const filled = make("div", "locked");
  const bar = make("div", "locked-bar");
  const label = make("label", "locked-label", "Dice of");
  const select = make("select", "locked-select");
  select.id = "locked-select";
  label.htmlFor = select.id;
  const back = button("quiet", "Back to the original’s settings", () => {});
  bar.append(label, select, back);
  const slider = make("label", "locked-temperature", "Temperature");
  const temperature = make("input");
  Object.assign(temperature, { type: "range", min: 0, max: 2, step: 0.05 });
  slider.append(temperature);
  const headline = make("p", "locked-headline");
  headline.setAttribute("role", "status");
  const more = make("p", "locked-more");
  const first = button("quiet", "", () => {});
  const note = make("span", "locked-note");
  more.append(first, note);
  const trouble = alert();
  const original = column("The original text", "Marked: throws that would now land elsewhere.");
  const fresh = column("The same dice from the start", "Shaded: still the original text.");
  const columns = make("div", "locked-columns");
  columns.append(original.node, fresh.node);
  filled.append(bar, slider, headline, more, trouble, columns);
  panel.append(empty, filled);
  return { empty, filled, select, back, temperature, headline, first, note, trouble, original, fresh };
}

function alert() {
  const node = make("p", "locked-trouble");
  node.setAttribute("role", "alert");
  return node;
}

function column(title, explanation) {
  const node = make("section", "locked-column");
  const heading = make("h2", "locked-title", title);
  const status = make("p", "locked-status");
  status.setAttribute("role", "status");
  const trouble = alert();
  const card = make("article", "card");
  const body = make("p", "card-text locked-text");
  body.tabIndex = 0;
  body.setAttribute("aria-label", title);
  const start = make("span", "prompt");
  const text = document.createTextNode("");
  body.append(start, text);
  card.append(body);
  node.append(heading, make("p", "locked-explanation", explanation), status, trouble, card);
  return { node, status, trouble, card, body, start, text };
}

const rangeOf = (text, from, to) => new StaticRange({ startContainer: text, startOffset: from, endContainer: text, endOffset: to });

function highlightChanged(text, chars, changed) {
  CHANGED.clear();
  const marked = new Set(changed);
  let offset = 0;
  chars.forEach((char, i) => {
    if (marked.has(i)) CHANGED.add(rangeOf(text, offset, offset + char.length));
    offset += char.length;
  });
}

const charAt = (text, offset) => String.fromCodePoint(text.codePointAt(offset));

// Where the first throw that lands elsewhere stands in the text.
function offsetOf({ chars, ids }, landed) {
  const index = ids.findIndex((id, i) => id !== landed[i]);
  return chars.slice(0, index).join("").length;
}

function commonLength(a, b) {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}

// Scrolls a text so that a place of it is in the middle.
function reveal(body, text, offset) {
  if (offset >= text.length) return;
  const range = document.createRange();
  range.setStart(text, offset);
  range.setEnd(text, offset + 1);
  const [there, frame] = [range.getBoundingClientRect(), body.getBoundingClientRect()];
  body.scrollTop += there.top - frame.top - frame.height / 2;
}
