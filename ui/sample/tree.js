export function createTree(panel, app) { return {}; }
