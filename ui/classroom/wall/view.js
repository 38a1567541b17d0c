// The view "Wall": everybody throws the dice for the same prompt, and all texts are seen together, as they come.
import { outside } from "../../shared/characters.js";
import { classroom } from "../../shared/classroom.js";
import { button, endOf, inFull, make, makeText, number, plural, readable, settle } from "../../shared/dom.js";
import { Latest } from "../../shared/requests.js";
import { getJSON } from "../../shared/server.js";
import { tellTrouble } from "../../shared/trouble.js";
import { createInvitation } from "./invite.js";
import { createLecturer } from "./lecturer.js";
import { saveCSV, saveJSON, saveMosaics, saveTrees } from "./save.js";
import { Stage } from "./stage.js";

/** @typedef {import("../../shared/classroom.js").Round} Round */
/** @typedef {import("../../shared/classroom.js").ClassText} ClassText */

const CAPTION = "One prompt, one throw each: together the texts fill the model's distribution. In the tree, point at a branch.";
const SHOWN = 40; // characters of a prompt
/** @type {["mosaic" | "tree", string][]} */
const PARTS = [["mosaic", "Mosaic"], ["tree", "Tree"]];
const [ROUND, PART] = ["round", "wall"]; // where the address keeps which round is shown, and how

/** @param {HTMLElement} panel @param {import("../main.js").Classroom} tab @returns {import("../../shared/views.js").View} */
export function createWall(panel, tab) {
  const wall = new Wall(panel, tab);
  return {
    caption: CAPTION,
    keeps: [ROUND, PART],
    show: () => wall.show(),
    hide: () => wall.hide(),
    take: () => wall.take(),
    keys: [
      ["m", "Mosaic or tree", () => wall.turn()],
      ["n", "Newer text large", () => wall.step(-1)],
      ["p", "Older text large", () => wall.step(1)],
      ["o", "Show all branches, or fold the small ones", () => wall.toggle()],
    ],
    downloads: [
      ["Texts (CSV)", () => saveCSV(wall.shown)],
      ["Texts and settings (JSON)", () => saveJSON(wall.shown)],
      ["Picture of the mosaic (PNG)", () => saveMosaics(wall.shown)],
      ["Picture of the tree (PNG)", () => saveTrees(wall.shown)],
    ],
  };
}

class Wall {
  /** @type {Stage[]} that are seen: one, or two abreast */
  shown = [];
  #address;
  #isShown = false;
  #lecturer;
  #invitation;
  #head = make("div", "wall-head");
  #title = makeText("h2", "wall-title");
  #counts = make("p", "wall-counts");
  #parts = make("div", "wall-parts");
  #openers = new Map();
  #rounds = Object.assign(make("select", "field wall-rounds"), { id: "wall-rounds" });
  #said = make("p", "trouble");
  #offline = make("p", "notice");
  #stages = make("div", "wall-stages");
  #two;
  #main = make("div", "wall-main");
  #fetching = new Latest();
  /** @type {Map<string, ClassText[]>} of earlier rounds, by id */
  #fetched = new Map();

  /** @param {HTMLElement} panel @param {import("../main.js").Classroom} tab */
  constructor(panel, { address, invitation, page }) {
    this.#address = address;
    this.#lecturer = createLecturer(page);
    this.#invitation = createInvitation(invitation);
    this.#two = [new Stage(page.models), new Stage(page.models)];
    this.#said.setAttribute("role", "alert");
    this.#offline.setAttribute("role", "status");
    this.#counts.setAttribute("role", "status");
    this.#counts.dataset.testid = "class-counts";
    this.#parts.setAttribute("role", "group");
    this.#parts.setAttribute("aria-label", "How the texts are shown");
    for (const [name, title] of PARTS) {
      const opener = button("wall-part", title, () => this.#open(name));
      this.#openers.set(name, opener);
      this.#parts.append(opener);
    }
    this.#rounds.setAttribute("aria-label", "Round");
    this.#rounds.addEventListener("change", () => {
      this.#address.keep(ROUND, this.#rounds.value);
      this.#draw();
    });
    this.#head.append(this.#title, this.#counts, this.#parts, this.#rounds, this.#invitation);
    this.#main.append(this.#head, this.#stages);
    panel.append(this.#lecturer.node, this.#offline, this.#said, this.#main);
    for (const event of ["room", "counts", "round", "rounds", "texts", "online", "offline"]) classroom.addEventListener(event, () => this.#isShown && this.#draw());
    page.models.addEventListener("change", () => this.#isShown && this.#draw());
  }

  show() {
    this.#isShown = true;
    classroom.wantTexts(true);
    this.#draw();
  }

  hide() {
    this.#isShown = false;
    classroom.wantTexts(false);
    this.#fetching.cancel();
    for (const stage of this.#two) stage.hide();
  }

  /** Another address was taken. */
  take() {
    if (this.#isShown) this.#draw();
  }

  get #part() {
    const asked = this.#address.get(PART);
    return PARTS.find(([name]) => name === asked)?.[0] ?? PARTS[0][0];
  }

  turn() {
    this.#open(PARTS.find(([name]) => name !== this.#part)[0]);
  }

  /** @param {number} by */
  step(by) {
    for (const stage of this.shown) stage.mosaic.step(by);
  }

  toggle() {
    for (const stage of this.shown) stage.toggle();
  }

  /** @param {string} name */
  #open(name) {
    this.#address.keep(PART, name === PARTS[0][0] ? "" : name);
    this.#draw();
  }

  /** The round that was chosen, else the newest. @returns {Round | null} */
  get #chosen() {
    const asked = this.#address.get(ROUND);
    return classroom.rounds.find(({ id }) => id === asked) ?? classroom.round;
  }

  #draw() {
    const { isOnline, room } = classroom;
    this.#offline.textContent = isOnline || !room ? "" : "The connection is lost. The wall goes on as soon as the server answers.";
    const round = this.#chosen;
    const other = round?.beside ? classroom.rounds.find(({ id }) => id === round.beside) : null;
    const rounds = round ? [...(other ? [other] : []), round] : [];
    const isLarge = !round || (!round.open && !round.thrown && !round.writing);
    this.#main.classList.toggle("wall-invites", isLarge);
    this.#main.hidden = !room;
    this.#drawHead(round, other, isLarge);
    const isAbreast = rounds.length > 1;
    this.#stages.classList.toggle("wall-abreast", isAbreast);
    this.shown = isLarge ? [] : this.#two.slice(0, rounds.length);
    for (const stage of this.#two.slice(this.shown.length)) stage.hide();
    settle(this.#stages, this.shown.map(({ node }) => node));
    const texts = rounds.map((round) => this.#textsOf(round));
    const way = sharedBy(rounds.flatMap(({ prompt }, i) => texts[i].map(({ text }) => prompt + text)));
    this.shown.forEach((stage, i) => stage.show(rounds[i], texts[i], this.#part, isAbreast, way));
  }

  /** @param {Round | null} round @param {Round | null} other @param {boolean} isLarge */
  #drawHead(round, other, isLarge) {
    const { room } = classroom;
    this.#title.hidden = isLarge;
    if (isLarge) this.#title.textContent = "";
    else this.#title.textContent = `${round.prompt ? `“${readable(endOf(round.prompt, SHOWN))}”` : "An empty prompt"}${other ? "" : `, ${inFull(round)}`}`;
    const members = room?.members ?? 0;
    const joined = [isLarge ? `${plural(members, "phone")} joined` : `${number(members)} joined`, ...(room?.shut ? ["no new members"] : [])];
    const counts = isLarge ? joined : [...joined, `${number(round.thrown)} thrown`, ...(round.writing ? [`${number(round.writing)} writing`] : []), ...(round.open ? [] : ["closed"])];
    settleWords(this.#counts, counts);
    for (const [name, opener] of this.#openers) opener.setAttribute("aria-pressed", String(name === this.#part));
    this.#parts.hidden = isLarge;
    this.#invitation.hidden = !isLarge && (!round.open || Boolean(room?.shut));
    const all = [...classroom.rounds, ...(classroom.round ? [classroom.round] : [])];
    this.#rounds.hidden = all.length < 2;
    const options = all.toReversed().map((one) => ({ value: one === classroom.round ? "" : one.id, words: `Round ${one.number}: ${one.prompt ? readable(endOf(one.prompt, 16)) : "empty"}, ${one.temperature}` }));
    const key = JSON.stringify(options);
    if (this.#rounds.dataset.of !== key) {
      this.#rounds.dataset.of = key;
      this.#rounds.replaceChildren(...options.map(({ value, words }) => Object.assign(make("option", "", words), { value })));
    }
    this.#rounds.value = round && round !== classroom.round ? round.id : "";
  }

  /** The texts of a round: live, or as they were. @param {Round} round @returns {ClassText[]} */
  #textsOf(round) {
    const live = classroom.texts.get(round.id);
    if (live) return live;
    const key = `${round.id} ${classroom.room?.names_shown} ${round.thrown}`;
    const known = this.#fetched.get(key);
    if (known) return known;
    if (round !== classroom.round) void this.#fetch(round, key);
    return this.#fetched.get(key) ?? NONE;
  }

  /** @param {Round} round @param {string} key */
  async #fetch(round, key) {
    this.#fetched.set(key, NONE);
    try {
      const { texts } = await getJSON(`./class/rounds/${round.id}`);
      this.#fetched.set(key, texts);
      this.#said.textContent = "";
      if (this.#isShown) this.#draw();
    } catch (error) {
      this.#fetched.delete(key);
      tellTrouble(this.#said, error, () => this.#draw());
    }
  }
}

/** @type {ClassText[]} */
const NONE = [];

/** What all texts begin with. @param {string[]} texts */
function sharedBy(texts) {
  let way = texts[0] ?? "";
  for (const text of texts) {
    let at = 0;
    while (at < way.length && text[at] === way[at]) at++;
    way = way.slice(0, at);
  }
  return way.slice(0, outside(texts[0] ?? "", way.length));
}

/** @param {HTMLElement} node @param {string[]} words */
function settleWords(node, words) {
  if (node.dataset.of === words.join()) return;
  node.dataset.of = words.join();
  node.replaceChildren(...words.map((text) => {
    const [, figure, rest] = /^([\d,]+)?(.*)$/.exec(text);
    const part = make("span", "wall-count-of");
    if (figure) part.append(make("b", "", figure));
    part.append(rest);
    return part;
  }));
}
