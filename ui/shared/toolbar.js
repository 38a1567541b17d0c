// The tools at a tab's views that every tab has, and their keys: link, download, full screen, the list of keys.
import { copyLink, createMenu, sayer, toggleFullScreen, tool } from "./bar.js";
import { createHelp, listenToKeys } from "./keys.js";

/** @typedef {import("./views.js").Key} Key */

/**
 * @param {object} tab
 * @param {HTMLElement} tab.element
 * @param {import("./address.js").Address} tab.address
 * @param {import("./views.js").Views<any>} tab.views
 * @param {(words: string) => void} tellTrouble says what a download threw
 * @param {Key[]} [own] keys of the tab itself, beside those of its views
 */
export function createToolbar({ element, address, views }, tellTrouble, own = []) {
  const say = sayer(element.querySelector(".bar-said"));
  const copy = () => copyLink(() => address.write(), say);
  const fullScreen = () => toggleFullScreen(element, say);
  const opener = tool("download", "Download", "Download (d)", () => download());
  const download = createMenu(element, opener, () => views.view.downloads ?? [], tellTrouble);
  /** @type {Key[]} */
  const everywhere = [
    ...views.names.map((name, i) => /** @type {Key} */ ([`${i + 1}`, views.titleOf(name), () => views.show(name)])),
    ...own,
    ["f", "Full screen", fullScreen],
    ["l", "Copy link", copy],
    ["d", "Download", () => download()],
    ["?", "These keys", () => help()],
  ];
  const help = createHelp(views, everywhere, [["Esc", "Close"]]);
  listenToKeys(views, everywhere);
  element.querySelector(".bar-tools").append(
    tool("link", "Copy link", "Copy link (l)", copy),
    opener,
    tool("full-screen", "Full screen", "Full screen (f)", fullScreen),
    tool("keys", "Keys", "Keys (?)", () => help()),
  );
}
