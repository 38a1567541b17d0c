// The votes on the phone: a pair at a time, two large cards to press.
import { classroom } from "../../shared/classroom.js";
import { button, listed, make, makeText } from "../../shared/dom.js";
import { UnreachableError } from "../../shared/server.js";
import { tellTrouble } from "../../shared/trouble.js";
import { TallyBar } from "../tally.js";

/** @typedef {import("./ballot.js").Side} Side */
/** @type {Side[]} */
const SIDES = ["a", "b"];
const MAY_CHANGE = "You can change it until the vote is closed.";

export class Voting {
  node = make("section", "part-votes");
  #title = make("h2");
  #place = make("p", "part-place");
  #request = makeText("p", "part-request");
  /** @type {Card[]} */
  #cards;
  #said = make("p", "part-said");
  #trouble = make("p", "trouble");
  #back;
  #on;
  #ballot;
  #shown = ""; // the round of votes
  #isLost = false; // whether it is said already that the connection is
  #pair = 0;
  /** @type {Error | undefined} */
  #told;

  /** @param {import("./ballot.js").Ballot} ballot */
  constructor(ballot) {
    this.#ballot = ballot;
    this.#title.id = "part-votes-title";
    this.node.setAttribute("aria-labelledby", this.#title.id);
    this.#cards = SIDES.map((side) => new Card(side, () => this.choose(side)));
    this.#said.setAttribute("role", "status");
    this.#trouble.setAttribute("role", "alert");
    this.#back = button("button", "‹ Back", () => this.move(-1));
    this.#back.setAttribute("aria-label", "Previous pair");
    this.#on = button("button part-next", "Next ›", () => this.move(1));
    this.#on.setAttribute("aria-label", "Next pair");
    const [cards, moves] = [make("div", "part-cards"), make("div", "part-moves")];
    cards.append(...this.#cards.map(({ node }) => node));
    moves.append(this.#back, this.#place, this.#on);
    this.node.append(this.#title, this.#request, cards, this.#said, this.#trouble, moves);
  }

  /** @param {number} by */
  move(by) {
    const to = this.#pair + by;
    if (!(to in (classroom.votes?.pairs ?? []))) return;
    this.#pair = to;
    this.draw();
  }

  /** @param {Side} side */
  choose(side) {
    if (this.#mayVote) this.#ballot.choose(this.#pair, side);
  }

  get #mayVote() {
    return Boolean(classroom.votes?.open) && !classroom.isKeptOut;
  }

  /** @param {boolean} [isLost] */
  draw(isLost = this.#isLost) {
    const { votes } = classroom;
    this.#isLost = isLost;
    this.node.hidden = !votes;
    this.node.classList.toggle("part-is-voting", this.#mayVote && !this.#ballot.isComplete);
    if (!votes) return;
    const { chosen } = this.#ballot;
    if (votes.id !== this.#shown) {
      this.#shown = votes.id;
      this.#pair = Math.max(0, chosen.indexOf(null));
    }
    const [at, n] = [this.#pair, votes.pairs.length];
    const pair = votes.pairs[at];
    this.#title.textContent = votes.open ? "Which answer is better?" : `Vote ${votes.number} is closed`;
    this.#place.textContent = `pair ${at + 1} of ${n}`;
    this.#request.textContent = pair.request;
    const isSeen = !votes.open || (chosen[at] !== null && this.#ballot.isSaved(at)); // nobody is swayed by the others
    const tally = isSeen ? votes.tally?.[at] : undefined;
    this.#cards.forEach((card, i) => card.show(pair[SIDES[i]], chosen[at] === SIDES[i], this.#mayVote, this.#ballot.isSaved(at), tally && [tally[i], tally[1 - i]]));
    this.#said.textContent = this.#status(votes);
    this.#tell();
    this.#back.disabled = at === 0;
    this.#on.disabled = at === n - 1;
    for (const move of [this.#back, this.#on]) move.hidden = n === 1;
    this.#on.classList.toggle("primary", votes.open && chosen[at] !== null && at < n - 1);
  }

  /** @param {import("../../shared/classroom.js").Votes} votes */
  #status({ open, pairs, tally, hidden }) {
    const [{ chosen }, at] = [this.#ballot, this.#pair];
    const side = chosen[at];
    if (!open) return side ? `You have chosen ${side.toUpperCase()}.` : "You have not voted on this pair.";
    if (!this.#mayVote) return "";
    if (!side) return "Press the better answer.";
    if (!this.#ballot.isSaved(at) && this.#isLost) return `${side.toUpperCase()} is not sent yet.`;
    if (!this.#ballot.isSaved(at)) return this.#ballot.troubleOf(at) ? `Not saved: ${side.toUpperCase()}.` : `Saving ${side.toUpperCase()} …`;
    const left = chosen.flatMap((each, i) => (each ? [] : [i + 1]));
    const rest = left.length ? `${left.length === 1 ? "Pair" : "Pairs"} ${listed(left)} left.` : pairs.length > 1 ? `You have voted on all ${pairs.length} pairs.` : "";
    const secret = hidden && !tally ? "The result comes when the vote is closed." : "";
    return [`✓ Saved: ${side.toUpperCase()}.`, rest, left.length ? "" : MAY_CHANGE, left.length ? "" : secret].filter(Boolean).join(" ");
  }

  #tell() {
    const [at, trouble] = [this.#pair, this.#ballot.troubleOf(this.#pair)];
    const isSaid = (this.#isLost && trouble instanceof UnreachableError) || classroom.isKeptOut; // above
    const wrong = isSaid ? undefined : trouble;
    if (wrong === this.#told) return;
    this.#told = wrong;
    this.#trouble.replaceChildren();
    if (wrong) tellTrouble(this.#trouble, wrong, () => this.#ballot.send(at));
  }
}

class Card {
  node;
  #letter;
  #text = makeText("span", "part-answer");
  #bar = new TallyBar();

  /** @param {Side} side @param {() => void} choose */
  constructor(side, choose) {
    this.node = button("part-card", "", choose);
    this.#letter = make("b", "part-letter", side.toUpperCase());
    this.node.append(this.#letter, this.#text, this.#bar.node);
  }

  /** @param {string} text @param {boolean} isChosen @param {boolean} isOpen @param {boolean} isSaved @param {[number, number]} [tally] votes for it and for the other one */
  show(text, isChosen, isOpen, isSaved, tally) {
    this.#text.textContent = text;
    this.node.setAttribute("aria-pressed", String(isChosen));
    this.node.classList.toggle("part-saved", isSaved);
    this.node.setAttribute("aria-disabled", String(!isOpen)); // not `disabled`, which would take the focus
    this.node.style.pointerEvents = isOpen ? "" : "none";
    if (tally) this.#bar.show(...tally);
    else this.#bar.hide();
  }
}
