export function createLocked(panel, app) { return {}; }
