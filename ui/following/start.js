// What every page has of the class: it listens whether somebody leads. Fetched once the page is there. What it takes to follow, or to lead, comes
// when it is needed.
import { classroom } from "../shared/classroom.js";
import { isPhone } from "../shared/phone.js";
import { hasSession, session } from "../shared/session.js";

/** @param {import("../shared/page.js").Page} page */
export function startFollowing(page) {
  followLecturer(page);
  inviteToClass(page);
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

/** A phone that has opened the address on the wall takes part. @param {import("../shared/page.js").Page} page */
function inviteToClass(page) {
  const topics = ["round", "votes", "kept"]; // the last of them comes after all that tells what is open
  let isUntouched = !/\b(tab|run|prompt|text)=/.test(location.search + location.hash); // an address that asks for something is shown
  const touch = () => (isUntouched = false);
  for (const event of ["pointerdown", "keydown"]) addEventListener(event, touch, { once: true, capture: true });
  const start = async () => {
    if (!classroom.kept || !isPhone() || hasSession()) return;
    if (!classroom.round?.open && !classroom.votes?.open) return touch(); // whoever was here before is asked
    for (const topic of topics) classroom.removeEventListener(topic, start);
    const { invite } = await import("./invite.js");
    invite(page, isUntouched);
  };
  for (const topic of topics) classroom.addEventListener(topic, start);
  void start();
}

/** While phones follow this page, the lecturer sees it beside the tabs. */
async function showLead() {
  if (!hasSession()) return;
  const { createLeadSign } = await import("../shared/lead.js");
  if (!document.querySelector(".lead-sign")) document.querySelector(".tools").prepend(createLeadSign());
}
