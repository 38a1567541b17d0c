// What could come next at a step, and the beams that are kept.
import { endOf, make, percent } from "../../shared/dom.js";
import { signed } from "./kinds.js";

const BEAM_CHARS = 26; // of a beam's text, from its end

/** @typedef {import("./state.js").State} State */

/** @param {State} state */
export function createSteps(state) {
  const node = make("section", "translate-next");
  node.setAttribute("aria-label", "The character being written");
  const title = make("h2");
  const list = make("ol", "translate-candidates");
  const heading = make("h2", "", "Beams");
  const beams = make("ol", "translate-beams");
  node.append(heading, beams, title, list);

  function draw() {
    const { shown, step } = state;
    const now = shown?.steps[step];
    node.hidden = !now;
    if (!now) return;
    const written = shown.target[step];
    title.replaceChildren(written === "\n" ? "Writing the end sign" : "Writing ", ...(written === "\n" ? [] : [make("b", "", signed(written))]));
    list.replaceChildren(...now.top.map(([char, p]) => candidate(char, p, char === written)));
    heading.hidden = beams.hidden = state.beams === 1;
    if (!beams.hidden) beams.replaceChildren(...now.beams.map((each) => beam(each, shown.target.slice(0, step + 1).join(""))));
  }

  return { node, draw };
}

/** @param {string} char @param {number} p @param {boolean} isWritten */
function candidate(char, p, isWritten) {
  const item = make("li", "translate-candidate");
  item.classList.toggle("written", isWritten);
  const track = make("span", "translate-track");
  const bar = track.appendChild(make("span", "translate-bar"));
  bar.style.width = `${100 * p}%`;
  item.append(make("span", "translate-sign", signed(char)), track, make("span", "translate-share", percent(p)));
  if (isWritten) item.setAttribute("aria-current", "true");
  return item;
}

/** @param {[string, number, number]} beam @param {string} written by the beam that wins in the end */
function beam([text, logProbability], written) {
  const item = make("li", "translate-beam");
  const wins = written.startsWith(text) && written.replace(/\n$/, "") === text.replace(/\n$/, "");
  item.classList.toggle("wins", wins);
  if (wins) item.setAttribute("aria-label", "on the way to the answer");
  item.append(make("span", "translate-beam-text", endOf([...text].map(signed).join(""), BEAM_CHARS)), make("span", "translate-share", percent(Math.exp(logProbability))));
  return item;
}
