// The Sample tab. Given by gr.HTML: element. The controls are Gradio's; all that is shown is drawn here.
//
// A view is made by create(panel, app) and gives back { show(), hide(), keys, downloads }, all optional: keys are [key, words, action],
// downloads [words, action]. It is drawn while it is shown, and listens to
//   app.runs       what was written (runs.js)
//   app.controls   the settings at the left (controls.js)
//   app.inspector  how a character came to be, beside it (inspector.js)
//   app.continueFrom(run, sample, index), app.force(run, sample, index, id), app.undo() (actions.js); app.selected: { run, sample };
//   app.newest()
//   app.show(view), app.view(), app.panel()
//   app.tell(words, isError), app.vocabulary, app.idOf(character), app.page (weights and precision)
// What belongs into the address of the page a view keeps with app.address.keep(name, value) and finds in app.address.get(name).
import { sayer } from "../shared/bar.js";
import { button, calm, make } from "../shared/dom.js";
import { inUse, models } from "../shared/model.js";
import { followTabs } from "../shared/tabs.js";
import { createViews } from "../shared/views.js";
import { Address } from "./address.js";
import { createActions } from "./actions.js";
import { Controls } from "./controls.js";
import { Inspector } from "./inspector.js";
import { createKeys } from "./keys.js";
import { createLocked } from "./locked/view.js";
import { createNext } from "./next/view.js";
import { Runs } from "./runs.js";
import { createScore } from "./score/view.js";
import { createTexts } from "./texts/view.js";
import { createTree } from "./tree/view.js";

const VIEWS = [
  ["texts", "Texts", createTexts],
  ["next", "Next character", createNext],
  ["tree", "Tree", createTree],
  ["dice", "Locked dice", createLocked],
  ["score", "Score", createScore],
];

export async function start(element) {
  const { facts, page } = await inUse;
  const { vocabulary, start, weights, stored, most_to_score: mostToScore } = page;
  const ids = new Map(vocabulary.map((char, id) => [char, id]));
  Object.assign(window.soliloquy, { vocabulary, start });
  window.soliloquy.showFacts(facts);
  models.addEventListener("other", () => document.querySelector(".masthead").after(otherModel()), { once: true });
  const controls = await Controls.ready();
  const app = { vocabulary, idOf: (char) => ids.get(char), page: weights, controls, runs: new Runs(), stored, mostToScore, tell, element };
  app.newest = () => newest(app);
  app.address = new Address(app);
  app.inspector = new Inspector(app);
  app.say = sayer(element.querySelector(".bar-said"));
  createViews(app, VIEWS, { key: "view", ids: "", classes: "panel-", leave: () => app.inspector.close() });
  app.show("texts");
  createActions(app);
  followWriting(app);
  createKeys(app);
  app.runs.addEventListener("trouble", ({ detail }) => tell(detail, true));
  app.runs.addEventListener("notice", ({ detail }) => tell(detail, false));
  app.runs.addEventListener("grow", ({ detail: { view } }) => view.chars_per_s && window.soliloquy.showSpeed(view.chars_per_s));
  if (!(await app.address.open()) && stored) app.runs.show(stored);
  window.soliloquy.sampleTab = app; // for the other tabs
  followTabs(app.address);
  element.dataset.ready = "";
}

// The newest run and, of its samples, the one that was pressed last, else the first; {} on an empty page.
function newest({ runs, selected }) {
  const run = runs.list.at(-1);
  return run ? { run, sample: selected?.run === run ? selected.sample : 0 } : {};
}

// What is on the page is of the model that was in use when it was loaded.
function otherModel() {
  const words = make("p", "other-model", "Another model is in use by now. ");
  words.setAttribute("role", "alert");
  words.append(button("quiet", "Load the page anew", () => location.reload()));
  return words;
}

// What is written is seen on Texts alone: the tab tells of it in the other views. With Score it has nothing to do.
function followWriting(app) {
  const tab = document.getElementById("view-texts");
  const mark = () => {
    if (tab.hasAttribute("aria-description") === app.runs.busy) return;
    if (app.runs.busy) tab.setAttribute("aria-description", "Texts are being written");
    else tab.removeAttribute("aria-description");
  };
  app.runs.addEventListener("change", mark);
  app.runs.addEventListener("grow", mark);
  for (const id of ["generate", "again"]) {
    document.getElementById(id).addEventListener("click", () => app.shown === "score" && app.show("texts"));
  }
}

// Words beside the controls: what went wrong, or what was left out.
function tell(text, isError) {
  const notice = document.getElementById("notice");
  if (notice.textContent !== text) {
    notice.setAttribute("role", isError ? "alert" : "status");
    notice.classList.toggle("error", isError);
    notice.textContent = text;
  }
  if (isError) bringIntoView(notice);
  if (text && document.fullscreenElement) window.soliloquy.sampleTab?.say(text); // there the controls are not seen
}

// On a phone the texts are below the controls.
export function bringIntoView(node) {
  const { top } = node.getBoundingClientRect();
  if (top >= 0 && top < innerHeight * 0.8) return;
  node.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
}
