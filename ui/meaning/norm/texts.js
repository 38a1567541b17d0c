// What both networks write: with the prompt and the dice of the page where their weights are here, else what they wrote at their last evaluation.
import { make, makeText } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { Texts } from "../../shared/texts.js";
import { tellTrouble } from "../../shared/trouble.js";
import { bestOf } from "./runs.js";

const LENGTH = 240;

/** @typedef {import("./runs.js").Norm} Norm */
/** @typedef {import("./runs.js").Run} Run */

/** { node, show(norms, recipe), leave(), texts } @param {import("../main.js").Meaning} meaning @param {import("../../shared/fixed_dice.js").FixedDice} dice */
export function createTexts({ page }, dice) {
  const node = make("div", "norm-texts");
  const texts = new Texts(page.models);
  const writing = new Latest();
  /** @type {{norm: Norm, loss: number | undefined, text: string}[]} what is on screen */
  let shown = [];

  /** @param {Norm} norm @param {Run | undefined} run @param {boolean} isLive */
  function columnOf(norm, run, isLive) {
    const column = make("section", "norm-text");
    const loss = run && bestOf(run);
    const head = make("h3", "", norm.title);
    if (loss !== undefined) head.append(make("span", "norm-text-loss", ` validation loss ${loss.toFixed(2)}`));
    const text = makeText("p", "norm-written", isLive ? "" : (run?.sample ?? "").trim());
    const said = make("p", "notice");
    said.setAttribute("role", "status");
    column.append(head, text, said);
    node.append(column);
    return { norm, loss, text, said };
  }

  return {
    node,
    /** The texts on screen, to be saved. */
    get shown() {
      return shown.map(({ norm, loss, text }) => ({ norm: norm.id, validation_loss: loss ?? null, text }));
    },
    /** @param {Norm[]} norms @param {import("./runs.js").Recipe} recipe */
    async show(norms, recipe) {
      const signal = writing.begin();
      node.replaceChildren();
      const columns = norms.map((norm) => columnOf(norm, recipe.runs.find((run) => run.norm === norm.id), recipe.isFirst));
      shown = columns.map(({ norm, loss, text }) => ({ norm, loss, text: text.textContent }));
      if (recipe.isFirst) await Promise.all(columns.map((column, i) => write(column, i)));
      writing.end(signal);

      /** @param {ReturnType<typeof columnOf>} column @param {number} i */
      async function write({ norm, text, said }, i) {
        said.replaceChildren();
        if (!norm.key) return void said.replaceChildren(norm.trouble);
        const take = ({ prompt, text: written, notice }) => {
          text.replaceChildren(make("span", "norm-prompt", prompt), written);
          said.textContent = notice;
          shown[i].text = prompt + written;
        };
        try {
          await texts.write(norm.key, dice.settings, LENGTH, take, signal);
        } catch (error) {
          if (!signal.aborted) tellTrouble(said, error, () => write(columns[i], i));
        }
      }
    },
    leave: () => writing.cancel(),
    get isWriting() {
      return writing.isBusy;
    },
  };
}
