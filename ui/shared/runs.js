// What several tabs say of a run of training.

/** @param {{state: string}} run */
export const isUnderWay = ({ state }) => state === "running" || state === "stopping";

/** How a run has ended: "finished", "crashed", ... @param {{state: string}} run */
export const endInWords = ({ state }) => (state === "died" ? "crashed" : state);

/** How an address names a run that kept snapshots. @param {{source: string, id: string}} run */
export const nameInAddress = ({ source, id }) => `${source}/${id}`;
