// The lecturer prepares a vote: how many pairs, the requests, who answers; and reads the answers before the class does.
import { classroom } from "../../shared/classroom.js";
import { button, labelled, make, makeText, plural, settle } from "../../shared/dom.js";
import { tellTrouble } from "../../shared/trouble.js";
import { MOST_PAIRS, WRITERS } from "./draft.js";

/**
 * { node, draw() }
 * @param {import("./draft.js").Draft} draft
 * @param {{open: () => Promise<unknown>, back: () => void}} act open the vote; go back to the one before
 */
export function createPrepare(draft, { open, back }) {
  const node = make("section", "votes-prepare");
  node.setAttribute("aria-labelledby", "votes-prepare-title");
  const title = Object.assign(make("h2", "", "Prepare a vote"), { id: "votes-prepare-title" });
  const count = choice("votes-count", Array.from({ length: MOST_PAIRS }, (_, i) => [String(i + 1), plural(i + 1, "pair")]), (value) => draft.resize(Number(value)));
  const writers = choice("votes-writers", WRITERS.map((each) => [each.id, each.title]), (value) => draft.chooseWriters(value));
  const hidden = Object.assign(make("input"), { type: "checkbox", id: "votes-hidden" });
  hidden.addEventListener("change", () => draft.hide(hidden.checked));
  const hide = make("label", "votes-hide");
  hide.append(hidden, "Hide the tally until closed");
  const renew = button("button", "Other requests", () => draft.renew());
  const write = button("button", "Write the answers", () => draft.writeAll());
  const start = button("button", "Open the vote", begin);
  const [fields, actions, trouble] = [make("div", "votes-fields"), make("div", "votes-actions"), make("p", "trouble")];
  trouble.setAttribute("role", "alert");
  fields.append(labelled("Pairs", count), labelled("Who answers", writers, "votes-writers-field"), renew, hide);
  const before = button("quiet", "", back);
  const head = make("header", "votes-head");
  actions.append(write, start);
  head.append(title, before, actions);
  const known = Object.assign(make("datalist"), { id: "votes-requests" });
  const list = make("ol", "votes-drafts");
  node.append(head, trouble, fields, list, known);
  /** @type {ReturnType<typeof createRow>[]} */
  const rows = [];

  async function begin() {
    trouble.replaceChildren();
    start.disabled = true;
    try {
      await open();
    } catch (error) {
      tellTrouble(trouble, error, begin);
    }
    draw();
  }

  function draw() {
    const { pairs, isReady, isWriting } = draft;
    const { votes } = classroom;
    before.hidden = !votes;
    before.textContent = votes ? `Back to vote ${votes.number}` : "";
    count.value = String(pairs.length);
    writers.value = draft.writers.id;
    hidden.checked = draft.hidden;
    while (rows.length < pairs.length) rows.push(createRow(draft, rows.length));
    settle(list, rows.slice(0, pairs.length).map((row) => row.node));
    rows.slice(0, pairs.length).forEach((row) => row.draw());
    if (known.childElementCount !== draft.requests.length) known.replaceChildren(...draft.requests.map((request) => Object.assign(make("option"), { value: request })));
    write.disabled = isReady || isWriting;
    write.classList.toggle("primary", !isReady);
    start.disabled = !isReady;
    start.classList.toggle("primary", isReady);
  }

  return { node, draw };
}

/** @param {import("./draft.js").Draft} draft @param {number} place */
function createRow(draft, place) {
  const node = make("li", "votes-draft");
  const request = Object.assign(make("input", "field"), { id: `votes-request-${place}`, type: "text", spellcheck: false, autocomplete: "off", dir: "auto" });
  request.setAttribute("list", "votes-requests");
  const [form, trouble] = [make("form", "votes-asked"), make("p", "trouble")];
  trouble.setAttribute("role", "alert");
  const again = Object.assign(make("button", "button"), { type: "submit" });
  const answers = ["A", "B"].map((letter) => {
    const card = make("div", "votes-draft-answer");
    const text = makeText("p", "votes-draft-text");
    card.append(make("b", "votes-letter", letter), text);
    return { card, text };
  });
  const cards = make("div", "votes-draft-answers");
  cards.append(...answers.map(({ card }) => card));
  form.append(labelled(`Request ${place + 1}`, request, "votes-request-field"), again);
  node.append(form, cards, trouble);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take();
    void draft.write(place);
  });
  request.addEventListener("change", take);
  /** @type {Error | null} */
  let told = null;

  function take() {
    if (request.value !== draft.pairs[place].request) draft.ask(place, request.value);
  }

  return {
    node,
    draw() {
      const pair = draft.pairs[place];
      if (request !== document.activeElement || !request.value) request.value = pair.request;
      again.textContent = pair.a ? "Write again" : "Write";
      again.disabled = pair.isWriting;
      answers.forEach(({ text }, i) => (text.textContent = pair[i ? "b" : "a"] || (pair.isWriting ? "…" : "")));
      cards.hidden = !pair.a && !pair.isWriting;
      if (pair.trouble === told) return;
      told = pair.trouble;
      trouble.replaceChildren();
      if (told) tellTrouble(trouble, told, () => draft.write(place));
    },
  };
}

/** @param {string} id @param {[string, string][]} options value and words @param {(value: string) => void} take */
function choice(id, options, take) {
  const node = make("select", "field");
  node.id = id;
  node.append(...options.map(([value, words]) => Object.assign(make("option", "", words), { value })));
  node.addEventListener("change", () => take(node.value));
  return node;
}
