// Play: the playhead of a chart moves from one step to another in a few seconds. Under reduced motion it is there at once.
import { calm } from "../shared/dom.js";

const PLAY_MS = 8_000; // from the first step to the last

/** @param {(step: number, isOver: boolean) => void} move called with each place of the playhead */
export function createPlayback(move) {
  let frame = 0;
  const playback = {
    get isPlaying() {
      return frame !== 0;
    },
    /** @param {number} from @param {number} to steps @param {number} whole of the run: a part of it takes a part of the time */
    play(from, to, whole) {
      playback.pause();
      if (calm()) return move(to, true);
      const began = performance.now();
      const next = (now) => {
        const step = from + (whole * Math.max(0, now - began)) / PLAY_MS;
        frame = step < to ? requestAnimationFrame(next) : 0;
        move(Math.min(step, to), !frame);
      };
      frame = requestAnimationFrame(next);
    },
    pause() {
      cancelAnimationFrame(frame);
      frame = 0;
    },
  };
  return playback;
}
