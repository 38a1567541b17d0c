// The view "Ladder": the lecture's networks from a bigram to the GPT. All nine write side by side, or one is opened, large.
import { bringIntoView, make } from "../../shared/dom.js";
import { tellTrouble } from "../../shared/trouble.js";
import { Ladder } from "./ladder.js";
import { createRows } from "./rows.js";
import { savePictureOf, saveLosses, saveTexts, saveTextsAsJSON } from "./save.js";
import { createStage } from "./stage.js";

/** @typedef {import("./ladder.js").Rung} Rung */

const CAPTION =
  "The lecture builds a GPT one idea at a time. Each rung is a trained network, and all nine continue the same prompt with the same dice. " +
  "Open one, then climb with the left and right arrow keys.";

/** @param {HTMLElement} panel @param {import("../main.js").Learning} learning @returns {import("../../shared/views.js").View} */
export function createLadder(panel, learning) {
  const { address, dice } = learning;
  const ladder = new Ladder(learning);
  const again = () => ladder.write(opened?.id);
  const [trouble, notice, frame] = [make("p", "trouble"), make("p", "notice"), make("div", "ladder")];
  trouble.setAttribute("role", "alert");
  notice.setAttribute("role", "status");
  const rows = createRows(open, again);
  const stage = createStage(ladder, learning, { step, close: () => open(null), toggleCode, again });
  frame.append(rows.node, stage.node);
  panel.append(trouble, notice, frame);
  /** @type {Rung | null} */
  let opened = null;
  let hasCode = false;
  let [isStale, isShown] = [true, false]; // whether there is something to write, and whether anybody sees it

  const uniform = () => Math.log(ladder.rungs[0]?.vocab_size ?? 1); // each character equally likely

  /** @param {Rung | null} rung null: all of them, side by side */
  function open(rung) {
    if (!rung && opened) rows.focus(opened);
    opened = rung;
    address.keep("rung", rung?.id ?? "");
    draw();
  }

  function draw() {
    frame.hidden = !ladder.rungs.length;
    stage.node.hidden = !opened;
    frame.classList.toggle("ladder-opened", Boolean(opened));
    frame.classList.toggle("ladder-with-code", Boolean(opened?.lines.length) && hasCode);
    rows.mark(opened);
    if (opened) stage.open(opened, hasCode);
    else stage.close();
  }

  /** Takes what the address says now. */
  function take() {
    hasCode = address.get("code") === "on";
    opened = ladder.rungs.find(({ id }) => id === address.get("rung")) ?? null;
    draw();
  }

  /** @param {number} by from all nine at once over the first rung to the last */
  function step(by) {
    const { rungs } = ladder;
    const to = rungs.indexOf(opened) + by;
    if (to < rungs.length && to >= -1) open(rungs[to] ?? null);
  }

  function toggleCode() {
    if (!opened) return;
    hasCode = !hasCode;
    address.keep("code", hasCode ? "on" : "");
    draw();
    if (hasCode) bringIntoView(stage.node);
  }

  function write() {
    isStale = true;
    if (!isShown) return;
    isStale = false;
    void ladder.write(opened?.id);
    stage.ask();
  }

  ladder.addEventListener("rungs", () => {
    rows.build(ladder.rungs, uniform());
    take();
  });
  ladder.addEventListener("piece", ({ detail: rung }) => {
    rows.show(rung, ladder.pieceOf(rung), false);
    stage.show(rung, false);
    notice.textContent = ladder.notice;
  });
  ladder.addEventListener("trouble", () => {
    trouble.replaceChildren();
    if (ladder.trouble) tellTrouble(trouble, ladder.trouble, again);
    for (const rung of ladder.rungs) {
      rows.show(rung, ladder.pieceOf(rung), Boolean(ladder.trouble));
      stage.show(rung, Boolean(ladder.trouble));
    }
  });
  dice.addEventListener("change", write);
  return {
    keeps: ["rung", "code"],
    take,
    show() {
      isShown = true;
      if (isStale) write();
    },
    hide() {
      isShown = false;
      isStale ||= ladder.isWriting;
      ladder.cancel();
    },
    caption: CAPTION,
    keys: [
      ["ArrowRight", "Next rung", () => step(1)],
      ["ArrowLeft", "Previous rung", () => step(-1)],
      ["a", "All nine side by side", () => open(null)],
      ["c", "Code of the rung", toggleCode],
    ],
    downloads: [
      ["Losses (CSV)", () => saveLosses(ladder)],
      ["Staircase of losses (PNG)", () => savePictureOf(ladder, uniform())],
      ["All texts (TXT)", () => saveTexts(ladder, dice.settings)],
      ["All texts (JSON)", () => saveTextsAsJSON(ladder, dice.settings)],
    ],
  };
}
