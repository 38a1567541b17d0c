// Play: from step to step, each for as long as it takes to read it. It waits for what it shows, so that it never outruns the machine.
import { calm } from "./dom.js";
import { Latest } from "./requests.js";

const READ_MS = 1_600; // the first lines of a text

/**
 * @param {object} steps
 * @param {() => boolean} steps.next moves on; false at the last step
 * @param {() => void} steps.begin goes to the first step if the last one is shown
 * @param {(signal: AbortSignal) => Promise<void>} steps.readable waits for the first lines
 * @param {() => void} changed called when playing begins or ends
 * @param {number} [readMs] how long a step is shown
 */
export function createPlayer({ next, begin, readable }, changed, readMs = READ_MS) {
  const playing = new Latest();
  const player = {
    get isPlaying() {
      return playing.isBusy;
    },
    pause() {
      if (!playing.isBusy) return;
      playing.cancel();
      changed();
    },
    /** Under reduced motion nothing moves by itself: each press is a step. */
    async play() {
      if (playing.isBusy) return player.pause();
      begin();
      if (calm()) return void next();
      const signal = playing.begin();
      changed();
      try {
        do {
          await Promise.all([readable(signal), new Promise((rested) => setTimeout(rested, readMs))]);
          signal.throwIfAborted();
        } while (next());
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      playing.end(signal);
      if (!signal.aborted) changed();
    },
  };
  return player;
}
