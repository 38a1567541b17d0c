// A vote on the projector: how many have voted, and for each pair the bars, which the hall reads from the back row.
import { classroom } from "../../shared/classroom.js";
import { button, make, makeText, number, plural, settle } from "../../shared/dom.js";
import { asRail, asRailPlace } from "../../shared/rail.js";
import { hasSession } from "../../shared/session.js";
import { tellTrouble } from "../../shared/trouble.js";
import { createDoor } from "../door.js";
import { TallyBar } from "../tally.js";
import { shareInWords } from "../words.js";
import { authorsOf } from "./authors.js";

/** @typedef {import("../../shared/classroom.js").Votes} Votes */
/** @type {["a", "b"]} */
const SIDES = ["a", "b"];

export const PAIR = "vote_pair"; // where the address keeps which pair is shown, from 1

/** What everyone on this page may see of the tally: a hidden one stays so on the projector too. @param {Votes} votes */
export const seenTally = ({ tally, hidden, open }) => (hidden && open ? null : tally);

export class Poll {
  node = make("section", "votes-poll");
  #title = Object.assign(make("h2"), { id: "votes-poll-title" });
  #voters = make("p", "votes-voters");
  #door;
  #close;
  #next;
  #rail = asRail(make("ol", "votes-rail"));
  /** @type {HTMLButtonElement[]} */
  #openers = [];
  #request = makeText("p", "votes-asked-words");
  #answers;
  #outcome = make("p", "votes-outcome");
  #summary = make("p", "votes-summary");
  #trouble = make("p", "trouble");
  #body = make("div", "votes-body");
  #address;
  #pair = 0;
  #shown = "";

  /** @param {import("../../shared/address.js").Address} address @param {{close: () => Promise<unknown>, next: () => void}} act */
  constructor(address, { close, next }) {
    this.#address = address;
    this.node.setAttribute("aria-labelledby", this.#title.id);
    this.#voters.setAttribute("role", "status");
    this.#trouble.setAttribute("role", "alert");
    this.#rail.setAttribute("aria-label", "Pairs");
    const end = async () => {
      this.#trouble.replaceChildren();
      this.#close.disabled = true;
      try {
        await close();
      } catch (error) {
        tellTrouble(this.#trouble, error, end);
      }
      this.#close.disabled = false;
    };
    this.#door = make("span", "votes-door");
    this.#door.append(createDoor(this.#trouble));
    this.#close = button("button primary", "Close the vote", end);
    this.#next = button("button primary", "Next vote", next);
    this.#answers = SIDES.map((side) => new Answer(side.toUpperCase()));
    const [head, answers, pair] = [make("header", "votes-head"), make("div", "votes-answers"), make("div", "votes-pair")];
    answers.append(...this.#answers.map(({ node }) => node));
    head.append(this.#title, this.#voters, this.#door, this.#close, this.#next);
    pair.append(this.#request, answers, this.#outcome, this.#summary);
    this.#body.append(this.#rail, pair);
    this.node.append(head, this.#trouble, this.#body);
  }

  /** @param {number} by */
  move(by) {
    this.#open(this.#pair + by);
  }

  /** @param {number} place */
  #open(place) {
    const { votes } = classroom;
    if (!votes || !(place in votes.pairs)) return;
    this.#pair = place;
    this.#address.keep(PAIR, place ? place + 1 : "");
    this.draw();
  }

  /** Another address was taken. */
  take() {
    this.#pair = this.#asked;
    this.draw();
  }

  /** The pair that the address names, else the first. */
  get #asked() {
    const place = Number(this.#address.get(PAIR)) - 1;
    return place in (classroom.votes?.pairs ?? []) ? place : 0;
  }

  draw() {
    const { votes, room } = classroom;
    if (!votes) return;
    if (votes.id !== this.#shown) this.#begin(votes.id);
    const members = Math.max(room?.members ?? 0, votes.voters);
    this.#title.textContent = `Vote ${votes.number}${votes.open ? "" : " is closed"}`;
    const newcomers = votes.newcomers ? make("span", "votes-newcomers", `, ${number(votes.newcomers)} joined after the vote had opened`) : "";
    this.#voters.replaceChildren(make("b", "", number(votes.voters)), `${votes.open ? ` of ${number(members)}` : ""} voted${votes.pairs.length > 1 ? " on every pair" : ""}`, newcomers);
    this.#door.hidden = !votes.open;
    this.#close.hidden = !hasSession() || !votes.open;
    this.#next.hidden = !hasSession() || votes.open;
    const tally = seenTally(votes);
    this.#drawRail(votes, tally);
    const pair = votes.pairs[this.#pair];
    const counts = tally?.[this.#pair];
    const authors = votes.open ? null : twoAuthors(pair);
    this.#request.textContent = pair.request;
    this.#answers.forEach((answer, i) => answer.show(pair[SIDES[i]], counts && [counts[i], counts[1 - i]], authors?.[i] ?? ""));
    this.#outcome.textContent = counts ? outcome(counts, votes.open) : secret(votes, this.#pair);
    this.#summary.textContent = votes.open || !tally ? "" : summary(votes, tally);
  }

  /** Another round of votes: from its first pair on, unless it is the one that the page was opened with. @param {string} id */
  #begin(id) {
    if (this.#shown) this.#address.keep(PAIR, "");
    this.#pair = this.#asked;
    this.#shown = id;
  }

  /** @param {Votes} votes @param {[number, number][] | null} tally */
  #drawRail({ pairs }, tally) {
    this.#body.classList.toggle("votes-single", pairs.length === 1);
    while (this.#openers.length < pairs.length) {
      const place = this.#openers.length;
      const opener = asRailPlace(button("votes-opener", "", () => this.#open(place)));
      this.#openers.push(opener);
      const item = make("li");
      item.append(opener);
    }
    settle(this.#rail, this.#openers.slice(0, pairs.length).map(({ parentElement }) => parentElement));
    pairs.forEach((_, i) => {
      const opener = this.#openers[i];
      const parts = [make("span", "votes-opener-name", `Pair ${i + 1}`)];
      const [a, b] = tally?.[i] ?? [0, 0];
      if (tally) {
        const split = make("span", "votes-split");
        split.style.setProperty("--a", String(a + b ? a / (a + b) : 0.5));
        split.classList.toggle("votes-split-empty", !(a + b));
        parts.push(split);
      }
      opener.replaceChildren(...parts);
      opener.setAttribute("aria-label", tally ? `Pair ${i + 1}: A ${a}, B ${b}` : `Pair ${i + 1}`);
      if (i === this.#pair) opener.setAttribute("aria-current", "true");
      else opener.removeAttribute("aria-current");
    });
  }
}

class Answer {
  node = make("article", "votes-answer");
  #text = makeText("p", "votes-text");
  #author = makeText("span", "votes-author");
  #bar = new TallyBar();

  /** @param {string} letter */
  constructor(letter) {
    const head = make("header", "votes-answer-head");
    head.append(make("b", "votes-letter", letter), this.#author);
    this.node.append(head, this.#text, this.#bar.node);
  }

  /** @param {string} text @param {[number, number] | undefined} counts votes for it and for the other one @param {string} author "" while it is secret */
  show(text, counts, author) {
    this.#text.textContent = text;
    this.#author.textContent = author;
    if (counts) this.#bar.show(...counts);
    else this.#bar.hide();
  }
}

/** Who wrote the answers, if it was not the same model. @param {import("./authors.js").Pair} pair */
function twoAuthors(pair) {
  const authors = authorsOf(pair);
  return authors && authors[0] !== authors[1] ? authors : null;
}

/** @param {Votes} votes @param {number} pair */
function secret({ pairs, voted }, pair) {
  return `${pairs.length > 1 ? `${plural(voted[pair], "vote")} on this pair. ` : ""}The tally is hidden until the vote is closed.`;
}

/** @param {[number, number]} counts @param {boolean} isOpen */
function outcome([a, b], isOpen) {
  if (!a && !b) return isOpen ? "No votes on this pair yet." : "No votes on this pair.";
  if (a === b) return `A tie: ${number(a)} to ${number(b)}.`;
  return `${a > b ? "A" : "B"} ${isOpen ? "is ahead" : "wins"}, ${number(Math.max(a, b))} to ${number(Math.min(a, b))}.`;
}

/** How often each model has won, where two have written. @param {Votes} votes @param {[number, number][]} tally */
function summary({ pairs }, tally) {
  const won = new Map();
  let [count, all] = [0, 0];
  pairs.forEach((pair, i) => {
    const authors = twoAuthors(pair);
    if (!authors) return;
    count++;
    authors.forEach((title, side) => won.set(title, (won.get(title) ?? 0) + tally[i][side]));
    all += tally[i][0] + tally[i][1];
  });
  if (!count || !all) return "";
  const shares = [...won].toSorted(([, a], [, b]) => b - a).map(([title, votes]) => `${title} ${shareInWords(votes, all)}`);
  return `Of all votes on ${plural(count, "pair")}: ${shares.join(", ")}.`;
}
