// A rail: names below one another beside what they open, of which one is open.

/** A list of such names. @param {HTMLElement} list @param {boolean} [wraps] whether it becomes a row where a page is narrow */
export function asRail(list, wraps = true) {
  list.classList.add("rail", ...(wraps ? ["rail-wraps"] : []));
  return list;
}

/** A place in a rail: a button that opens, or a name above them. @template {HTMLElement} Node @param {Node} node @returns {Node} */
export function asRailPlace(node) {
  node.classList.add("rail-place");
  return node;
}

/** Marks the place that is open. @param {Iterable<[string, HTMLElement]>} places by id @param {string | null | undefined} open an id */
export function markOpen(places, open) {
  for (const [id, place] of places) {
    if (id === open) place.setAttribute("aria-current", "true");
    else place.removeAttribute("aria-current");
  }
}
