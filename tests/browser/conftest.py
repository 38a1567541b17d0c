"""A real Chromium and a real app."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from model.files import cache_dir
from tests.chromium import launch
from tests.server import running_app

expect.set_options(timeout=30_000)  # for what must come, however busy the machine is


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """One app for each module of tests."""
    with running_app("--device", "cpu") as url:
        yield url


@pytest.fixture(scope="module")
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
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The page, drawn and ready, in a browser context of its own. No error may reach the console."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" and not refused(message) else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    open_page(page, url)
    yield page
    context.close()
    assert not problems


def refused(message: ConsoleMessage) -> bool:
    """Whether it is only the browser telling that bad input was answered with a status that says so; the page tells it too."""
    return message.location["url"].endswith("/write") and "status of 400" in message.text


def open_page(page: Page, url: str) -> None:
    """Loads the page and waits for the first screen."""
    page.goto(url)
    page.locator("[data-ready]").wait_for(state="attached")
    page.get_by_role("button", name="Generate").wait_for()
