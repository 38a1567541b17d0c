// Characters of a text node: where they are, and how they are marked without an element for each.

// A highlight that the style sheets know by its name.
export function mark(name) {
  const highlight = new Highlight();
  CSS.highlights.set(name, highlight);
  return highlight;
}

// Places in a text, from one on and before another. Static: a live range would have to be moved with every change of the page.
export const range = (text, from, to = Math.min(text.length, from + 1)) =>
  new StaticRange({ startContainer: text, startOffset: from, endContainer: text, endOffset: to });

// One character, with boxes: only a live range has them.
export function measured(text, index) {
  const live = document.createRange();
  live.setStart(text, index);
  live.setEnd(text, Math.min(text.length, index + 1));
  return live;
}

// Scrolls the element around a text so that a character is in view.
export function reveal(body, text, index) {
  const [box, frame] = [measured(text, index).getBoundingClientRect(), body.getBoundingClientRect()];
  if (box.top < frame.top || box.bottom > frame.bottom) body.scrollTop += box.top - frame.top - frame.height / 2;
}

export const charAt = (data, offset) => String.fromCodePoint(data.codePointAt(offset));

// How much of two texts is the same from the start, in UTF-16 units.
export function commonLength(a, b) {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}
