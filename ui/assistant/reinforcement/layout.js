// What stands where on the view "Reinforcement".
import { button, make } from "../../shared/dom.js";

const UNITS =
  "Thin lines: the batches that the policy learns from. Strong lines: requests that are kept back. Reward: what the policy learns from, the score of the reward model (it has no zero of its own) or the verdict of the rule. True rule: the share of answers that do what was asked. " +
  "KL: how far the policy has moved away from the supervised model. Entropy: how much is left to the dice. Distinct: the share of answers that no other answer repeats.";

/** @param {HTMLElement} panel @param {ReturnType<typeof import("./track.js").createTrack>[][]} tracks @param {HTMLElement[]} trainings */
export function layOut(panel, tracks, trainings) {
  const [said, notice, empty] = [make("p", "trouble"), make("p", "notice"), make("p", "reinforcement-empty")];
  said.setAttribute("role", "alert");
  for (const node of [notice, empty]) node.setAttribute("role", "status");

  const bar = make("div", "reinforcement-bar");
  const play = button("button reinforcement-play", "Play", () => {});
  const [back, on] = [button("button reinforcement-move", "‹", () => {}), button("button reinforcement-move", "›", () => {})];
  back.setAttribute("aria-label", "Previous evaluation");
  on.setAttribute("aria-label", "Next evaluation");
  const slider = Object.assign(make("input", "reinforcement-slider"), { type: "range" });
  slider.setAttribute("aria-label", "Step");
  const step = make("p", "reinforcement-step");
  const axis = button("switch", "by √KL", () => {});
  axis.title = "Reward and rule against the square root of the KL (x)";
  bar.append(play, back, on, slider, step, axis);

  const heads = ["First run", "Second run"].map((label) => {
    const node = make("div", "reinforcement-head");
    const [title, select] = [make("h2"), make("select", "field")];
    select.setAttribute("aria-label", label);
    node.append(title, select);
    return { node, title, select };
  });
  const grid = make("div", "reinforcement-grid");
  grid.append(make("span"), ...heads.map(({ node }) => node));
  for (const pair of tracks.filter(([{ measure }]) => measure.isMain)) {
    const { name, title, about } = pair[0].measure;
    const label = make("div", "reinforcement-label");
    label.append(make("h2", "", title), make("p", "", about));
    const row = make("div", "reinforcement-row large");
    row.dataset.measure = name;
    row.append(label, ...pair.map(({ node }) => node));
    grid.append(row);
  }
  const others = heads.map((_, side) => {
    const node = make("div", "reinforcement-others");
    node.append(...tracks.filter(([{ measure }]) => !measure.isMain).map((pair) => pair[side].node));
    return node;
  });
  const words = heads.map(() => {
    const node = make("p", "reinforcement-words");
    node.setAttribute("role", "status");
    return node;
  });
  for (const [size, parts] of /** @type {[string, HTMLElement[]][]} */ ([["small", others], ["said", words]])) {
    const row = make("div", `reinforcement-row ${size}`);
    row.append(make("span"), ...parts);
    grid.append(row);
  }

  const texts = make("div", "reinforcement-texts");
  const filled = make("div", "reinforcement");
  filled.append(bar, grid, texts);
  const training = make("div", "reinforcement-training");
  training.append(...trainings);
  panel.append(said, notice, empty, filled, training, make("p", "reinforcement-units", UNITS));
  return { axis, back, empty, filled, heads, notice, on, play, said, slider, step, texts, words };
}
