"""How long the page's own scripts take for what must follow the hand, in a real Chromium.

python -m benchmarks.page
python -m benchmarks.page --slow 2                               as on a processor that is half as fast
python -m benchmarks.page --moves 5 --chars 100 --samples 10      the smallest size that makes sense
"""

from __future__ import annotations

import argparse
import random

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.viewers import percentile, verdict
from model.program import run_program
from tests.support.chromium import launch
from tests.support.server import running_app

FRAME_MS = 16  # what a screen leaves between two pictures
SCROLL_MS = 20  # from one picture to the next: a frame, and what a clock strays
TREE_MS = 100  # after which a tree that grows would be seen to stutter
MOVES = 60
TREE_WORDS = ["I", "The", "And", "What", "My", "O", "Why", "Then", "thou", "lord", "shall", "not", "will", "the", "of", "to", "be", "king"]

# Milliseconds of script for each move of a slider: its event, and the frame that draws what follows. What is asked for in between is
# called in the order in which it was asked for, so that the page's own drawing lies between the two marks.
SLIDER_MOVES = """async (moves) => {
  const slider = document.querySelector('#temperature input[type="range"]');
  const frame = () => new Promise((drawn) => requestAnimationFrame(() => drawn(performance.now())));
  const took = [];
  for (let move = 0; move < moves; move++) {
    await frame();
    await frame();
    slider.value = 0.1 + (1.9 * move) / moves;
    const before = frame();
    const began = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    const heard = performance.now();
    const after = frame();
    took.push(heard - began + (await after) - (await before));
  }
  return took;
}"""

# Milliseconds of script for each character by which all samples of a tree grow: the tree, its layout and its painting. The pixels are
# asked for, so that nothing is put off. The tree is one of the page's own, on a panel beside the others.
TREE_GROWTH = """async ({ texts, steps, whole }) => {
  const [scripts] = performance.getEntriesByType("resource").flatMap(({ name }) => name.match(/.*\\/assets\\/\\w+\\//) ?? []);
  const modules = ["sample/tree/view.js", "shared/generations.js"].map((name) => import(scripts + name));
  const [{ createTree }, { Generation, Generations }] = await Promise.all(modules);
  const { vocabulary } = (await (await fetch("./models")).json()).models[0];
  const model = { name: "tree", vocabulary, start: "\\n", idOf: (char) => vocabulary.indexOf(char) };
  const models = { list: [model], writers: [model], primary: model, find: () => null };
  const app = { models, generations: new Generations(models), address: { get: () => "", keep: () => {} } };
  const run = new Generation({ prompt: "ROMEO:", temperature: 0.8, state: "running", samples: texts.length }, model);
  app.generations.list = [run];
  const panel = document.createElement("section");
  document.querySelector(".panels").append(panel);
  const frames = [];
  const { requestAnimationFrame } = window;
  window.requestAnimationFrame = (frame) => frames.push(frame);
  createTree(panel, app).show();
  const canvas = panel.querySelector("canvas");
  const took = [];
  for (let left = steps; left >= 0; left--) {
    run.texts = texts.map((text) => text.slice(0, text.length - left));
    app.generations.dispatchEvent(new CustomEvent("grow", { detail: run }));
    const began = performance.now();
    frames.splice(0).forEach((frame) => frame());
    canvas.getContext("2d").getImageData(0, 0, 1, 1);
    took.push(performance.now() - began);
    if (whole && left === steps) panel.querySelector(".tree-toggle").click();
  }
  window.requestAnimationFrame = requestAnimationFrame;
  panel.remove();
  return took.slice(1);
}"""

# Milliseconds between pictures while the page is scrolled by a little in each: what a reader sees of texts in colour.
SCROLLING = """async (moves) => {
  const took = [];
  let before = await new Promise(requestAnimationFrame);
  for (let move = 0; move < moves; move++) {
    scrollBy(0, move % 40 < 20 ? 24 : -24);
    const now = await new Promise(requestAnimationFrame);
    took.push(now - before);
    before = now;
  }
  return took.slice(1);
}"""

# Milliseconds for each move of the mouse over a text: from the event to all that is said of the character, in its place.
HOVERS = """async (moves) => {
  const [body, inspector] = [document.querySelector(".folio .card-text"), document.querySelector(".inspector")];
  const box = body.getBoundingClientRect();
  const took = [];
  for (let move = 0; move < moves; move++) {
    const at = { clientX: box.left + 40 + 3 * move, clientY: box.top + 64 };
    const began = performance.now();
    body.dispatchEvent(new PointerEvent("pointermove", { ...at, pointerType: "mouse", bubbles: true }));
    for (let promise = 0; promise < 20; promise++) await null; // what is known already is said without waiting for the next picture
    inspector.getBoundingClientRect();
    took.push(performance.now() - began);
    if (!inspector.matches(":popover-open")) throw new Error(`nothing was said of move ${move}`);
    await new Promise(requestAnimationFrame);
  }
  return took;
}"""


def open_view(browser: Browser, url: str, view: str) -> Page:
    """The page with one of its views, drawn."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{url}/?view={view}")
    page.locator("[data-ready]").wait_for(state="attached")
    return page


def slow_down(page: Page, slow: float) -> None:
    """Makes the page's main thread so many times slower, until the page is closed."""
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slow})


def slider_moves(browser: Browser, url: str, moves: int, slow: float) -> None:
    """The bars of the next character while the temperature moves."""
    page = open_view(browser, url, "next")
    page.locator(".next-bars[aria-busy=false]").wait_for()
    slow_down(page, slow)
    page.evaluate(SLIDER_MOVES, 10)  # warms up
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    took = page.evaluate(SLIDER_MOVES, moves)
    show("slider move to redrawn bars", took, FRAME_MS, f"{len(requests)} requests")
    page.close()


def growing_tree(browser: Browser, url: str, moves: int, slow: float, samples: int, lengths: tuple[int, ...]) -> None:
    """The tree of many samples while they are written: its largest branches, and every one of them."""
    page = open_view(browser, url, "tree")
    slow_down(page, slow)
    rng = random.Random(1)
    for n_chars in lengths:
        texts = ["\n" + " ".join(rng.choices(TREE_WORDS, k=n_chars))[:n_chars] for _ in range(samples)]
        for whole in (False, True):
            took = page.evaluate(TREE_GROWTH, {"texts": texts, "steps": moves, "whole": whole})
            show(f"tree of {samples} x {n_chars:,}", took, TREE_MS, "all rows" if whole else "small branches folded")
    page.close()


def coloured_texts(browser: Browser, url: str, moves: int, slow: float, chars: int) -> None:
    """Sixteen texts in colour: scrolled, and pointed at."""
    page = open_view(browser, url, "texts")
    settings = f"prompt=ROMEO:&samples=16&length={chars}&seed=1&colours=1&run=0.8,{chars},16,1,0,0,0,1,"
    page.goto(f"{url}/?{settings}")
    page.get_by_text(f"{16 * chars:,} characters in").wait_for(timeout=300_000)
    page.wait_for_function("least => CSS.highlights.get('heat-3').size >= least", arg=chars // 20)
    page.wait_for_timeout(2000)
    slow_down(page, slow)
    page.evaluate(HOVERS, 5)  # warms up, and fetches what is said of the first text
    page.wait_for_timeout(1000)
    show(f"16 x {chars:,} in colour, hover", page.evaluate(HOVERS, moves), FRAME_MS, "script, styles and layout")
    page.evaluate("scrollTo(0, 0)")
    show(f"16 x {chars:,} in colour, scroll", page.evaluate(SCROLLING, 2 * moves), SCROLL_MS, "between pictures; a frame is 16.7")
    page.close()


def show(name: str, took: list[float], limit: float, remark: str = "") -> None:
    """One line: what was measured, and whether it is fast enough."""
    p50, p95 = percentile(took, 0.5), percentile(took, 0.95)
    print(f"{name:<30} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  limit {limit:g} ms: {verdict(p95 <= limit)}  {remark}".rstrip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=MOVES, help="measured moves of each kind")
    parser.add_argument("--slow", type=float, default=1, help="times that the page's main thread is made slower")
    parser.add_argument("--samples", type=int, default=200, help="texts of the tree")
    parser.add_argument("--chars", type=int, default=2000, help="characters of the longest texts; trees of 300 are measured too")
    options = parser.parse_args()
    with running_app() as url, sync_playwright() as playwright:
        browser = launch(playwright)
        slider_moves(browser, url, options.moves, options.slow)
        growing_tree(browser, url, options.moves, options.slow, options.samples, (min(300, options.chars), options.chars))
        coloured_texts(browser, url, options.moves, options.slow, options.chars)
        browser.close()


if __name__ == "__main__":
    run_program(main)
