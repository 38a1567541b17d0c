// Canvas: sharp on every screen, in the colours of the page, and savable as a picture.

// Sizes a canvas to its room (in CSS pixels) and returns a context that is scaled and empty.
/** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height @param {number} [scale] */
export function fit(canvas, width, height, scale = devicePixelRatio) {
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/**
 * The page's colours and fonts as they are now, and rem in pixels.
 * @returns {{paper: string, sheet: string, ink: string, inkSoft: string, rule: string, ruleStrong: string, accent: string, heat: string,
 *   serif: string, sans: string, mono: string, rem: number}}
 */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["paper", "sheet", "ink", "ink-soft", "rule", "rule-strong", "accent", "heat", "serif", "sans", "mono"];
  const colours = Object.fromEntries(names.map((name) => [name.replace(/-(.)/, (_, c) => c.toUpperCase()), value(name)]));
  return /** @type {ReturnType<typeof palette>} */ ({ ...colours, rem: parseFloat(style.fontSize) });
}

/**
 * Whether the window is that of a projector or a laptop, whatever the size of the text: there the main figure of a view is seen whole, and what
 * has no room stands below it.
 */
export const isStage = () => innerWidth >= 60 * (document.documentElement.hasAttribute("data-large-text") ? 16 : palette().rem);

// Calls back when light turns to dark or the text size changes, so that a canvas can be redrawn.
export function onLook(redraw) {
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["class", "style"] });
}

export function download(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Saves what `draw(context, width, height)` draws as a picture, on paper, at three times the page's pixels.
export function savePicture(name, width, height, draw) {
  const canvas = document.createElement("canvas");
  const context = fit(canvas, width, height, 3);
  context.fillStyle = palette().paper;
  context.fillRect(0, 0, width, height);
  draw(context, width, height);
  canvas.toBlob((blob) => download(name, blob));
}
