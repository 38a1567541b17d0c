// The Class tab: one prompt that everybody throws the dice for, votes, and what each phone takes part in.
import { page } from "../shared/page.js";
import { isPhone } from "../shared/phone.js";
import { createLeadSwitch } from "../shared/lead.js";
import { hasSession, LOST, session } from "../shared/session.js";
import { followTabs } from "../shared/tabs.js";
import { createToolbar } from "../shared/toolbar.js";
import { tellLocked } from "../shared/unlock.js";
import { Views } from "../shared/views.js";

/** @typedef {import("../shared/invitation.js").Invitation} Invitation */

/** @type {[string, string, import("../shared/views.js").Later<Classroom>][]} */
const VIEWS = [
  ["wall", "Wall", { fetch: async () => (await import("./wall/view.js")).createWall }],
  ["votes", "Votes", { fetch: async () => (await import("./votes/view.js")).createVotes }],
  ["part", "Take part", { fetch: async () => (await import("./join/view.js")).createJoin }],
];
const ON_PHONES = "part"; // the view that comes first there, unless the lecturer holds the phone

/** What the views share. */
export class Classroom {
  /** @param {HTMLElement} element @param {import("../shared/page.js").Page} page @param {Invitation | null} invitation */
  constructor(element, page, invitation) {
    this.element = element;
    this.page = page;
    this.address = page.address;
    this.invitation = invitation;
    /** @type {Views<Classroom>} */
    this.views = new Views(element, { address: page.address, key: "class", ids: "class-" });
  }

  /** Says what went wrong, above the views. @param {string} words */
  say(words) {
    this.element.querySelector(".class-said").textContent = words;
  }
}

/** Given by gr.HTML. @param {HTMLElement} element @param {{invitation: Invitation | null}} props */
export async function start(element, { invitation }) {
  const classroom = new Classroom(element, await page, invitation);
  const isStudents = isPhone() && !hasSession();
  const first = (view) => Number(isStudents && view[0] === ON_PHONES);
  classroom.views.create(classroom, VIEWS.toSorted((a, b) => first(b) - first(a)));
  classroom.views.followTab();
  void classroom.views.show(classroom.address.get("class"));
  createToolbar(classroom, (words) => classroom.say(words));
  element.querySelector(".bar-tools").prepend(createLeadSwitch((words) => classroom.say(words)));
  const tellLost = () => session.isLost && tellLocked(element.querySelector(".class-said"), LOST);
  session.addEventListener("change", tellLost);
  tellLost();
  followTabs(classroom.address);
  element.dataset.ready = "";
}
