// The view "Heads off": switch off any heads, and see what becomes of the text's loss, of the next character, of every character of the text,
// and of a text that is written with the same dice. A head that is off adds nothing: its output is replaced by zero. All else stays.
import { button, make } from "../../shared/dom.js";
import { Capture } from "../capture.js";
import { createBars } from "./bars.js";
import { createPair } from "./pair.js";
import { saveComparison } from "./save.js";
import { createToggles } from "./toggles.js";
import { createHarder } from "./text.js";
import { Lens } from "../lens/data.js";

const WHAT = "A head that is off adds nothing: its output is replaced by zero. Positions, feed-forward layers and all other heads stay.";

export function createHeadsOff(panel, look) {
  const page = build(panel);
  const toggles = createToggles(look, change);
  const harder = createHarder(look);
  const bars = createBars(look);
  const pair = createPair(look);
  page.left.append(toggles.node, pair.bar);
  page.middle.append(page.loss, harder.node);
  page.right.append(bars.node);
  page.filled.append(pair.node, make("p", "off-what", WHAT));
  let kept = null; // the capture with no head off, of the latest text
  let both = null; // { before, after }: lenses of what is shown
  let wanted = []; // heads, as they are switched; the answer comes later
  let stale = true;

  // Reads the text without the given heads.
  async function change(heads) {
    wanted = heads;
    toggles.show(wanted);
    const capture = await look.read(look.whole, heads);
    if (capture || wanted !== heads) return; // another change came meanwhile
    wanted = look.capture.heads_off;
    toggles.show(wanted);
  }

  async function load() {
    const { capture } = look;
    stale = !capture || panel.hidden;
    page.filled.hidden = !capture;
    if (stale) return;
    wanted = capture.heads_off;
    toggles.show(wanted);
    page.trouble.replaceChildren();
    try {
      const before = await withAllHeads(capture);
      const [all, some] = await Promise.all([Lens.of(before), Lens.of(capture)]);
      if (capture !== look.capture) return;
      both = { before: all, after: some };
    } catch (error) {
      if (capture !== look.capture) return;
      kept = null;
      both = null;
      page.trouble.replaceChildren(`${error.message} `, button("quiet", "Try again", () => void look.read(look.whole)));
    }
    for (const node of [page.middle, page.right]) node.hidden = !both;
    if (both) draw();
  }

  async function withAllHeads(capture) {
    if (!capture.heads_off.length) kept = capture;
    else if (kept?.text !== capture.text) kept = await Capture.read(capture.text, []);
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
    if (head !== "average" && look.capture) toggles.press(layer, head);
  }

  look.addEventListener("capture", load);
  look.addEventListener("at", move);
  return {
    show: () => stale && void load(),
    keys: [
      ["o", "All heads on", () => look.capture && void change([])],
      ["x", "The head chosen in “One head” off or on", toggleChosen],
      ["p", "Write on with the same dice, or stop", () => pair.press()],
    ],
    downloads: [
      ["Heads off, compared (CSV)", () => both && saveComparison(look, both, "csv")],
      ["Heads off, compared (JSON)", () => both && saveComparison(look, both, "json", pair.texts())],
    ],
  };
}

// "Loss 1.094 → 2.431", and below "+1.337 nats per character".
function lossInWords(before, after) {
  if (after.loss === null) return ["One character alone has no loss."];
  const value = ({ loss }) => make("b", "off-number", loss.toFixed(3));
  if (!after.heads_off.length) return ["Loss ", value(before), make("span", "off-unit", "nats per character, all heads on")];
  const change = after.loss - before.loss;
  const sign = change < 0 ? "−" : "+";
  return ["Loss ", value(before), " → ", value(after), make("span", "off-unit", `${sign}${Math.abs(change).toFixed(3)} nats per character`)];
}

function build(panel) {
  const trouble = make("p", "off-trouble");
  trouble.setAttribute("role", "alert");
  const filled = make("div", "off");
  const [left, middle, right] = [make("div", "off-left"), make("div", "off-middle"), make("div", "off-right")];
  const loss = make("p", "off-loss");
  loss.setAttribute("role", "status");
  filled.append(left, middle, right);
  panel.append(trouble, filled);
  return { trouble, filled, left, middle, right, loss };
}
