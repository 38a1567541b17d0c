// Two continuations of the text in view with the same dice, side by side: one with everything on, one without the parts that are off. Both are
// written the same way (ui/web/write_without.py), so that only these parts differ.
import { charAt, charsIn, commonLength } from "../../shared/characters.js";
import { drawSeed } from "../../shared/dice.js";
import { button, endOf, inFull, make, makeText, number, quoted } from "../../shared/dom.js";
import { likeTheOthers } from "../../shared/followed.js";
import { mark, range } from "../../shared/marks.js";
import { Latest } from "../../shared/requests.js";
import { postForLines, UnreachableError } from "../../shared/server.js";
import { nameOf } from "./parts.js";

const LENGTH = 120;
const SHOWN = 40; // characters of the prompt
const SHARED = mark("off-shared");
const PARTING = mark("off-parting");

/** @param {import("../look.js").Look} look */
export function createPair(look) {
  const node = make("section", "off-pair");
  node.setAttribute("aria-label", "Texts with the same dice");
  const bar = node.appendChild(make("div", "off-pair-bar"));
  const said = make("span", "off-pair-said");
  said.setAttribute("role", "status");
  const start = button("quiet", "", press);
  bar.append(said, start);
  const trouble = node.appendChild(make("p", "trouble"));
  trouble.setAttribute("role", "alert");
  const columns = node.appendChild(make("div", "off-columns"));
  const sides = [createSide(), createSide()];
  columns.append(...sides.map((side) => side.node));
  columns.hidden = true;
  const writing = new Latest();
  /** @type {any} the request for the two texts */
  let written = null;
  label();
  look.addEventListener("capture", () => written && look.address.keep("pair", isCurrent() ? written.seed : ""));

  function label() {
    start.textContent = writing.isBusy ? "Stop" : isCurrent() && !trouble.textContent ? "New dice" : "Compare texts";
  }

  function press() {
    if (writing.isBusy) stop();
    else if (look.capture) void ask(isCurrent() && !trouble.textContent ? drawSeed() : seedOf());
  }

  // The dice stay while parts are switched, so that these alone change the text.
  const seedOf = () => written?.seed ?? (String(look.settings.get().seed).trim() || drawSeed());

  // Whether what is written belongs to the text, the model and the parts in view.
  function isCurrent() {
    if (!written || !look.capture) return false;
    const { text, heads_off, model } = look.capture;
    return model.key === written.model && text === written.prompt && heads_off.join() === written.heads_off.join();
  }

  async function ask(seed) {
    const { capture } = look;
    const signal = writing.begin();
    const { temperature, top_k, top_p } = look.settings.get();
    const length = Math.min(LENGTH, look.page.limits.heads_off_chars);
    const settings = { prompt: capture.text, temperature, top_k, top_p, seed, length, model: capture.model.key };
    written = { ...settings, heads_off: capture.heads_off };
    look.address.keep("pair", seed);
    trouble.textContent = "";
    columns.hidden = false;
    columns.classList.remove("stale");
    label();
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

  // A text that is there already is not written again: with everything on it stays while parts are switched.
  async function write(side, body, signal) {
    const asked = JSON.stringify(body);
    if (side.whole === asked) return;
    const off = body.heads_off;
    side.begin(off.length ? `Without ${off.map(nameOf).join(", ")}` : side === sides[0] ? "Everything on" : "Everything on, again", endOf(body.prompt, SHOWN));
    compare();
    const take = (line) => {
      if (line.error) throw new Error(line.error);
      side.text.appendData(line.new?.[0] ?? "");
      if (line.state === "done") side.whole = asked;
      compare();
    };
    await postForLines("./write_without", { ...body, ...likeTheOthers() }, take, signal);
    if (side.whole !== asked) throw new UnreachableError();
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
    said.textContent = `Same dice (seed ${written.seed}, ${inFull(written)}). ${words}`;
  }

  return {
    node,
    press,
    texts: () => (columns.hidden ? null : { ...written, texts: sides.map(({ text }) => text.data) }),
    // What the address asks for takes the place of what was written here.
    take() {
      writing.cancel();
      written = null;
    },
    // Another text, or other parts are off: where some are, the texts are compared at once; as they are where the address asks for it.
    follow() {
      const isAsked = !written && look.address.get("pair");
      if (isAsked) void ask(look.address.get("pair"));
      else if (look.headsOff.length && !isCurrent()) void ask(seedOf());
      else if (!isCurrent() && writing.isBusy) stop();
      if (!look.headsOff.length && !isCurrent()) {
        columns.hidden = true; // there is nothing to compare any more
        said.textContent = "";
      }
      columns.classList.toggle("stale", !isCurrent());
      label();
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
    whole: "", // the request, once its text is complete
    begin(name, shown) {
      this.whole = "";
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
    return { at, words: `They diverge at character ${place}: ${quoted(charAt(after, at))} instead of ${quoted(charAt(before, at))}.` };
  }
  if (writing) return { at, words: "Writing" };
  if (!at) return { at, words: "" };
  return { at, words: before.length === after.length ? "The same text, character for character." : "The same, as far as they go." };
}
