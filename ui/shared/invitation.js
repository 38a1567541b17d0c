// The address that a class can open, in writing and as a QR code.

/** @typedef {{address: string, modules: string[]}} Invitation the modules of the code row by row, "1" is dark */

const QUIET = 4; // modules of white around a code, as its standard asks

/**
 * Writes an address. http:// stands on a line of its own. A name may break before its domain; a number and its port are one piece: nobody types
 * a space there.
 * @param {HTMLElement} node
 * @param {string} address
 */
export function writeAddress(node, address) {
  const [, scheme, host, port] = address.match(/^(https?:\/\/)(.*?)(:\d+)?$/);
  const [, name, domain] = host.match(/^([a-z][^.]*|.*)(.*)$/i);
  const label = document.createElement("span");
  label.className = "scheme";
  label.textContent = scheme;
  node.replaceChildren(label, name);
  if (domain) node.append(document.createElement("wbr"), domain);
  if (port) node.append(port);
}

/** @param {Element} svg with a path @param {string[]} modules */
export function drawCode(svg, modules) {
  const side = modules.length + 2 * QUIET;
  svg.setAttribute("viewBox", `${-QUIET} ${-QUIET} ${side} ${side}`);
  const runs = modules.flatMap((row, y) => [...row.matchAll(/1+/g)].map((run) => `M${run.index} ${y}h${run[0].length}v1h-${run[0].length}z`));
  svg.querySelector("path").setAttribute("d", runs.join(""));
}
