// The keys of the Attention tab.
import { createHelp, listenToKeys } from "../shared/keys.js";

export function createKeys(look) {
  const everywhere = [
    ...look.views.map((name, i) => [`${i + 1}`, look.titleOf(name), () => look.show(name)]),
    ["t", "Another text", () => look.edit()],
    ["n", "The newest sample", () => look.takeNewest()],
    ["w", "Write on, or stop", () => look.writeOn()],
    ["f", "Full screen", () => look.toggleFullScreen()],
    ["l", "Copy link", () => look.copyLink()],
    ["d", "Download", () => look.download()],
    ["?", "These keys", () => look.showKeys()],
  ];
  const always = [
    ["← →", "In the text: move from character to character; Home, End"],
    ["← ↑ → ↓", "On a map or table: move from cell to cell"],
    ["Enter", "On a map: how the weight comes about"],
    ["Ctrl Enter", "Look at the text that was typed"],
    ["Esc", "Close"],
  ];
  look.showKeys = createHelp(look, everywhere, always);
  listenToKeys(look, everywhere);
}
