// "Keep writing": the model continues the text, the heads are shown at every new character, and a slider leads back through all of them.
import { drawSeed } from "../shared/dice.js";
import { button, make, number, POINT_AT, signOf } from "../shared/dom.js";
import { Latest } from "../shared/requests.js";
import { postForLines } from "../shared/server.js";

const LENGTH = 200; // characters for a press

/** @param {import("./look.js").Look} look @param {HTMLElement[]} sources buttons that choose the text */
export function createWriting(look, sources) {
  const row = make("div", "writing");
  const slider = make("input", "writing-slider");
  Object.assign(slider, { type: "range", min: "0", step: "1" });
  slider.setAttribute("aria-label", "Chosen character");
  const said = make("span", "writing-said");
  const writing = new Latest();
  const stop = () => {
    writing.cancel();
    press.textContent = "Keep writing";
    row.removeAttribute("data-busy");
    look.tell("coming", "");
    show();
  };
  const toggle = () => (writing.isBusy ? stop() : void write());
  const press = button("quiet", "Keep writing", toggle);
  row.append(...sources, press, slider, said);
  look.element.querySelector(".look-head").prepend(row);

  function show() {
    const { capture, at } = look;
    if (!capture) return;
    slider.max = String(capture.n - 1);
    slider.value = String(at ?? capture.n - 1);
    if (writing.isBusy) said.textContent = "Writing…";
    else said.textContent = at === null ? `${POINT_AT} a character` : `${signOf(capture.characters[at])} at ${number(capture.place(at))}`;
  }

  // What the network writes with all its heads on is read as it comes; a reader at its end moves along. It is seen before it has been read.
  async function write() {
    const signal = writing.begin();
    press.textContent = "Stop";
    row.setAttribute("data-busy", "");
    show();
    const { temperature, top_k, top_p, seed } = look.settings.get();
    const begun = look.whole;
    const { model } = look.capture ?? look;
    const dice = { seed: String(seed).trim() || drawSeed(), samples: 1, length: LENGTH };
    const asked = { prompt: begun, temperature, top_k, top_p, ...dice, model: model.key };
    let [text, shown] = [begun, begun];
    let reading = null;
    const follow = async () => {
      while (shown !== text && !signal.aborted) {
        shown = text;
        const { pinned } = look;
        const wasAtEnd = pinned === null || pinned === look.capture.n - 1;
        if (!(await look.read(text, { model, headsOff: [], isGrowing: true }))) break;
        if (wasAtEnd && look.pinned === pinned) look.moveTo(look.capture.n - 1);
        look.tell("coming", text.slice(shown.length));
      }
      reading = null;
    };
    const take = (line) => {
      if (line.error) throw new Error(line.error);
      text += line.new?.[0] ?? "";
      look.tell("coming", text.slice(look.whole.length));
      if (shown !== text) reading ??= follow();
    };
    try {
      await postForLines("./write", asked, take, signal);
      await reading;
      await follow();
    } catch (error) {
      if (!signal.aborted) look.say(error.message);
    } finally {
      if (!signal.aborted) stop();
    }
  }

  slider.addEventListener("input", () => look.moveTo(Number(slider.value)));
  look.addEventListener("reading", ({ detail: isGrowing }) => isGrowing || stop()); // another text ends the writing of this one
  look.addEventListener("capture", show);
  look.addEventListener("at", show);
  return { toggleWriting: toggle };
}
