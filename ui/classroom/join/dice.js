// The round that is open, and one's own text in it.
import { classroom } from "../../shared/classroom.js";
import { button, make, makeText, number, plural } from "../../shared/dom.js";
import { UnreachableError } from "../../shared/server.js";
import { tellTrouble } from "../../shared/trouble.js";
import { temperatureInWords } from "../words.js";

/** @typedef {import("../../shared/classroom.js").Round} Round */

const WAITING = "The button to throw the dice appears here as soon as a round is open.";
const CLOSED = "Wait for the next one: it appears here.";

/** { node, draw(isLost), where isLost tells whether it is said already that the connection is } @param {import("./throws.js").Throws} throws */
export function createDice(throws) {
  const node = make("section", "part-round");
  node.setAttribute("aria-labelledby", "part-round-title");
  const title = Object.assign(make("h2"), { id: "part-round-title" });
  const settings = make("p", "part-settings");
  const [text, prompt, written] = [make("p", "part-text"), make("span", "part-prompt"), make("span")];
  text.dir = "auto";
  text.append(prompt, written);
  const press = button("button primary part-throw", "Throw the dice", () => throws.throw(classroom.round.id));
  const [place, said, trouble] = [make("p", "part-place"), make("p", "part-said"), make("p", "trouble")];
  said.setAttribute("role", "status");
  trouble.setAttribute("role", "alert");
  const earlier = make("details", "part-earlier");
  const list = make("ol");
  earlier.append(make("summary", "", "Your earlier texts"), list);
  node.append(title, settings, text, press, place, said, trouble, earlier);
  /** @type {Error | null} */
  let told = null;

  /** @param {boolean} isLost */
  function draw(isLost) {
    const { round, isKeptOut } = classroom;
    const own = round && throws.of(round.id);
    const isUnderWay = Boolean(round) && throws.isUnderWay(round.id);
    const begun = Boolean(own) || isUnderWay;
    node.hidden = !round && Boolean(classroom.votes); // a class that only votes
    title.textContent = round ? `Round ${round.number}` : "No round yet";
    settings.textContent = round ? settingsInWords(round) : "";
    prompt.textContent = round && (begun || round.open) ? round.prompt : "";
    written.textContent = own?.text ?? "";
    text.hidden = !prompt.textContent && !written.textContent;
    text.classList.toggle("part-is-writing", isUnderWay);
    press.hidden = !round?.open || begun || isKeptOut;
    place.textContent = own ? `Sample ${number(own.sample)} of round ${round.number}` : "";
    said.textContent = round ? status(round, own, isUnderWay) : WAITING;
    const wrong = round ? throws.troubleOf(round.id) : null;
    const isSaid = (isLost && wrong instanceof UnreachableError) || isKeptOut; // above
    tell(isSaid ? null : wrong, () => throws.throw(round.id));
    drawEarlier();
  }

  /** @param {Error | null} wrong @param {() => unknown} again */
  function tell(wrong, again) {
    if (wrong === told) return;
    told = wrong;
    trouble.replaceChildren();
    if (wrong) tellTrouble(trouble, wrong, again);
  }

  function drawEarlier() {
    const before = classroom.rounds.filter(({ id }) => throws.of(id)).toReversed();
    earlier.hidden = !before.length;
    list.replaceChildren(
      ...before.map((round) => {
        const item = make("li");
        const words = makeText("p", "part-earlier-text");
        words.append(make("span", "part-prompt", round.prompt), throws.of(round.id).text);
        item.append(make("p", "part-settings", `Round ${round.number}, temperature ${round.temperature}`), words);
        return item;
      }),
    );
  }

  return { node, draw };
}

/** @param {Round} round */
function settingsInWords({ temperature, top_k, top_p, model_name }) {
  const cuts = [top_k && `top-k ${top_k}`, top_p < 1 && `top-p ${top_p}`].filter(Boolean);
  return [`Temperature ${temperature}, ${temperatureInWords(temperature)}`, ...cuts, model_name].join(" · ");
}

/** @param {Round} round @param {import("./throws.js").OwnText | undefined} own @param {boolean} isUnderWay */
function status({ number: round, open, thrown }, own, isUnderWay) {
  const others = own?.isDone ? thrown - 1 : thrown;
  const wall = own?.isDone ? `✓ On the wall${others > 0 ? `, with ${plural(others, "other")}` : ""}.` : "";
  if (!open) return [wall || (thrown ? `${plural(thrown, "text")} on the wall.` : ""), `Round ${round} is closed.`, CLOSED].filter(Boolean).join(" ");
  if (wall) return wall;
  if (isUnderWay) return "The model writes your text.";
  return thrown ? `${plural(thrown, "text")} on the wall so far.` : "Be the first on the wall.";
}
