// Loads the scripts that fill Gradio's components, and says so where something cannot be loaded. Runs in <head>: it is there whatever else fails.
Object.assign(/** @type {*} */ (window).soliloquy, (() => {
  const UNREACHABLE = "The server cannot be reached. Nothing is lost.";
  const UNRUNNABLE = "This browser cannot run the page.";
  const REPLACED = "The server has a newer version of this page.";
  const [ASK_MS, SPREAD_MS] = [2_000, 2_000]; // between two questions whether the server is back; spread, so that a hall does not ask at once

  /** @type {Promise<void> | null} */
  let waiting = null;

  /** Waits until the server answers. It is asked as soon as the browser is online again, and otherwise every few seconds while the page is seen. */
  const reachable = () => (waiting ??= untilItAnswers().finally(() => (waiting = null)));

  async function untilItAnswers() {
    do await aWhile();
    while (document.hidden || !(await fetch("./healthz").then(({ ok }) => ok, () => false)));
  }

  function aWhile() {
    return new Promise((/** @type {(_: void) => void} */ rested) => {
      const end = () => {
        clearTimeout(timer);
        removeEventListener("online", end);
        rested();
      };
      const timer = setTimeout(end, ASK_MS + Math.random() * SPREAD_MS);
      addEventListener("online", end);
    });
  }

  /** @type {Map<string, Promise<{load: (module: string) => any}>>} by address, those that have not failed */
  const scripts = new Map();
  /** @type {Map<string, number>} how often an address has failed */
  const failures = new Map();

  // Browsers keep the failure of an import, so the next one has another address. Scripts do not import each other: none is there twice.
  function script(address) {
    const { href } = new URL(address, document.baseURI);
    if (!scripts.has(href)) {
      const tried = failures.get(href);
      const loading = import(tried ? `${href}?try=${tried + 1}` : href);
      scripts.set(href, loading);
      loading.catch(() => {
        scripts.delete(href);
        failures.set(href, (tried ?? 0) + 1);
      });
    }
    return scripts.get(href);
  }

  /**
   * Loads scripts, and tries again what fails: at a press, or once the server answers.
   * @param {string[]} addresses
   * @param {Element | null} place for what is to be said
   */
  async function load(addresses, place) {
    for (let unrun = 0; ; ) {
      try {
        return (await Promise.all(addresses.map(script))).at(-1);
      } catch {
        const answers = await Promise.all(addresses.map((address) => fetch(address).then(({ status }) => status, () => null)));
        const isReplaced = answers.includes(404); // by an update of the app
        if (answers.every((status) => status === 200)) unrun++; // once may be the network, which is back
        if (isReplaced) await say(place, REPLACED, "Reload").then(() => location.reload());
        else await say(place, unrun > 1 ? UNRUNNABLE : UNREACHABLE, "Try again");
      }
    }
  }

  /** Says what is wrong until somebody presses the button, or the server can be reached again. */
  async function say(place, words, press) {
    const [said, button] = [document.createElement("p"), document.createElement("button")];
    Object.assign(said, { className: "trouble" }).setAttribute("role", "alert");
    Object.assign(button, { className: "quiet inline", type: "button", textContent: press });
    said.append(words, button);
    place?.prepend(said);
    await new Promise((again) => {
      button.addEventListener("click", again);
      if (words === UNREACHABLE) void reachable().then(again);
    });
    said.remove();
  }

  // Until Gradio has drawn the page, there is the opening (ui/document.py). Without one of Gradio's own scripts it never would.
  const opening = () => document.getElementById("opening");
  async function openAgain() {
    removeEventListener("vite:preloadError", openAgain);
    removeEventListener("error", watch, { capture: true });
    await say(opening(), UNREACHABLE, "Try again");
    if (opening()) location.reload(); // else the page has come meanwhile
  }
  addEventListener("vite:preloadError", openAgain);
  const isOfGradio = (target) => target instanceof HTMLScriptElement || (target instanceof HTMLLinkElement && target.rel !== "icon");
  const watch = ({ target }) => isOfGradio(target) && opening() && void openAgain();
  addEventListener("error", watch, { capture: true });

  return {
    UNREACHABLE,
    reachable,
    /**
     * Fills a component: calls `start` of a module with the element and the properties.
     * @param {string} module
     * @param {string[]} addresses of the scripts that are needed, the module's own last
     * @param {HTMLElement} element
     * @param {Record<string, any>} props
     */
    async start(module, addresses, element, props) {
      opening()?.remove();
      const place = element.closest('[role="tabpanel"]') && element; // the header leaves the words to the tab that is open
      return (await load(addresses, place)).load(module).start(element, props);
    },
  };
})());
