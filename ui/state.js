// Theme and text size. Runs in <head>, before anything is drawn, so that neither flickers.
/** @type {*} */ (window).soliloquy = {
  display: (() => {
    const SIZES = [0.875, 1, 1.2, 1.45, 1.75];
    const NORMAL = 1;

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
    const applySize = () => {
      document.documentElement.style.setProperty("--text-scale", String(SIZES[size]));
      document.documentElement.toggleAttribute("data-large-text", SIZES[size] > 1.4);
    };

    const root = document.documentElement;
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
