// A text drawn to scale: nine tenths to learn from and a tenth to be measured on, and where the chunks of a batch lie in it.
import { make, number, readable } from "../../shared/dom.js";

/** @param {HTMLElement} place */
export function createSplit(place) {
  const [title, about, names] = [make("h3", "data-title"), make("span", "split-about"), make("div", "data-headline split-names")];
  const [bar, marks] = [make("div", "split-bar"), make("div", "split-marks")];
  const parts = ["training", "validation"].map((name) => {
    const [node, label, size, begins] = [make("div", "split-part"), make("span"), make("span"), make("p", "split-text")];
    node.dataset.part = name;
    label.append(make("b", "", name), " ", size);
    names.append(label);
    node.append(make("div", "split-piece"), begins);
    bar.append(node);
    return { node, size, begins };
  });
  const heading = make("div", "data-headline");
  heading.append(title, about);
  bar.append(marks);
  place.append(heading, names, bar);
  let total = 1;

  return {
    /** @param {{name: string, characters: number, kinds: number, parts: {characters: number, begins: string}[]}} text */
    show(text) {
      total = Math.max(1, text.characters);
      title.textContent = text.name;
      about.textContent = `${number(text.characters)} characters, ${number(text.kinds)} distinct`;
      text.parts.forEach(({ characters, begins }, i) => {
        const { node, size, begins: words } = parts[i];
        node.style.setProperty("--share", String(characters / total));
        size.textContent = `${Math.round((100 * characters) / total)} %: ${number(characters)} characters`;
        words.textContent = readable(begins);
      });
    },
    /** Where chunks lie. @param {{starts: number[], block_size: number}} batch @param {number} row the opened one */
    mark({ starts, block_size }, row) {
      marks.replaceChildren(
        ...starts.map((start, i) => {
          const mark = make("span", i === row ? "split-mark here" : "split-mark");
          mark.style.left = `${(100 * start) / total}%`;
          mark.style.width = `${(100 * block_size) / total}%`;
          mark.title = `from character ${number(start + 1)}`;
          return mark;
        }),
      );
    },
  };
}
