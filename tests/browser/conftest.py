"""A real Chromium and a real app."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.chromium import launch
from tests.server import running_app


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
    page.get_by_test_id("card").first.wait_for()
    page.get_by_role("button", name="Generate").wait_for()
