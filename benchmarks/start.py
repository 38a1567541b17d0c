"""How long a user waits: from `python app.py` to the page, and from the click to the first character, in a real Chromium.

python -m benchmarks.start                three starts
python -m benchmarks.start --rounds 1
"""

from __future__ import annotations

import argparse
import time
import urllib.request

from playwright.sync_api import sync_playwright

from model.program import run_program
from tests.support.chromium import launch
from tests.support.server import running_app

PAGE_LIMIT_S, CHARACTER_LIMIT_S = 6.0, 0.5

# Seconds from the click to the first character in a card, by the page's own clock.
FIRST_CHARACTER = """() => new Promise((resolve) => {
  const began = performance.now();
  const prompt = document.querySelector("#prompt textarea").value.length;
  new MutationObserver((_, observer) => {
    const card = document.querySelector(".group .running .card-text");
    if (!card || card.textContent.length <= prompt) return;
    observer.disconnect();
    resolve((performance.now() - began) / 1000);
  }).observe(document.querySelector("[data-testid=folio]"), { subtree: true, childList: true, characterData: true });
  document.querySelector("#generate").click();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often the app is started")
    rounds = parser.parse_args().rounds
    pages, characters = [], []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for _ in range(rounds):
            began = time.perf_counter()
            with running_app() as url:
                urllib.request.urlopen(url).read()
                pages.append(time.perf_counter() - began)
                page = browser.new_page()
                page.goto(url)
                page.get_by_test_id("card").first.wait_for()
                page.get_by_role("button", name="Generate").wait_for()
                page.wait_for_function("!document.querySelector('.group .running')")  # the first screen's texts
                for _ in range(3):
                    characters.append(page.evaluate(FIRST_CHARACTER))
                    page.keyboard.press("Escape")  # the rest of the text is not measured
                    page.wait_for_function("!document.querySelector('.group .running')")
                page.close()
        browser.close()
    print(f"python app.py to the page served: {', '.join(f'{s:.1f}' for s in pages)} s (limit {PAGE_LIMIT_S:g} s)")
    print(f"click to first character: {', '.join(f'{s:.2f}' for s in characters)} s (limit {CHARACTER_LIMIT_S:g} s)")


if __name__ == "__main__":
    run_program(main)
