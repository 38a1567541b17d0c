// While it writes: the model goes on with the text, the heads are seen at every new character, and a slider leads back through it all.
import { drawSeed } from "../shared/dice.js";
import { button, make, number, signOf } from "../shared/dom.js";
import { postForLines } from "../shared/server.js";

const LENGTH = 200; // characters for a press

export function createWriting(look) {
  const row = make("div", "writing");
  const slider = make("input", "writing-slider");
  Object.assign(slider, { type: "range", min: 0, step: 1 });
  slider.setAttribute("aria-label", "Character looked from");
  const said = make("span", "writing-said");
  look.writeOn = () => (abort ? look.stopWriting() : write());
  look.stopWriting = () => {
    abort?.abort();
    abort = null;
    press.textContent = "Write on";
  };
  const press = button("quiet", "Write on", look.writeOn);
  row.append(...look.sources, press, slider, said);
  look.element.querySelector(".look-text").append(row);
  let abort = null;

  function show() {
    const { capture, at } = look;
    if (!capture) return;
    slider.max = capture.n - 1;
    slider.value = at ?? capture.n - 1;
    said.textContent = at === null ? "Point at a character" : `${signOf(capture.characters[at])} at ${number(capture.place(at))}`;
  }

  // What the network writes with all its heads; it is read as it comes, and whoever stands at its end is taken along.
  async function write() {
    const stop = (abort = new AbortController());
    press.textContent = "Stop";
    const { temperature, top_k, top_p, seed } = look.sample.controls.get();
    const begun = look.whole;
    const settings = { prompt: begun, temperature, top_k, top_p, seed: String(seed).trim() || drawSeed(), samples: 1, length: LENGTH };
    let [text, shown] = [begun, begun];
    let reading = null;
    const follow = async () => {
      while (shown !== text && !stop.signal.aborted) {
        shown = text;
        const atEnd = look.at === null || look.at === look.capture.n - 1;
        if (!(await look.read(text, [], true))) break;
        if (atEnd) look.moveTo(look.capture.n - 1);
      }
      reading = null;
    };
    const take = (line) => {
      if (line.error) throw new Error(line.error);
      text += line.new?.[0] ?? "";
      reading ??= follow();
    };
    try {
      await postForLines("./write", settings, take, stop.signal);
      await reading;
      await follow();
    } catch (error) {
      if (!stop.signal.aborted) look.say(error.message);
    } finally {
      if (abort === stop) look.stopWriting();
    }
  }

  slider.addEventListener("input", () => look.moveTo(Number(slider.value)));
  look.addEventListener("capture", show);
  look.addEventListener("at", show);
}
