// The tools of the tab: the link to this state, pictures, and the exact numbers as files.
import { copyLink, createMenu, sayer, toggleFullScreen, tool } from "../shared/bar.js";
import { rowOf } from "../shared/capture.js";
import { first } from "../shared/characters.js";
import { toCSV } from "../shared/csv.js";
import { paintMap } from "../shared/heat_map.js";
import { download, palette, savePicture } from "../shared/paint.js";
import { describe, inWords } from "./grid.js";
import { bytesOf } from "./one_head/data.js";

const TILE = 160; // of a picture, in pixels of the page
const GAP = 14;

/** @typedef {import("./look.js").Look} Look */

/** @param {Look} look */
export function createTools(look) {
  const say = sayer(look.element.querySelector(".bar-said"));
  const tools = look.element.querySelector(".look-icons");
  const opener = tool("download", "Download", "Download (d)", () => actions.download());
  const actions = {
    copyLink: () => copyLink(() => look.address.write(), say),
    toggleFullScreen: () => toggleFullScreen(look.element, say),
    download: createMenu(look.element, opener, () => entries(look), (words) => look.say(words)),
    help: () => {}, // set by createKeys
  };
  tools.append(
    tool("link", "Copy link", "Copy the link to this state (l)", actions.copyLink),
    opener,
    tool("full-screen", "Full screen", "Full screen (f)", actions.toggleFullScreen),
    tool("keys", "Keys", "Keys (?)", () => actions.help()),
  );
  return { tools: actions };
}

/** @param {Look} look @returns {import("../shared/views.js").Entry[]} */
function entries(look) {
  const { capture } = look;
  if (!capture) return [["Nothing to download yet", () => {}]];
  return [
    ...(look.views.view.downloads ?? []),
    ["All heads (PNG)", () => saveGrid(look)],
    ["All weights, exact (JSON)", () => saveWeights(capture)],
    ["What the heads do (CSV)", () => saveStats(look)],
  ];
}

function saveGrid(look) {
  const { capture } = look;
  const { n, n_layer, n_head } = capture;
  const map = document.createElement("canvas");
  const [width, height] = [n_head * (TILE + GAP) + GAP, n_layer * (TILE + 2.5 * GAP) + 3 * GAP];
  savePicture("attention-heads.png", width, height, (context) => {
    const colours = palette();
    context.fillStyle = colours.ink;
    context.font = `${GAP}px ${colours.serif}`;
    context.fillText(first(capture.text, 80).replaceAll("\n", " ↵ "), GAP, 1.5 * GAP);
    context.imageSmoothingEnabled = false;
    for (let layer = 0; layer < n_layer; layer++) {
      for (let head = 0; head < n_head; head++) {
        const [x, y] = [GAP + head * (TILE + GAP), 2.5 * GAP + layer * (TILE + 2.5 * GAP)];
        paintMap(map, bytesOf(capture, { layer, head }), n);
        context.drawImage(map, x, y, TILE, TILE);
        context.strokeStyle = colours.rule;
        context.strokeRect(x, y, TILE, TILE);
        context.fillText(`${layer}.${head} ${inWords(look, describe(look, layer, head))}`, x, y + TILE + 1.2 * GAP, TILE);
      }
    }
  });
}

// For each head the causal half, row by row: row i has i + 1 weights.
async function saveWeights(capture) {
  const { model, text, precision, heads_off, n_layer, n_head, n } = capture;
  const heads = [];
  for (let layer = 0; layer < n_layer; layer++) {
    for (let head = 0; head < n_head; head++) {
      const exact = await capture.exact(layer, head);
      heads.push({ layer, head, weights: Array.from({ length: n }, (_, row) => Array.from(rowOf(exact, row))) });
    }
  }
  download("attention.json", new Blob([JSON.stringify({ model: model.about, text, precision, heads_off, heads })], { type: "application/json" }));
}

function saveStats(look) {
  const { n_layer, n_head } = look.capture;
  const all = [];
  for (let layer = 0; layer < n_layer; layer++) for (let head = 0; head < n_head; head++) all.push({ layer, head, ...describe(look, layer, head) });
  const names = Object.keys(all[0]);
  const table = toCSV([...names, "model"], all.map((entry) => [...names.map((name) => entry[name]), look.capture.model.name]));
  download("attention-heads.csv", new Blob([table], { type: "text/csv" }));
}
