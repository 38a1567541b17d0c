// The Attention tab. Given by gr.HTML: element. One text is looked at; every view shows it from another side.
//
// A view is made by create(panel, look) and gives back { show(), hide(), keys, downloads }, all optional. It is drawn while it is shown.
// `look` is an EventTarget:
//   look.capture   what was read (capture.js), or null           event "capture": there is another one
//   look.at        the character looked at, an index, or null    event "at": move it with look.moveTo(index)
//   look.head      { layer, head }, head may be "average"        event "head": choose with look.choose(layer, head)
//   look.read(text, headsOff)   reads a text; look.say(words)    tells what went wrong
//   look.vocabulary, look.idOf(char), look.page, look.sample (the Sample tab's app), look.address
import { button } from "../shared/dom.js";
import { inUse } from "../shared/model.js";
import { sampleTab } from "../shared/tabs.js";
import { createViews } from "../shared/views.js";
import { Capture } from "./capture.js";
import { createExport } from "./export.js";
import { createGrid } from "./grid.js";
import { createHeadsOff } from "./heads_off/view.js";
import { createKeys } from "./keys.js";
import { createLens } from "./lens/view.js";
import { createNext } from "./next.js";
import { createOneHead } from "./one_head/view.js";
import { exists } from "./one_head/data.js";
import { createText } from "./text.js";
import { createWriting } from "./writing.js";

const VIEWS = [
  ["all", "All heads", createGrid],
  ["one", "One head", createOneHead],
  ["lens", "Layer by layer", createLens],
  ["off", "Heads off", createHeadsOff],
];

class Look extends EventTarget {
  capture = null;
  asked = ["", []]; // the text and the heads off that were sent last, whatever came of it
  whole = ""; // the text that was sent; what is read of it is capture.text
  at = null;
  head = { layer: 0, head: 0 };
  wasRefused = false; // whether the server itself said no to what was sent last
  #abort = null;

  constructor(element, sample) {
    super();
    const { vocabulary, idOf, page, address } = sample;
    Object.assign(this, { element, sample, vocabulary, idOf, page, address });
  }

  // Reads a text; what is shown stays until the answer has come. Gives the capture back, or null where it failed or another came first.
  // Whatever is read ends the writing that was followed, but for what `following` reads itself.
  async read(text, headsOff = this.capture?.heads_off ?? [], following = false) {
    if (!following) this.stopWriting();
    this.asked = [text, headsOff];
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.element.setAttribute("aria-busy", "true");
    try {
      const capture = await Capture.read(text, headsOff, abort.signal);
      if (abort.signal.aborted) return null;
      this.say(capture.notice, false);
      Object.assign(this, { capture, whole: text });
      if (this.at !== null && this.at >= capture.n) this.at = capture.n - 1;
      this.keep();
      this.tell("capture");
      return capture;
    } catch (error) {
      if (abort.signal.aborted) return null;
      this.say(error.message);
      this.wasRefused = error.status !== undefined;
      if (!this.capture) this.element.querySelector(".look-nothing").hidden = false;
      return null;
    } finally {
      if (this.#abort === abort) this.element.removeAttribute("aria-busy");
    }
  }

  // The character that is looked from; null for none.
  moveTo(index) {
    const { n } = this.capture ?? { n: 0 };
    const at = index === null || !n ? null : Math.min(n - 1, Math.max(0, Math.trunc(index) || 0));
    if (at === this.at) return;
    this.at = at;
    this.tell("at");
  }

  choose(layer, head) {
    if (layer === this.head.layer && head === this.head.head) return;
    this.head = { layer, head };
    this.address.keep("head", `${layer}.${head}`);
    this.tell("head");
  }

  say(words, isError = true) {
    const said = this.element.querySelector(".look-said");
    said.textContent = words;
    said.classList.toggle("error", isError && Boolean(words));
  }

  keep() {
    this.address.keep("look", this.whole);
    this.address.keep("off", this.capture.heads_off.map((head) => head.join(".")).join(","));
  }

  tell(event) {
    this.dispatchEvent(new CustomEvent(event));
  }
}

export async function start(element) {
  const sample = await sampleTab();
  const look = new Look(element, sample);
  look.measured = (await inUse).heads; // what the heads do on held-out text, as stored with the weights; null for weights without
  createText(look);
  createNext(look);
  followCaptures(look);
  createViews(look, VIEWS, { key: "see", ids: "look-" });
  look.show(look.address.get("see"));
  createWriting(look);
  createExport(look);
  createKeys(look);
  const at = look.address.get("at");
  const begin = () => {
    if (!exists(look.capture, look.head)) look.choose(0, 0);
    if (at) look.moveTo(Number(at));
  };
  look.addEventListener("capture", begin, { once: true }); // the first may come late
  await readAddress(look);
  element.dataset.ready = "";
}

// The text, the head and the heads that are off, as the address says. Heads that there are not are left on, and said.
async function readAddress(look) {
  const { address } = look;
  const pair = (word) => word.split(".").map((part) => (part === "average" ? part : Number(part)));
  const [layer, head] = pair(address.get("head"));
  if (head !== undefined) look.head = { layer, head };
  const off = address.get("off") ? address.get("off").split(",").map(pair) : [];
  const text = address.get("look") || newest(look.sample);
  if ((await look.read(text, off)) || !off.length || !look.wasRefused) return;
  const refused = look.element.querySelector(".look-said").textContent;
  const withAll = await look.read(text, []);
  if (withAll) look.say([refused, withAll.notice].filter(Boolean).join(" "));
}

// The sample that was pressed on the Sample tab, or the newest, whole; or what stands in the prompt.
export function newest(tab) {
  const { run, sample } = tab.newest();
  return run ? run.start + run.texts[sample] : tab.controls.get().prompt;
}

function followCaptures(look) {
  const [nothing, panels] = [look.element.querySelector(".look-nothing"), look.element.querySelector(".panels")];
  nothing.append(" ", button("quiet", "Try again", () => void look.read(...look.asked)));
  look.addEventListener("capture", () => {
    nothing.hidden = true;
    panels.hidden = false; // the views listen after this: what they draw has its room
  });
}
