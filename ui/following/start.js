// What every page has of the class: it listens whether somebody leads. Fetched once the page is there. What it takes to follow, or to lead, comes
// when it is needed.
import { classroom } from "../shared/classroom.js";
import { hasSession, session } from "../shared/session.js";

/** @param {import("../shared/page.js").Page} page */
export function startFollowing(page) {
  followLecturer(page);
  session.addEventListener("change", showLead);
  void showLead();
}

/** There is nothing to follow until somebody leads. @param {import("../shared/page.js").Page} page */
function followLecturer(page) {
  const start = async () => {
    if (!classroom.lead) return;
    classroom.removeEventListener("lead", start);
    const { follow } = await import("./main.js");
    void follow(page);
  };
  classroom.addEventListener("lead", start);
  void start();
}

/** While phones follow this page, the lecturer sees it beside the tabs. */
async function showLead() {
  if (!hasSession()) return;
  const { createLeadSign } = await import("../shared/lead.js");
  if (!document.querySelector(".lead-sign")) document.querySelector(".tools").prepend(createLeadSign());
}
