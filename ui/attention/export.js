export function createExport() { return {}; }
