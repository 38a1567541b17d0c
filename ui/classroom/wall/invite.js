// How to join: the address and its code, as large as the wall has room, or small beside a round.
import { classroom } from "../../shared/classroom.js";
import { make } from "../../shared/dom.js";
import { drawCode, writeAddress } from "../../shared/invitation.js";

const SVG = "http://www.w3.org/2000/svg";
const [ALONE, OPTION, OPENS] = ["Only this computer can open the page. To let phones in, start the app with ", "--host 0.0.0.0", ". This page then shows the address for the class."];

/** @param {import("../../shared/invitation.js").Invitation | null} invitation */
export function createInvitation(invitation) {
  const node = make("section", "wall-invitation");
  node.dataset.testid = "wall-invitation";
  if (!invitation) {
    const words = make("p", "wall-alone");
    words.append(ALONE, make("code", "", OPTION), OPENS);
    node.append(make("h2", "wall-invite-title", "No phone can join yet"), words);
    return node;
  }
  const words = make("div", "wall-invite-words");
  const address = make("p", "wall-address");
  writeAddress(address, invitation.address);
  address.style.setProperty("--chars", String(invitation.address.replace(/^https?:\/\//, "").length));
  const title = make("h2", "wall-invite-title");
  words.append(title, address);
  const code = document.createElementNS(SVG, "svg");
  code.setAttribute("class", "wall-qr");
  code.setAttribute("role", "img");
  code.setAttribute("aria-label", "QR code of the address");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("fill", "#000");
  code.append(path);
  drawCode(code, invitation.modules);
  node.append(code, words);
  const draw = () => {
    const isShut = Boolean(classroom.room?.shut);
    node.classList.toggle("wall-shut", isShut);
    title.textContent = isShut ? "No new members for now" : "Open this on your phone";
  };
  classroom.addEventListener("room", draw);
  draw();
  return node;
}
