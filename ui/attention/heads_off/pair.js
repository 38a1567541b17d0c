// Two continuations of the text in view with the same dice, side by side: one with all heads, one without those that are off. Both are written the
// same way (ui/web/write_without.py), so that only the heads differ.
import { charAt, charsIn, commonLength } from "../../shared/characters.js";
import { drawSeed } from "../../shared/dice.js";
import { button, endOf, inFull, make, makeText, number, quoted } from "../../shared/dom.js";
import { mark, range } from "../../shared/marks.js";
import { Latest } from "../../shared/requests.js";
import { postForLines, UnreachableError } from "../../shared/server.js";

const LENGTH = 120;
const SHOWN = 40; // characters of the prompt
const SHARED = mark("off-shared");
const PARTING = mark("off-parting");

/** @param {import("../look.js").Look} look */
export function createPair(look) {
  const [bar, node] = [make("div", "off-pair-bar"), make("section", "off-pair")];
  const start = button("button", "", press);
  const said = make("span", "off-pair-said");
  said.setAttribute("role", "status");
  bar.append(start, said);
  const trouble = make("p", "trouble");
  trouble.setAttribute("role", "alert");
  bar.append(trouble);
  const columns = node.appendChild(make("div", "off-columns"));
  const sides = [createSide(), createSide()];
  columns.append(...sides.map((side) => side.node));
  columns.hidden = true;
  const writing = new Latest();
  let opened = false;
  /** @type {any} the request for the two texts */
  let written = null;
  label();
  look.addEventListener("capture", () => written && look.address.keep("pair", isCurrent() ? written.seed : ""));

  function label() {
    start.textContent = writing.isBusy ? "Stop" : "Write on with the same dice";
  }

  function press() {
    if (writing.isBusy) stop();
    else if (look.capture) void ask((trouble.textContent && isCurrent() && written.seed) || String(look.settings.get().seed).trim() || drawSeed());
  }

  // Whether what is written belongs to the text, the model and the heads in view.
  function isCurrent() {
    const { text, heads_off, model } = look.capture;
    return Boolean(written) && model.key === written.model && text === written.prompt && heads_off.join() === written.heads_off.join();
  }

  async function ask(seed, isPressed = true) {
    const { capture } = look;
    const signal = writing.begin();
    const { temperature, top_k, top_p } = look.settings.get();
    const length = Math.min(LENGTH, look.page.limits.heads_off_chars);
    const settings = { prompt: capture.text, temperature, top_k, top_p, seed, length, model: capture.model.key };
    written = { ...settings, heads_off: capture.heads_off };
    look.address.keep("pair", seed);
    label();
    begin(isPressed);
    try {
      await Promise.all([[], capture.heads_off].map((heads_off, i) => write(sides[i], { ...settings, heads_off }, signal)));
    } catch (error) {
      if (signal.aborted) return;
      writing.cancel(); // the other one, too
      trouble.textContent = error.message;
    }
    stop();
  }

  // Also when both are at their ends.
  function stop() {
    writing.cancel();
    label();
    compare();
  }

  function begin(isPressed) {
    trouble.textContent = "";
    columns.hidden = false;
    columns.classList.remove("stale");
    const shown = endOf(written.prompt, SHOWN);
    sides[0].begin("All heads", shown);
    const off = written.heads_off;
    sides[1].begin(off.length ? `Without ${off.map((head) => head.join(".")).join(", ")}` : "All heads, again", shown);
    compare();
    if (isPressed) columns.scrollIntoView({ block: "nearest" });
  }

  async function write({ text }, body, signal) {
    let done = false;
    const take = (line) => {
      if (line.error) throw new Error(line.error);
      text.appendData(line.new?.[0] ?? "");
      done = line.state === "done";
      compare();
    };
    await postForLines("./write_without", body, take, signal);
    if (!done) throw new UnreachableError();
  }

  function compare() {
    const [before, after] = sides.map(({ text }) => text.data);
    const { at, words } = difference(before, after, writing.isBusy);
    SHARED.clear();
    PARTING.clear();
    for (const { text } of sides) {
      if (at) SHARED.add(range(text, 0, at));
      if (at < before.length && at < after.length) PARTING.add(range(text, at));
    }
    said.textContent = `Seed ${written.seed}, ${inFull(written)}. ${words}`;
  }

  return {
    bar,
    node,
    press,
    texts: () => written && { ...written, texts: sides.map(({ text }) => text.data) },
    // Other heads, or another text: what is written here belongs to those before.
    follow() {
      if (!opened && !written && look.address.get("pair")) void ask(look.address.get("pair"), false); // as the address says
      opened = true;
      columns.classList.toggle("stale", !isCurrent());
    },
  };
}

function createSide() {
  const node = make("article", "off-side");
  const [title, body, prompt] = [make("h3", "off-side-title"), makeText("p", "off-side-text"), make("span", "off-prompt")];
  const text = document.createTextNode("");
  body.append(prompt, text);
  node.append(title, body);
  return {
    node,
    text,
    begin(name, shown) {
      title.textContent = name;
      prompt.textContent = shown;
      text.data = "";
    },
  };
}

// Where two texts first differ, in UTF-16 units, and the words for it.
function difference(before, after, writing) {
  const at = commonLength(before, after);
  if (at < Math.min(before.length, after.length)) {
    const place = number(charsIn(before.slice(0, at)) + 1);
    return { at, words: `First difference at character ${place}: ${quoted(charAt(after, at))} instead of ${quoted(charAt(before, at))}.` };
  }
  if (writing) return { at, words: "Writing" };
  if (!at) return { at, words: "" };
  return { at, words: before.length === after.length ? "The same text, character for character." : "The same, as far as they go." };
}
