// The window with the lecturer's notes (ui/web/lecture.py). The page that gives the lecture has opened it and sends what it shows.
import { make } from "../shared/dom.js";
import { stepOf } from "./step.js";

/** @typedef {import("./notes_window.js").Told} Told */

const [ASK_MS, LOST_MS] = [1_000, 4_000];
const GONE = "The page that gives the lecture is closed. Open it and press Notes again.";

/** Called by the window's own page. @param {HTMLElement} element */
export function start(element) {
  /** @type {(name: string) => HTMLElement} */
  const part = (name) => element.querySelector(`.notes-${name}`);
  /** @type {Told | null} */
  let told = null;
  let heard = performance.now();
  const say = (words) => window.opener?.postMessage({ soliloquy: words }, location.origin);
  const step = (by) => say({ step: by });

  addEventListener("message", ({ data, origin, source }) => {
    if (origin !== location.origin || source !== window.opener || !data?.notes) return;
    heard = performance.now();
    const isNew = JSON.stringify(data.notes) !== JSON.stringify(told);
    told = data.notes;
    if (isNew) show(told);
  });

  /** @param {Told} told */
  function show({ lecture, number, total, title, caption, notes, next }) {
    part("place").textContent = number ? `Scene ${number} of ${total}` : `${lecture} · ${total} scenes`;
    part("title").textContent = title;
    part("caption").textContent = caption;
    part("text").replaceChildren(...blocksOf(notes));
    part("text").parentElement.scrollTop = 0;
    part("next").textContent = next ? `Next: ${next}` : "The last scene";
    tick();
  }

  function tick() {
    const now = new Date();
    part("clock").textContent = now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    part("since").textContent = told?.startedAt ? `${sinceWords(now.getTime() - told.startedAt)} since the start` : "not started";
    if (performance.now() - heard > LOST_MS) part("next").textContent = GONE;
    else if (told && part("next").textContent === GONE) show(told);
  }

  part("back").addEventListener("click", () => step(-1));
  part("on").addEventListener("click", () => step(1));
  addEventListener("keydown", (event) => {
    const by = stepOf(event);
    if (!by) return;
    event.preventDefault();
    step(by);
  });
  const ask = () => {
    say("hello");
    tick();
  };
  setInterval(ask, ASK_MS); // the page may be reloaded, and then knows nothing of this window
  ask();
}

/** "4:07", "1:02:33". @param {number} ms */
function sinceWords(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Notes as paragraphs, and as a list where lines begin with a dash. @param {string} notes */
function blocksOf(notes) {
  /** @type {HTMLElement[]} */
  const blocks = [];
  for (const line of notes.split("\n").filter(Boolean)) {
    const item = /^- (.*)/.exec(line)?.[1];
    if (item === undefined) blocks.push(make("p", "", line));
    else {
      const list = blocks.at(-1)?.tagName === "UL" ? blocks.at(-1) : make("ul");
      if (list !== blocks.at(-1)) blocks.push(list);
      list.append(make("li", "", item));
    }
  }
  return blocks;
}
