export function createLens() { return {}; }
