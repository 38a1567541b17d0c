// That this browser tab follows the lecturer's page, and the keys of the texts that it has from there: after a reload they are read again, not
// written. Kept as long as the tab is open.
import { inTab } from "./storage.js";

const KEPT_AS = "soliloquy-followed";

/** The keys of the texts of the lecturer's page; undefined where this tab does not follow it. @returns {string[] | undefined} */
export function keysFollowed() {
  const keys = inTab.getJSON(KEPT_AS);
  return Array.isArray(keys) ? keys.map(String) : undefined;
}

/** What a request to write has where the phones of a class ask for the same at once: they are given one text. */
export const likeTheOthers = () => (keysFollowed() ? { shared: true } : {});

/** @param {string[] | null} keys null: it follows no more */
export const keepFollowed = (keys) => void inTab.keepJSON(KEPT_AS, keys);
