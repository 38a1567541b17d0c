// The Attention tab.
import { button } from "../shared/dom.js";
import { page } from "../shared/page.js";
import { followTabs } from "../shared/tabs.js";
import { createTools } from "./export.js";
import { clearest, createGrid } from "./grid.js";
import { isPartOf } from "./heads_off/parts.js";
import { createHeadsOff } from "./heads_off/view.js";
import { createKeys } from "./keys.js";
import { createLens } from "./lens/view.js";
import { Look } from "./look.js";
import { createNetwork } from "./network.js";
import { createNext } from "./next.js";
import { exists } from "./one_head/data.js";
import { createOneHead } from "./one_head/view.js";
import { createText } from "./text.js";
import { createWriting } from "./writing.js";
import { againButton } from "../shared/trouble.js";

/** @type {[string, string, (panel: HTMLElement, look: Look) => import("../shared/views.js").View][]} */
const VIEWS = [
  ["all", "All heads", createGrid],
  ["one", "One head", createOneHead],
  ["lens", "Layer by layer", createLens],
  ["off", "Heads off", createHeadsOff],
];

/** Given by gr.HTML. @param {HTMLElement} element */
export async function start(element) {
  const look = new Look(element, await page);
  const text = createText(look);
  createNext(look);
  followCaptures(look);
  followModels(look);
  createNetwork(look, text.edit);
  look.views.create(look, VIEWS);
  look.views.show(look.address.get("see"));
  const writing = createWriting(look, text.sources);
  const tools = createTools(look);
  createKeys(look, { ...text, ...writing, ...tools });
  followAddress(look);
  followTabs(look.address);
  await readAddress(look);
  element.dataset.ready = "";
}

/** Another address is read where the tab is open, or once it is. @param {Look} look */
function followAddress(look) {
  let turn = 0;
  const take = async () => {
    if (!look.isBehind || !look.element.checkVisibility()) return;
    const mine = ++turn;
    await readAddress(look);
    if (mine !== turn) return; // yet another address came first
    look.isBehind = false;
    look.tell("taken");
  };
  look.address.addEventListener("go", () => queueMicrotask(take)); // when the views have heard of it
  new ResizeObserver(take).observe(look.element);
}

/**
 * The text, its reader, the head and the parts that are off, as the address says. Parts that do not exist are left on, and named; of a reader that
 * is not here, no head is taken for another model's.
 * @param {Look} look
 */
async function readAddress(look) {
  const { address, models } = look;
  const pair = (word) => word.split(".").map((part) => (/^[a-z]+$/.test(part) ? part : Number(part))); // "0.2", "3.average", "mlp.1"
  const key = address.get("reader");
  const { text, model } = look.page.newestText();
  const asked = address.get("look");
  const layer = address.get("layer");
  look.chooseRow(/^\d+$/.test(layer) ? Number(layer) : null);
  const at = address.get("at") === "" ? null : Number(address.get("at"));
  const by = models.find(key) ?? (asked ? models.primary : (model ?? models.primary));
  const why = key && models.whyNot(key);
  if (why) {
    address.keep("head", "");
    const capture = await look.read(asked || text, { model: by, headsOff: [], place: { at, head: null } });
    look.say([why, capture && `${by.name} reads the text instead.`, look.said].filter(Boolean).join(" "));
    return;
  }
  const [ofLayer, inLayer] = pair(address.get("head"));
  const head = inLayer === undefined ? null : { layer: ofLayer, head: inLayer };
  const place = { at, head };
  const headsOff = address.get("off") ? address.get("off").split(",").map(pair) : [];
  if (look.hasRead(asked || text, by, headsOff)) {
    const { layer, head: number } = head && exists(look.capture, head) ? head : clearest(look);
    look.say("", false);
    look.choose(layer, number, Boolean(head));
    look.moveTo(at);
    look.keep();
    return;
  }
  const capture = await look.read(asked || text, { model: by, headsOff, place });
  if (capture || !headsOff.length || !look.wasRefused) return;
  const refused = look.said;
  const whole = await look.read(asked || text, { model: by, headsOff: [], place });
  if (!whole) return;
  const here = headsOff.filter((part) => isPartOf(whole, part));
  if (here.length) await look.readAgain(here);
  look.say(`${refused} ${look.said}`.trim());
}

/** What was typed is read by the model that somebody chose last, here or on the Sample tab. @param {Look} look */
function followModels(look) {
  const follow = () => {
    if (look.models.primary.shows("attention")) look.model = look.models.primary;
  };
  look.page.addEventListener("look", ({ detail }) => void look.read(detail.text, { model: detail.model, headsOff: [] }));
  look.models.addEventListener("choice", follow);
  look.models.addEventListener("default", follow);
}

/** @param {Look} look */
function followCaptures(look) {
  const { element } = look;
  const nothing = /** @type {HTMLElement} */ (element.querySelector(".look-nothing"));
  const panels = /** @type {HTMLElement} */ (element.querySelector(".panels"));
  element.dataset.empty = ""; // until a text has been read, only the choice of a text is shown
  look.addEventListener("nothing", () => {
    const { text, model } = look.asked;
    const again = againButton("quiet", () => void look.retry());
    const canRead = look.models.list.filter((other) => other.shows("attention") && !other.trouble);
    const isLater = ({ source }) => source === "assistant" || source === "meaning";
    const others = [...canRead.filter((other) => !isLater(other)), ...canRead.filter(isLater)];
    const read = (other) => button("quiet", `Read it with ${other.name}`, () => void look.read(text, { model: other, headsOff: [] }));
    if (model.shows("attention")) nothing.replaceChildren("No text has been read yet. Choose one above, or ", again);
    else {
      nothing.replaceChildren(`The ${model.name} model has no attention heads.`, ...others.slice(0, 3).flatMap((other) => [" ", read(other)]));
      element.dataset.empty = ""; // what was read before is another model's
      panels.hidden = true;
    }
    nothing.hidden = Boolean(look.capture) && model.shows("attention");
  });
  look.addEventListener("capture", () => {
    nothing.hidden = true;
    delete element.dataset.empty;
    panels.hidden = false; // the views listen after this: what they draw has its room
    if (!exists(look.capture, look.head)) look.head = clearest(look);
  });
}
