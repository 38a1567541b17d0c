export function createHeadsOff() { return {}; }
