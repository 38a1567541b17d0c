export function createWriting() { return {}; }
