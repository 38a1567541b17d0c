// What leads a phone to a round or a vote that is open: the address on the wall names no tab.
import { classroom } from "../shared/classroom.js";
import { button, make } from "../shared/dom.js";
import { isPhone } from "../shared/phone.js";
import { hasSession, session } from "../shared/session.js";
import { openTab } from "../shared/tabs.js";
import { makeRoomFor } from "./bar.js";

const TAB = "class"; // a phone begins there with Take part

/** Opens Take part, or says in a bar that there is something to take part in. @param {import("../shared/page.js").Page} page @param {boolean} isUntouched */
export function invite(page, isUntouched) {
  const node = make("section", "following");
  const [words, title] = [make("p", "following-words"), make("b")];
  node.dataset.testid = "class-invitation";
  node.setAttribute("aria-label", "The class");
  words.setAttribute("role", "status");
  words.append(title);
  /** @type {Set<string>} what somebody here does not want to take part in */
  const refused = new Set();
  const actions = make("div", "following-actions");
  actions.append(
    button("button primary", "Take part", () => openTab(TAB)),
    button("quiet", "Not now", () => {
      for (const id of opened()) refused.add(id);
      draw();
    }),
  );
  node.append(words, actions);
  makeRoomFor(node);

  function draw() {
    const isWanted = opened().some((id) => !refused.has(id)) && isPhone() && !hasSession() && !classroom.lead && page.address.get("tab") !== TAB;
    if (!isWanted) return node.remove();
    title.textContent = classroom.votes?.open ? "A vote is open" : "A round is open";
    if (!node.isConnected) document.body.append(node);
  }

  for (const topic of ["round", "votes", "lead"]) classroom.addEventListener(topic, draw);
  session.addEventListener("change", draw);
  page.address.addEventListener("update", draw);
  if (isUntouched && !classroom.lead) openTab(TAB);
  else draw();
}

/** The ids of the round and the vote that are open. */
const opened = () => [classroom.round, classroom.votes].flatMap((one) => (one?.open ? one.id : []));
