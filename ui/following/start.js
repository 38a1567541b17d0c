// What every page has of the class: it follows the lecturer's page, or is that. Fetched once the page is there.
import { classroom } from "../shared/classroom.js";
import { createLeadSign } from "../shared/lead.js";
import { hasSession, session } from "../shared/session.js";
import { follow } from "./main.js";

/** @param {import("../shared/page.js").Page} page */
export function startFollowing(page) {
  followLecturer(page);
  showLead();
}

/** There is nothing to follow until somebody leads. @param {import("../shared/page.js").Page} page */
function followLecturer(page) {
  const start = () => {
    if (!classroom.lead) return;
    classroom.removeEventListener("lead", start);
    follow(page);
  };
  classroom.addEventListener("lead", start);
  start();
}

/** While phones follow this page, the lecturer sees it beside the tabs. */
function showLead() {
  const sign = createLeadSign();
  const show = () => hasSession() && document.querySelector(".tools").prepend(sign);
  session.addEventListener("change", show);
  show();
}
