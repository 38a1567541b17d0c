// The Sample tab: what its buttons do, and the texts: groups of cards, one group for each press of Generate or Again.
// Given by gr.HTML: element, props. Text enters the page through text nodes only.
const folio = element.querySelector(".folio");
const runs = []; // what is on the page
let writing = null; // the run under way: one at a time for each open page
let asked = null; // what was asked and is not answered yet
let thrown = null; // the settings of the last run and the number of their next sample
const viewer = [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");

const make = (tag, className, text = "") => {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
};
const number = (value) => Math.round(value).toLocaleString("en");

// Other components may be mounted after this one, so they are looked up when they are needed.
const byId = (id) => document.getElementById(id);

function tell(text, isError) {
  const notice = byId("notice");
  if (!notice) return;
  if (notice.textContent === text) {
    if (isError) bringIntoView(notice);
    return;
  }
  notice.setAttribute("role", isError ? "alert" : "status");
  notice.classList.toggle("error", isError);
  notice.textContent = text;
  if (isError) bringIntoView(notice);
}

function makeCard(view, index) {
  const card = make("article", "card");
  card.dataset.testid = "card";
  const heading = make("h2", "card-number", `${view.first_sample + index + 1}`);
  heading.setAttribute("aria-label", `Sample ${view.first_sample + index + 1}`);
  const body = make("p", "card-text");
  body.tabIndex = 0; // a long text scrolls, by keys too
  const written = document.createTextNode("");
  body.append(make("span", "prompt", view.prompt), written);
  card.append(heading, body);
  return { card, body, written };
}

// A run: what was asked, what has come, and where it stands on the page.
function makeRun(view) {
  const section = make("section", "group");
  section.dataset.testid = "group";
  const line = make("div", "group-line");
  const repeats = view.seed_repeats ?? true;
  const seed = make(repeats ? "button" : "span", repeats ? "seed" : "setting", `seed ${view.seed}`);
  if (repeats) {
    seed.type = "button";
    seed.title = "Keep this seed: the next texts are thrown with the same dice";
    seed.addEventListener("click", () => keepSeed(view.seed));
  }
  const status = make("span", "status");
  status.dataset.testid = "status";
  status.setAttribute("role", "status");
  line.append(make("span", "setting", `temperature ${view.temperature}`), seed);
  if (view.first_sample) line.append(make("span", "setting", `samples ${view.first_sample + 1} to ${view.first_sample + view.samples}`));
  line.append(status);
  const sheet = make("div", "sheet");
  sheet.dataset.count = view.samples;
  const cards = Array.from({ length: view.samples }, (_, index) => makeCard(view, index));
  sheet.append(...cards.map((c) => c.card));
  section.append(line, sheet);
  const run = { section, status, cards, view, abort: new AbortController() };
  showStatus(run);
  return run;
}

// Gradio's field listens to input events.
function keepSeed(seed) {
  const field = document.querySelector("#seed :is(input, textarea)");
  field.value = seed;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

function showStatus({ section, status, cards, view }) {
  const written = cards.reduce((sum, { written }) => sum + [...written.data].length, 0);
  const words = {
    stored: () => `written earlier by this model${view.seed_repeats ? "" : `, in float32; here, in ${view.precision}, a seed gives other texts`}`,
    waiting: () => (view.ahead ? `waiting, ${number(view.ahead)} before you` : "waiting for its turn"),
    running: () => "writing",
    stopped: () => `stopped after ${number(written)} characters`,
    failed: () => "failed",
    lost: () => `cut off after ${number(written)} characters`,
    done: () => `${number(written)} characters in ${view.elapsed_s.toFixed(1)} s`,
  };
  const text = words[view.state]();
  if (status.textContent !== text) status.textContent = text;
  section.classList.toggle("running", view.state === "running" || view.state === "waiting");
}

// A card that its reader has not scrolled away from the end follows the writing.
function write({ body, written }, text) {
  const atEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 24;
  written.appendData(text);
  if (atEnd) body.scrollTop = body.scrollHeight;
}

// A finished text is read from its beginning, unless its reader is somewhere in it already. A long prompt is scrolled past.
function showBeginning({ body }) {
  if (body.scrollHeight - body.scrollTop - body.clientHeight >= 24) return;
  const prompt = body.querySelector(".prompt").getBoundingClientRect();
  const below = prompt.bottom - body.getBoundingClientRect().top + body.scrollTop;
  body.scrollTop = Math.max(0, below - body.clientHeight / 3);
}

// On a phone the texts are below the controls.
function bringIntoView(section) {
  const { top } = section.getBoundingClientRect();
  if (top >= 0 && top < innerHeight * 0.8) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  section.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}

function place(run) {
  folio.querySelector(".empty")?.remove();
  runs.push(run);
  folio.prepend(run.section);
}

// News of a run, as ui/stream.py sends it.
function take(run, { new: texts = [], ...news }) {
  const { view, cards } = run;
  Object.assign(view, news);
  texts.forEach((text, index) => {
    if (text) write(cards[index], text);
  });
  showStatus(run);
  if (view.chars_per_s) window.soliloquy.showSpeed(view.chars_per_s);
  if (view.error) tell(view.error, true);
  if (view.state !== "running" && view.state !== "waiting") cards.forEach(showBeginning);
}

// Reads a stream of JSON lines; `each` is given one at a time.
async function readLines(stream, each) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    lines.forEach((line) => each(JSON.parse(line)));
  }
}

const UNREACHABLE = "The server cannot be reached. What is written stays here; press Generate to try again.";

// Asks for texts and shows them as they come. Until the server has accepted, nothing that is on the page is touched.
async function ask(settings, keep) {
  const { prompt, temperature, seed, top_k, top_p } = settings;
  const dice = JSON.stringify([prompt, temperature, seed.trim(), top_k, top_p]);
  const first_sample = keep && seed.trim() && thrown?.dice === dice ? thrown.next : 0;
  const abort = new AbortController();
  let run = null;
  asked?.abort();
  asked = abort;
  allowStop();
  try {
    const answer = await fetch("./write", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...settings, first_sample, viewer }),
      signal: abort.signal,
    });
    if (!answer.ok) {
      const { error } = await answer.json().catch(() => ({}));
      tell(error ?? `The server answered ${answer.status}.`, true);
      return;
    }
    await readLines(answer.body, (view) => {
      if (run) {
        take(run, view);
        return;
      }
      stop();
      asked = null;
      if (!keep) clear();
      run = makeRun(view);
      run.abort = abort;
      writing = run;
      thrown = { dice, next: view.first_sample + view.samples };
      place(run);
      allowStop();
      tell(view.notice, false);
      bringIntoView(run.section);
      for (const { body } of run.cards) body.scrollTop = body.scrollHeight; // to the end of a long prompt
    });
    if (!run || run.view.state === "running" || run.view.state === "waiting") throw new TypeError("cut off");
  } catch (error) {
    if (abort.signal.aborted) return;
    abort.abort();
    if (run) take(run, { state: "lost" });
    tell(UNREACHABLE, true);
  } finally {
    if (asked === abort) asked = null;
    if (run && writing === run) writing = null;
    allowStop();
  }
}

// Ends the run under way; closing its connection is what tells the server.
function stop() {
  const run = writing;
  if (!run) return;
  writing = null;
  run.abort.abort();
  take(run, { state: "stopped" });
  allowStop();
}

// Stop can be pressed while something is being written.
function allowStop() {
  const stop = byId("stop");
  if (!stop) {
    requestAnimationFrame(allowStop);
    return;
  }
  const idle = !writing && !asked;
  if (idle && stop === document.activeElement) byId("generate").focus();
  stop.disabled = idle;
}

function clear() {
  runs.length = 0;
  folio.replaceChildren();
}

function showEmpty() {
  folio.append(make("p", "empty", "Type a prompt and press Generate. Each sample is a throw of the dice of its own."));
}

const settingsOf = (prompt, temperature, length, samples, seed, top_k, top_p) => ({ prompt, temperature, length, samples, seed, top_k, top_p });

window.soliloquy.sample = {
  generate: (...settings) => void ask(settingsOf(...settings), false),
  again: (...settings) => void ask(settingsOf(...settings), true),
  stop: () => {
    asked?.abort();
    asked = null;
    stop();
    allowStop();
  },
  clear: () => {
    asked?.abort();
    asked = null;
    stop();
    clear();
    thrown = null;
    showEmpty();
    tell("", false);
  },
};

// The first screen: samples that were stored with the weights.
if (props.value) {
  const { texts, ...view } = props.value;
  const run = makeRun({ ...view, samples: texts.length });
  place(run);
  take(run, { new: texts });
} else showEmpty();
allowStop();

// Gradio takes an emptied number field for its lowest value, and moves what is out of range without a word.
const isNumberField = (node) => node.matches?.('#controls input[type="number"]');
document.addEventListener("focusin", ({ target }) => {
  if (isNumberField(target)) target.dataset.before = target.value;
});
document.addEventListener(
  "focusout",
  ({ target }) => {
    if (!isNumberField(target)) return;
    const { min, max, value } = target;
    const label = target.getAttribute("aria-label").replace("number input for ", "");
    if (value === "") {
      target.value = target.dataset.before;
      target.dispatchEvent(new Event("input", { bubbles: true }));
    } else if (Number(value) < Number(min) || Number(value) > Number(max)) {
      tell(`${label} goes from ${min} to ${number(max)}.`, false);
    }
  },
  true,
);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("stop").disabled) byId("stop").click();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.closest("#controls")) {
    event.target.blur(); // so that Gradio takes what was typed
    event.target.focus();
    byId("generate").click();
  }
});
