// The lecturer's page as phones follow it: what it shows is told to the server (POST /class/lead, see ui/web/classroom.py) each time that its
// address changes. One page leads; the last that begins to.
import { classroom } from "./classroom.js";
import { button, make } from "./dom.js";
import { Emitter } from "./emitter.js";
import { page } from "./page.js";
import { connection } from "./server.js";
import { askForJSON, hasSession, session } from "./session.js";
import { inTab } from "./storage.js";
import { titleShown } from "./tabs.js";

const KEPT_AS = "soliloquy-lead"; // the name of a page that led until it was left: a reload goes on
const PAUSE_MS = 500; // between two changes that are told
const AGAIN_MS = 3_000; // after which what was not taken is told again
const SURE_MS = 1_500; // what another page has told may be older than what this one has, and arrive after it
const WORDS = "Phones follow this page";
const TAKEN = "Phones follow another page now.";
const ENDED = "Phones no longer follow this page: that was ended elsewhere.";

const nameOfItsOwn = () => crypto.getRandomValues(new Uint32Array(2)).join("-");

/** Event "change". */
export class Lead extends Emitter {
  isOn = false;
  trouble = ""; // what went wrong, in a sentence
  /** The name of this page, as the server tells it to all pages. A reload keeps it; a tab that is duplicated has another one. */
  name = inTab.get(KEPT_AS) || nameOfItsOwn();
  #told = ""; // the last that the server has taken
  #toldAt = -Infinity;
  #waiting = 0;
  #sureness = 0;
  #isTelling = false;
  #resumes = inTab.get(KEPT_AS) !== "";

  constructor() {
    super();
    inTab.keep(KEPT_AS, "");
    addEventListener("pagehide", () => inTab.keep(KEPT_AS, this.isOn || this.#resumes ? this.name : ""));
    addEventListener("pageshow", () => inTab.keep(KEPT_AS, ""));
    classroom.addEventListener("lead", () => this.#hear());
    connection.addEventListener("back", () => this.#tellSoon());
    session.addEventListener("change", () => !hasSession() && this.#leave(""));
    void page.then(({ address }) => {
      address.addEventListener("update", () => this.#tellSoon());
      if (classroom.room) this.#hear(); // it came before this script
    });
  }

  begin() {
    this.#resumes = false;
    this.#turn(true, "");
    this.#told = "";
    void this.#tell();
  }

  async end() {
    this.#leave("");
    try {
      await askForJSON("./class/lead", { method: "POST", json: { lead: null } });
    } catch (error) {
      this.#turn(false, error.message);
    }
  }

  /** @param {string} why "" where that is known */
  #leave(why) {
    this.#resumes = false;
    if (this.isOn) this.#turn(false, why);
  }

  /** @param {boolean} isOn @param {string} trouble */
  #turn(isOn, trouble) {
    Object.assign(this, { isOn, trouble });
    this.tell("change");
  }

  #hear() {
    const isOurs = () => classroom.lead?.page === this.name;
    if (this.#resumes) {
      this.#resumes = false;
      if (!isOurs() || !hasSession()) return this.#leave("");
      this.#turn(true, "");
      return this.#tellSoon();
    }
    clearTimeout(this.#sureness);
    if (this.isOn && !isOurs()) this.#sureness = setTimeout(() => this.isOn && !isOurs() && this.#leave(classroom.lead ? TAKEN : ENDED), SURE_MS);
  }

  /** @param {number} [pause] since it was last told */
  #tellSoon(pause = PAUSE_MS) {
    clearTimeout(this.#waiting);
    if (this.isOn) this.#waiting = setTimeout(() => void this.#tell(), Math.max(0, this.#toldAt + pause - performance.now()));
  }

  // One after the other: what changes meanwhile is told then, and what was not taken is told again.
  async #tell() {
    if (this.#isTelling) return;
    const lead = await leadNow();
    const word = JSON.stringify(lead);
    if (!this.isOn || word === this.#told || this.#isTelling) return;
    this.#isTelling = true;
    this.#toldAt = performance.now();
    let pause = PAUSE_MS;
    try {
      await askForJSON("./class/lead", { method: "POST", json: { lead, page: this.name } });
      this.#told = word;
      if (this.trouble) this.#turn(true, "");
    } catch (error) {
      pause = AGAIN_MS;
      if (error.status === 401) this.#leave(error.message);
      else this.#turn(this.isOn, error.message);
    }
    this.#isTelling = false;
    this.#tellSoon(pause);
  }
}

/** What this page shows. What its address has no room for follows the title, a line each. */
async function leadNow() {
  const { address, limits } = await page;
  const { address: whole, missing, keys } = address.write(limits.lead_chars - 1);
  const [, state] = whole.split("#");
  return { address: state ? `#${state}` : "", title: [titleShown(), ...missing].join("\n").slice(0, 200), keys };
}

export const lead = new Lead();

/** The lecturer's switch. @param {(words: string) => void} say what went wrong */
export function createLeadSwitch(say) {
  const node = button("switch lead-switch", WORDS, () => (lead.isOn ? void lead.end() : lead.begin()));
  node.title = "The phones of the class show this page's tab, view and texts. Whoever wants to can leave and come back.";
  const show = () => {
    node.hidden = !hasSession();
    node.setAttribute("aria-pressed", String(lead.isOn));
    if (lead.trouble || told) say((told = lead.trouble));
  };
  let told = "";
  lead.addEventListener("change", show);
  session.addEventListener("change", show);
  show();
  return node;
}

/** What says beside the tabs that phones follow this page, and ends it. */
export function createLeadSign() {
  const node = button("lead-sign", "", () => void lead.end());
  node.append(make("span", "lead-dot"), make("span", "lead-words", "Phones"));
  node.title = "Phones follow this page. Press to end that.";
  node.setAttribute("aria-label", `${WORDS}: end that`);
  node.dataset.testid = "lead-sign";
  const show = () => (node.hidden = !lead.isOn);
  lead.addEventListener("change", show);
  show();
  return node;
}
