// The keys of the Attention tab.
import { createHelp, listenToKeys } from "../shared/keys.js";

/** @typedef {import("../shared/views.js").Key} Key */

/**
 * @param {import("./look.js").Look} look
 * @param {object} actions
 * @param {() => void} actions.edit
 * @param {() => void} actions.toggleWriting
 * @param {Object<"copyLink" | "toggleFullScreen" | "download" | "help", () => void>} actions.tools
 */
export function createKeys(look, { edit, toggleWriting, tools }) {
  const { views } = look;
  /** @type {Key[]} */
  const everywhere = [
    ...views.names.map((name, i) => /** @type {Key} */ ([`${i + 1}`, views.titleOf(name), () => views.show(name)])),
    ["t", "Enter a text", edit],
    ["n", "Use the latest sample", () => void look.readNewest()],
    ["w", "Keep writing, or stop", toggleWriting],
    ["f", "Full screen", tools.toggleFullScreen],
    ["l", "Copy link", tools.copyLink],
    ["d", "Download", tools.download],
    ["?", "These keys", () => tools.help()],
  ];
  /** @type {Key[]} */
  const always = [
    ["← →", "In the text: move from character to character; Home, End"],
    ["← ↑ → ↓", "On a map or table: move from cell to cell"],
    ["Enter", "On a map: show how this weight is computed"],
    ["Ctrl Enter", "Read the text that was typed"],
    ["Esc", "Close; in the text: let go of the chosen character"],
  ];
  tools.help = createHelp(views, everywhere, always);
  listenToKeys(views, everywhere);
}
