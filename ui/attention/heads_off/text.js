// The text, each character coloured by how much less or more predictable it became: the change of its surprisal in bits.
import { button, make, makeText, number, percent, POINT_AT, quoted } from "../../shared/dom.js";

const STEPS = [0.5, 1, 2, 4]; // bits; below the first the paper stays as it is
const LEAST = 0.05; // bits that are worth a word
const NAME = (bits) => `off-${bits > 0 ? "harder" : "easier"}-${STEPS.filter((step) => Math.abs(bits) >= step).length}`;

// Of each character, in bits: positive where it became harder. The first is not predicted.
export function changes(both) {
  const { characters, model } = both.after.capture;
  const chance = (answers, i) => answers.answer(i - 1)[model.idOf(characters[i])];
  return characters.map((_, i) => (i === 0 ? null : Math.log2(chance(both.before, i) / chance(both.after, i))));
}

/** @param {import("../look.js").Look} look */
export function createHarder(look) {
  const node = make("div", "off-harder");
  const text = makeText("p", "off-text");
  const facts = make("p", "off-facts");
  const hardest = button("quiet off-hardest", "", () => look.moveTo(worst - 1));
  node.append(text, legend(), facts, hardest);
  let [both, bits, spans, worst] = [null, [], [], 1];

  const indexOf = ({ target }) => spans.indexOf(target);
  text.addEventListener("pointermove", (event) => event.pointerType === "mouse" && indexOf(event) > 0 && look.pointAt(indexOf(event) - 1));
  text.addEventListener("pointerleave", () => look.pointAt(null));
  text.addEventListener("click", (event) => indexOf(event) > 0 && look.moveTo(indexOf(event) - 1));

  function move() {
    const { characters, model, n } = both.after.capture;
    const at = look.at ?? n - 1;
    spans.forEach((span, i) => span.classList.toggle("here", i === at + 1));
    if (at + 1 >= n) {
      facts.textContent = n > 1 ? `${POINT_AT} a character to compare its probability.` : "";
      return;
    }
    const [p, q] = [both.before, both.after].map((answers) => answers.answer(at)[model.idOf(characters[at + 1])]);
    const change = bits[at + 1];
    facts.textContent = `${quoted(characters[at + 1])} at ${number(both.before.capture.place(at + 1))}: ${percent(p)} → ${percent(q)}, ${inBits(change)}`;
  }

  return {
    node,
    move,
    draw(lenses) {
      both = lenses;
      bits = changes(both);
      const { characters, heads_off, n } = both.after.capture;
      spans = characters.map((char, i) => make("span", `off-char ${i ? NAME(bits[i]) : ""}`, char === "\n" ? "↵" : char));
      text.replaceChildren(...spans.flatMap((span, i) => (characters[i] === "\n" ? [span, make("wbr")] : [span])));
      worst = bits.reduce((most, value, i) => (value > bits[most] ? i : most), Math.min(1, n - 1));
      hardest.hidden = !heads_off.length || n < 2 || !(bits[worst] >= LEAST);
      if (!hardest.hidden) hardest.textContent = `Largest change: ${quoted(characters[worst])} at ${number(both.after.capture.place(worst))}, ${inBits(bits[worst])}`;
      text.setAttribute("aria-label", describe(both, bits));
      move();
    },
  };
}

function describe(both, bits) {
  const count = (test) => bits.filter((value) => value !== null && test(value)).length;
  return `Of ${bits.length} characters ${count((value) => value >= STEPS[0])} became less predictable by half a bit or more, ${count((value) => value <= -STEPS[0])} more predictable.`;
}

const inBits = (bits) => `${bits < 0 ? "−" : "+"}${Math.abs(bits).toFixed(1)} ${Math.abs(bits).toFixed(1) === "1.0" ? "bit" : "bits"}`;

function legend() {
  const node = make("p", "off-legend");
  const scale = make("span", "off-scale");
  const step = (bits) => make("span", `off-step ${NAME(bits)}`, `${bits < 0 ? "−" : "+"}${Math.abs(bits) === 0.5 ? "½" : Math.abs(bits)}`);
  const [more, less] = [STEPS.toReversed().map((bits) => step(-bits)), STEPS.map(step)];
  scale.append(...more, make("span", "off-step", "0"), ...less);
  node.append(scale, "more / less predictable (bits)");
  return node;
}
