// The text that the Attention tab looks at, and what was captured of it. Every view shows it from another side.
import { Capture } from "../shared/capture.js";
import { Emitter } from "../shared/emitter.js";
import { Latest } from "../shared/requests.js";
import { ServerError } from "../shared/server.js";
import { tellTrouble } from "../shared/trouble.js";
import { Views } from "../shared/views.js";

/** @typedef {import("../shared/models.js").Model} Model */
/** @typedef {import("../shared/capture.js").Part} Part */
/** @typedef {{layer: number, head: number | "average"}} Head */
/** @typedef {{at: number | null, head: Head | null}} Place the chosen character, and the head; null for the one that is found first */

/**
 * A character is chosen by a click or a key, and stays: the link names it. While another one is pointed at, the views show that one.
 * Events: "capture" (another capture), "at" (another character is looked from), "head" (another head is chosen), "row" (another layer's
 * stream is chosen), "view" (another view is shown), "glow" (other weights glow in the text), "coming" (more of the text is written than was
 * read; detail: the rest), "reading" (a text is about to be read; detail: whether it is read while it is being written), "taken" (what another
 * address says of the text is on show).
 */
export class Look extends Emitter {
  /** @type {Capture | null} */
  capture = null;
  whole = ""; // the text that was sent; what is read of it is capture.text
  /** @type {number | null} the character that is chosen, an index */
  pinned = null;
  /** @type {number | null} the one that is pointed at */
  #pointed = null;
  /** @type {Head} */
  head = { layer: NaN, head: NaN }; // until the address or a capture says which
  /** @type {number | null} where the residual stream is read: 0 after the embeddings, i + 1 after layer i; null for its end */
  row = null;
  /** @type {((at: number) => ArrayLike<number>) | null} what glows instead of the chosen head's weights */
  weightsOf = null;
  /** @type {Model} reads what is typed */
  model;
  /** What was sent last, whatever came of it. @type {{text: string, headsOff: Part[], model: Model, place: Place | null}} */
  asked;
  wasRefused = false; // whether the server itself said no to that
  isBehind = false; // whether the page has taken another address, whose text is not read yet
  #reading = new Latest();

  /** @param {HTMLElement} element @param {import("../shared/page.js").Page} page */
  constructor(element, page) {
    super();
    this.element = element;
    this.page = page;
    this.models = page.models;
    this.address = page.address;
    this.settings = page.settings;
    page.address.addEventListener("go", ({ detail }) => this.#fallBehind(detail)); // before the views hear of it
    const leave = () => queueMicrotask(() => this.tell("view")); // by then the other one is shown
    /** @type {Views<Look>} */
    this.views = new Views(element, { address: page.address, key: "see", ids: "look-", leave });
    this.model = page.models.primary;
    this.asked = { text: "", headsOff: [], model: this.model, place: null };
  }

  /** Another address was taken; without a text in it, that is the newest sample. @param {Set<string>} changed */
  #fallBehind(changed) {
    const { capture, address } = this;
    if (!capture && !this.asked.text) return; // the first text is still to come, and the address is read with it
    if (["look", "reader", "off", "head", "layer", "at"].some((name) => changed.has(name)) || !address.get("look")) this.isBehind = true;
  }

  /** The parts of the network that are off in what is shown: heads [layer, head], MLPs ["mlp", layer] and ["positions"]. @returns {Part[]} */
  get headsOff() {
    return this.capture?.heads_off ?? [];
  }

  /** What the heads do on held-out text, as stored with the weights; null for weights without. */
  get measured() {
    return this.capture?.model.heads ?? null;
  }

  /**
   * Reads a text; what is shown stays until the answer has come. Returns the capture, or null where it failed or another came first.
   * @param {string} text
   * @param {{headsOff?: Part[], model?: Model, isGrowing?: boolean, place?: Place | null}} [how] `isGrowing`: it is read while it is being written;
   *   `place`: what is chosen once it is read
   */
  async read(text, { model = this.model, headsOff = this.#headsOff(model), isGrowing = false, place = null } = {}) {
    this.tell("reading", isGrowing);
    this.asked = { text, headsOff, model, place };
    const signal = this.#reading.begin();
    if (!model.shows("attention")) return this.#refuse();
    this.element.setAttribute("aria-busy", "true");
    try {
      const [capture] = await Promise.all([Capture.read(text, headsOff, model, signal), model.load(signal)]);
      if (signal.aborted) return null;
      this.say(capture.notice, false);
      Object.assign(this, { capture, whole: text, model });
      if (place) [this.pinned, this.#pointed, this.head] = [place.at, null, place.head ?? { layer: NaN, head: NaN }];
      this.pinned = this.#inText(this.pinned);
      this.#pointed = this.#inText(this.#pointed);
      this.keep();
      this.tell("capture");
      return capture;
    } catch (error) {
      if (signal.aborted) return null;
      this.say(error.message);
      this.wasRefused = error instanceof ServerError;
      if (!this.capture) this.tell("nothing");
      else tellTrouble(this.element.querySelector(".look-said"), error, () => this.read(text, { model, headsOff, isGrowing, place }));
      return null;
    } finally {
      if (!signal.aborted) this.element.removeAttribute("aria-busy");
      this.#reading.end(signal);
    }
  }

  /** Reads the text in view again, with the model that read it. @param {Part[]} [headsOff] */
  readAgain(headsOff = this.headsOff) {
    return this.read(this.whole, { model: this.capture?.model, headsOff });
  }

  /** Reads once more what was asked for last, whether or not it came. */
  retry() {
    const { text, ...how } = this.asked;
    return this.read(text, how);
  }

  /** Whether what is shown is this text, as this model reads it. @param {string} text @param {Model} model @param {Part[]} headsOff */
  hasRead(text, model, headsOff) {
    return this.whole === text && this.capture?.model === model && this.headsOff.join() === headsOff.join() && !this.#reading.isBusy;
  }

  /** Reads the sample that was pressed last, or the newest, with the model that wrote it. */
  readNewest() {
    const { text, model } = this.page.newestText();
    return this.read(text, { model: model ?? this.models.primary });
  }

  /** The character that is looked from, an index; null for none. */
  get at() {
    return this.#pointed ?? this.pinned;
  }

  /** Chooses a character; null for none. @param {number | null} index */
  moveTo(index) {
    this.#from(() => {
      this.pinned = this.#inText(index);
      this.#pointed = null;
      this.address.keep("at", this.pinned ?? "");
    });
  }

  /** Looks from a character for as long as it is pointed at; null: from the chosen one again. @param {number | null} index */
  pointAt(index) {
    this.#from(() => (this.#pointed = this.#inText(index)));
  }

  /** @param {() => void} change */
  #from(change) {
    const before = this.at;
    change();
    if (this.at !== before) this.tell("at");
  }

  /** @param {number | null} index */
  #inText(index) {
    const { n } = this.capture ?? { n: 0 };
    return index === null || !n ? null : Math.min(n - 1, Math.max(0, Math.trunc(index) || 0));
  }

  /** @param {number} layer @param {number | "average"} head @param {boolean} [isKept] whether somebody chose it */
  choose(layer, head, isKept = true) {
    if (layer === this.head.layer && head === this.head.head) return;
    this.head = { layer, head };
    if (isKept) this.address.keep("head", `${layer}.${head}`);
    this.tell("head");
  }

  /** Chooses where the residual stream is read. @param {number | null} row null for its end, the model's answer */
  chooseRow(row) {
    if (row === this.row) return;
    this.row = row;
    this.address.keep("layer", row ?? "");
    this.tell("row");
  }

  /**
   * Whether a part of the network was off when the text was read.
   * @param {Part} part
   */
  isOff(part) {
    return this.capture?.heads_off.some((off) => String(off) === String(part)) ?? false;
  }

  get said() {
    return this.element.querySelector(".look-said").textContent;
  }

  /** @param {string} words @param {boolean} [isError] */
  say(words, isError = true) {
    const said = this.element.querySelector(".look-said");
    said.textContent = words;
    said.classList.toggle("error", isError && Boolean(words));
  }

  /** What is off stays off, as long as the network is the same. @param {Model} model */
  #headsOff(model) {
    return this.capture?.model === model ? this.capture.heads_off : [];
  }

  #refuse() {
    this.element.removeAttribute("aria-busy");
    this.say("", false);
    this.wasRefused = false;
    this.tell("nothing");
    return null;
  }

  /** What is on show belongs to the address. */
  keep() {
    const { heads_off, model } = this.capture;
    this.address.keep("at", this.pinned ?? "");
    this.address.keep("look", this.whole);
    this.address.keep("off", heads_off.map((part) => part.join(".")).join(","));
    this.address.keep("reader", model.key); // heads are those of its network
  }
}
