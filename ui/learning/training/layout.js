// What stands where on the view "Training".
import { createCandidates } from "../../shared/candidates.js";
import { button, labelled, make, makeText } from "../../shared/dom.js";

/** @param {HTMLElement} panel */
export function layOut(panel) {
  const bar = make("div", "training-bar");
  const play = button("button training-play", "Play", () => {});
  const [back, on] = [button("button training-move", "‹", () => {}), button("button training-move", "›", () => {})];
  back.setAttribute("aria-label", "Previous step");
  on.setAttribute("aria-label", "Next step");
  const [step, losses] = [make("p", "training-step"), make("p", "training-losses")];
  const run = Object.assign(make("select", "field"), { id: "training-run" });
  bar.append(play, back, on, step, losses, labelled("Run", run, "training-run-field"));

  const said = make("p", "trouble training-said");
  said.setAttribute("role", "alert");
  const notice = make("p", "notice training-notice");

  const loss = make("section", "training-loss");
  loss.setAttribute("aria-label", "Loss by step");
  const slider = Object.assign(make("input", "training-slider"), { type: "range", min: "0", max: "1", step: "any" });
  slider.setAttribute("aria-label", "Step");

  const curves = make("section", "training-measures");
  const measure = Object.assign(make("select", "field"), { id: "training-measure" });
  curves.append(labelled("What the heads do", measure, "training-measure-field"));

  const written = make("section", "training-written");
  const text = makeText("p", "training-text");
  const [prompt, grown] = [make("span", "training-prompt"), make("span")];
  text.append(prompt, grown);
  text.tabIndex = 0; // it may be longer than its room
  text.setAttribute("aria-label", "The text of this step");
  text.setAttribute("role", "region");
  const toSample = button("quiet", "Write with it", () => {});
  toSample.title = "Write texts with this step on the Sample tab";
  written.append(headed("The same prompt, the same dice", toSample), text);

  const next = make("section", "training-next");
  const candidates = createCandidates();
  const after = make("h2");
  next.append(after, candidates.node);

  const heads = make("section", "training-heads");
  const [formed, marked] = [make("p", "training-formed"), make("p", "training-marked")];
  const passage = Object.assign(make("textarea", "field"), { id: "training-passage", rows: 2, maxLength: 1_000, spellcheck: false });
  const about = make("div", "training-about");
  about.append(marked, formed);
  const toAttention = button("quiet", "Open in Attention", () => {});
  const head = make("div", "training-head");
  head.append(labelled("The heads read", passage, "training-passage-field"), toAttention);
  heads.append(head, about);

  const empty = make("p", "training-empty");
  const filled = make("div", "training");
  filled.append(bar, loss, curves, written, next, heads);
  panel.append(said, notice, empty, filled);
  return { about, after, back, candidates, curves, empty, filled, formed, grown, heads, loss, losses, marked, measure, next, notice, on, passage, play, prompt, run, said, slider, step, text, toAttention, toSample };
}

/** A heading with what can be done beside it. @param {string} words @param {HTMLElement} action */
function headed(words, action) {
  const node = make("div", "training-head");
  node.append(make("h2", "", words), action);
  return node;
}
