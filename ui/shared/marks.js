// Characters of a text node: where they are, and how they are marked without an element for each.
import { after } from "./characters.js";
import { seenHeight } from "./dom.js";

// A highlight that the style sheets know by its name. They say in which elements, as `.card-text::highlight(name)`: a rule for all of them would cost
// every element of the page a style of its own for each name.
export function mark(name) {
  const highlight = new Highlight();
  CSS.highlights.set(name, highlight);
  return highlight;
}

// Places in a text, from one on and before another: without that, one character. Static: a live range would have to be moved with every
// change of the page.
export const range = (text, from, to = after(text.data, from)) =>
  new StaticRange({ startContainer: text, startOffset: from, endContainer: text, endOffset: to });

// One character, with boxes: only a live range has them.
export function measured(text, index) {
  const live = document.createRange();
  live.setStart(text, index);
  live.setEnd(text, after(text.data, index));
  return live;
}

// Scrolls the element around a text, and then the page, so that a character is in view.
export function reveal(body, text, index) {
  const character = measured(text, index);
  const [box, frame] = [character.getBoundingClientRect(), body.getBoundingClientRect()];
  if (box.top < frame.top || box.bottom > frame.bottom) body.scrollTop += box.top - frame.top - frame.height / 2;
  const { top, bottom } = character.getBoundingClientRect();
  const scroller = document.fullscreenElement ?? document.scrollingElement;
  if (top < 0 || bottom > seenHeight()) scroller.scrollBy(0, top - seenHeight() / 2);
}
