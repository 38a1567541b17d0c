// How often people, the rule and the reward model agree.
import { make, number, percent } from "../../shared/dom.js";

/** Of what was judged: how often two agree. @param {import("./votes.js").Vote[]} votes @param {import("./comparisons.js").Comparison[]} comparisons */
export function agreements(votes, comparisons) {
  const people = votes.filter(({ by }) => by !== "rule");
  const byModel = ({ scores: [a, b] }) => (a > b ? "a" : "b");
  const byRule = new Map(comparisons.map(({ request, a, b, better }) => [JSON.stringify([request, a, b]), better]));
  const ruleOn = ({ request, a, b }) => byRule.get(JSON.stringify([request, a, b]));
  const scored = people.filter(({ scores }) => scores);
  const known = people.filter(ruleOn);
  return {
    model: { of: scored.length, agree: scored.filter((vote) => byModel(vote) === vote.better).length },
    rule: { of: known.length, agree: known.filter((vote) => ruleOn(vote) === vote.better).length },
  };
}

export class Tally {
  node = make("dl", "reward-tally");

  /** @param {import("./votes.js").Vote[]} votes @param {import("./comparisons.js").Comparisons | null} known */
  show(votes, known) {
    const { model, rule } = agreements(votes, known?.comparisons ?? []);
    const accuracy = known?.accuracy;
    const all = accuracy && { of: accuracy.n, agree: Math.round(accuracy.accuracy * accuracy.n) };
    this.node.dataset.votes = String(votes.length);
    this.node.replaceChildren(...row("You and the reward model", model), ...row("You and the rule", rule), ...row("The reward model and the rule", all));
  }
}

/** @param {string} words @param {{of: number, agree: number} | null | undefined} counted */
function row(words, counted) {
  const { of, agree } = counted ?? { of: 0, agree: 0 };
  const figures = make("dd", "reward-agree", of ? `${percent(agree / of)} ` : "–");
  if (of) figures.append(make("span", "", `${number(agree)} of ${number(of)}`));
  figures.style.setProperty("--share", String(of ? agree / of : 0));
  return [make("dt", "", words), figures];
}
