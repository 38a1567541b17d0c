export function createNext(panel, app) { return {}; }
