// What the colours of the map mean: a play each, or a speaker. One of them can be chosen, so that it alone is coloured.
import { button, make, plural } from "../../shared/dom.js";
import { COLOURS } from "./state.js";

/** @type {["play" | "speaker", string][]} */
const WAYS = [
  ["play", "Plays"],
  ["speaker", "Speakers"],
];

/** @param {import("./state.js").Neighbours} state */
export function createGroups(state) {
  const node = make("div", "neighbours-groups");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Colours of the map");
  const ways = WAYS.map(([by, title]) => button("switch", title, () => state.colourBy(by)));
  const list = make("div", "neighbours-names");
  const head = make("div", "neighbours-ways");
  head.append(...ways);
  node.append(head, list);

  function draw() {
    const { group, groups, by } = state;
    ways.forEach((way, i) => way.setAttribute("aria-pressed", String(WAYS[i][0] === by)));
    list.replaceChildren(...groups.map((each, place) => nameOf(each, place, each.id === group?.id)));
    node.hidden = !groups.length;
  }

  /** @param {import("./state.js").Group} group @param {number} place @param {boolean} isChosen */
  function nameOf(group, place, isChosen) {
    const name = button("neighbours-name", "", () => {
      state.choose(isChosen ? null : group);
      /** @type {HTMLElement} */ (list.children[place])?.focus(); // it was drawn again
    });
    const swatch = make("span", "neighbours-swatch");
    swatch.style.background = `var(--group-${place % COLOURS})`;
    name.append(swatch, group.name);
    name.title = plural(group.count, "line");
    name.setAttribute("aria-pressed", String(isChosen));
    return name;
  }

  for (const event of ["about", "groups"]) state.addEventListener(event, draw);
  draw();
  return { node };
}
