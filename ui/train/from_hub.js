// The view "From the Hub": models of the Hugging Face Hub, which the admin fetches by name while the app runs.
import { toCSV } from "../shared/csv.js";
import { button, make, makeText, settle } from "../shared/dom.js";
import { download } from "../shared/paint.js";
import { Latest } from "../shared/requests.js";
import { change } from "./actions.js";
import { fetchFromHub, removeFromHub, useFromHub, useShipped } from "./server.js";

/** @typedef {import("./main.js").Train} Train */
/** @typedef {import("../shared/models.js").Model} Model */

/**
 * A line of the answer to POST /hub/fetch (ui/web/hub.py).
 * @typedef {object} Line
 * @property {"fetching" | "done" | "failed"} state
 * @property {number} [done] bytes of the weights so far
 * @property {number} [total] and of all; 0 until it is known
 * @property {string} [error]
 * @property {string} [name]
 * @property {string} [notice]
 * @property {string | null} [same_as]
 */

const HUB = "hub"; // the source of such a model
const CAPTION =
  "Models that the lecturer has fetched from the Hugging Face Hub, each pinned to one commit. They are in everyone's Model menu, and the lecturer can make one the default for the class.";

/** @param {HTMLElement} panel @param {Train} train @returns {import("../shared/views.js").View} */
export function createFromHub(panel, train) {
  const { models } = train.page;
  const page = build(panel);
  const fetching = new Latest();
  /** @type {Map<Model, ReturnType<typeof createRow>>} */
  let rows = new Map();

  const listed = () => models.list.filter(({ source }) => source === HUB);

  // Rows stay while their content is updated: a button may have the focus.
  function draw() {
    const all = listed();
    rows = new Map(all.map((model) => [model, rows.get(model) ?? createRow(train, model)]));
    const nodes = [...rows.values()].map(({ node }) => node);
    settle(page.list, nodes);
    for (const row of rows.values()) row.tell();
    page.form.hidden = !train.isAdmin;
    page.empty.hidden = all.length > 0;
    page.empty.textContent = `No models from the Hub yet.${train.isAdmin ? "" : " Unlock this tab to fetch one."}`;
  }

  /** @param {string} words @param {boolean} [isError] */
  function say(words, isError = false) {
    page.said.textContent = words;
    page.said.classList.toggle("error", isError);
  }

  /** @param {boolean} isFetching */
  function show(isFetching) {
    page.go.ariaDisabled = String(isFetching); // not `disabled`, which would lose the focus
    page.cancel.hidden = page.bar.hidden = !isFetching;
  }

  /** @param {Line} line */
  function take({ state, done, total, error, name, notice, same_as }) {
    if (state === "failed") throw new Error(error);
    if (state === "done") {
      const where = same_as ? `${name} has the same weights as ${same_as}, which is in the Model menu already.` : `${name} is in the Model menu now.`;
      return say([notice, where].filter(Boolean).join(" "));
    }
    if (!total) return say("Looking for it …");
    page.bar.max = total;
    page.bar.value = done;
    say(`${megabytes(done)} of ${megabytes(total)} MB`);
  }

  page.form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (page.go.ariaDisabled === "true") return;
    const signal = fetching.begin();
    page.bar.removeAttribute("value");
    show(true);
    say("Looking for it …");
    try {
      await fetchFromHub(page.name.value, take, signal);
      page.name.value = "";
      await models.refresh();
    } catch (error) {
      say(signal.aborted ? "Cancelled." : error.message, !signal.aborted);
      train.checkSession();
    } finally {
      show(false);
    }
  });
  page.cancel.addEventListener("click", () => {
    fetching.cancel();
    page.name.focus();
  });
  models.addEventListener("change", draw);
  train.addEventListener("session", draw);
  show(false);
  draw();
  const columns = ["name", "key", "parameters", "valLoss"];
  const asCSV = () => toCSV(columns, listed().map((model) => columns.map((column) => model[column])));
  return { caption: CAPTION, show: draw, downloads: [["Models from the Hub (CSV)", () => download("from-the-hub.csv", new Blob([asCSV()], { type: "text/csv" }))]] };
}

/** @param {Train} train @param {Model} model */
function createRow(train, model) {
  const { models } = train.page;
  const [node, head, facts, actions] = [make("li", "hub-model"), make("p", "hub-head"), make("span", "hub-facts"), make("p", "hub-actions")];
  head.append(makeText("span", "hub-name", model.name), facts);
  const press = (words, work) => button("quiet", words, ({ currentTarget }) => currentTarget.ariaDisabled !== "true" && work());
  const use = press("Use this model", () => change(train, () => useFromHub(model.id), () => model.name));
  const remove = press("Remove", () =>
    train.act(async () => {
      await removeFromHub(model.id);
      await models.refresh();
    }),
  );
  const back = press("Back to the original model", () => change(train, useShipped, () => "the original model"));
  actions.append(use, remove, back);
  node.append(head, actions);
  function tell() {
    const isInUse = model === models.defaultModel;
    facts.textContent = model.trouble || [model.size, model.valLoss && `validation loss ${model.valLoss.toFixed(2)}`, isInUse && "in use"].filter(Boolean).join(" · ");
    for (const node of [use, remove]) node.ariaDisabled = String(isInUse);
    back.hidden = !isInUse;
    actions.hidden = !train.isAdmin;
  }
  return { node, tell };
}

/** @param {number} bytes */
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** @param {HTMLElement} panel */
function build(panel) {
  const form = make("form", "hub-form");
  const label = make("label", "train-label", "Model on the Hub");
  const name = Object.assign(make("input", "field"), { id: "hub-name", required: true, placeholder: "user/name or user/name@revision", spellcheck: false, autocomplete: "off" });
  name.autocapitalize = "off";
  label.htmlFor = name.id;
  const go = Object.assign(make("button", "button primary", "Fetch"), { type: "submit" });
  const cancel = button("button", "Cancel", () => {});
  const bar = make("progress", "hub-bar");
  bar.setAttribute("aria-label", "Fetched so far");
  const said = make("p", "hub-said");
  said.setAttribute("role", "status");
  const line = make("div", "hub-line");
  line.append(name, go, cancel);
  form.append(label, line, bar, said);
  const [empty, list] = [make("p", "train-empty"), make("ul", "hub-models")];
  panel.append(form, empty, list);
  return { form, name, go, cancel, bar, said, empty, list };
}
