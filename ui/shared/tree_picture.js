// A prefix tree as a picture to keep.
import { plural } from "./dom.js";
import { palette, savePicture } from "./paint.js";
import { prefixTree, unfold } from "./prefix_tree.js";
import { layOut, paint, Pen } from "./tree_drawing.js";

const ROWS = 150; // browsers draw no picture higher than 16,384 pixels
const WIDTH = 1120;
const [EDGE, LINE] = [32, 28];

/**
 * Saves the tree of some samples, if there are any.
 * @param {string} name of the file
 * @param {string} title
 * @param {any[]} samples see prefix_tree.js
 * @param {(code: number) => number} rank
 */
export function saveTree(name, title, samples, rank) {
  const root = prefixTree(samples, rank);
  if (!root) return false;
  const look = { ...palette(), rem: 16 };
  const ink = new Pen(look);
  const picture = layOut(root, unfold(root, ROWS), ink, WIDTH);
  const away = picture.items.filter(({ hidden }) => hidden).reduce((sum, { count }) => sum + count, 0);
  const leftOut = away ? ` The smallest branches, ${plural(away, "sample")}, are folded away.` : "";
  savePicture(name, picture.width + 2 * EDGE, picture.height + 2 * EDGE + 2 * LINE, (context) => {
    ink.use(context, `600 22px ${look.serif}`);
    context.fillStyle = look.ink;
    context.fillText(title, EDGE, EDGE + 18);
    ink.use(context, ink.label);
    context.fillStyle = look.inkSoft;
    context.fillText(`Width of a branch: the square root of its count.${leftOut}`, EDGE, EDGE + 18 + LINE);
    context.translate(EDGE, EDGE + 2 * LINE);
    paint(context, picture, ink);
  });
  return true;
}
