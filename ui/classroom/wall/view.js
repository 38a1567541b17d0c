// The view "Wall": everybody throws the dice for the same prompt, and all texts are seen together.
import { classroom } from "../../shared/classroom.js";
import { make, plural } from "../../shared/dom.js";

/** @param {HTMLElement} panel @param {import("../main.js").Classroom} _tab @returns {import("../../shared/views.js").View} */
export function createWall(panel, _tab) {
  const joined = make("p", "wall-joined");
  panel.append(joined);
  const draw = () => (joined.textContent = classroom.room ? plural(classroom.room.members, "phone") : "");
  classroom.addEventListener("room", draw);
  return {
    show() {
      classroom.wantTexts(true);
      draw();
    },
    hide() {
      classroom.wantTexts(false);
    },
  };
}
