// Which of the page's tabs is open belongs to its address. The tabs are Gradio's.
const SHOWN = '#tabs > .tab-wrapper .tab-container:not(.visually-hidden) [role="tab"]';
const nameOf = (tab) => tab.textContent.trim().toLowerCase();

export function followTabs(address) {
  const tabs = [...document.querySelectorAll(SHOWN)];
  const keep = (tab) => tab && address.keep("tab", nameOf(tab) === nameOf(tabs[0]) ? "" : nameOf(tab)); // the first needs no word
  document.addEventListener("click", ({ target }) => keep(target.closest?.(SHOWN)));
  const wanted = tabs.find((tab) => nameOf(tab) === address.get("tab"));
  if (wanted) wanted.click();
  else keep(tabs.find((tab) => tab.ariaSelected === "true")); // somebody was quicker than this script
}

// The Sample tab, which the other tabs share controls and address with. It is mounted first, and may not be ready yet.
export function sampleTab() {
  return new Promise((resolve) => {
    const ask = () => (window.soliloquy.sampleTab ? resolve(window.soliloquy.sampleTab) : requestAnimationFrame(ask));
    ask();
  });
}
