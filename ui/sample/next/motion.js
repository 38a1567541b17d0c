// Movements one after another, each for some milliseconds.

/** @typedef {[number, (share: number) => void]} Phase milliseconds, and what draws a share of it, from 0 to 1 */

/**
 * Plays the phases, then calls back. Each ends with share 1, however short its time was.
 * @param {Phase[]} phases
 * @param {() => void} done
 * @returns {() => void} ends all of it at once
 */
export function play(phases, done) {
  const waiting = [...phases];
  let [began, frame] = [performance.now(), 0];
  const end = () => {
    cancelAnimationFrame(frame);
    for (const [, draw] of waiting.splice(0)) draw(1);
    done();
  };
  const move = (now) => {
    const [ms, draw] = waiting[0];
    const share = Math.min(1, Math.max(0, (now - began) / ms));
    draw(share);
    if (share === 1) {
      waiting.shift();
      began = now;
    }
    if (waiting.length) frame = requestAnimationFrame(move);
    else done();
  };
  move(began);
  return end;
}
