export function createOneHead() { return {}; }
