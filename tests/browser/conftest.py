"""A real Chromium and a real app."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from model.files import cache_dir
from tests.support.chromium import launch
from tests.support.server import running_app

expect.set_options(timeout=30_000)  # for what must come, however busy the machine is


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One browser context: a page comes in half the time where the scripts were fetched and compiled before."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, permissions=["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """One app for all tests."""
    with running_app("--device", "cpu") as url:
        yield url


@pytest.fixture(scope="session")
def float32_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app that computes in float32, whatever is faster on this machine: it finds that remembered."""
    known = cache_dir() / "precision.json"
    if not known.exists():
        with running_app("--device", "cpu"):  # measures, and remembers
            pass
    home = tmp_path_factory.mktemp("home")
    (home / "soliloquy").mkdir()
    choices = json.loads(known.read_text(encoding="utf-8"))
    in_float32 = {key: choice | {"dtype": "float32"} for key, choice in choices.items() if isinstance(choice, dict)}
    (home / "soliloquy" / "precision.json").write_text(json.dumps(in_float32), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        with running_app("--device", "cpu") as url:
            yield url


@pytest.fixture
def page(context: BrowserContext, url: str) -> Iterator[Page]:
    """The page, drawn and ready, in a tab of its own. No error may reach the console."""
    with new_page(context) as page:
        open_page(page, url)
        yield page


@pytest.fixture
def empty_page(context: BrowserContext) -> Iterator[Page]:
    """A tab for a test that opens an address of its own."""
    with new_page(context) as page:
        yield page


@contextmanager
def new_page(context: BrowserContext) -> Iterator[Page]:
    """A tab that keeps nothing for the next; no error may reach its console, and no dialog may open."""
    page, problems = context.new_page(), list[str]()
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" and not refused(message) else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    yield page
    page.evaluate("localStorage.clear()")
    page.close()
    assert not problems


def refused(message: ConsoleMessage) -> bool:
    """Whether it is only the browser telling that bad input was answered with a status that says so; the page tells it too."""
    return "status of 400" in message.text and ("/train/" in message.location["url"] or message.location["url"].endswith("/write"))


def open_page(page: Page, url: str) -> None:
    """Loads the page and waits for the first screen."""
    page.goto(url)
    page.locator("[data-ready]").wait_for(state="attached")
    page.get_by_role("button", name="Generate").wait_for()
