// Theme and text size. Runs in <head>, before anything is drawn, so that neither flickers.
/** @type {*} */ (window).soliloquy = {
  display: (() => {
    const SIZES = [0.875, 1, 1.15, 1.3, 1.5]; // times the size that first.css gives
    const NORMAL = 1;
    const LARGE = 3; // from here on there is no room for what only explains

    // Storage may be blocked (private windows, frames): then a choice lasts as long as the page.
    const remembered = (key) => {
      try {
        return localStorage.getItem(key);
      } catch {
        return null;
      }
    };
    const remember = (key, value) => {
      try {
        localStorage.setItem(key, value);
      } catch {}
    };

    let size = Number(remembered("soliloquy-size") ?? NORMAL);
    if (!(size in SIZES)) size = NORMAL;
    const root = document.documentElement;
    const applySize = () => {
      const shown = Math.min(size + (document.fullscreenElement ? 1 : 0), SIZES.length - 1); // full screen enlarges
      root.style.setProperty("--text-scale", String(SIZES[shown]));
      root.toggleAttribute("data-large-text", shown >= LARGE);
      fitBreakpoints();
    };

    // A rem of a media query is 16 px whatever the page's own is. So their conditions are put in pixels, for the rem that there is: a window
    // has the layout for as much text as it holds.
    const conditions = new WeakMap();
    const mediaRules = (rules) => [...(rules ?? [])].flatMap((rule) => (rule instanceof CSSMediaRule ? [rule] : mediaRules(rule.cssRules)));
    const fitBreakpoints = () => {
      const rem = parseFloat(getComputedStyle(root).fontSize);
      for (const sheet of [...document.styleSheets].filter(({ href }) => !href)) {
        for (const rule of mediaRules(sheet.cssRules)) {
          if (!conditions.has(rule)) conditions.set(rule, rule.media.mediaText);
          const fitting = conditions.get(rule).replace(/([\d.]+)rem/g, (_, rems) => `${rems * rem}px`);
          if (rule.media.mediaText !== fitting) rule.media.mediaText = fitting;
        }
      }
    };
    addEventListener("resize", fitBreakpoints);
    document.addEventListener("fullscreenchange", () => {
      root.toggleAttribute("data-full-screen", Boolean(document.fullscreenElement));
      applySize();
    });
    // By capture: a dialog's event does not bubble.
    document.addEventListener("toggle", () => root.toggleAttribute("data-dimmed", Boolean(document.querySelector("dialog:modal"))), true);
    // Our style sheets come with Gradio's scripts, at once with what they are for.
    const arriving = new MutationObserver(() => {
      const isOurs = (sheet) => !sheet.href && [...sheet.cssRules].some((rule) => rule instanceof CSSMediaRule && rule.media.mediaText.includes("rem"));
      if (![...document.styleSheets].some(isOurs)) return;
      arriving.disconnect();
      fitBreakpoints();
    });
    arriving.observe(root, { subtree: true, childList: true });

    const isDark = () => root.classList.contains("dark");
    const applyDark = (dark) => {
      root.classList.toggle("dark", dark);
      document.body?.classList.toggle("dark", dark); // Gradio's own variables hang on the body
    };
    // What the address asks for, as Gradio promises, else what was chosen here, else what the system prefers.
    const asked = new URLSearchParams(location.search).get("__theme");
    const wanted = ["dark", "light", "system"].includes(asked) ? asked : (remembered("soliloquy-theme") ?? "system");
    applySize();
    applyDark(wanted === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : wanted === "dark");
    // Gradio sets its class from the system's preference once it has started; ours stays.
    new MutationObserver(() => {
      if (document.body && document.body.classList.contains("dark") !== isDark()) applyDark(isDark());
    }).observe(root, { subtree: true, attributes: true, attributeFilter: ["class"] });

    return {
      fitBreakpoints, // for style sheets that come later
      isDark,
      setDark(dark) {
        applyDark(dark);
        remember("soliloquy-theme", dark ? "dark" : "light");
        const address = new URL(location.href);
        address.searchParams.delete("__theme");
        history.replaceState(history.state, "", address); // this choice is the later one
      },
      changeSize(by) {
        size = by === 0 ? NORMAL : Math.min(SIZES.length - 1, Math.max(0, size + by));
        applySize();
        remember("soliloquy-size", size);
      },
    };
  })(),
};
