// What the model expected after the chosen character, and what came.
import { createCandidates } from "../shared/candidates.js";
import { AS_LEARNED, ranking } from "../shared/distribution.js";
import { make, nameOf, signOf } from "../shared/dom.js";
import { Latest } from "../shared/requests.js";

const SHOWN = 3;

/** @param {import("./look.js").Look} look */
export function createNext(look) {
  const box = look.element.querySelector(".look-next");
  const title = make("p", "look-next-title");
  const candidates = createCandidates();
  box.append(title, candidates.node);
  const asking = new Latest();

  async function draw() {
    const { capture } = look;
    const signal = asking.begin();
    if (!capture) return;
    const at = look.at ?? capture.n - 1;
    const came = capture.characters[at + 1];
    const sign = make("b", "", signOf(capture.characters[at]));
    title.replaceChildren(came === undefined ? "Next after " : "After ", sign, came === undefined ? "" : ` came ${nameOf(came)}`);
    try {
      const logits = await capture.logits(signal);
      if (signal.aborted) return;
      const V = capture.vocab_size;
      const id = came === undefined ? undefined : capture.model.idOf(came);
      const here = logits.subarray(at * V, (at + 1) * V);
      const isFar = id !== undefined && ranking(here).indexOf(id) >= SHOWN; // then it has a line of its own
      candidates.show({ vocabulary: capture.model.vocabulary, logits: here, settings: AS_LEARNED, id, count: isFar ? SHOWN - 1 : SHOWN });
    } catch (error) {
      if (!signal.aborted) look.say(error.message);
    }
  }

  look.addEventListener("capture", draw);
  look.addEventListener("at", draw);
}
