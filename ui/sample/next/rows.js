// The rows of the picture, on a canvas: a bar for each of the likeliest characters, and a line for all others.
import { number, percent, signOf } from "../../shared/dom.js";
import { ENOUGH } from "./draws.js";

export const OTHERS = -1; // stands for all characters that have no bar

// A row: the character, the probability drawn from, the raw one below it, and once there are many throws how often it came.
export function paintBar(context, place, scale, id, row, shown, look) {
  const { vocabulary, probabilities, raw, isRaw, draws, hit, pointed } = shown;
  const { char, bars, end, width, top, pitch, hasCounts } = place;
  const [p, y] = [probabilities[id], top + row * pitch];
  const many = draws.goal >= ENOUGH;
  if (id === pointed) {
    context.fillStyle = look.rule;
    context.fillRect(char, y, end - char, pitch);
  }
  const colour = id === hit ? look.accent : p ? look.ink : look.inkSoft;
  const size = Math.min(1.5 * look.rem, 0.85 * pitch);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = colour;
  context.font = `bold ${size}px ${look.mono || "monospace"}`;
  context.fillText(signOf(vocabulary[id]), (char + bars) / 2, y + 0.5 * pitch);
  context.globalAlpha = many ? 0.3 : 1;
  context.fillRect(bars, y + 0.18 * pitch, p * scale, 0.5 * pitch);
  context.globalAlpha = 1;
  if (!isRaw) {
    context.fillStyle = look.ruleStrong;
    context.fillRect(bars, y + 0.72 * pitch, raw[id] * scale, 0.14 * pitch);
  }
  if (many) paintCounts(context, place, scale, id, y, shown, look);
  const came = many ? number(draws.counts[id]) : "";
  context.textAlign = "left";
  context.textBaseline = "middle";
  const write = (words, x, weight, fill) => {
    context.font = `${weight} ${Math.min(1.25 * look.rem, 0.8 * pitch)}px ${look.sans}`;
    context.fillStyle = fill;
    context.fillText(words, x, y + 0.5 * pitch, Math.max(1, width - x)); // condensed rather than cut
    return x + context.measureText(words).width;
  };
  const longest = Math.max(p, isRaw ? 0 : raw[id], many ? Math.max(draws.counts[id], draws.expected(p).high) / draws.goal : 0);
  let x = Math.min(end, bars + longest * scale) + 0.5 * look.rem;
  if (hasCounts || !came) x = write(percent(p), x, id === hit ? "bold" : "", colour) + 0.6 * look.rem;
  if (came) write(came, x, "bold", look.accent);
}

// The share that came as a bar on the expected one, and the ends of the range in which it is expected.
function paintCounts(context, { bars, end, pitch }, scale, id, y, { probabilities, draws }, look) {
  context.fillStyle = look.accent;
  context.fillRect(bars, y + 0.28 * pitch, Math.min(end - bars, (draws.counts[id] / draws.goal) * scale), 0.3 * pitch);
  if (draws.total < draws.goal || !probabilities[id]) return;
  const { low, high } = draws.expected(probabilities[id]);
  const [from, to] = [low, high].map((count) => Math.min(end, bars + (count / draws.goal) * scale));
  if (to - from < 3) return;
  for (const [colour, width] of /** @type {[string, number][]} */ ([[look.paper, 4], [look.ink, 2]])) {
    context.fillStyle = colour;
    for (const x of [from, to]) context.fillRect(x - width / 2, y + 0.1 * pitch, width, 0.66 * pitch);
  }
}

export function paintOthers(context, { ids, char, end, width, top, pitch }, { vocabulary, probabilities, draws, pointed }, look) {
  const others = vocabulary.length - ids.length;
  if (!others) return;
  const sum = (values) => values.reduce((all, value) => all + value, 0) - ids.reduce((all, id) => all + values[id], 0);
  const y = top + ids.length * pitch;
  if (pointed === OTHERS) {
    context.fillStyle = look.rule;
    context.fillRect(char, y, end - char, pitch);
  }
  const p = sum(probabilities);
  const came = draws.goal >= ENOUGH ? `, ${number(sum(draws.counts))}` : "";
  context.font = `${Math.min(1.125 * look.rem, 0.75 * pitch)}px ${look.sans}`;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillStyle = look.inkSoft;
  const share = percent(p < 1e-9 ? 0 : p);
  const versions = [`other ${others} character${others === 1 ? "" : "s"}: ${share}${came}`, `${others} others: ${share}${came}`, `others: ${share}`];
  const x = char + 0.4 * look.rem;
  const words = versions.find((version) => x + context.measureText(version).width <= width) ?? versions.at(-1);
  context.fillText(words, x, y + 0.5 * pitch, width - x);
}
