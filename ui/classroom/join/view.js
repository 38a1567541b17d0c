// The view "Take part", for phones: one's own text in the round that is open, and one's own votes.
import { classroom } from "../../shared/classroom.js";
import { make, settle } from "../../shared/dom.js";
import { tellTrouble } from "../../shared/trouble.js";
import { Ballot } from "./ballot.js";
import { createDice } from "./dice.js";
import { createName } from "./name.js";
import { Throws } from "./throws.js";
import { Voting } from "./voting.js";

const CAPTION = "The whole class throws the dice after the same prompt: each text is another sample, and all of them stand on the wall. Votes come here too.";
const LOST = "The connection is lost. What you have thrown and voted is kept; the page goes on as soon as it is back.";

/** @param {HTMLElement} panel @returns {import("../../shared/views.js").View} */
export function createJoin(panel) {
  const [throws, ballot] = [new Throws(), new Ballot()];
  const [trouble, offline, frame] = [make("p", "trouble"), make("p", "notice part-offline"), make("div", "part")];
  trouble.setAttribute("role", "alert");
  offline.setAttribute("role", "status");
  const [dice, voting, name] = [createDice(throws), new Voting(ballot), createName()];
  panel.append(trouble, offline, frame);
  let [isShown, isJoining, isLost] = [false, false, Boolean(classroom.room) && !classroom.isOnline];
  let isKeptOut = false; // the lecturer takes no new members

  /** Joins; told again after each time that the connection was lost, for the app may have been started anew. */
  async function join() {
    if (isJoining) return; // a phone that asked twice at first would be two members
    isJoining = true;
    isKeptOut = false;
    trouble.replaceChildren();
    try {
      const { texts, votes } = await classroom.join();
      throws.take(texts);
      ballot.take(votes);
      if (classroom.round) throws.goOn(classroom.round.id);
      ballot.sendAgain();
    } catch (error) {
      isKeptOut = error.setting === "shut";
      tellTrouble(trouble, error, join);
    }
    isJoining = false;
  }

  function draw() {
    if (!isShown) return;
    const { votes } = classroom;
    if (votes) ballot.open(votes.id, votes.pairs.length);
    offline.textContent = isLost ? LOST : "";
    dice.draw();
    voting.draw();
    name.draw();
    settle(frame, [...(votes?.open ? [voting.node, dice.node] : [dice.node, voting.node]), name.node]);
  }

  for (const event of ["room", "counts", "round", "rounds", "votes"]) classroom.addEventListener(event, draw);
  classroom.addEventListener("room", () => {
    if (isShown && isKeptOut && !classroom.room.shut) void join();
  });
  classroom.addEventListener("offline", () => {
    isLost = true;
    draw();
  });
  classroom.addEventListener("online", () => {
    isLost = false;
    draw();
    if (isShown) void join();
  });
  throws.addEventListener("change", draw);
  ballot.addEventListener("change", draw);
  return {
    show() {
      isShown = true;
      draw();
      void join();
    },
    hide() {
      isShown = false;
    },
    caption: CAPTION,
    keys: [
      ["t", "Throw the dice", () => classroom.round?.open && throws.throw(classroom.round.id)],
      ["a", "A is better", () => voting.choose("a")],
      ["b", "B is better", () => voting.choose("b")],
      ["ArrowRight", "Next pair", () => voting.move(1)],
      ["ArrowLeft", "Previous pair", () => voting.move(-1)],
    ],
  };
}
