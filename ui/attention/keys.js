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
    ["Ctrl Enter", "Look at the text that was typed"],
    ["Esc", "Close"],
  ];
  look.showKeys = createHelp(look, everywhere, always);
  listenToKeys(look, everywhere);
}
