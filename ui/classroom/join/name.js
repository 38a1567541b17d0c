// A name, for whoever wants one.
import { classroom } from "../../shared/classroom.js";
import { labelled, make, number } from "../../shared/dom.js";
import { hasSession } from "../../shared/session.js";
import { tellTrouble } from "../../shared/trouble.js";

const HINT = "The lecturer may show names.";
const LOOKS_ON = "You have the lecturer’s session: this page joins the class once you throw, vote or give a name here.";
const MOST_CHARS = 24; // as model/limits.py has it; the server checks it

/** { node, draw() } */
export function createName() {
  const node = make("form", "part-name");
  const who = make("p", "part-who");
  const field = Object.assign(make("input", "field"), { id: "part-name", type: "text", maxLength: MOST_CHARS, autocomplete: "off", spellcheck: false, dir: "auto" });
  const send = Object.assign(make("button", "button", "Save"), { type: "submit" });
  const [said, trouble] = [make("p", "part-name-said"), make("p", "trouble")];
  said.setAttribute("role", "status");
  trouble.setAttribute("role", "alert");
  const row = make("div", "part-name-row");
  row.append(labelled("Short name, if you like", field, "part-name-field"), send);
  node.append(who, row, said, trouble);

  /** @type {import("../../shared/classroom.js").Member | null} */
  let shown = null;

  async function save() {
    trouble.replaceChildren();
    said.textContent = "";
    try {
      await classroom.join(field.value.trim());
      said.textContent = "Saved. The lecturer may show names.";
    } catch (error) {
      tellTrouble(trouble, error, save);
    }
    draw();
  }

  function draw() {
    const { member, room, isKeptOut } = classroom;
    node.hidden = isKeptOut;
    who.textContent = !member ? (hasSession() ? LOOKS_ON : "") : `You are number ${number(member.number)}${room?.members > 1 ? ` of ${number(room.members)}` : ""}.`;
    if (member !== shown && field !== document.activeElement) field.value = member?.name ?? "";
    if (!said.textContent || member?.token !== shown?.token) said.textContent = HINT;
    shown = member;
  }

  node.addEventListener("submit", (event) => {
    event.preventDefault();
    field.blur(); // the keyboard of the phone covers half of the page
    void save();
  });
  return { node, draw };
}
