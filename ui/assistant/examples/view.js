// The view "Examples": the requests and answers that the supervised model learns from, and which of their characters the loss counts.
import { button, make, makeText, number, signOf } from "../../shared/dom.js";
import { asRail, asRailPlace } from "../../shared/rail.js";
import { createTrainingHere } from "../../shared/training_here.js";
import { tellTrouble } from "../../shared/trouble.js";
import { SUPERVISED } from "../supervised.js";
import { Examples, PAGE } from "./examples.js";
import { createRow } from "./row.js";
import { savePairs, saveTable } from "./save.js";

const CAPTION =
  "What the supervised model learns from: requests with good answers. It only reads the request; the loss counts the answer and the stop sign after it. Choose " +
  "a skill, and look at one row character by character.";
const MADE =
  "Made by code from the first nine tenths of the plays. Answers are sentences that the skill's rule accepts, or follow from the request. Some phrasings and " +
  "words are kept back, to measure with. In training, rows of the plays are mixed in, so that the model does not forget them.";

/** @param {HTMLElement} panel @param {import("../main.js").Assistant} assistant @returns {import("../../shared/views.js").View} */
export function createExamples(panel, { address, page }) {
  const examples = new Examples(address);
  const again = () => examples.read();
  const [trouble, frame, rail, side] = [make("p", "trouble"), make("div", "examples"), asRail(make("ul", "examples-rail")), make("div", "examples-side")];
  trouble.setAttribute("role", "alert");
  rail.setAttribute("aria-label", "Skills");
  const row = createRow();
  const list = make("ol", "examples-list");
  const [back, on, place] = [button("button", "←", () => examples.turn(-1)), button("button", "→", () => examples.turn(1)), make("p", "examples-place")];
  back.setAttribute("aria-label", "Previous examples");
  on.setAttribute("aria-label", "More examples");
  place.setAttribute("role", "status");
  const pager = make("div", "examples-pager");
  pager.append(back, on, place);
  const training = createTrainingHere(page);
  side.append(row.node, list, pager, make("p", "examples-made", MADE), training.node);
  frame.append(rail, side);
  panel.append(trouble, frame);

  function draw() {
    const { about, shown, selected, first, n, skill } = examples;
    frame.hidden = !shown.length;
    if (!shown.length) return;
    const all = Object.values(examples.counts).reduce((sum, count) => sum + count, 0);
    const skills = about.skills.map(({ id, title }) => /** @type {const} */ ([id, title, examples.counts[id] ?? 0]));
    const openers = [/** @type {const} */ (["", "All skills", all]), ...skills].map(([id, title, count]) => opener(id, title, count));
    rail.replaceChildren(...openers);
    rail.querySelectorAll("button")[skill ? about.skills.findIndex(({ id }) => id === skill) + 1 : 0].setAttribute("aria-current", "true");
    row.show(shown[selected]);
    list.replaceChildren(...shown.map((example, i) => line(example, i)));
    place.textContent = `${number(first + 1)} to ${number(first + shown.length)} of ${number(n)}`;
    back.ariaDisabled = String(first === 0); // not `disabled`, which would lose the focus
    on.ariaDisabled = String(first + PAGE >= n);
  }

  /** @param {string} id @param {string} title @param {number} count */
  function opener(id, title, count) {
    const item = make("li");
    const node = asRailPlace(button("examples-skill", title, () => examples.open(id)));
    node.append(make("span", "examples-count", number(count)));
    item.append(node);
    return item;
  }

  /** @param {import("./examples.js").Example} example @param {number} i */
  function line(example, i) {
    const item = make("li");
    const node = button("examples-line", "", () => examples.select(i));
    if (i === examples.selected) node.setAttribute("aria-current", "true");
    const chars = [...example.row];
    const part = (className, from, to) => makeText("span", className, chars.slice(from, to).map((char) => (char === "\n" ? signOf(char) : char)).join(""));
    node.append(part("examples-line-read", 0, example.is_read), part("examples-line-learned", example.is_read, chars.length));
    if (example.is_held_out) node.append(make("span", "examples-held-out", "for evaluation"));
    item.append(node);
    return item;
  }

  /** @param {number} by */
  function step(by) {
    const ids = ["", ...(examples.about?.skills.map(({ id }) => id) ?? [])];
    const to = ids.indexOf(examples.skill) + by;
    if (to in ids) examples.open(ids[to]);
  }

  examples.addEventListener("change", draw);
  examples.addEventListener("trouble", () => {
    trouble.replaceChildren();
    if (examples.trouble) tellTrouble(trouble, examples.trouble, again);
  });
  draw();
  return {
    keeps: ["examples", "examples_from"],
    take: () => void examples.read(),
    show() {
      if (!examples.shown.length) void examples.read();
      void training.show(SUPERVISED);
    },
    hide() {
      examples.cancel();
      training.leave();
    },
    caption: CAPTION,
    keys: [
      ["ArrowRight", "More examples", () => examples.turn(1)],
      ["ArrowLeft", "Previous examples", () => examples.turn(-1)],
      ["n", "Next example", () => examples.select(examples.selected + 1)],
      ["p", "Previous example", () => examples.select(examples.selected - 1)],
      ["]", "Next skill", () => step(1)],
      ["[", "Previous skill", () => step(-1)],
    ],
    downloads: [
      ["These examples (JSON Lines)", () => savePairs(examples)],
      ["These examples (CSV)", () => saveTable(examples)],
    ],
  };
}
