// A column for each stage: what its model answers, the rule's verdict, and how often it obeys.
import { make, makeText } from "../../shared/dom.js";
import { tellTrouble } from "../../shared/trouble.js";
import { shareInWords } from "./rail.js";

/** @typedef {import("../../shared/assistant.js").Stage} Stage */
/** @typedef {import("./comparison.js").Comparison} Comparison */

/** @param {Comparison} comparison @param {() => unknown} again */
export function createColumns(comparison, again) {
  const node = make("div", "before-columns");
  /** @type {Map<string, ReturnType<typeof createColumn>>} by stage */
  const columns = new Map();
  return {
    node,
    build() {
      columns.clear();
      for (const stage of comparison.columns) columns.set(stage.id, createColumn(stage, comparison, again));
      node.replaceChildren(...[...columns.values()].map((column) => column.node));
      node.style.setProperty("--columns", String(columns.size));
      node.dataset.count = String(columns.size);
    },
    /** @param {Stage} stage */
    show({ id }) {
      columns.get(id)?.show();
    },
    showAll() {
      node.classList.toggle("before-several", comparison.samples > 1);
      for (const column of columns.values()) column.show();
    },
  };
}

/** @param {Stage} stage @param {Comparison} comparison @param {() => unknown} again */
function createColumn(stage, comparison, again) {
  const node = make("section", "before-column");
  node.dataset.stage = stage.id;
  const [title, mean] = [make("div", "before-head"), make("p", "before-mean")];
  title.append(makeText("h2", "before-title", stage.title), mean);
  node.setAttribute("aria-label", stage.title);
  const [answers, verdict, trouble, measured] = [make("ol", "before-answers"), make("p", "before-verdict"), make("p", "trouble"), make("p", "before-measured")];
  answers.setAttribute("role", "list");
  const body = make("div", "before-body");
  body.append(trouble, answers);
  node.append(title, make("p", "before-about", stage.about), body, verdict, measured);
  return {
    node,
    show() {
      const piece = comparison.pieceOf(stage);
      const { answered, verdicts, isOld, error } = piece;
      answers.classList.toggle("before-old", isOld);
      answers.replaceChildren(...(answered?.answers ?? []).map((answer, i, all) => answerNode(answer, verdicts[i], answered.isDone || isOld, all.length > 1)));
      sayVerdict(verdict, isOld ? [] : verdicts, comparison);
      measured.replaceChildren(...measuredOf(stage, comparison));
      mean.textContent = meanInWords(stage, comparison);
      answers.hidden = !stage.key;
      if (!stage.key) trouble.replaceChildren(stage.trouble);
      else if (error) tellTrouble(trouble, error, again);
      else trouble.replaceChildren();
    },
  };
}

/**
 * @param {import("../../shared/answers.js").Answer} answer
 * @param {import("./comparison.js").Verdict | undefined} verdict
 * @param {boolean} isDone
 * @param {boolean} isOneOfSeveral then it says itself why it does not obey
 */
function answerNode({ text, hasStopped }, verdict, isDone, isOneOfSeveral) {
  const node = makeText("li", "before-answer", "");
  const words = text.replace(/^\n+/, "");
  if (words !== text) node.append(make("span", "before-newline", "↵".repeat(text.length - words.length)), " "); // an empty line would look like nothing
  node.append(words);
  if (verdict) {
    node.dataset.obeys = verdict.obeys ? "yes" : "no";
    node.title = verdict.why;
  }
  if (hasStopped) node.append(Object.assign(make("span", "before-stop", "↵↵"), { title: "The stop sign: the answer ends here." }));
  else if (isDone) node.append(Object.assign(make("span", "before-cut", "…"), { title: "It has no stop sign." }));
  else node.append(make("span", "before-caret"));
  if (isOneOfSeveral && verdict && !verdict.obeys) node.append(make("span", "before-why", verdict.why));
  return node;
}

/** @param {HTMLElement} node @param {import("./comparison.js").Verdict[]} verdicts @param {Comparison} comparison */
function sayVerdict(node, verdicts, { skill }) {
  const [first] = verdicts;
  const count = verdicts.filter(({ obeys }) => obeys).length;
  delete node.dataset.obeys;
  if (!first) node.textContent = skill ? "" : "No rule judges this request.";
  else if (verdicts.length > 1) node.textContent = `${count} of ${verdicts.length} obey.`;
  else {
    node.dataset.obeys = first.obeys ? "yes" : "no";
    node.textContent = `${first.obeys ? "Obeys" : "Does not obey"}: ${first.why}.`;
  }
}

/** How often it obeys: in the skill that is asked for, or in all. @param {Stage} stage @param {Comparison} comparison */
function meanInWords({ id }, { about, skill }) {
  const obeys = about.obeys[id];
  if (!obeys) return "";
  const own = obeys.skills[skill];
  return `${own ? titleOfSkill(about, skill) : "All skills"}: ${shareInWords(own ?? obeys.mean)} obey`;
}

/** @param {import("../../shared/assistant.js").About} about @param {string} skill */
const titleOfSkill = ({ skills }, skill) => skills.find(({ id }) => id === skill)?.title ?? "";

/** How often it obeys, in numbers. @param {Stage} stage @param {Comparison} comparison */
function measuredOf({ id }, { about, skill }) {
  const obeys = about.obeys[id];
  if (!obeys) return [];
  const line = (share, words) => {
    const node = make("span", "before-share");
    node.append(make("b", "", shareInWords(share)), ` ${words} (${Math.round(100 * share.low)} to ${Math.round(100 * share.high)} %, N = ${share.n})`);
    return node;
  };
  const own = obeys.skills[skill];
  const loss = about.forgetting[id];
  return [
    line(obeys.mean, "all skills"),
    ...(own ? [line(own, titleOfSkill(about, skill).toLowerCase())] : []),
    ...(loss ? [make("span", "before-share", `Loss on the plays ${loss.toFixed(3)}`)] : []),
  ];
}
