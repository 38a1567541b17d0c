// The skills below one another: each is chosen here, and beside it stands how often the model of each stage obeys.
import { button, make } from "../../shared/dom.js";
import { asRail, asRailPlace, markOpen } from "../../shared/rail.js";

/** @typedef {import("../../shared/assistant.js").Share} Share */
/** @typedef {import("../../shared/assistant.js").Stage} Stage */

/**
 * @param {import("./comparison.js").Comparison} comparison
 * @param {(skill: import("../../shared/assistant.js").Skill) => void} choose
 */
export function createRail(comparison, choose) {
  const node = make("section", "before-rail");
  node.setAttribute("aria-label", "Skills");
  const [list, note] = [asRail(make("ul", "before-skills")), make("p", "before-note")];
  node.append(list, note);
  /** @type {Map<string, HTMLButtonElement>} by skill */
  const openers = new Map();

  function draw() {
    const { about, columns } = comparison;
    if (!about) return;
    const measured = columns.filter(({ id }) => about.obeys[id]);
    const all = asRailPlace(make("div", "before-skill"));
    const bars = barsOf(measured, (id) => about.obeys[id].mean);
    bars.prepend(scale());
    all.append(make("span", "before-skill-title", "All skills"), bars);
    const first = make("li", "before-all");
    first.append(all);
    first.hidden = !measured.length;
    list.replaceChildren(first, ...about.skills.map((skill) => row(skill, measured)));
    note.textContent = noteOf(measured.map(({ id }) => about.obeys[id]));
    mark();
  }

  /** @param {import("../../shared/assistant.js").Skill} skill @param {Stage[]} measured */
  function row(skill, measured) {
    const item = make("li");
    const opener = asRailPlace(button("before-skill", "", () => choose(skill)));
    const shares = measured.flatMap(({ id, title }) => (comparison.about.obeys[id].skills[skill.id] ? [`${title} ${shareInWords(comparison.about.obeys[id].skills[skill.id])}`] : []));
    opener.append(make("span", "before-skill-title", skill.title), barsOf(measured, (id) => comparison.about.obeys[id].skills[skill.id]));
    opener.setAttribute("aria-label", [skill.title, ...shares].join(", "));
    opener.title = shares.join(", ");
    openers.set(skill.id, opener);
    item.append(opener);
    return item;
  }

  const mark = () => markOpen(openers, comparison.skill);

  return { node, draw, mark };
}

/** @param {Share} share */
export const shareInWords = ({ obeys }) => `${Math.round(100 * obeys)}\u00a0%`;

/** @param {Stage[]} stages @param {(id: string) => Share | undefined} find */
function barsOf(stages, find) {
  const bars = make("span", "before-bars");
  for (const { id } of stages) {
    const share = find(id);
    const bar = make("span", "before-bar");
    bar.dataset.stage = id;
    if (share) bar.append(part("before-fill", 0, share.obeys), part("before-interval", share.low, share.high));
    bars.append(bar);
  }
  return bars;
}

function scale() {
  const node = make("span", "before-scale");
  node.append(...["0", "50", "100\u00a0%"].map((words) => make("span", "", words)));
  return node;
}

/** @param {string} className @param {number} from @param {number} to */
function part(className, from, to) {
  const node = make("span", className);
  Object.assign(node.style, { left: `${100 * from}%`, width: `${100 * (to - from)}%` });
  return node;
}

/** @param {import("../../shared/assistant.js").Obeys[]} measured */
function noteOf(measured) {
  if (!measured.length) return "";
  const [{ mean, temperature }] = measured;
  return `Share of answers that obey: ${mean.n} requests kept back from training, temperature ${temperature}. Thin lines: 95\u00a0% intervals.`;
}
