// The view "Votes": the lecturer prepares a vote, opens it and closes it; the hall sees the tally; and a reward model learns from what was decided.
import { readAbout } from "../../shared/assistant.js";
import { classroom } from "../../shared/classroom.js";
import { button, make, plural, settle } from "../../shared/dom.js";
import { isPhone } from "../../shared/phone.js";
import { Latest } from "../../shared/requests.js";
import { askForJSON, hasSession, sendCorpus, session } from "../../shared/session.js";
import { createTrainingHere } from "../../shared/training_here.js";
import { tellTrouble } from "../../shared/trouble.js";
import { goToLock } from "../../shared/unlock.js";
import { keepAuthors } from "./authors.js";
import { Draft } from "./draft.js";
import { PAIR, Poll, seenTally } from "./poll.js";
import { createPrepare } from "./prepare.js";
import { COMPARISONS_FILE, readVotes, saveTally, saveVotes } from "./save.js";

const CAPTION =
  "Two answers to one request: the class decides which is better, each phone on its own. The votes are comparisons, which is all that a reward model learns from.";
const OFFLINE = "The connection is lost. The vote goes on as soon as the server answers.";
const TOO_FEW = "No votes are kept yet: at least 1 is needed. Open a vote, let the class decide, and close it.";
const [POST, PRESET] = ["POST", "reward"];

/** @param {HTMLElement} panel @param {{page: import("../../shared/page.js").Page}} tab @returns {import("../../shared/views.js").View} */
export function createVotes(panel, { page }) {
  const [offline, trouble, frame, main, side] = [make("p", "notice"), make("p", "trouble"), make("div", "votes"), make("div", "votes-main"), make("div", "votes-side")];
  offline.setAttribute("role", "status");
  trouble.setAttribute("role", "alert");
  const draft = new Draft();
  const prepare = createPrepare(draft, { open, back: () => turnTo("") });
  const poll = new Poll(page.address, { close, next: () => turnTo(classroom.votes.id) });
  const nothing = make("section", "votes-nothing");
  const unlock = button("quiet", "Unlock to open a vote", () => void goToLock());
  nothing.append(make("h2", "", "No vote yet"), make("p", "", "As soon as one is open, phones vote in Take part, and the tally stands here."), unlock);
  const kept = make("p", "votes-kept");
  const training = createTrainingHere(page);
  side.append(make("h2", "", "What the class has decided"), kept, training.node);
  frame.append(main, side);
  panel.append(offline, trouble, frame);
  const reading = new Latest();
  let isShown = false;
  let left = ""; // the closed vote after which the next one is prepared
  let isKnown = false; // whether the assistant is

  async function open() {
    const pairs = draft.pairs.map(({ request, a, b }) => ({ request, a, b }));
    keepAuthors(draft.pairs);
    const { votes } = await askForJSON("./class/votes/open", { method: POST, json: { pairs, hidden: draft.hidden } });
    await arrival(votes.id);
    draft.renew();
  }

  async function close() {
    await askForJSON("./class/votes/close", { method: POST, json: { votes: classroom.votes.id } });
  }

  /** @param {string} id */
  function turnTo(id) {
    left = id;
    draw();
  }

  async function readRequests() {
    const signal = reading.begin();
    trouble.replaceChildren();
    try {
      draft.take(await readAbout(signal));
      isKnown = true;
    } catch (error) {
      if (!signal.aborted) tellTrouble(trouble, error, readRequests);
    } finally {
      reading.end(signal);
    }
  }

  function draw() {
    if (!isShown) return;
    const { votes } = classroom;
    const isPreparing = hasSession() && (!votes || (!votes.open && votes.id === left));
    if (isPreparing && !isKnown && !reading.isBusy) void readRequests();
    unlock.hidden = hasSession() || isPhone() || session.isLost;
    offline.textContent = classroom.isOnline || !classroom.room ? "" : OFFLINE;
    frame.classList.toggle("votes-on-show", !isPreparing);
    settle(main, [isPreparing ? prepare.node : votes ? poll.node : nothing]);
    if (isPreparing) prepare.draw();
    else poll.draw();
    kept.textContent = keptInWords(classroom.kept);
  }

  /** A training learns from the votes, beside comparisons that are made by rule. */
  async function sendKept() {
    const lines = await readVotes();
    if (!lines) throw new Error(TOO_FEW);
    return { corpus: (await sendCorpus(lines, COMPARISONS_FILE)).corpus };
  }

  for (const event of ["room", "votes", "kept", "online", "offline"]) classroom.addEventListener(event, draw);
  session.addEventListener("change", draw);
  draft.addEventListener("change", draw);
  return {
    show() {
      isShown = true;
      draw();
      void training.show({
        preset: PRESET,
        title: "reward model of the class",
        words: "a reward model on the class’s votes",
        asked: sendKept,
        isOf: ({ preset, corpus }) => preset === PRESET && corpus?.name === COMPARISONS_FILE,
        figures: ({ accuracy }) => (accuracy?.length ? `right on ${Math.round(100 * accuracy.at(-1))}\u00a0% of the comparisons kept back` : ""),
      });
    },
    hide() {
      isShown = false;
      reading.cancel();
      training.leave();
    },
    take: () => poll.take(),
    keeps: [PAIR],
    caption: CAPTION,
    keys: [
      ["ArrowRight", "Next pair", () => poll.move(1)],
      ["ArrowLeft", "Previous pair", () => poll.move(-1)],
      ["w", "Write the answers", () => main.contains(prepare.node) && draft.writeAll()],
    ],
    /** @returns {import("../../shared/views.js").Entry[]} */
    get downloads() {
      const { votes, kept } = classroom;
      const tally = votes && seenTally(votes);
      /** @type {import("../../shared/views.js").Entry[]} */
      const all = [];
      if (tally) all.push([`Tally of vote ${votes.number} (CSV)`, () => saveTally(votes, tally)]);
      if (hasSession() && kept?.votes) all.push(["All votes, as comparisons (JSON Lines)", saveVotes]);
      return all;
    },
  };
}

/** Waits until the stream has brought a round of votes, or has broken. @param {string} id */
function arrival(id) {
  const over = new AbortController();
  return new Promise((go) => {
    const look = () => {
      if (classroom.votes?.id !== id && classroom.isOnline) return;
      over.abort();
      go(null);
    };
    for (const event of ["votes", "offline"]) classroom.addEventListener(event, look, { signal: over.signal });
    look();
  });
}

/** @param {import("../../shared/classroom.js").Kept} kept */
function keptInWords(kept) {
  if (!kept?.votes) return "Nothing yet. Once a vote is closed, what the class has chosen is kept here.";
  const { votes, pairs, agreement } = kept;
  const agreed = agreement === null ? "" : ` On average ${Math.round(100 * agreement)}\u00a0% voted with the majority.`;
  return `${plural(votes, "vote")} on ${plural(pairs, "pair")}.${agreed}`;
}
