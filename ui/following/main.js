// A page that follows the lecturer's: what that shows, this shows too, until somebody here goes elsewhere; a bar says so.
import { classroom } from "../shared/classroom.js";
import { hasSession, session } from "../shared/session.js";
import { keepFollowed, keysFollowed } from "../shared/followed.js";
import { isUnderWay } from "../shared/lecture.js";
import { inTab } from "../shared/storage.js";
import { FollowingBar } from "./bar.js";
import { onPhone } from "./on_phone.js";

const OWN_MOVE_MS = 2_000; // from what somebody does to what changes by it
const HELD_MS = 500; // between two looks whether a throw or a vote is over
const VIEW_MS = 2_500; // after which a view that fails has said so
const LEFT_AS = "soliloquy-left"; // the lecturer's page that this browser tab has left
const BUSY = ".part-is-writing, .part-is-voting"; // in Take part

/** @typedef {import("../shared/page.js").Page} Page */
/** @typedef {import("../shared/classroom.js").Lead} Lead */

class Following {
  /** Whether this page shows what the lecturer's does. */
  isOn = false;
  /** What of the lecturer's page is not on this one, in sentences. @type {string[]} */
  missing = [];
  isHeld = false; // by a throw or a vote
  #page;
  /** This page as one that leads, which only a lecturer's does. @type {import("../shared/lead.js").Lead | null} */
  #own = null;
  #bar = new FollowingBar({ leave: () => this.leave(), follow: () => this.follow() });
  /** What was done here last, and the page's address before it. */
  #done = { at: -Infinity, address: "" };
  #turn = 0;
  #waiting = 0;

  /** @param {Page} page */
  constructor(page) {
    this.#page = page;
    classroom.addEventListener("lead", () => this.#hear());
    for (const event of ["offline", "online"]) classroom.addEventListener(event, () => this.#draw());
    session.addEventListener("change", () => void this.unlock());
    page.address.addEventListener("update", () => this.#hasMoved && this.leave());
    for (const event of ["click", "change", "keydown"]) addEventListener(event, (event) => this.#note(event), { capture: true });
    addEventListener("hashchange", () => this.leave()); // Back, or Forward
    addEventListener("input", (event) => this.#isOfReader(event) && this.leave(), { capture: true }); // nobody's typing is overwritten
  }

  /** Begins, or goes on where this browser may do what a lecturer's does. */
  async unlock() {
    if (hasSession() && !this.#own) {
      const { lead } = await import("../shared/lead.js");
      if (this.#own) return;
      this.#own = lead;
      lead.addEventListener("change", () => this.#hear());
    }
    this.#hear();
  }

  /** The lecturer's page, if this is another one. @returns {Lead | null} */
  get #lead() {
    const { lead } = classroom;
    return lead && !this.#own?.isOn && lead.page !== this.#own?.name && !isUnderWay() ? lead : null;
  }

  /** A new lecture is followed at once, but not by the page of another lecturer. */
  #hear() {
    const lead = this.#lead;
    if (!lead) {
      if (!classroom.lead) keepLeft("");
      if (this.isOn) this.#end();
      return this.#bar.hide();
    }
    if (this.isOn && this.#hasMoved) return this.leave();
    const isNew = !this.isOn && inTab.get(LEFT_AS) !== lead.page && !(hasSession() && keysFollowed() === undefined);
    if (isNew) remember();
    if (isNew) this.isOn = true;
    if (this.isOn) void this.#take();
    else this.#draw();
  }

  /** Shows what the lecturer's page shows, once what is done here is over. @param {boolean} [isAsked] whether somebody wants it now */
  async #take(isAsked = false) {
    const lead = this.#lead;
    const turn = ++this.#turn;
    clearTimeout(this.#waiting);
    if (!lead) return;
    this.missing = [];
    this.isHeld = !isAsked && isBusy() && !isOfClass(lead);
    if (this.isHeld) this.#waiting = setTimeout(() => this.isOn && void this.#take(), HELD_MS);
    else {
      keepFollowed(lead.keys);
      this.#done.at = -Infinity;
      this.#draw();
      const missing = await this.#page.address.go(onPhone(lead.address), { keys: lead.keys });
      if (turn !== this.#turn || !this.isOn) return;
      this.missing = missing;
      if (!isOfClass(lead)) this.#waiting = setTimeout(() => this.#look(), VIEW_MS); // what goes wrong in Take part is this page's own
    }
    this.#draw();
  }

  /** Whether the view that is shown could not be shown. */
  #look() {
    const troubles = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[role="tabpanel"] .trouble'));
    const words = [...troubles].find((node) => node.textContent && node.checkVisibility())?.firstChild?.textContent;
    if (words && this.isOn && !this.missing.length) this.missing = [words];
    this.#draw();
  }

  follow() {
    keepLeft("");
    this.isOn = true;
    remember();
    void this.#take(true);
  }

  /** Somebody goes elsewhere. All that is here stays. */
  leave() {
    if (!this.isOn) return;
    keepLeft(this.#lead?.page ?? "");
    this.#end();
    this.#draw();
  }

  #end() {
    this.isOn = this.isHeld = false;
    this.missing = [];
    this.#turn++;
    clearTimeout(this.#waiting);
    keepFollowed(null);
    history.replaceState({ ...history.state, follows: false }, ""); // what is here now is what Back leads to from the next time
  }

  /** Whether something that was done here has changed the page. */
  get #hasMoved() {
    return this.isOn && performance.now() - this.#done.at < OWN_MOVE_MS && this.#page.address.write().address !== this.#done.address;
  }

  /** @param {Event} event */
  #note(event) {
    if (!this.isOn || !event.isTrusted || this.#bar.element.contains(/** @type {Node} */ (event.target))) return;
    if (this.#hasMoved) return; // told in a moment
    this.#done = { at: performance.now(), address: this.#page.address.write().address };
  }

  /** Whether somebody has typed something; in the Class tab, that leads nowhere else. @param {Event} event */
  #isOfReader({ target, isTrusted }) {
    const node = /** @type {Element} */ (target);
    return this.isOn && isTrusted && !node.closest("#class-views") && !this.#bar.element.contains(node);
  }

  #draw() {
    const lead = this.#lead;
    if (!lead) return this.#bar.hide();
    const [title, ...missing] = lead.title.split("\n");
    this.#bar.show({ title, isOn: this.isOn && !this.isHeld, isApart: isOfClass(lead), isHeld: this.isHeld, isOnline: classroom.isOnline, missing: [...missing, ...this.missing] });
  }
}

/** Back leads to what was here; a page that is loaded again remembers nothing anew. */
function remember() {
  if (!history.state?.follows) history.pushState({ ...history.state, follows: true }, "", location.href);
}

/** Whether somebody here waits for a throw, or has not voted on every pair yet. */
const isBusy = () => [...document.querySelectorAll(BUSY)].some((node) => node.closest(".part").checkVisibility());

/** @param {Lead} lead */
const isOfClass = ({ address }) => new URLSearchParams(address.slice(1)).get("tab") === "class";

/** @param {string} name */
const keepLeft = (name) => void inTab.keep(LEFT_AS, name);

/** @param {import("../shared/page.js").Page} page */
export const follow = (page) => new Following(page).unlock();
