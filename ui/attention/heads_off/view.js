// The view "Heads off": switch heads, MLPs or the position embedding off and see how the text's loss, a continuation with the same dice, every
// character of the text and the next one change.
import { Capture } from "../../shared/capture.js";
import { distribution } from "../../shared/distribution.js";
import { make } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { againButton } from "../../shared/trouble.js";
import { createBars } from "./bars.js";
import { createPair } from "./pair.js";
import { saveComparison } from "./save.js";
import { createToggles } from "./toggles.js";
import { createHarder } from "./text.js";

const WHAT = "A part that is off adds nothing to the residual stream: its output is replaced by zero. Everything else stays as it is.";
const CAPTION =
  "What does a part of the network do? Switch it off and compare the loss and a text with the same dice. Small numbers: how much the validation loss rises without the part (nats). Try the largest, then an MLP, then the positions.";

/** @typedef {Awaited<ReturnType<typeof answersOf>>} Answers */

/** @param {HTMLElement} panel @param {import("../look.js").Look} look @returns {import("../../shared/views.js").View} */
export function createHeadsOff(panel, look) {
  const page = build(panel);
  const toggles = createToggles(look, change);
  const harder = createHarder(look);
  const bars = createBars(look);
  const pair = createPair(look);
  page.left.append(toggles.node, make("p", "off-what", WHAT));
  page.effects.append(page.loss, pair.node, page.details);
  page.details.append(harder.node, bars.node);
  /** @type {Capture | null} the latest text with everything on */
  let kept = null;
  /** @type {{before: Answers, after: Answers} | null} of what is shown */
  let both = null;
  /** @type {import("./parts.js").Part[]} the parts that are off, as they are switched; the answer comes later */
  let wanted = [];
  let stale = true;
  const loading = new Latest();

  // Reads the text without the given parts.
  async function change(off) {
    wanted = off;
    toggles.show(wanted);
    const capture = await look.readAgain(off);
    if (capture || wanted !== off) return; // another change came meanwhile
    wanted = look.capture.heads_off;
    toggles.show(wanted);
  }

  async function load() {
    const { capture } = look;
    const signal = loading.begin();
    stale = !capture || look.isBehind || Boolean(panel.hidden);
    page.filled.hidden = !capture;
    if (stale) return;
    wanted = capture.heads_off;
    toggles.show(wanted);
    page.trouble.replaceChildren();
    try {
      const before = await withEverythingOn(capture, signal);
      const [all, some] = await Promise.all([answersOf(before, signal), answersOf(capture, signal)]);
      if (signal.aborted) return;
      both = { before: all, after: some };
    } catch (error) {
      if (signal.aborted) return;
      kept = null;
      both = null;
      page.trouble.replaceChildren(`${error.message} `, againButton("quiet", () => void look.retry()));
    }
    loading.end(signal);
    page.effects.hidden = !both;
    if (both) draw();
  }

  async function withEverythingOn(capture, signal) {
    if (!capture.heads_off.length) kept = capture;
    else if (kept?.text !== capture.text || kept.model !== capture.model) kept = await Capture.read(capture.text, [], capture.model, signal);
    return kept;
  }

  function draw() {
    page.loss.replaceChildren(...lossInWords(both.before.capture, both.after.capture));
    harder.draw(both);
    bars.draw(both);
    pair.follow();
  }

  function move() {
    if (!both || panel.hidden || both.after.capture !== look.capture) return;
    harder.move();
    bars.draw(both);
  }

  function toggleChosen() {
    const { layer, head } = look.head;
    if (head !== "average" && look.capture) toggles.press([layer, head]);
  }

  look.addEventListener("capture", load);
  look.addEventListener("at", move);
  look.addEventListener("taken", () => stale && void load());
  return {
    caption: CAPTION,
    keeps: ["pair", "off", "look", "reader"],
    take() {
      pair.take();
      void load();
    },
    show: () => stale && void load(),
    hide() {
      stale ||= loading.isBusy;
      loading.cancel();
    },
    keys: [
      ["o", "Everything on", () => look.capture && void change([])],
      ["x", "Switch the head chosen in “One head” off or on", toggleChosen],
      ["p", "Compare texts with new dice, or stop", () => pair.press()],
    ],
    downloads: [
      ["Heads off, compared (CSV)", () => both && saveComparison(both, "csv")],
      ["Heads off, compared (JSON)", () => both && saveComparison(both, "json", pair.texts())],
    ],
  };
}

/**
 * The model's answers: the distribution after each character.
 * @param {Capture} capture @param {AbortSignal} signal
 */
async function answersOf(capture, signal) {
  const [logits, V] = [await capture.logits(signal), capture.vocab_size];
  return { capture, answer: (at) => distribution(logits.subarray(at * V, (at + 1) * V)) };
}

// "Loss 1.094 → 2.431", and below "+1.337 nats per character".
function lossInWords(before, after) {
  if (after.loss === null) return ["A single character has no loss."];
  const value = ({ loss }) => make("b", "off-number", loss.toFixed(3));
  if (!after.heads_off.length) return ["Loss ", value(before), make("span", "off-unit", "nats per character, everything on")];
  const change = after.loss - before.loss;
  const sign = change < 0 ? "−" : "+";
  return ["Loss ", value(before), " → ", value(after), make("span", "off-unit", `${sign}${Math.abs(change).toFixed(3)} nats per character`)];
}

function build(panel) {
  const trouble = make("p", "trouble");
  trouble.setAttribute("role", "alert");
  const filled = make("div", "off");
  const [left, effects, details] = [make("div", "off-left"), make("div", "off-effects"), make("div", "off-details")];
  const loss = make("p", "off-loss");
  loss.setAttribute("role", "status");
  filled.append(left, effects);
  panel.append(trouble, filled);
  return { trouble, filled, left, effects, details, loss };
}
