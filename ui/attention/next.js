// What the model expected after the character looked at, and what came.
import { createCandidates } from "../shared/candidates.js";
import { make, nameOf, signOf } from "../shared/dom.js";

const SHOWN = 4;
const AS_LEARNED = { temperature: 1, top_k: 0, top_p: 1 };

export function createNext(look) {
  const box = look.element.querySelector(".look-next");
  const title = make("p", "look-next-title");
  const candidates = createCandidates(look, {});
  box.append(title, candidates.node);

  async function draw() {
    const { capture } = look;
    if (!capture) return;
    const at = look.at ?? capture.n - 1;
    const came = capture.characters[at + 1];
    title.replaceChildren("After ", make("b", "", signOf(capture.characters[at])), came === undefined ? " comes" : ` came ${nameOf(came)}`);
    try {
      const lens = await capture.lens();
      if (look.capture !== capture || at !== (look.at ?? capture.n - 1)) return;
      const V = capture.vocab_size;
      const start = (capture.n_layer * capture.n + at) * V;
      candidates.show({ logits: lens.subarray(start, start + V), settings: AS_LEARNED, id: came === undefined ? undefined : look.idOf(came), count: SHOWN });
    } catch (error) {
      if (look.capture === capture) look.say(error.message);
    }
  }

  look.addEventListener("capture", draw);
  look.addEventListener("at", draw);
}
