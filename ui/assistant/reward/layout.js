// What stands where on the view "Reward".
import { button, labelled, make } from "../../shared/dom.js";

/**
 * @param {HTMLElement} panel
 * @param {Record<"moves" | "pair" | "tally" | "curve" | "training" | "any", HTMLElement>} parts
 */
export function layOut(panel, parts) {
  const [said, notice] = [make("p", "trouble"), make("p", "notice")];
  said.setAttribute("role", "alert");
  notice.setAttribute("role", "status");

  const { moves } = parts;
  const bar = make("form", "reward-head");
  const request = Object.assign(make("input", "field"), { id: "reward-asked", type: "text", spellcheck: false, dir: "auto", autocomplete: "off" });
  const write = Object.assign(make("button", "button", "Two new answers"), { type: "submit" });
  write.title = "The supervised model writes two answers to this request (w)";
  const place = make("p", "reward-place");
  const [back, on] = [button("button reward-move", "‹", () => {}), button("button", "Next (n)", () => {})];
  back.setAttribute("aria-label", "Previous pair");
  on.title = "Next pair (n)";
  const rule = button("button", "Let the rule decide", () => {});
  rule.title = "Let the rule decide (r)";
  moves.append(place, back, on);
  bar.append(labelled("Request", request, "reward-asked"), write, rule);

  const side = make("div", "reward-side");
  const key = make("p", "reward-key");
  const votes = make("div", "reward-votes");
  const [count, clear] = [make("p", "reward-count"), button("quiet", "Delete", () => {})];
  votes.append(count, clear);
  side.append(make("h2", "", "Who agrees"), parts.tally, votes, make("h2", "", "Accuracy of the reward model"), parts.curve, key, parts.training);

  const main = make("div", "reward-main");
  main.append(bar, said, notice, parts.pair);
  const filled = make("div", "reward");
  filled.append(main, side, parts.any);
  panel.append(filled);
  return { back, bar, clear, count, filled, key, notice, on, place, request, rule, said, write };
}
