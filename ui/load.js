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

  /** @typedef {{load: (module: string) => any, styles?: string}} Bundle */

  /** @type {Map<string, Promise<Bundle>>} by address, those that have not failed */
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

  /** @type {Set<Bundle>} those whose style sheets are on the page */
  const dressed = new Set();

  // In the order in which they are named, whichever came first. As Gradio does with the style sheets that it is given, each rule comes twice:
  // as it is, and below Gradio's own classes, so that it outweighs Gradio's rules and ours that came before.
  function dress(bundle) {
    const { styles } = bundle;
    if (!styles || dressed.has(bundle)) return;
    dressed.add(bundle);
    const textContent = `${styles}\n.gradio-container.gradio-container .contain {\n${styles}\n}`;
    document.head.append(Object.assign(document.createElement("style"), { textContent }));
    /** @type {*} */ (window).soliloquy.display.fitBreakpoints();
  }

  /**
   * Gives the exports of a module. What cannot be loaded is tried again: at a press, or once the server answers.
   * @param {string} module
   * @param {string[]} needed the names of the bundles, the module's own last
   * @param {Element | null} place for what is to be said
   */
  async function load(module, needed, place) {
    const addresses = needed.map((name) => `${/** @type {*} */ (window).soliloquy.bundles}${name}.js`);
    for (let unrun = 0; ; ) {
      try {
        const bundles = await Promise.all(addresses.map(script));
        bundles.forEach(dress);
        return bundles.at(-1).load(module);
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
     * @param {string[]} needed
     * @param {HTMLElement} element
     * @param {Record<string, any>} props
     */
    async start(module, needed, element, props) {
      opening()?.remove();
      const place = element.closest('[role="tabpanel"]') && element; // the header leaves the words to the tab that is open
      return (await load(module, needed, place)).start(element, props);
    },
    /**
     * What `import(module)` means in a bundle. The view that is open says what is in the way.
     * @param {string} module
     * @param {string[]} needed
     */
    bring(module, needed) {
      const open = [...document.querySelectorAll('[role="tabpanel"]')].findLast((panel) => panel.checkVisibility());
      return load(module, needed, open ?? null);
    },
  };
})());
