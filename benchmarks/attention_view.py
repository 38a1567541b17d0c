"""How long the Attention tab takes in a real Chromium: from a click to the pixels of all heads, and to follow the hand.

python -m benchmarks.attention_view
python -m benchmarks.attention_view --slow 2              as on a processor that is half as fast
python -m benchmarks.attention_view --reads 1 --moves 5
"""

from __future__ import annotations

import argparse

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.page import FRAME_MS, MOVES, show, slow_down
from model.program import run_program
from tests.support.chromium import launch
from tests.support.server import running_app

PIXELS_MS = 400  # from a click until all heads are seen

# Milliseconds from a press on "Read it" until every head is painted and its pixels are there. Each time another text of the same
# length, so that nothing is remembered.
READ_TEXTS = """async ({ texts }) => {
  const root = document.querySelector("#attention-views");
  const press = (name) => [...root.querySelectorAll("button")].find((button) => button.textContent === name).click();
  const took = [];
  for (const text of texts) {
    press("Enter a text");
    root.querySelector("textarea").value = text;
    const maps = [...root.querySelectorAll(".tile-map")];
    const line = root.querySelector(".look-line");
    const changed = new Promise((seen) => {
      const watch = new MutationObserver(() => (watch.disconnect(), seen()));
      watch.observe(line, { childList: true, subtree: true, characterData: true });
    });
    const began = performance.now();
    press("Read it");
    await changed;
    await new Promise(requestAnimationFrame);
    maps.forEach((map) => map.getContext("2d").getImageData(map.width - 1, map.height - 1, 1, 1));
    took.push(performance.now() - began);
  }
  return took;
}"""

# Milliseconds for each move over the text: the event, and all heads, the text and the bars that follow. And from picture to picture.
HOVERS = """async (moves) => {
  const characters = document.querySelectorAll("#attention-views .look-char");
  const [took, pictures] = [[], []];
  let before = await new Promise(requestAnimationFrame);
  for (let move = 0; move < moves; move++) {
    const at = characters[(move * 37) % characters.length];
    const began = performance.now();
    at.dispatchEvent(new PointerEvent("pointermove", { pointerType: "mouse", bubbles: true }));
    for (let promise = 0; promise < 20; promise++) await null; // what is known already is drawn without waiting for the next picture
    document.body.getBoundingClientRect(); // styles and layout, too
    took.push(performance.now() - began);
    if (!at.matches(".here")) throw new Error(`move ${move} was not followed`);
    const now = await new Promise(requestAnimationFrame);
    pictures.push(now - before);
    before = now;
  }
  return { took, pictures };
}"""


def open_attention(browser: Browser, url: str) -> Page:
    """The tab, drawn."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(url)
    page.locator("#sample-views[data-ready], #sample-views [data-ready]").first.wait_for(state="attached")
    page.get_by_role("tab", name="Attention").click()
    page.locator("#attention-views [data-ready]").wait_for(state="attached")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=20, help="texts that are read")
    parser.add_argument("--moves", type=int, default=MOVES, help="moves over the text")
    parser.add_argument("--slow", type=float, default=1, help="times that the page's main thread is made slower")
    options = parser.parse_args()
    with running_app() as url, sync_playwright() as playwright:
        browser = launch(playwright)
        page = open_attention(browser, url)
        slow_down(page, options.slow)
        texts = [(f"KING HENRY:\nWhat, {'o' * number} my lord? " * 16)[:256] for number in range(options.reads)]
        page.evaluate(READ_TEXTS, {"texts": ["warm up " * 32]})
        show("click to pixels, 36 x 256", page.evaluate(READ_TEXTS, {"texts": texts}), PIXELS_MS)
        page.evaluate(HOVERS, 5)
        hovers = page.evaluate(HOVERS, options.moves)
        show("hover, 36 heads follow", hovers["took"], FRAME_MS, "script, styles and layout")
        show("hover, picture to picture", hovers["pictures"], 2 * FRAME_MS, "painted without a GPU; a frame is 16.7")
        browser.close()


if __name__ == "__main__":
    run_program(main)
