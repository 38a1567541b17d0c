// What this browser keeps for the page. Storage may be blocked (private windows, frames), full, or hold what another version of the page has left:
// then nothing is kept, and what was read is as if it had never been there.

class Store {
  #storage;

  /** @param {() => Storage} storage the mere mention of one that is blocked throws */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @param {string} name @returns {string} "" where nothing is kept */
  get(name) {
    try {
      return this.#storage().getItem(name) ?? "";
    } catch {
      return "";
    }
  }

  /** @param {string} name @param {string} text "" forgets it @returns {boolean} whether it is kept */
  keep(name, text) {
    try {
      if (text) this.#storage().setItem(name, text);
      else this.#storage().removeItem(name);
      return true;
    } catch {
      return false;
    }
  }

  /** What was kept by `keepJSON`; it may be anything. @param {string} name @returns {any} null where nothing is kept */
  getJSON(name) {
    try {
      return JSON.parse(this.get(name) || "null");
    } catch {
      return null;
    }
  }

  /** @param {string} name @param {unknown} value null forgets it @returns {boolean} whether it is kept */
  keepJSON(name, value) {
    return this.keep(name, value === null ? "" : JSON.stringify(value));
  }
}

/** Kept until it is forgotten. */
export const inBrowser = new Store(() => localStorage);

/** Kept as long as this tab of the browser is open, also when it is reloaded. A tab that is duplicated begins with a copy. */
export const inTab = new Store(() => sessionStorage);
