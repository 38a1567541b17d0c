// The rungs below one another, each with its loss as a bar, so that they form a staircase, and with the text that it writes.
import { button, endOf, make, makeText, readable } from "../../shared/dom.js";
import { asRail, asRailPlace, markOpen } from "../../shared/rail.js";
import { tellTrouble } from "../../shared/trouble.js";

/** @typedef {import("./ladder.js").Rung} Rung */
/** @typedef {import("./ladder.js").Piece} Piece */

const PROMPT_SHOWN = 8; // characters of its end

/** Losses of different sizes are all written alike. @param {number | null} loss */
export const lossInWords = (loss) => loss?.toFixed(3) ?? "not measured";

/** What a rung has written, as an element that grows. @param {string} className @param {(text: string) => string} [inWords] @param {number} [most] */
export function createText(className, inWords = (text) => text, most = Infinity) {
  const node = makeText("p", className, "");
  const prompt = node.appendChild(make("span", "ladder-prompt"));
  const text = node.appendChild(document.createTextNode(""));
  return {
    node,
    /** @param {Piece} piece */
    show(piece) {
      prompt.textContent = inWords(endOf(piece.prompt, most));
      text.data = inWords(piece.text);
      node.classList.toggle("ladder-old", piece.isOld);
      node.classList.toggle("ladder-writing", !piece.isOld && !piece.isDone && !piece.error);
    },
  };
}

/** @param {(rung: Rung) => void} open @param {() => unknown} again */
export function createRows(open, again) {
  const node = asRail(make("ol", "ladder-rows"), false);
  /** @type {Map<string, {opener: HTMLButtonElement, text: ReturnType<typeof createText>, trouble: HTMLElement}>} by id */
  const rows = new Map();

  /** @param {Rung} rung @param {number} uniform */
  function row(rung, uniform) {
    const item = make("li", "ladder-row");
    const opener = asRailPlace(button("ladder-rung", "", () => open(rung)));
    opener.append(make("span", "ladder-title", rung.title), make("span", "ladder-loss", rung.val_loss?.toFixed(3) ?? "–"), barOf(rung, uniform));
    const text = createText("ladder-text", readable, PROMPT_SHOWN);
    const trouble = make("p", "trouble");
    trouble.textContent = rung.trouble;
    const written = make("div", "ladder-written");
    written.append(text.node, trouble);
    item.append(opener, written);
    rows.set(rung.id, { opener, text, trouble });
    return item;
  }

  return {
    node,
    /** @param {Rung[]} rungs @param {number} uniform the loss of guessing */
    build(rungs, uniform) {
      rows.clear();
      const start = make("li", "ladder-row ladder-start");
      const label = asRailPlace(make("div", "ladder-rung"));
      label.append(make("span", "ladder-title", "Guessing"), make("span", "ladder-loss", uniform.toFixed(3)), barOf({ val_loss: uniform }, uniform));
      const words = `Every character equally likely: ln ${Math.round(Math.exp(uniform))} nats. Bars: validation loss, marks: the lecture's.`;
      const about = make("div", "ladder-written");
      about.append(make("p", "ladder-key", words));
      start.append(label, about);
      node.replaceChildren(start, ...rungs.map((rung) => row(rung, uniform)));
    },
    /** @param {Rung | null} opened */
    mark(opened) {
      markOpen([...rows].map(([id, { opener }]) => [id, opener]), opened?.id);
    },
    /** @param {Rung} rung @param {Piece} piece @param {boolean} isSaid whether what went wrong is said elsewhere */
    show(rung, piece, isSaid) {
      const { text, trouble } = rows.get(rung.id);
      text.show(piece);
      if (!rung.key) return;
      if (piece.error && !isSaid) tellTrouble(trouble, piece.error, again);
      else trouble.replaceChildren();
    },
    /** @param {Rung} rung */
    focus(rung) {
      rows.get(rung.id)?.opener.focus();
    },
  };
}

/** A loss as part of that of guessing, and a mark at the lecture's. @param {Partial<Rung>} rung @param {number} uniform */
function barOf({ val_loss, lecture_loss }, uniform) {
  const bar = make("span", "ladder-bar");
  const part = (className, loss, side) => {
    const node = make("span", className);
    node.style[side] = `${(100 * loss) / uniform}%`;
    bar.append(node);
  };
  if (val_loss) part("ladder-fill", val_loss, "width");
  if (lecture_loss) part("ladder-tick", lecture_loss, "left");
  return bar;
}
