// The texts of the Sample tab: groups of cards, one group for each press of Generate or Again.
// Given by gr.HTML: element, props, watch. Text enters the page through text nodes only.
const folio = element.querySelector(".folio");
const groups = new Map(); // run number -> its group
let current = 0; // what is still on its way of runs before this one is dropped

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
  if (notice.textContent === text) return;
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

function makeGroup(view) {
  const section = make("section", "group");
  section.dataset.testid = "group";
  const line = make("div", "group-line");
  const seed = make("button", "seed", `seed ${view.seed}`);
  seed.type = "button";
  seed.title = "Keep this seed: the next texts are thrown with the same dice";
  seed.addEventListener("click", () => keepSeed(view.seed));
  const status = make("span", "status");
  status.dataset.testid = "status";
  status.setAttribute("role", "status");
  line.append(make("span", "setting", `temperature ${view.temperature}`), seed);
  if (view.first_sample) line.append(make("span", "setting", `samples ${view.first_sample + 1} to ${view.first_sample + view.texts.length}`));
  line.append(status);
  const sheet = make("div", "sheet");
  sheet.dataset.count = view.texts.length;
  const cards = view.texts.map((_, index) => makeCard(view, index));
  sheet.append(...cards.map((c) => c.card));
  section.append(line, sheet);
  return { section, status, cards };
}

// Gradio's field listens to input events.
function keepSeed(seed) {
  const field = document.querySelector("#seed :is(input, textarea)");
  field.value = seed;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

function statusOf(view) {
  const written = view.texts.reduce((sum, text) => sum + [...text].length, 0);
  switch (view.state) {
    case "stored":
      return "written earlier by this model, in float32";
    case "waiting":
      return "waiting for its turn";
    case "running":
      return "writing";
    case "stopped":
      return `stopped after ${number(written)} characters`;
    case "failed":
      return "failed";
    default:
      return `${number(written)} characters in ${view.elapsed_s.toFixed(1)} s`;
  }
}

// A card that its reader has not scrolled away from the end follows the writing.
function write({ body, written }, text, running) {
  const atEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 24;
  if (text.startsWith(written.data)) written.appendData(text.slice(written.data.length));
  else written.data = text;
  if (running && atEnd) body.scrollTop = body.scrollHeight;
}

// A finished text is read from its beginning, unless its reader is somewhere in it already. A long prompt is scrolled past.
function showBeginning({ body }) {
  if (body.scrollHeight - body.scrollTop - body.clientHeight >= 24) return;
  const prompt = body.querySelector(".prompt").getBoundingClientRect();
  const below = prompt.bottom - body.getBoundingClientRect().top + body.scrollTop;
  body.scrollTop = Math.max(0, below - body.clientHeight / 3);
}

// A group that another one has taken the place of, and of which nothing more is heard.
function settle({ section, status, cards }) {
  if (!section.classList.contains("running")) return;
  section.classList.remove("running");
  const written = cards.reduce((sum, { written }) => sum + [...written.data].length, 0);
  status.textContent = `stopped after ${number(written)} characters`;
  cards.forEach(showBeginning);
}

// On a phone the texts are below the controls.
function bringIntoView(section) {
  const { top } = section.getBoundingClientRect();
  if (top >= 0 && top < innerHeight * 0.8) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  section.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}

function draw(view) {
  if (view.run < current) return;
  let group = groups.get(view.run);
  if (!group) {
    if (view.keep) groups.forEach(settle);
    else clear();
    folio.querySelector(".empty")?.remove();
    current = view.run;
    group = makeGroup(view);
    groups.set(view.run, group);
    folio.prepend(group.section);
    if (view.state !== "stored") {
      bringIntoView(group.section);
      for (const { body } of group.cards) body.scrollTop = body.scrollHeight; // to the end of a long prompt
    }
  }
  const running = view.state === "running" || view.state === "waiting";
  view.texts.forEach((text, index) => write(group.cards[index], text, running));
  if (!running && group.section.classList.contains("running")) group.cards.forEach(showBeginning);
  group.section.classList.toggle("running", running);
  group.status.textContent = statusOf(view);
  allowStop();
  if (view.chars_per_s) window.soliloquy.showSpeed(view.chars_per_s);
  tell(view.error || view.notice, Boolean(view.error));
}

// Stop can be pressed while something is being written.
function allowStop() {
  const stop = byId("stop");
  if (!stop) {
    requestAnimationFrame(allowStop);
    return;
  }
  const idle = !folio.querySelector(".group.running");
  if (idle && stop === document.activeElement) byId("generate").focus();
  stop.disabled = idle;
}

function clear() {
  current = Math.max(current, ...[...groups.keys()].map((run) => run + 1));
  groups.clear();
  folio.replaceChildren();
}

function update() {
  const view = props.value;
  if (!view) return;
  if (view.clear) {
    clear();
    folio.append(make("p", "empty", "Type a prompt and press Generate. Each sample is a throw of the dice of its own."));
    allowStop();
    tell("", false);
  } else if (view.texts) draw(view);
  else if (view.error) tell(view.error, true);
}

watch("value", update);
update();

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
