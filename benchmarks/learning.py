"""How long the Learning tab takes in a real Chromium: until all networks of the ladder write, and until a step of a training has its text.

python -m benchmarks.learning
python -m benchmarks.learning --presses 1 --steps 2
"""

from __future__ import annotations

import argparse

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.page import show
from model.program import run_program
from tests.support.chromium import launch
from tests.support.server import running_app
from tests.support.viewing import answer

ALL_WRITE_MS = 1_000  # from a press on "New dice" until each network has written its first character
NEW_STEP_MS = 1_000  # from a move of the slider until the first line of a step that was not seen before
SEEN_STEP_MS = 300  # ... and of one that was
LINE = 40  # characters, where no line ends before
REFRESH_MS = 10
EARLY = 0.01  # of the slider's logarithmic axis (ui/shared/step_axis.js)

# Milliseconds from a press on "New dice" until every network shows a character of its new text.
PRESS = """async ({ refresh }) => {
  const root = document.querySelector("#learning-views");
  const texts = () => [...root.querySelectorAll(".ladder-text")];
  const began = performance.now();
  [...root.querySelectorAll("button")].find((button) => button.textContent.trim() === "New dice").click();
  const isNew = (node) => !node.classList.contains("ladder-old") && node.lastChild.length > 0;
  while (!texts().every(isNew)) await new Promise((rested) => setTimeout(rested, refresh));
  const took = performance.now() - began;
  while (texts().some((node) => node.matches(".ladder-writing, .ladder-old"))) await new Promise((rested) => setTimeout(rested, refresh));
  return took;
}"""

# Milliseconds from a move of the slider to a step until the first line of its text is there. The rest of the text is waited for, too.
MOVE = """async ({ step, steps, early, line, refresh }) => {
  const text = document.querySelector("#learning-views .training-text");
  const slider = document.querySelector("#learning-views .training-slider");
  const began = performance.now();
  slider.value = String(Math.log1p(step / (early * steps)) / Math.log1p(1 / early));
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  const grown = () => text.lastElementChild.textContent;
  const hasLine = () => grown().includes("\\n", 1) || grown().length >= line;
  const isThere = () => text.dataset.step === String(step) && !text.matches(".stale") && hasLine();
  while (!isThere()) await new Promise((rested) => setTimeout(rested, refresh));
  const took = performance.now() - began;
  while (!text.hasAttribute("data-done")) await new Promise((rested) => setTimeout(rested, refresh));
  return took;
}"""


def open_view(browser: Browser, url: str, view: str) -> Page:
    """A view of the tab on a page of its own."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{url}/#tab=learning&learning={view}")
    page.locator("#learning-views [data-ready]").wait_for(state="attached")
    return page


def time_ladder(page: Page, presses: int) -> list[float]:
    """Milliseconds of each press, once all networks are loaded."""
    page.wait_for_function("() => document.querySelectorAll('.ladder-text').length > 1")
    found = [page.evaluate(PRESS, {"refresh": REFRESH_MS}) for _ in range(presses + 1)]
    return found[1:]


def time_steps(page: Page, url: str, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of jumps to steps that were not seen before, and of jumps back to them.

    The page fetches the neighbours of a step ahead, so every other step is left out, and each jump goes far.
    """
    page.wait_for_function("() => document.querySelector('.training-text[data-done]')")
    run = answer(url, "GET", "/learning/runs")[1]["runs"][0]
    steps = [snapshot["step"] for snapshot in run["snapshots"]][:-1:3]
    order = [steps[i // 2 if i % 2 == 0 else -1 - i // 2] for i in range(len(steps))][:count]
    asked = {"steps": run["steps"], "early": EARLY, "line": LINE, "refresh": REFRESH_MS}
    new, seen = ([page.evaluate(MOVE, asked | {"step": step}) for step in order] for _ in range(2))
    return new, seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presses", type=int, default=10, help="presses on New dice")
    parser.add_argument("--steps", type=int, default=4, help="steps of the training that are seen")
    options = parser.parse_args()
    with running_app() as url, sync_playwright() as playwright:
        browser = launch(playwright)
        page = open_view(browser, url, "ladder")
        show("ladder, all networks write", time_ladder(page, options.presses), ALL_WRITE_MS, "from a press to a character of each")
        page.close()
        page = open_view(browser, url, "training")
        new, seen = time_steps(page, url, options.steps)
        show("training, a new step", new, NEW_STEP_MS, "from a move to its first line")
        show("training, a step seen before", seen, SEEN_STEP_MS, "likewise")
        browser.close()


if __name__ == "__main__":
    run_program(main)
