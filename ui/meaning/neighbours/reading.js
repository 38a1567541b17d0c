// The line that is pointed at, in full; without one, what the marks on the map mean.
import { make, makeText, number, plural, POINT_AT } from "../../shared/dom.js";

/** @param {import("./state.js").Neighbours} state */
export function createReading(state) {
  const node = make("div", "neighbours-reading");
  node.setAttribute("role", "status");

  function draw() {
    const { about, pointed } = state;
    if (!about?.lines) return node.replaceChildren();
    const { lines, plays, speakers } = about;
    if (pointed < 0) return node.replaceChildren(legend(), make("p", "neighbours-hint", `${POINT_AT} any of the ${plural(about.n, "line")} to read it.`));
    const text = lines.text?.[pointed] ?? `At character ${number(lines.position[pointed])} of the corpus`;
    const source = `${speakers[lines.speaker[pointed]]}, ${plays[lines.play[pointed]]}`;
    node.replaceChildren(makeText("p", "neighbours-read", text), make("p", "neighbours-source", source));
  }

  for (const event of ["about", "pointed"]) state.addEventListener(event, draw);
  draw();
  return { node };
}

function legend() {
  const node = make("p", "neighbours-legend");
  for (const [mark, words] of [["sentence", "the sentence"], ["embedding", "by embedding"], ["tfidf", "by TF-IDF"]]) {
    const each = make("span", "", words);
    each.prepend(make("span", `neighbours-mark neighbours-mark-${mark}`));
    node.append(each);
  }
  return node;
}
