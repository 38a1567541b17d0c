"""What a new phone in a hall fetches and how long it waits, in a real Chromium with an empty cache, on a network of 1 Mbit/s and 200 ms.

python -m benchmarks.load

The phone opens the Sample tab, then Attention, then Train. As in a hall, the address is http:// and not this machine's own: browsers accept
only gzip there.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from benchmarks.viewers import verdict
from model.program import run_program
from tests.support.chromium import launch
from tests.support.server import running_app

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
NETWORK = {"offline": False, "latency": 200, "downloadThroughput": 1e6 / 8, "uploadThroughput": 1e6 / 8}
HALL = "hall.test"
OURS = re.compile(r"/assets/[0-9a-f]{12}/")  # Gradio's own scripts lie in /assets/, too
KINDS = ["document", "Gradio's scripts", "Gradio's styles", "our scripts", "fonts", "data"]
STREAM = "/class/stream"
POLLED = "/healthz"
SETTLED_MS = 1_000
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"

MOST_USABLE_S = 5.0
MOST_REQUESTS, MOST_KB, MOST_KB_OF_ATTENTION = 43, 350, 500  # three requests come last: the stream of the class and its scripts


@dataclass
class Traffic:
    """What was fetched: address and bytes of each request, headers included, and the addresses of those under way.

    The page's questions whether the model is still the same are left out: they come for ever.
    """

    fetched: list[tuple[str, int]] = field(default_factory=list)
    under_way: dict[str, str] = field(default_factory=dict)

    def begin(self, request: str, address: str) -> None:
        """A request was sent."""
        if address.endswith(STREAM):
            self.fetched.append((address, 0))  # it has no end
        elif not address.endswith(POLLED):
            self.under_way[request] = address

    def end(self, request: str, size: int) -> None:
        """It was answered, or failed."""
        if request in self.under_way:
            self.fetched.append((self.under_way.pop(request), size))

    @property
    def kb(self) -> float:
        """All bytes, in thousands."""
        return sum(size for _, size in self.fetched) / 1000

    def by_kind(self) -> str:
        """Requests and thousands of bytes, by kind."""
        sizes = {kind: [size for address, size in self.fetched if kind_of(address) == kind] for kind in KINDS}
        return ", ".join(f"{kind} {len(all_)} / {sum(all_) / 1000:.0f}" for kind, all_ in sizes.items() if all_)

    def largest(self, count: int) -> list[str]:
        """The largest answers, as lines."""
        largest = sorted(self.fetched, key=lambda each: -each[1])[:count]
        return [f"  {size / 1000:7.1f} kB  {urlsplit(address).path}" for address, size in largest]


def kind_of(address: str) -> str:
    """What an address holds."""
    path = urlsplit(address).path
    if path == "/":
        return "document"
    if OURS.search(path):
        return "our scripts"
    if path.endswith((".woff2", ".woff")):
        return "fonts"
    if path.endswith(".css"):
        return "Gradio's styles"
    return "Gradio's scripts" if path.endswith(".js") else "data"


@contextmanager
def phone(browser: Browser) -> Iterator[tuple[Page, Traffic]]:
    """A phone that was never here before, and what it fetches."""
    context = browser.new_context(**PHONE)
    context.set_default_timeout(120_000)
    page, traffic = context.new_page(), Traffic()
    session = context.new_cdp_session(page)
    session.on("Network.requestWillBeSent", lambda event: traffic.begin(event["requestId"], event["request"]["url"]))
    session.on("Network.loadingFinished", lambda event: traffic.end(event["requestId"], int(event["encodedDataLength"])))
    session.on("Network.loadingFailed", lambda event: traffic.end(event["requestId"], 0))
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", NETWORK)
    yield page, traffic
    context.close()


@dataclass
class Visit:
    """One visit of a phone: seconds, and what each tab fetched in addition to those before."""

    first_paint_s: float
    usable_s: float
    attention_s: float
    train_s: float
    traffic: dict[str, Traffic]


def visit(browser: Browser, url: str) -> Visit:
    """Opens the page, then each other tab."""
    with phone(browser) as (page, traffic):
        parts: dict[str, Traffic] = {}

        def settle(name: str) -> None:
            page.wait_for_timeout(SETTLED_MS)
            while traffic.under_way:
                page.wait_for_timeout(SETTLED_MS)  # what follows from an answer is asked for meanwhile
            parts[name] = Traffic([*traffic.fetched])
            traffic.fetched.clear()

        began = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.locator("[data-ready]").first.wait_for(state="attached")
        page.get_by_role("button", name="Generate").wait_for(state="attached")
        usable_s = time.perf_counter() - began
        settle("Sample")
        first_paint_s = page.evaluate(FIRST_PAINT) / 1000
        attention_s = open_tab(page, "Attention", ".look-char")
        settle("Attention")
        train_s = open_tab(page, "Train", "#train-password")
        settle("Train")
    return Visit(first_paint_s, usable_s, attention_s, train_s, parts)


def open_tab(page: Page, name: str, there: str) -> float:
    """Presses a tab; seconds until it shows something."""
    began = time.perf_counter()
    page.get_by_role("tab", name=name, exact=True).click()
    page.locator(there).first.wait_for()
    return time.perf_counter() - began


def in_the_hall(playwright: Playwright, url: str) -> tuple[Browser, str]:
    """A browser that reaches the app by a name, and the address."""
    return launch(playwright, f"--host-resolver-rules=MAP {HALL} 127.0.0.1"), url.replace("127.0.0.1", HALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="visits that are timed")
    parser.add_argument("--largest", type=int, default=0, help="how many of the largest answers to list")
    arguments = parser.parse_args()
    with running_app("--device", "cpu", "--allow-host", HALL) as url, sync_playwright() as playwright:
        browser, address = in_the_hall(playwright, url)
        visits = [visit(browser, address) for _ in range(arguments.rounds)]
        browser.close()

    def seconds(name: str) -> float:
        return statistics.median(getattr(each, name) for each in visits)

    sample, attention, train = (visits[0].traffic[name] for name in ("Sample", "Attention", "Train"))
    print(f"first paint {seconds('first_paint_s'):.1f} s")
    print(f"usable      {seconds('usable_s'):.1f} s (limit {MOST_USABLE_S:.0f}): {verdict(seconds('usable_s') <= MOST_USABLE_S)}")
    is_small = len(sample.fetched) <= MOST_REQUESTS and sample.kb <= MOST_KB
    limit = f"limit {MOST_REQUESTS} and {MOST_KB}"
    print(f"Sample      {len(sample.fetched)} requests, {sample.kb:.0f} kB ({limit}): {verdict(is_small)}")
    print(f"            {sample.by_kind()}")
    limit, is_small = f"limit {MOST_KB_OF_ATTENTION}", attention.kb <= MOST_KB_OF_ATTENTION
    print(f"Attention   {len(attention.fetched)} requests, {attention.kb:.0f} kB ({limit}): {verdict(is_small)}")
    print(f"            {attention.by_kind()}; {seconds('attention_s'):.1f} s")
    print(f"Train       {len(train.fetched)} requests, {train.kb:.0f} kB; {seconds('train_s'):.1f} s")
    for line in Traffic([*sample.fetched, *attention.fetched, *train.fetched]).largest(arguments.largest):
        print(line)


if __name__ == "__main__":
    run_program(main)
