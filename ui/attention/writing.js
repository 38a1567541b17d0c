// "Write on": the model continues the text, the heads are shown at every new character, and a slider leads back through all of them.
import { drawSeed } from "../shared/dice.js";
import { button, make, number, signOf } from "../shared/dom.js";
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
    press.textContent = "Write on";
  };
  const toggle = () => (writing.isBusy ? stop() : void write());
  const press = button("quiet", "Write on", toggle);
  row.append(...sources, press, slider, said);
  look.element.querySelector(".look-text").append(row);

  function show() {
    const { capture, at } = look;
    if (!capture) return;
    slider.max = String(capture.n - 1);
    slider.value = String(at ?? capture.n - 1);
    said.textContent = at === null ? "Point at a character" : `${signOf(capture.characters[at])} at ${number(capture.place(at))}`;
  }

  // What the network writes with all its heads on is read as it comes; a reader at its end moves along.
  async function write() {
    const signal = writing.begin();
    press.textContent = "Stop";
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
        const { at } = look;
        const wasAtEnd = at === null || at === look.capture.n - 1;
        if (!(await look.read(text, { model, headsOff: [], isGrowing: true }))) break;
        if (wasAtEnd && look.at === at) look.moveTo(look.capture.n - 1);
      }
      reading = null;
    };
    const take = (line) => {
      if (line.error) throw new Error(line.error);
      text += line.new?.[0] ?? "";
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
