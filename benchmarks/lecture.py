"""The lecture that comes with the app, gone through by keys alone: how long after the key each scene is there.

    python -m benchmarks.lecture
    python -m benchmarks.lecture --scenes 3 --rounds 1      the smallest size that makes sense

In a real Chromium of 1280 x 720 pixels, without a network besides the app: first forwards, when tabs are opened for the first time,
then back. A scene is there once its view is shown and has all that it asked the server for; of texts, the first characters.
Before the first key the browser has fetched ahead what a lecture needs, as it does while the lecturer greets the class.
"""

from __future__ import annotations

import argparse
import time

from playwright.sync_api import Page, sync_playwright

from benchmarks.viewers import percentile, verdict
from model.program import run_program
from tests.support.chromium import launch
from tests.support.scenes import begin_lecture, wait_for_scene
from tests.support.server import running_app

LIMIT_MS = 1_000
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def walk(page: Page, scenes: list[dict[str, str]], key: str, numbers: range) -> list[tuple[float, str]]:
    """Presses a key for each of these scenes; milliseconds and titles."""
    took = []
    for number in numbers:
        page.keyboard.press(key)
        scene = scenes[number - 1]
        took.append((wait_for_scene(page, number, scene["address"]), scene["title"]))
        page.wait_for_timeout(300)  # the lecturer speaks; without a pause, steps that follow each other are taken as one
    return took


def show(name: str, took: list[tuple[float, str]]) -> None:
    """One line: the times, whether all are short enough, and the longest ones."""
    times = [ms for ms, _ in took]
    slowest = ", ".join(f"{title} {ms:.0f}" for ms, title in sorted(took, reverse=True)[:3])
    p50, p95, most = percentile(times, 0.5), percentile(times, 0.95), max(times)
    print(
        f"{name:<12} {len(took)} scenes  p50 {p50:5.0f} ms  p95 {p95:5.0f} ms  max {most:5.0f} ms  limit {LIMIT_MS:,} ms: "
        f"{verdict(most <= LIMIT_MS)}  ({slowest})",
        flush=True,
    )


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, help="go so far only (default: all)")
    parser.add_argument("--rounds", type=int, default=2, help="forwards and back; the first opens all tabs")
    options = parser.parse_args()
    with running_app() as url, sync_playwright() as playwright:
        browser = launch(playwright, OFFLINE)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        began = time.perf_counter()
        scenes = begin_lecture(page, url)
        print(f"the page, and all that is fetched ahead: {time.perf_counter() - began:.1f} s", flush=True)
        last = min(len(scenes), options.scenes or len(scenes))
        for number in range(options.rounds):
            first = 1 if number == 0 else 2
            name = "forwards" if number == 0 else "again"
            show(name, walk(page, scenes, "PageDown" if number else "ArrowRight", range(first, last + 1)))
            show("back", walk(page, scenes, "PageUp" if number else "ArrowLeft", range(last - 1, 0, -1)))
        browser.close()


if __name__ == "__main__":
    run_program(main)
