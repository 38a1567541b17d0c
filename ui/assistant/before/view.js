// The view "Before and after": one request and the same dice for the model that continues the plays and for those that have learned to answer.
import { createDiceRow } from "../../shared/dice_row.js";
import { button, labelled, make, number } from "../../shared/dom.js";
import { createTrainingHere } from "../../shared/training_here.js";
import { tellTrouble } from "../../shared/trouble.js";
import { SUPERVISED } from "../supervised.js";
import { createColumns } from "./columns.js";
import { Comparison, SAMPLES } from "./comparison.js";
import { createRail } from "./rail.js";
import { saveAnswers, saveAnswersAsJSON, saveShares } from "./save.js";

const EMPTY = "Write a request: this one is empty.";
const CAPTION =
  "One request, the same dice, and the same network at three stages: trained on the plays, shown good answers, rewarded for its own. Choose a skill or write a " +
  "request; then throw new dice.";

/** @param {HTMLElement} panel @param {import("../main.js").Assistant} assistant @returns {import("../../shared/views.js").View} */
export function createBefore(panel, assistant) {
  const { dice, page } = assistant;
  const comparison = new Comparison(assistant);
  const again = () => comparison.write();
  const [form, trouble, notice, frame] = [make("form"), make("p", "trouble"), make("p", "notice"), make("div", "before")];
  form.setAttribute("aria-label", "Request and dice");
  trouble.setAttribute("role", "alert");
  notice.setAttribute("role", "status");
  const showRow = createDiceRow(dice, form, "assistant-", {
    name: "request",
    hint: "Enter lets the models answer at once",
    placeholder: "Insult me.",
    get: () => comparison.request,
    set: ask,
  });
  const rail = createRail(comparison, (skill) => ask(nextRequest(skill)));
  const columns = createColumns(comparison, again);
  const tools = createTools(comparison, () => draw(), write);
  const side = make("div", "before-side");
  const training = createTrainingHere(page);
  side.append(tools.node, columns.node, training.node);
  frame.append(rail.node, side);
  panel.append(form, trouble, notice, frame);
  let [isStale, isShown] = [true, false]; // whether there is something to write, and whether anybody sees it

  /** @param {string} words */
  function ask(words) {
    if (!words.trim()) return refuse(EMPTY);
    if (words.trim() === comparison.request && !comparison.isRefused) return;
    comparison.request = words;
    showRow();
    write();
  }

  /** The next of a skill's requests. @param {import("../../shared/assistant.js").Skill} skill */
  function nextRequest({ requests }) {
    return requests[(requests.indexOf(comparison.request) + 1) % requests.length];
  }

  /** @param {number} by */
  function step(by) {
    const { skills = [] } = comparison.about ?? {};
    const at = skills.findIndex(({ id }) => id === comparison.skill);
    const skill = skills[at + by] ?? (at < 0 ? skills[0] : undefined);
    if (skill) ask(nextRequest(skill));
  }

  function rephrase() {
    const skill = comparison.about?.skills.find(({ id }) => id === comparison.skill);
    if (skill) ask(nextRequest(skill));
  }

  function draw() {
    frame.hidden = !comparison.about;
    columns.build();
    columns.showAll();
    rail.draw();
    tools.draw();
  }

  function write() {
    isStale = true;
    if (!isShown) return;
    isStale = false;
    const [most, length] = [comparison.about?.request_chars, [...comparison.request].length];
    if (most && length > most) refuse(`A request has at most ${number(most)} characters; this one has ${number(length)}.`);
    else void comparison.write();
  }

  /** @param {string} why */
  function refuse(why) {
    comparison.refuse();
    trouble.replaceChildren(why);
  }

  comparison.addEventListener("about", () => {
    draw();
    showRow();
  });
  comparison.addEventListener("asked", () => {
    rail.mark();
    columns.showAll();
  });
  comparison.addEventListener("piece", ({ detail: stage }) => {
    columns.show(stage);
    notice.textContent = comparison.notice;
  });
  comparison.addEventListener("trouble", () => {
    trouble.replaceChildren();
    if (comparison.trouble) tellTrouble(trouble, comparison.trouble, again);
  });
  dice.addEventListener("change", write);
  form.addEventListener("focusout", () => comparison.isRefused && write()); // an empty field shows the last request again
  page.models.addEventListener("change", () => comparison.about && tools.draw());
  draw();
  return {
    keeps: ["request", "answers", "also"],
    take() {
      draw();
      showRow();
      write();
    },
    show() {
      isShown = true;
      void page.models.refresh().catch(() => {}); // a model may have been trained here since
      if (isStale) write();
      void training.show(SUPERVISED);
    },
    hide() {
      isShown = false;
      isStale ||= comparison.isWriting;
      comparison.cancel();
      training.leave();
    },
    caption: CAPTION,
    keys: [
      ["ArrowRight", "Next skill", () => step(1)],
      ["ArrowLeft", "Previous skill", () => step(-1)],
      ["n", "Another request for the skill", rephrase],
      ["s", "New dice", () => dice.roll()],
      ["a", "More answers, or one", () => tools.nextCount()],
      ["r", "Write a request", () => form.querySelector("textarea").focus()],
    ],
    downloads: [
      ["Answers (TXT)", () => saveAnswers(comparison)],
      ["Answers (JSON)", () => saveAnswersAsJSON(comparison)],
      ["Shares that obey (CSV)", () => saveShares(comparison)],
    ],
  };
}

/**
 * How many answers, and what stands in the fourth column.
 * @param {Comparison} comparison
 * @param {() => void} rebuild
 * @param {() => void} write
 */
function createTools(comparison, rebuild, write) {
  const node = make("div", "before-tools");
  const counts = make("div", "before-counts");
  counts.setAttribute("role", "group");
  counts.setAttribute("aria-label", "Answers of each model");
  const openers = SAMPLES.map((count) => button("switch", count === 1 ? "1 answer" : `${count} answers`, () => take(count)));
  counts.append(...openers);
  const also = make("select", "field");
  also.id = "assistant-also";
  also.addEventListener("change", () => {
    comparison.also = also.value;
    rebuild();
    write();
  });
  node.append(counts, labelled("Fourth model", also, "before-also"));

  /** @param {number} count */
  function take(count) {
    comparison.samples = count;
    draw();
    write();
  }

  function draw() {
    openers.forEach((opener, i) => opener.setAttribute("aria-pressed", String(SAMPLES[i] === comparison.samples)));
    const option = (value, words) => Object.assign(make("option", "", words), { value });
    also.replaceChildren(option("", "none"), ...comparison.others.map(({ id, title }) => option(id, title)));
    also.value = comparison.others.some(({ id }) => id === comparison.also) ? comparison.also : "";
  }

  return { node, draw, nextCount: () => take(SAMPLES[(SAMPLES.indexOf(comparison.samples) + 1) % SAMPLES.length]) };
}
