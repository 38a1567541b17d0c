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
export const saveTree = (name, title, samples, rank) => saveTrees(name, [{ title, samples, rank }]);

/**
 * Saves trees as one picture, side by side, if there are any samples.
 * @param {string} name of the file
 * @param {{title: string, samples: any[], rank: (code: number) => number}[]} trees
 */
export function saveTrees(name, trees) {
  const look = { ...palette(), rem: 16 };
  const ink = new Pen(look);
  const pictures = trees.flatMap(({ title, samples, rank }) => {
    const root = prefixTree(samples, rank);
    return root ? [{ title, picture: layOut(root, unfold(root, ROWS), ink, WIDTH) }] : [];
  });
  if (!pictures.length) return false;
  const width = pictures.reduce((sum, { picture }) => sum + picture.width + EDGE, EDGE);
  const height = Math.max(...pictures.map(({ picture }) => picture.height));
  savePicture(name, width, height + 2 * EDGE + 2 * LINE, (context) => {
    for (const { title, picture } of pictures) {
      const away = picture.items.filter(({ hidden }) => hidden).reduce((sum, { count }) => sum + count, 0);
      const leftOut = away ? ` The smallest branches, ${plural(away, "sample")}, are folded away.` : "";
      ink.use(context, `600 22px ${look.serif}`);
      context.fillStyle = look.ink;
      context.fillText(title, EDGE, EDGE + 18);
      ink.use(context, ink.label);
      context.fillStyle = look.inkSoft;
      context.fillText(`Width of a branch: the square root of its count.${leftOut}`, EDGE, EDGE + 18 + LINE);
      context.save();
      context.translate(EDGE, EDGE + 2 * LINE);
      paint(context, picture, ink);
      context.restore();
      context.translate(picture.width + EDGE, 0);
    }
  });
  return true;
}
