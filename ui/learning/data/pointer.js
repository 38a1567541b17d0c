// Browsers also report a mouse at rest when something moves below it, as when keys scroll: that is not pointing.
let [x, y, moved] = [NaN, NaN, false];

document.addEventListener(
  "pointermove",
  ({ screenX, screenY }) => {
    moved = screenX !== x || screenY !== y;
    [x, y] = [screenX, screenY];
  },
  { capture: true, passive: true },
);

/** Whether the pointer was moved to where a pointermove reports it. */
export const hasMoved = () => moved;
