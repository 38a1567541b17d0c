// The panel for the projector: the address that a class can open, with its QR code.

/** @typedef {{address: string, modules: string[]}} Invitation */

/** @param {HTMLElement} element @param {Invitation} invitation */
export function createClassPanel(element, { address, modules }) {
  const panel = /** @type {HTMLDialogElement} */ (element.querySelector(".class-panel"));

  // http:// stands on a line of its own. A name may break before its domain; a number and its port are one piece: nobody types a space there.
  const [, scheme, host, port] = address.match(/^(https?:\/\/)(.*?)(:\d+)?$/);
  const [, name, domain] = host.match(/^([a-z][^.]*|.*)(.*)$/i);
  const text = /** @type {HTMLElement} */ (panel.querySelector(".address"));
  const label = document.createElement("span");
  label.className = "scheme";
  label.textContent = scheme;
  text.append(label, name);
  if (domain) text.append(document.createElement("wbr"), domain);
  if (port) text.append(port);

  const QUIET = 4; // modules of white around a code, as its standard asks
  const side = modules.length + 2 * QUIET;
  const code = panel.querySelector(".qr");
  code.setAttribute("viewBox", `${-QUIET} ${-QUIET} ${side} ${side}`);
  const runs = modules.flatMap((row, y) => [...row.matchAll(/1+/g)].map((run) => `M${run.index} ${y}h${run[0].length}v1h-${run[0].length}z`));
  code.querySelector("path").setAttribute("d", runs.join(""));

  // The address is as large as its room allows.
  const room = panel.querySelector(".room");
  const invitation = /** @type {HTMLElement} */ (panel.querySelector(".invitation"));
  const fits = (size) => {
    text.style.fontSize = `${size}px`;
    return text.scrollWidth <= text.clientWidth && invitation.offsetHeight <= room.clientHeight;
  };
  const fit = () => {
    let [low, high] = [16, 400];
    text.style.overflowWrap = "normal";
    while (high - low > 0.5) {
      const middle = (low + high) / 2;
      if (fits(middle)) low = middle;
      else high = middle;
    }
    if (!fits(low)) text.style.overflowWrap = "anywhere"; // a name wider than the room at any size
  };
  new ResizeObserver(() => panel.open && fit()).observe(room);

  const button = document.createElement("button");
  button.type = "button";
  button.className = "join";
  button.textContent = "Join";
  button.title = "Show the address for the class";
  button.setAttribute("aria-label", "Join: show the address for the class");
  button.addEventListener("click", () => panel.showModal());
  element.querySelector(".tools").prepend(button);
  panel.querySelector(".close").addEventListener("click", () => panel.close());
  // While the panel is open, Escape and all other keys are its own: they do not stop what the page is writing.
  window.addEventListener("keydown", (event) => panel.open && event.stopPropagation(), { capture: true });
}
