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
  let refused = ""; // what somebody here does not want to take part in
  const actions = make("div", "following-actions");
  actions.append(
    button("button primary", "Take part", () => openTab(TAB)),
    button("quiet", "Not now", () => {
      refused = opened();
      draw();
    }),
  );
  node.append(words, actions);
  makeRoomFor(node);

  function draw() {
    const isWanted = opened() && opened() !== refused && isPhone() && !hasSession() && !classroom.lead && page.address.get("tab") !== TAB;
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

/** The ids of the round and the vote that are open; "" where none is. */
const opened = () => [classroom.round, classroom.votes].map((one) => (one?.open ? one.id : "")).join("");
