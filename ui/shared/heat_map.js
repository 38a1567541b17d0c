// A head as a picture: one pixel for each weight, square roots on a perceptually even scale; later characters are left blank.
import { onLook } from "./paint.js";

const HATCH = 5; // pixels between lines

let colours = null; // of each byte, as the pixels of the theme that is on

// 256 colours between the three of the theme, mixed in OKLab so that equal steps look equal.
function scale() {
  if (colours) return colours;
  const canvas = document.createElement("canvas");
  canvas.width = 256;
  canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let byte = 0; byte < 256; byte++) {
    const half = byte < 128 ? ["--map-low", "--map-mid", byte / 128] : ["--map-mid", "--map-high", (byte - 128) / 127];
    context.fillStyle = mix(...half);
    context.fillRect(byte, 0, 1, 1);
  }
  colours = new Uint32Array(context.getImageData(0, 0, 256, 1).data.buffer);
  return colours;
}

function mix(from, to, share) {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return `color-mix(in oklab, ${value(to)} ${100 * share}%, ${value(from)})`;
}

onLook(() => (colours = null));

// The causal half of a head, from its bytes: (n, n) pixels.
export function paintMap(canvas, bytes, n) {
  const context = size(canvas, n, n);
  const image = context.createImageData(n, n);
  const pixels = new Uint32Array(image.data.buffer);
  const scaled = scale();
  let from = 0;
  for (let row = 0; row < n; row++) for (let column = 0; column <= row; column++) pixels[row * n + column] = scaled[bytes[from++]];
  context.putImageData(image, 0, 0);
}

// One row, as a line of n pixels.
export function paintRow(canvas, bytes, n) {
  const context = size(canvas, n, 1);
  const image = context.createImageData(n, 1);
  const pixels = new Uint32Array(image.data.buffer);
  const scaled = scale();
  bytes?.forEach((byte, column) => (pixels[column] = scaled[byte]));
  context.putImageData(image, 0, 0);
}

// Colour of a weight, for what is not a picture.
export function colourOf(weight) {
  const [r, g, b] = new Uint8Array(new Uint32Array([scale()[Math.round(255 * Math.sqrt(weight))]]).buffer);
  return `rgb(${r} ${g} ${b})`;
}

// What has no weight is hatched, as where a later character cannot be attended to.
export function paintHatch(context, left, top, width, height, colours) {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.strokeStyle = colours.rule;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = left - height; x < left + width; x += HATCH * 1.5) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.stroke();
  context.restore();
}

function size(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  return canvas.getContext("2d");
}

/**
 * Any weights, a pixel for each; those that are null are left blank.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width in pixels
 * @param {number} height
 * @param {(row: number, column: number) => number | null} weightAt
 */
export function fillPixels(canvas, width, height, weightAt) {
  const context = size(canvas, width, height);
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const scaled = scale();
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const weight = weightAt(row, column);
      if (weight !== null) pixels[row * width + column] = scaled[Math.round(255 * Math.sqrt(weight))];
    }
  }
  context.putImageData(image, 0, 0);
}
