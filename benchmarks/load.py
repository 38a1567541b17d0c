"""What a new phone fetches to show the page, and how long that takes, in a real Chromium with an empty cache.

python -m benchmarks.load
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from benchmarks.viewers import verdict
from model.program import run_program
from tests.support.chromium import launch
from tests.support.server import ROOT, running_app

PHONE = "Pixel 7"
SLOW_4G = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}  # as Lighthouse has it
OURS = re.compile(r"/assets/[0-9a-f]{12}/")  # Gradio's own scripts lie in /assets/, too

LARGEST_SHARE_OF_REQUESTS, LARGEST_SHARE_OF_BYTES = 1 / 3, 1 / 2  # of what the modules take one by one and uncompressed

ONE_BY_ONE = """async ([folder, scripts]) => {
  for (const script of scripts) await import(`${folder}${script}`);
}"""


@dataclass
class Traffic:
    """What was fetched: address and bytes of each request, headers included."""

    fetched: list[tuple[str, int]] = field(default_factory=list)

    def total(self, ours: bool = False) -> tuple[int, int]:
        """Requests and bytes, of our own scripts alone or of everything."""
        sizes = [size for url, size in self.fetched if not ours or OURS.search(url)]
        return len(sizes), sum(sizes)


@contextmanager
def phone(playwright: Playwright, browser: Browser, network: dict[str, Any] | None = None) -> Iterator[tuple[Page, Traffic]]:
    """A phone that was never here before, and what it fetches."""
    context = browser.new_context(**playwright.devices[PHONE])
    page, traffic, urls = context.new_page(), Traffic(), dict[str, str]()
    session = context.new_cdp_session(page)
    session.on("Network.requestWillBeSent", lambda event: urls.update({event["requestId"]: event["request"]["url"]}))
    session.on(
        "Network.loadingFinished", lambda event: traffic.fetched.append((urls.get(event["requestId"], ""), int(event["encodedDataLength"])))
    )
    session.send("Network.enable")
    if network:
        session.send("Network.emulateNetworkConditions", network)
    yield page, traffic
    context.close()


def first_screen(page: Page, url: str) -> float:
    """Opens the page; seconds until it can be used."""
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator("[data-ready]").first.wait_for(state="attached")
    took = time.perf_counter() - began
    page.wait_for_load_state("networkidle")
    return took


def one_by_one(page: Page, url: str, bundles: list[str]) -> None:
    """Loads the same modules as bundles hold, each by itself and uncompressed."""
    folder = bundles[0].partition("bundles/")[0]
    starts = [f"{re.findall(r'bundles/(.*).js', bundle)[0]}/main.js" for bundle in bundles]
    page.set_extra_http_headers({"Accept-Encoding": "identity"})
    page.goto(f"{url}/healthz")
    page.evaluate(ONE_BY_ONE, [folder, [start for start in starts if (ROOT / "ui" / start).exists()]])
    page.wait_for_load_state("networkidle")


def show(name: str, requests: int, size: int, remark: str = "") -> None:
    """One line of the table."""
    print(f"{name:<46} {requests:>4} requests {size / 1000:8,.1f} kB  {remark}".rstrip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="loads that are timed")
    rounds = parser.parse_args().rounds
    with running_app("--device", "cpu") as url, sync_playwright() as playwright:
        browser = launch(playwright)
        with phone(playwright, browser) as (page, loaded):
            first_screen(page, url)
        with phone(playwright, browser) as (page, single):
            one_by_one(page, url, [address for address, _ in loaded.fetched if OURS.search(address)])
        took = []
        for _ in range(rounds):
            with phone(playwright, browser, SLOW_4G) as (page, _):
                took.append(first_screen(page, url))
        browser.close()
    requests, size = loaded.total(ours=True)
    requests_before, size_before = single.total(ours=True)
    is_small = requests <= LARGEST_SHARE_OF_REQUESTS * requests_before and size <= LARGEST_SHARE_OF_BYTES * size_before
    show("everything", *loaded.total())
    show("our own scripts, one by one and uncompressed", requests_before, size_before)
    remark = f"{requests / requests_before:.0%} of the requests (limit 33%), {size / size_before:.0%} of the bytes (limit 50%)"
    show("our own scripts", requests, size, f"{remark}: {verdict(is_small)}")
    print(f"first screen on slow 4G: {statistics.median(took):.1f} s (median of {rounds})")


if __name__ == "__main__":
    run_program(main)
