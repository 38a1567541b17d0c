"""Going through a lecture by keys, for tests and benchmarks: which view a scene's address means, and when the page shows it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from playwright.sync_api import Page

VIEWS = {  # under which name a tab keeps its view in an address
    "sample": "view",
    "attention": "see",
    "learning": "learning",
    "assistant": "assistant",
    "meaning": "meaning",
    "class": "class",
    "train": "train",
}

# Counts the requests that a view waits for. Of texts that are written, and of other streams, the first line is enough. What belongs
# to no view does not count: whether the app is there, and what the class does.
COUNT_REQUESTS = """() => {
  const STREAMS = /\\/(write|follow|write_without|learning\\/heads)$/;
  const APART = /\\/(healthz|class\\/stream)/;
  const { fetch } = window;
  window.pending = 0;
  window.fetch = async (address, ...rest) => {
    const { pathname } = new URL(address, document.baseURI);
    if (APART.test(pathname)) return fetch(address, ...rest);
    window.pending++;
    try {
      const answer = await fetch(address, ...rest);
      if (!STREAMS.test(pathname)) await answer.clone().arrayBuffer();
      return answer;
    } finally {
      window.pending--;
    }
  };
  addEventListener("keydown", () => (window.pressedAt = performance.now()), { capture: true });
}"""

# Milliseconds from the last key until a scene is there: its number stands in the bar, its tab and view are open and filled, nothing that
# they have asked for is missing, and two pictures were drawn since. After a while without that, it is an error.
THERE = """async ({ scene, tab, view, patience }) => {
  const shown = (selector) => [...document.querySelectorAll(selector)].filter((node) => node.checkVisibility());
  const state = () => {
    const opened = shown('#tabs > .tab-wrapper [role="tab"][aria-selected="true"]').map((node) => node.textContent.trim().toLowerCase());
    const opener = shown('.view-tab[aria-selected="true"]')[0];
    const panel = opener && document.getElementById(opener.getAttribute("aria-controls"));
    const first = opener?.parentElement.querySelector(".view-tab");
    if (document.querySelector(".lecture")?.dataset.scene !== String(scene)) return "the scene's number";
    if (opened[0] !== tab) return `the tab ${tab}`;
    if (!opener || (view ? !opener.id.endsWith(`view-${view}`) : opener !== first)) return `the view ${view || "that is the tab's first"}`;
    if (!panel.checkVisibility() || !panel.childElementCount) return "the view's content";
    if (window.pending) return `${window.pending} answers`;
    return "";
  };
  const frame = () => new Promise(requestAnimationFrame);
  const until = performance.now() + patience;
  let since = 0;
  for (let quiet = 0; quiet < 3; ) {
    const missing = state();
    if (!missing) quiet++;
    else if (performance.now() > until) throw new Error(`scene ${scene} has not come: ${missing} is missing`);
    else quiet = 0;
    if (quiet === 1) since = performance.now();
    if (quiet < 3) await frame();
  }
  return since - window.pressedAt;
}"""


def view_of(address: str) -> dict[str, str]:
    """The tab and the view that an address means; "" for the tab's first view."""
    state = parse_qs(address.removeprefix("#"))
    tab = state.get("tab", ["sample"])[0]
    return {"tab": tab, "view": state.get(VIEWS[tab], [""])[0]}


def begin_lecture(page: Page, url: str) -> list[dict[str, str]]:
    """Opens the page and the lecture, and returns its scenes once nothing more is fetched ahead."""
    page.add_init_script(f"({COUNT_REQUESTS})()")
    page.goto(url)
    page.locator("[data-ready]").first.wait_for(state="attached")
    page.get_by_role("button", name="Lecture").click()
    page.locator(".lecture[data-ahead]").wait_for()
    lecture: dict[str, Any] = page.evaluate("async () => (await fetch('./lecture')).json()")
    return lecture["scenes"]


def wait_for_scene(page: Page, scene: int, address: str, patience_s: float = 60) -> float:
    """Waits until a scene, counted from 1, is there; returns the milliseconds since the last key."""
    took: float = page.evaluate(THERE, {"scene": scene, **view_of(address), "patience": 1e3 * patience_s})
    return took
