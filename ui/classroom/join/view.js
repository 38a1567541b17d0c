// The view "Take part", for phones: one's own text in the round that is open, and one's own votes.
import { classroom } from "../../shared/classroom.js";
import { make, settle } from "../../shared/dom.js";
import { hasSession } from "../../shared/session.js";
import { tellTrouble } from "../../shared/trouble.js";
import { Ballot } from "./ballot.js";
import { createDice } from "./dice.js";
import { createName } from "./name.js";
import { Throws } from "./throws.js";
import { Voting } from "./voting.js";

const CAPTION = "The whole class throws the dice after the same prompt: each text is another sample, and all of them stand on the wall. Votes come here too.";
const LOST = "The connection is lost. What you have thrown and voted is kept; the page goes on as soon as it is back.";
const UNSENT = "The connection is lost. Your last vote goes out as soon as it is back; everything before is kept.";
const SHUT = "No new members for now. This page joins by itself as soon as that changes."; // as model/classroom/classroom.py has it

/** @param {HTMLElement} panel @returns {import("../../shared/views.js").View} */
export function createJoin(panel) {
  const [throws, ballot] = [new Throws(), new Ballot()];
  const [trouble, notice, frame] = [make("p", "trouble"), make("p", "notice part-notice"), make("div", "part")];
  trouble.setAttribute("role", "alert");
  notice.setAttribute("role", "status");
  const [dice, voting, name] = [createDice(throws), new Voting(ballot), createName()];
  panel.append(trouble, notice, frame);
  let [isShown, isJoining, isLost] = [false, false, Boolean(classroom.room) && !classroom.isOnline];
  let wasKeptOut = false; // because the lecturer takes no new members

  /**
   * Joins; told again after each time that the connection was lost, for the app may have been started anew. A lecturer who only looks is no
   * member: the first throw or vote joins.
   */
  async function join() {
    if (isJoining || classroom.isKeptOut || (hasSession() && !classroom.member)) return;
    isJoining = true;
    trouble.replaceChildren();
    try {
      const { texts, votes } = await classroom.join();
      throws.take(texts);
      ballot.take(votes);
      if (classroom.round) throws.goOn(classroom.round.id);
      ballot.sendAgain();
    } catch (error) {
      if (!classroom.isKeptOut) tellTrouble(trouble, error, join);
    }
    isJoining = false;
    draw();
  }

  function draw() {
    if (!isShown) return;
    const { votes, round, isKeptOut } = classroom;
    if (wasKeptOut && !isKeptOut) void join();
    wasKeptOut = isKeptOut;
    if (votes) ballot.open(votes.id, votes.pairs.length);
    notice.textContent = isLost ? (ballot.isUnsent ? UNSENT : LOST) : isKeptOut ? SHUT : "";
    dice.draw(isLost);
    voting.draw(isLost);
    name.draw();
    const isNews = votes && (votes.open || votes.last_round >= (round?.number ?? 0)); // the result stays until something else begins
    settle(frame, [...(isNews ? [voting.node, dice.node] : [dice.node, voting.node]), name.node]);
  }

  for (const event of ["room", "counts", "round", "rounds", "votes"]) classroom.addEventListener(event, draw);
  classroom.addEventListener("member", () => {
    if (isShown && !classroom.member) void join(); // a new class has begun
    draw();
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
      ["t", "Throw the dice", () => classroom.round?.open && !classroom.isKeptOut && throws.throw(classroom.round.id)],
      ["a", "A is better", () => voting.choose("a")],
      ["b", "B is better", () => voting.choose("b")],
      ["ArrowRight", "Next pair", () => voting.move(1)],
      ["ArrowLeft", "Previous pair", () => voting.move(-1)],
    ],
  };
}
