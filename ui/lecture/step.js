// The keys of a presenter's clicker.

const STEPS = { ArrowLeft: -1, PageUp: -1, ArrowRight: 1, PageDown: 1 };

/** Where a key leads: -1, 1, or 0 for any other. @param {KeyboardEvent} event */
export function stepOf({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  return ctrlKey || metaKey || altKey || shiftKey ? 0 : (STEPS[key] ?? 0);
}

/** Whether a key that leads somewhere is a clicker's own: nothing else on the page has it. @param {KeyboardEvent} event */
export const isClicker = ({ key }) => key.startsWith("Page");
