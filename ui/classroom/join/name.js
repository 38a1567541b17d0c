// A name, for whoever wants one.
import { classroom } from "../../shared/classroom.js";
import { labelled, make, number } from "../../shared/dom.js";
import { tellTrouble } from "../../shared/trouble.js";

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
    const { member, room } = classroom;
    who.textContent = member ? `You are number ${number(member.number)}${room?.members > 1 ? ` of ${number(room.members)}` : ""}.` : "";
    if (member && field !== document.activeElement) field.value = member.name;
    if (!said.textContent) said.textContent = "The lecturer may show names.";
  }

  node.addEventListener("submit", (event) => {
    event.preventDefault();
    field.blur(); // the keyboard of the phone covers half of the page
    void save();
  });
  return { node, draw };
}
