// The view "Reward": a person, the rule and the reward model judge two answers to the same request; how well the reward model judges, and its score of
// any answer.
import { readAbout } from "../../shared/assistant.js";
import { make, plural } from "../../shared/dom.js";
import { drawSeed } from "../../shared/dice.js";
import { Latest } from "../../shared/requests.js";
import { hasSession, sendCorpus } from "../../shared/session.js";
import { createTrainingHere } from "../../shared/training_here.js";
import { tellTrouble } from "../../shared/trouble.js";
import { createAccuracy } from "./accuracy.js";
import { readComparisons } from "./comparisons.js";
import { layOut } from "./layout.js";
import { askOpinion } from "./opinion.js";
import { PairOnShow } from "./pair.js";
import { saveCurve, savePicture, saveVotes, VOTES_FILE } from "./save.js";
import { AnyScore } from "./score.js";
import { Tally } from "./tally.js";
import { Votes } from "./votes.js";

const CAPTION =
  "A reward model learns from comparisons which of two answers is better. Decide for A or B, and see whether it agrees with you; then score any answer, character by character.";
const WRITER = "supervised"; // the stage that writes new answers
const PRESET = "reward";
const EMPTY = "Write a request first: this one is empty.";
const KEY = "On comparisons that are kept back, labelled by the rule.";
const HOLLOW = "Hollow: with 300 simulated votes among them, 10\u00a0% of them wrong.";
/** @type {[number, number]} */
const ANY_RANGE = [-4, 4]; // of the colours, where nothing better is known

/** @typedef {import("./votes.js").Side} Side */

/** @param {HTMLElement} panel @param {import("../main.js").Assistant} assistant @returns {import("../../shared/views.js").View} */
export function createReward(panel, assistant) {
  const view = new Reward(panel, assistant);
  return {
    caption: CAPTION,
    show: () => view.show(),
    keeps: ["pair", "scored_request", "scored_answer"],
    take: () => view.take(),
    hide: () => view.hide(),
    keys: [
      ["a", "A is better", () => view.vote("a")],
      ["b", "B is better", () => view.vote("b")],
      ["r", "Let the rule decide", () => view.voteByRule()],
      ["n", "Next pair", () => view.move(1)], // an arrow leads to another view while the focus is on the name of this one
      ["ArrowRight", "Next pair", () => view.move(1)],
      ["ArrowLeft", "Previous pair", () => view.move(-1)],
      ["w", "Two new answers", () => view.write()],
      ["s", "Score any answer", () => view.any.focus()],
    ],
    /** @returns {import("../../shared/views.js").Entry[]} */
    get downloads() {
      return view.downloads;
    },
  };
}

class Reward {
  votes = new Votes();
  any;
  #assistant;
  #page;
  #pair;
  #tally = new Tally();
  #curve = createAccuracy();
  #training;
  /** @type {import("./comparisons.js").Comparisons | null} */
  #known = null;
  /** @type {import("./votes.js").Pair | null} two answers that were written here */
  #own = null;
  #reading = new Latest();
  #writing = new Latest();

  /** @param {HTMLElement} panel @param {import("../main.js").Assistant} assistant */
  constructor(panel, assistant) {
    this.#assistant = assistant;
    const moves = make("div", "reward-moves");
    this.#pair = new PairOnShow({ vote: (side) => this.vote(side), judged: (scores) => this.#keepScores(scores) }, moves);
    this.any = new AnyScore(assistant.address, () => this.#range);
    this.#training = createTrainingHere(assistant.page);
    const parts = { moves, pair: this.#pair.node, tally: this.#tally.node, curve: this.#curve.node, training: this.#training.node, any: this.any.node };
    const page = (this.#page = layOut(panel, parts));
    page.back.addEventListener("click", () => this.move(-1));
    page.on.addEventListener("click", () => this.move(1));
    page.rule.addEventListener("click", () => this.voteByRule());
    page.request.addEventListener("input", () => this.#draw());
    page.clear.addEventListener("click", () => this.#clear());
    page.clear.addEventListener("blur", () => this.#askNothing());
    page.bar.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.write();
    });
    this.votes.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  show() {
    void this.#training.show({ preset: PRESET, title: "reward model", words: "a reward model", asked: () => this.#sendVotes() });
    if (!this.#known) void this.#read();
    else this.#draw();
  }

  take() {
    this.#leaveOwn();
    const isOther = this.any.take();
    this.#draw();
    if (isOther && this.#known && !this.#known.trouble) void this.any.go();
  }

  hide() {
    for (const asking of [this.#reading, this.#writing]) asking.cancel();
    this.#training.leave();
    this.#pair.leave();
    this.any.leave();
  }

  /** A training learns from the votes too, beside the comparisons that are made by rule. */
  async #sendVotes() {
    const { list, lines } = this.votes;
    return list.length ? { corpus: (await sendCorpus(lines, VOTES_FILE)).corpus } : {};
  }

  async #read() {
    const signal = this.#reading.begin();
    try {
      this.#known = await readComparisons(signal);
      this.#say("");
      this.#draw();
      if (!this.#known.trouble) void this.any.go();
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#page.said, error, () => this.#read());
    } finally {
      this.#reading.end(signal);
    }
  }

  /** @returns {[number, number]} */
  get #range() {
    return this.#known?.range ?? ANY_RANGE;
  }

  get #all() {
    return this.#known?.comparisons ?? [];
  }

  /** The place of the pair that is shown: the address has it; otherwise the first one without a vote. */
  get #at() {
    const asked = this.#assistant.address.get("pair");
    const place = asked === "" ? this.#all.findIndex((pair) => !this.votes.of(pair)) : Number(asked) - 1;
    return Math.max(0, Math.min(this.#all.length - 1, Math.trunc(place) || 0));
  }

  /** @returns {import("./votes.js").Pair | null} */
  get #shown() {
    return this.#own ?? this.#all[this.#at] ?? null;
  }

  #draw() {
    const page = this.#page;
    const { list } = this.votes;
    const pair = this.#shown;
    page.notice.textContent = this.#known?.trouble ?? "";
    page.filled.classList.toggle("without-pair", !pair);
    page.place.textContent = this.#own ? "new answers" : this.#all.length ? `pair ${this.#at + 1} of ${this.#all.length}` : "";
    page.count.textContent = list.length ? `${plural(list.length, "vote")} kept in this browser${hasSession() ? "; a training learns from them too" : ""}` : "No votes yet.";
    page.clear.hidden = !list.length;
    this.#tally.show(list, this.#known);
    const curve = this.#known?.curve ?? [];
    this.#curve.draw(curve);
    page.key.textContent = [curve.length && KEY, curve.some(({ kind }) => kind === "votes") && HOLLOW].filter(Boolean).join(" ");
    if (!pair) return;
    if (document.activeElement !== page.request) page.request.value = pair.request;
    page.filled.classList.toggle("asks-anew", page.request.value !== pair.request); // the answers below are those to another request
    this.#pair.show(pair, this.votes.of(pair), this.#range);
  }

  /** @param {string} words */
  #say(words) {
    this.#page.said.textContent = words;
  }

  /** @param {Side} better @param {"person" | "rule"} [by] */
  vote(better, by = "person") {
    const pair = this.#shown;
    if (!pair) return;
    if (!this.#own) this.#assistant.address.keep("pair", this.#at + 1); // it stays in sight
    this.#say("");
    try {
      this.votes.give({ ...pickOf(pair), better, by, scores: this.votes.of(pair)?.scores ?? null });
    } catch (error) {
      this.#say(error.message);
    }
  }

  /** The rule decides where it accepts one of the answers and not the other. */
  async voteByRule() {
    const pair = this.#shown;
    if (!pair) return;
    try {
      const [a, b] = await Promise.all([pair.a, pair.b].map(async (answer) => (await askOpinion(pair.request, answer)).rule?.obeys));
      if (pair !== this.#shown) return;
      if (a === undefined) this.#say("No rule knows this request.");
      else if (a === b) this.#say(`The rule ${a ? "accepts both answers" : "accepts neither answer"}: it cannot decide.`);
      else this.vote(a ? "a" : "b", "rule");
    } catch (error) {
      tellTrouble(this.#page.said, error, () => this.voteByRule());
    }
  }

  /** @param {[number, number]} scores that the reward model gave to both answers */
  #keepScores(scores) {
    const vote = this.votes.of(this.#shown);
    if (vote && String(vote.scores) !== String(scores)) this.votes.give({ ...vote, scores });
  }

  /** @param {number} by */
  move(by) {
    if (!this.#all.length) return;
    const to = this.#own ? this.#at : (this.#at + by + this.#all.length) % this.#all.length;
    this.#leaveOwn();
    this.#assistant.address.keep("pair", to + 1);
    this.#draw();
  }

  #leaveOwn() {
    this.#writing.cancel();
    this.#own = null;
    this.#say("");
  }

  /** The supervised model writes two answers to the request in the field. */
  async write() {
    const { answers } = this.#assistant;
    const asked = this.#page.request.value;
    if (!asked.trim()) return this.#say(EMPTY);
    const signal = this.#writing.begin();
    this.#say("");
    this.#page.write.disabled = true;
    try {
      const { key, trouble } = (await readAbout(signal)).models.find(({ id }) => id === WRITER);
      if (!key) return this.#say(`New answers need the supervised model. ${trouble}`.trim());
      const dice = { temperature: 1, seed: drawSeed(), samples: 2 };
      await answers.write(key, asked, dice, ({ answers: [a, b], request, isDone }) => {
        if (isDone) this.#own = { request, a: a.text, b: b.text };
      }, signal);
      this.#draw();
    } catch (error) {
      if (!signal.aborted) tellTrouble(this.#page.said, error, () => this.write());
    } finally {
      this.#writing.end(signal);
      this.#page.write.disabled = false;
    }
  }

  /** Asks before it deletes what cannot be had again. */
  #clear() {
    const { clear } = this.#page;
    if (clear.dataset.asks !== undefined) {
      this.#askNothing();
      return this.votes.clear();
    }
    clear.dataset.asks = "";
    clear.textContent = `Delete ${plural(this.votes.list.length, "vote")} for good?`;
  }

  #askNothing() {
    delete this.#page.clear.dataset.asks;
    this.#page.clear.textContent = "Delete";
  }

  /** @returns {import("../../shared/views.js").Entry[]} */
  get downloads() {
    const [known, { list }] = [this.#known, this.votes];
    /** @type {import("../../shared/views.js").Entry[]} */
    const ofCurve = [
      ["Accuracy curve (CSV)", () => saveCurve(known.curve)],
      ["Accuracy curve (PNG)", () => savePicture(this.#curve)],
    ];
    return [...(list.length ? [/** @type {import("../../shared/views.js").Entry} */ (["Votes (JSON Lines)", () => saveVotes(this.votes)])] : []), ...(known?.curve.length ? ofCurve : [])];
  }
}

/** @param {import("./votes.js").Pair} pair */
const pickOf = ({ request, a, b }) => ({ request, a, b });
