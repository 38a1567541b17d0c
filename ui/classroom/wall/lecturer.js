// The lecturer's bar: opens and closes rounds, and shows names. Whoever has not unlocked this browser sees the way there alone.
import { button, labelled, make } from "../../shared/dom.js";
import { classroom } from "../../shared/classroom.js";
import { isPhone } from "../../shared/phone.js";
import { askForJSON, hasSession, session } from "../../shared/session.js";
import { tellTrouble } from "../../shared/trouble.js";
import { goToLock } from "../../shared/unlock.js";
import { createDoor } from "../door.js";

const COOLER = 0.4; // what is offered for the same again, times the temperature
const [FIELDS, MORE] = [["temperature", "length"], ["top_k", "top_p"]];
const LABELS = { temperature: "Temperature", length: "Characters", top_k: "Top-k", top_p: "Top-p" };
const STEPS = { temperature: 0.05, length: 1, top_k: 1, top_p: 0.01 };
const CHARS = 120; // of a text, unless the lecturer asks for others

/** @param {import("../../shared/page.js").Page} page */
export function createLecturer(page) {
  const { models, settings } = page;
  const node = make("section", "wall-lecturer");
  node.setAttribute("aria-label", "The lecturer");
  const unlock = button("quiet", "Unlock to open a round", () => void goToLock());
  const form = make("form", "wall-form");
  const said = make("p", "trouble");
  const notice = make("p", "notice");
  said.setAttribute("role", "alert");
  notice.setAttribute("role", "status");

  const prompt = Object.assign(make("textarea", "field"), { id: "wall-prompt", rows: 1, placeholder: "empty: starts from a newline", dir: "auto" });
  /** @type {Object<string, HTMLInputElement>} */
  const fields = {};
  for (const name of [...FIELDS, ...MORE]) {
    const { min, max } = settings.range(name);
    fields[name] = Object.assign(make("input", "field"), { id: `wall-${name}`, type: "number", required: true, min: String(min), max: String(max), step: String(STEPS[name]) });
  }
  const model = Object.assign(make("select", "field"), { id: "wall-model" });
  const open = make("button", "button primary", "Open a round");
  open.type = "submit";
  const stop = button("button", "Stop", () => void act(() => askForJSON("./class/close", { method: "POST", json: { round: classroom.round.id } })));
  const again = make("div", "wall-again");
  const cooler = Object.assign(make("input", "field"), { id: "wall-cooler", type: "number", min: "0", max: String(settings.range("temperature").max), step: String(STEPS.temperature) });
  const sameAgain = button("button", "Same again at", () => void openBeside());
  cooler.setAttribute("aria-label", "Temperature of the same again");
  sameAgain.title = "Opens a round with the same dice at another temperature, beside this one";
  again.append(sameAgain, cooler);
  const names = button("switch", "Show names", () => void act(() => askForJSON("./class/names", { method: "POST", json: { shown: !classroom.room?.names_shown } })));
  const more = make("div", "wall-more");
  more.id = "wall-more";
  more.hidden = true;
  const opener = button("disclosure", "More", () => {
    more.hidden = !more.hidden;
    opener.setAttribute("aria-expanded", String(!more.hidden));
  });
  opener.setAttribute("aria-expanded", "false");
  opener.setAttribute("aria-controls", more.id);
  const isSure = make("span", "wall-sure");
  const forget = button("quiet", "Begin a new class", () => (isSure.hidden = !isSure.hidden));
  const really = button("quiet inline", "Delete all texts, votes and names of this class", () => void act(() => askForJSON("./class/forget", { method: "POST", json: {} })));
  isSure.append(really);
  isSure.hidden = true;
  more.append(...MORE.map((name) => labelled(LABELS[name], fields[name], "wall-number")), labelled("Model", model, "wall-model"), names, createDoor(said), forget, isSure);
  const row = make("div", "wall-row-of-fields");
  const actions = make("div", "wall-actions");
  actions.append(open, stop, again, opener);
  row.append(labelled("Prompt", prompt, "wall-prompt"), ...FIELDS.map((name) => labelled(LABELS[name], fields[name], "wall-number")), actions);
  form.append(row, more);
  node.append(unlock, form, said, notice);

  let [isBusy, isTouched, isPlain] = [false, false, true];

  // Until something is typed here, it is what the page's settings are; those of another address take its place.
  function prefill() {
    if (isTouched) return;
    const values = settings.get();
    prompt.value = values.prompt;
    for (const name of [...FIELDS, ...MORE]) fields[name].value = String(name === "length" ? CHARS : values[name]);
    drawModels();
    model.value = models.primary.key;
  }

  function drawModels() {
    const before = model.value;
    const usable = models.list.filter(({ trouble }) => !trouble);
    model.replaceChildren(...usable.map(({ key, name }) => Object.assign(make("option", "", name), { value: key })));
    model.value = usable.some(({ key }) => key === before) ? before : models.primary.key;
  }

  /** @template T @param {() => Promise<T>} work @returns {Promise<T | undefined>} */
  async function act(work) {
    if (isBusy) return undefined; // a double click
    isBusy = true;
    said.textContent = notice.textContent = "";
    isSure.hidden = true;
    try {
      return await work();
    } catch (error) {
      tellTrouble(said, error, () => act(work));
      return undefined;
    } finally {
      isBusy = false;
      draw();
    }
  }

  /** @param {object} json */
  async function openRound(json) {
    const answer = await act(() => askForJSON("./class/open", { method: "POST", json }));
    if (answer) notice.textContent = answer.notice;
  }

  const asked = () => Object.fromEntries([...FIELDS, ...MORE].map((name) => [name, fields[name].valueAsNumber]));

  function openBeside() {
    const { round } = classroom;
    if (!round || !cooler.reportValidity() || cooler.value === "") return undefined;
    const { id, length, top_k, top_p } = round;
    return openRound({ prompt: round.prompt, length, top_k, top_p, model: round.model, temperature: cooler.valueAsNumber, beside: id });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void openRound({ prompt: prompt.value, ...asked(), model: model.value });
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("input", ({ target }) => {
    if (target === cooler) isPlain = false;
    else isTouched = true;
  });
  cooler.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    void openBeside();
  });

  let offeredFor = "";

  function draw() {
    const { room, round } = classroom;
    const isAdmin = hasSession();
    unlock.hidden = isAdmin || isPhone() || session.isLost; // students have phones; what is lost is said above
    form.hidden = !isAdmin;
    if (!isAdmin) said.textContent = notice.textContent = "";
    open.textContent = round ? "Next round" : "Open a round";
    stop.hidden = !round?.open;
    again.hidden = !round;
    if (round && offeredFor !== round.id) {
      if (isPlain) cooler.value = String(Math.round((round.temperature * COOLER || 1) * 20) / 20);
      offeredFor = round.id;
      isPlain = true;
    }
    names.setAttribute("aria-pressed", String(Boolean(room?.names_shown)));
    names.textContent = room?.names_shown ? "Names are shown" : "Show names";
  }

  session.addEventListener("change", draw);
  page.address.addEventListener("go", () => {
    isTouched = false;
    prefill();
  });
  settings.onChange(prefill);
  models.addEventListener("change", () => (isTouched ? drawModels() : prefill()));
  for (const event of ["room", "round"]) classroom.addEventListener(event, draw);
  prefill();
  draw();
  return { node, focus: () => (form.hidden ? unlock : prompt).focus() };
}
