// The stacks as the paper draws them, and a GPT beside them. Each kind of attention stands where it belongs as a small map that opens the large one.
import { button, make } from "../../shared/dom.js";
import { onLook } from "../../shared/paint.js";
import { axesOf, KINDS, rowOfStep, signed } from "./kinds.js";
import { paintWeights } from "./picture.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const TURN = 8; // pixels, above the encoder
const ADD = "Add & norm";
const FORWARD = "Feed-forward";

/** @typedef {import("./state.js").State} State */
/** @typedef {ReturnType<typeof createBlock>} Block */

/** @param {State} state */
export function createStacks(state) {
  const node = make("div", "translate-stacks");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Encoder, decoder and GPT: choose a kind of attention");
  /** @type {Map<string, Block>} */
  const blocks = new Map(KINDS.map((kind) => [kind.id, createBlock(kind, () => state.chooseKind(kind.id))]));
  const attention = (id) => blocks.get(id).node;
  const [encoder, decoder, gpt] = [createTower("Encoder"), createTower("Decoder"), createTower("GPT")];
  encoder.build([attention("encoder"), ADD, FORWARD, ADD], "encoder-decoder");
  decoder.build([attention("decoder"), ADD, attention("cross"), ADD, FORWARD, ADD], "encoder-decoder");
  gpt.build(["Norm", attention("gpt"), "Add, norm", FORWARD, "Add"], "gpt");
  const wire = document.createElementNS(NAMESPACE, "svg");
  wire.setAttribute("class", "translate-wire");
  wire.setAttribute("aria-hidden", "true");
  const path = wire.appendChild(document.createElementNS(NAMESPACE, "path"));
  node.append(encoder.node, decoder.node, gpt.node, wire);

  // From the top of the encoder, between the two towers, to the cross-attention.
  function connect() {
    const [own, from, beside, to] = [node, encoder.layers, decoder.layers, attention("cross")].map((each) => each.getBoundingClientRect());
    if (!own.width) return;
    const [x, y, between] = [from.left + from.width / 2 - own.left, from.top - own.top, (from.right + beside.left) / 2 - own.left];
    const [right, height] = [to.left - own.left, to.top + to.height / 2 - own.top];
    wire.setAttribute("viewBox", `0 0 ${own.width} ${own.height}`);
    path.setAttribute("d", `M${x} ${y}v-${TURN}H${between}V${height}H${right}m-6 -5l6 5l-6 5`);
  }

  function draw() {
    const { kind, step, shown } = state;
    for (const tower of [encoder, decoder, gpt]) tower.times(state);
    for (const block of blocks.values()) block.draw(state, kind.id);
    if (!shown) return;
    const [written, before] = [signed(shown.target[step] ?? "\n"), signed(shown.target[step - 1] ?? "\n")];
    encoder.tell("");
    decoder.tell(before, written);
    const gptStep = state.gpt?.target ?? [];
    gpt.tell(signed(gptStep[step - 1] ?? "\n"), signed(gptStep[step] ?? "\n"));
  }

  new ResizeObserver(connect).observe(node);
  onLook(draw);
  return { node, draw, connect };
}

/** @param {import("./kinds.js").About} kind @param {() => void} choose */
function createBlock(kind, choose) {
  const node = button("translate-attention", "", choose);
  const map = node.appendChild(make("canvas", "translate-thumb"));
  node.append(make("span", "", kind.id === "cross" ? "Cross" : kind.mask === "full" ? "Full" : "Masked"));
  node.dataset.kind = kind.id;
  node.setAttribute("aria-label", `${kind.title}: ${kind.about}`);

  /** @param {State} state @param {string} chosen */
  function draw(state, chosen) {
    node.setAttribute("aria-pressed", String(kind.id === chosen));
    const translated = state.translatedBy(kind);
    const weights = translated?.steps.length ? translated.weights(kind.name, state.headOf(kind)) : null;
    node.disabled = !weights;
    if (!weights) return void map.getContext("2d").clearRect(0, 0, map.width, map.height);
    const last = kind.isWritten ? rowOfStep(kind, translated, state.step) : axesOf(kind, translated).rows.length;
    paintWeights(map, weights, kind, last);
  }

  return { node, draw };
}

/** @param {string} title */
function createTower(title) {
  const node = make("div", "translate-tower");
  const [out, reads, layers, head] = [make("p", "translate-out"), make("p", "translate-in"), make("div", "translate-layers"), make("h2", "", title)];
  let name = "";

  /** @param {(string | HTMLElement)[]} parts from the bottom up @param {string} network */
  function build(parts, network) {
    name = network;
    const inside = parts.toReversed().map((part) => (typeof part === "string" ? make("p", part === FORWARD ? "translate-part" : "translate-norm", part) : part));
    layers.append(...inside);
    const above = title === "Encoder" ? [] : [out, make("p", "translate-part", "Softmax")];
    node.append(...above, layers, make("p", "translate-part", "Embedding"), reads, head);
  }

  return {
    node,
    layers,
    build,
    /** How often the layers are repeated. @param {State} state */
    times(state) {
      const layers = state.task?.networks[name].n_layer;
      head.textContent = layers ? `${title} × ${layers}` : title;
    },
    /** @param {string} read @param {string} [written] */
    tell(read, written = "") {
      reads.textContent = read;
      out.textContent = written;
    },
  };
}
