// Whether the captions of the views are shown: one switch for all tabs, remembered in this browser.
import { Emitter } from "./emitter.js";
import { button, make } from "./dom.js";
import { tool } from "./bar.js";
import { palette } from "./paint.js";
import { inBrowser } from "./storage.js";

const STORED = "soliloquy-captions";

/** Event "change". */
class Captions extends Emitter {
  shown = innerWidth >= 40 * palette().rem; // on a phone the text comes first

  constructor() {
    super();
    const stored = inBrowser.get(STORED);
    if (stored) this.shown = stored === "on";
  }

  /** @param {boolean} shown */
  show(shown) {
    this.shown = shown;
    inBrowser.keep(STORED, shown ? "on" : "off");
    this.tell("change");
  }
}

const captions = new Captions();

/**
 * The caption below a tab's bar, and the tool that closes it and brings it back; returns what gives it other words.
 * @param {Element} bar
 * @returns {(words?: string) => void}
 */
export function createCaption(bar) {
  const node = make("div", "caption");
  node.dataset.testid = "caption";
  const text = make("p");
  const toggle = tool("caption", "Caption", "What this view shows", () => captions.show(!captions.shown));
  const close = button("caption-close", "×", () => {
    captions.show(false);
    toggle.focus();
  });
  close.setAttribute("aria-label", "Hide the caption");
  node.append(text, close);
  bar.after(node);
  bar.querySelector(".bar-tools").prepend(toggle);
  const update = () => {
    node.hidden = !captions.shown || !text.textContent;
    toggle.hidden = !text.textContent;
    toggle.setAttribute("aria-pressed", String(captions.shown));
  };
  captions.addEventListener("change", update);
  update();
  return (words = "") => {
    text.textContent = words;
    update();
  };
}
