// The lecturer's switch that keeps new phones out: while votes are open, a phone that deletes the page's data would be another voter.
import { classroom } from "../shared/classroom.js";
import { button } from "../shared/dom.js";
import { askForJSON, hasSession, session } from "../shared/session.js";
import { tellTrouble } from "../shared/trouble.js";

/** @param {HTMLElement} trouble where it says what went wrong */
export function createDoor(trouble) {
  const node = button("switch", "", () => void turn());
  node.title = "Phones that have not joined yet are kept out; those that have joined go on. Press again to let everybody in.";
  node.dataset.testid = "class-door";

  async function turn() {
    trouble.replaceChildren();
    try {
      await askForJSON("./class/shut", { method: "POST", json: { shut: !classroom.room?.shut } });
    } catch (error) {
      tellTrouble(trouble, error, turn);
    }
  }

  function draw() {
    node.hidden = !hasSession();
    const isShut = Boolean(classroom.room?.shut);
    node.setAttribute("aria-pressed", String(isShut));
    node.textContent = isShut ? "New members are kept out" : "Keep new members out";
  }

  classroom.addEventListener("room", draw);
  session.addEventListener("change", draw);
  draw();
  return node;
}
