// The views of a tab: a row of names, and for each a panel, one of which is shown.
import { foldTools } from "./bar.js";
import { createCaption } from "./captions.js";
import { button, make } from "./dom.js";
import { fadeEnds } from "./tabs.js";

/**
 * A view is drawn while it is shown. `show` and `hide` are called in turn, `show` first. A view reads what it keeps in the address when it is
 * created, and again when the page has taken another address: in `take`, called at once where it is on show, otherwise before `show`. One
 * without `take` is hidden and shown again.
 * @typedef {object} View
 * @property {() => void} [show]
 * @property {() => void} [hide]
 * @property {() => void} [take]
 * @property {string[]} [keeps] the names of what it keeps; `take` is called if one of them has another value. Without names it always is
 * @property {Key[]} [keys]
 * @property {Entry[]} [downloads]
 * @property {string} [caption] one or two sentences: what is seen, what to try
 *
 * @typedef {[string, string, (() => void)?]} Key key, words, action
 * @typedef {[string, () => unknown]} Entry of a menu: words, action
 *
 * @typedef {object} Place
 * @property {import("./address.js").Address} address
 * @property {string} key under which the address keeps the view that is shown
 * @property {string} ids what the ids of names and panels begin with
 * @property {string} [classes] what the class of a panel begins with
 * @property {() => void} [leave] called before another view is shown
 */

/** @type {View} */
const NOTHING = {};

/**
 * @template Tab
 * @typedef {(panel: HTMLElement, tab: Tab) => View} Create
 */

/**
 * What creates a view whose script is fetched when it is first shown: a phone that never opens it does not load it.
 * @template Tab
 * @typedef {{fetch: () => Promise<Create<Tab>>}} Later
 */

/** @template Tab */
export class Views {
  shown = "";
  /** @type {string[]} */
  names;
  /** @type {Map<string, {title: string, opener: HTMLButtonElement, panel: HTMLElement, view: View | null, create: () => Promise<View>}>} */
  #views = new Map();
  #turn = 0; // how often another view was shown
  /** @type {View | null} the one that was told to show itself */
  #told = null;
  #isOpen = true; // whether the tab is, as far as this follows it
  /** @type {Set<View>} those that have not taken the page's address yet */
  #stale = new Set();
  /** @type {Place} */
  #place;
  /** @type {(words?: string) => void} */
  #caption = () => {};

  /** @param {HTMLElement} element the tab's @param {Place} place */
  constructor(element, place) {
    this.#place = place;
    this.element = element;
    place.address.addEventListener("go", ({ detail }) => this.#go(detail));
  }

  /**
   * Makes the views; each is [name, title, create].
   * @param {Tab} tab what `create` is called with, besides the panel
   * @param {[string, string, Create<Tab> | Later<Tab>][]} all
   */
  create(tab, all) {
    const row = /** @type {HTMLElement} */ (this.element.querySelector(".views"));
    const panels = this.element.querySelector(".panels");
    const { ids, classes = ids } = this.#place;
    this.names = all.map(([name]) => name);
    for (const [name, title, create] of all) {
      const opener = button("view-tab", title, () => this.show(name));
      const panel = make("section", `panel ${classes}${name}`);
      Object.assign(opener, { id: `${ids}view-${name}`, role: "tab" });
      Object.assign(panel, { id: `${ids}panel-${name}`, role: "tabpanel", hidden: true });
      opener.setAttribute("aria-controls", panel.id);
      panel.setAttribute("aria-labelledby", opener.id);
      row.append(opener);
      panels.append(panel);
      const isHere = typeof create === "function";
      /** @type {Promise<View>} */
      let coming;
      const createLater = () => (coming ??= /** @type {Later<Tab>} */ (create).fetch().then((found) => found(panel, tab)));
      this.#views.set(name, { title, opener, panel, view: isHere ? create(panel, tab) : null, create: createLater });
    }
    foldTools(this.element.querySelector(".bar-tools"));
    this.#caption = createCaption(this.element.querySelector(".bar"));
    fadeEnds(row);
    row.addEventListener("keydown", (event) => this.#key(/** @type {KeyboardEvent} */ (event)));
  }

  /** Shows a view: at once, unless its script has to be fetched. @param {string} name the first view, where there is no such one */
  async show(name) {
    const { address, key, leave } = this.#place;
    if (!this.#views.has(name)) [name] = this.names;
    if (name === this.shown) return;
    leave?.();
    this.#tell(null);
    this.shown = name;
    for (const [other, { opener, panel }] of this.#views) {
      opener.setAttribute("aria-selected", String(other === name));
      opener.tabIndex = other === name ? 0 : -1;
      panel.hidden = other !== name;
    }
    const shown = this.#views.get(name);
    const { opener } = shown;
    opener.parentElement.scrollLeft = opener.offsetLeft - opener.parentElement.offsetLeft - opener.parentElement.clientWidth / 4;
    address.keep(key, name === this.names[0] ? "" : name);
    const turn = ++this.#turn;
    if (!shown.view) {
      this.#caption();
      await this.fetch(name);
      if (turn !== this.#turn) return;
    }
    this.#caption(this.view.caption);
    this.#tell(this.view);
  }

  /** Another address was taken. @param {Set<string>} changed names of what views keep */
  #go(changed) {
    if (!this.shown) return; // none was shown yet: the first reads the address
    for (const { view } of this.#views.values()) {
      if (view && (view.keeps ?? [...changed]).some((name) => changed.has(name))) this.#stale.add(view);
    }
    const asked = this.#place.address.get(this.#place.key) || this.names[0];
    if (asked !== this.shown) return void this.show(asked);
    const told = this.#told;
    if (!told || !this.#stale.delete(told)) return;
    if (told.take) return told.take();
    this.#tell(null);
    this.#tell(told);
  }

  /** From now on the view is also hidden when the tab is left, and shown when it is opened: for views that would go on asking the server. */
  followTab() {
    const panels = this.element.querySelector(".panels");
    const look = () => {
      this.#isOpen = panels.checkVisibility();
      this.#tell(this.#views.get(this.shown)?.view ?? null);
    };
    look();
    new ResizeObserver(look).observe(panels);
  }

  /** Shows a view in place of the one before, if the tab is open. @param {View | null} view */
  #tell(view) {
    const next = this.#isOpen ? view : null;
    if (next === this.#told) return;
    this.#told?.hide?.();
    this.#told = next;
    if (this.#stale.delete(next)) next.take?.();
    next?.show?.();
  }

  /** Creates a view, if it is not there yet. @param {string} name */
  async fetch(name) {
    const asked = this.#views.get(name);
    asked.view ??= await asked.create();
  }

  /** The view that is shown. */
  get view() {
    return this.#views.get(this.shown).view ?? NOTHING;
  }

  /** @param {string} name */
  titleOf(name) {
    return this.#views.get(name).title;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const at = this.names.indexOf(this.shown);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    void this.show(this.names.at(to % this.names.length));
    this.#views.get(this.shown).opener.focus();
  }
}
