export function createScore(panel, app) { return {}; }
