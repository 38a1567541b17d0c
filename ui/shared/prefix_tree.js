// The prefix tree of samples: what they share stands once. Pure data, no look.
//
// A sample is { start, text, live }: what it was given, what was drawn after it, and whether more is to come. A node is
//   text      what all its samples have from `from` to `to` of their whole texts (start + text); only the root's may be empty
//   samples   those that go through it; `live`: one of them is still written
//   ends      those of them whose text ends with it
//   children  one for each character that comes next: the more samples the earlier, then as `rank` orders the characters
// Places count UTF-16 units; no character of two units is torn apart.
import { charAt, outside } from "./characters.js";

export function prefixTree(samples, rank) {
  const whole = samples.map((sample) => ({ sample, start: sample.start, text: sample.start + sample.text }));
  return samples.length ? grow(whole, 0, rank, null) : null;
}

function grow(entries, from, rank, parent) {
  const to = sharedUntil(entries, from);
  const samples = entries.map(({ sample }) => sample);
  const live = samples.some((sample) => sample.live);
  const node = { text: entries[0].text.slice(from, to), from, to, samples, count: samples.length, live, parent, ends: [] };
  const ways = new Map();
  for (const entry of entries) {
    if (entry.text.length === to) {
      node.ends.push(entry.sample);
      continue;
    }
    const next = entry.text.codePointAt(to);
    if (ways.has(next)) ways.get(next).push(entry);
    else ways.set(next, [entry]);
  }
  const ordered = [...ways].toSorted(([a, one], [b, other]) => other.length - one.length || rank(a) - rank(b));
  node.children = ordered.map(([, some]) => grow(some, to, rank, node));
  return node;
}

// Where the texts part, or the first of them ends.
function sharedUntil([first, ...others], from) {
  let to = first.text.length;
  for (const { start, text } of others) {
    let at = start === first.start ? Math.min(to, Math.max(from, start.length)) : from; // a prompt need not be read for each sample
    while (at < to && text.charCodeAt(at) === first.text.charCodeAt(at)) at++;
    to = at;
  }
  return outside(first.text, to);
}

export const firstChar = ({ text }) => charAt(text, 0);

// How many samples went on where this branch begins.
export const wentOn = ({ parent }) => parent.count - parent.ends.length;

// The nodes from the root to this one.
export const pathTo = (node) => (node ? [...pathTo(node.parent), node] : []);

// The node that has the character at `place` of a sample's whole text, or its end.
export function find(root, isSample, place) {
  let node = root;
  while (node && node.to <= place && node.children.length) {
    const next = node.children.find(({ samples }) => samples.some(isSample));
    if (!next) break;
    node = next;
  }
  return node?.samples.some(isSample) ? node : null;
}

// Which children are shown so that no more than `most` rows are needed: the branches that most samples went stay longest. A row
// is a leaf, or stands for the children of a node that are not shown. Those of a node that `isOpen` are all shown, whatever it takes.
// Gives a Map: node -> { shown, hidden }.
export function unfold(root, most, isOpen = (_node) => false) {
  const nodes = [];
  const depths = new Map();
  const walk = (node, depth) => {
    nodes.push(node);
    depths.set(node, depth);
    node.children.forEach((child) => walk(child, depth + 1));
  };
  walk(root, 0);
  const order = nodes.slice(1).toSorted((a, b) => b.count - a.count || depths.get(a) - depths.get(b));
  const chosen = new Set([root]);
  const shownOf = ({ children }) => children.filter((child) => chosen.has(child)).length;
  let rows = 1;
  for (const node of order) {
    const { parent } = node;
    const [before, all] = [shownOf(parent), parent.children.length];
    // A node whose children are all hidden is a row of its own; the last hidden child takes the row of the hidden ones.
    const more = before === 0 ? Number(all > 1) : Number(before + 1 < all);
    if (!chosen.has(parent) || (rows + more > most && !isOpen(parent))) continue;
    chosen.add(node);
    rows += more;
  }
  // A row that would stand for one child alone may as well be that child.
  for (const { children } of chosen) {
    const hidden = children.filter((child) => !chosen.has(child));
    if (hidden.length === 1 && children.length > 1) chosen.add(hidden[0]);
  }
  const parts = ({ children }) => [true, false].map((isShown) => children.filter((child) => chosen.has(child) === isShown));
  return new Map(
    [...chosen].map((node) => {
      const [shown, hidden] = parts(node);
      return [node, { shown, hidden }];
    }),
  );
}
