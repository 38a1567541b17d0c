// A block as a drawing: the residual stream runs upwards, its two branches leave it and come back, and the norms stand in the branches or in the stream.
// 16 units are 1 rem.
const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [312, 362];
const [STREAM, BRANCH] = [62, 206]; // x of both
const [NORM, BOX] = [[68, 26], [136, 32]]; // width and height
const [UP_TO_NORM, UP_TO_BOX, UP_TO_SUM, UP_TO_POST] = [28, 66, 100, 130]; // from where a branch leaves the stream
const FORKS = [330, 184]; // y of the two
const BRANCHES = ["attention", "feed-forward"];
const FRAME = [34, 346]; // y
const LAST = 16; // y of the last norm, which pre-norm alone has

/** { node, show(norm) } */
export function createBlock() {
  const node = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "norm-block", role: "img", "aria-label": "A block" });
  node.append(element("rect", { class: "norm-frame", x: 1, y: FRAME[0], width: WIDTH - 2, height: FRAME[1] - FRAME[0], rx: 4 }));
  node.append(path("norm-stream", `M ${STREAM} ${HEIGHT} V 0`));
  const forks = FORKS.map((fork, i) => {
    const [top, box] = [fork - UP_TO_SUM, fork - UP_TO_BOX];
    node.append(
      path("norm-branch", `M ${STREAM} ${fork} H ${BRANCH} V ${top} H ${STREAM + 11}`),
      path("norm-arrow", `M ${STREAM + 22} ${top - 6} L ${STREAM + 12} ${top} L ${STREAM + 22} ${top + 6}`),
      boxed("norm-box", BRANCHES[i], BRANCH, box, BOX),
      sum(STREAM, top),
    );
    return fork;
  });
  const norms = [...forks.map(() => boxed("norm-box norm-norm", "norm", 0, 0, NORM)), boxed("norm-box norm-norm", "norm", 0, 0, NORM)];
  const times = words("norm-times", "", WIDTH - 14, FRAME[0] + 24, "end");
  node.append(...norms, times);

  return {
    node,
    /** Puts the norms where they belong: they move there. @param {import("./runs.js").Norm} norm */
    show({ id, n_layer: blocks }) {
      const isPre = id === "pre-norm";
      times.textContent = `× ${blocks}`;
      forks.forEach((fork, i) => place(norms[i], isPre ? BRANCH : STREAM, fork - (isPre ? UP_TO_NORM : UP_TO_POST)));
      place(norms.at(-1), STREAM, isPre ? LAST : forks.at(-1) - UP_TO_POST);
      norms.at(-1).classList.toggle("norm-gone", !isPre);
      const where = isPre ? "in each branch, before attention and before the feed-forward network, and once after the last block" : "in the stream, after each sum";
      node.setAttribute("aria-label", `One of ${blocks} blocks. The residual stream runs upwards; attention and a feed-forward network are added to it. The norms stand ${where}.`);
    },
  };
}

/** @param {SVGElement} node @param {number} x @param {number} y */
function place(node, x, y) {
  node.style.transform = `translate(${x}px, ${y}px)`;
}

/** A box with a word, around its place. @param {string} classes @param {string} word @param {number} x @param {number} y @param {number[]} size */
function boxed(classes, word, x, y, [width, height]) {
  const node = element("g", { class: classes });
  node.append(element("rect", { x: -width / 2, y: -height / 2, width, height, rx: 3 }), words("", word, 0, 0, "middle"));
  place(node, x, y);
  return node;
}

/** Where a branch is added to the stream. @param {number} x @param {number} y */
function sum(x, y) {
  const node = element("g", { class: "norm-sum" });
  node.append(element("circle", { cx: x, cy: y, r: 11 }), path("", `M ${x - 5} ${y} h 10 M ${x} ${y - 5} v 10`));
  return node;
}

/** @param {string} classes @param {string} d */
const path = (classes, d) => element("path", { class: classes, d });

/** @param {string} classes @param {string} text @param {number} x @param {number} y @param {string} anchor */
function words(classes, text, x, y, anchor) {
  const node = element("text", { class: classes, x, y, "text-anchor": anchor, dy: "0.35em" });
  node.textContent = text;
  return node;
}

/** @param {string} tag @param {Record<string, string | number>} attributes @returns {SVGElement} */
function element(tag, attributes) {
  const node = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) if (value !== "") node.setAttribute(name, String(value));
  return node;
}
