"""The Train tab: unlocked, a run started and watched, stopped, resumed, used, and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import new_page, open_page
from tests.server import running_app

PASSWORD = "the lecturer's own"
TEXT = "the quick brown fox jumps over the lazy dog, and the dog sleeps on.\n" * 60


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app with runs of its own, and a password."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADMIN_PASSWORD", PASSWORD)
        with running_app("--device", "cpu", "--runs", str(tmp_path_factory.mktemp("runs"))) as url:
            yield url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The tab, locked, in a browser that knows nothing of earlier tests."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    with new_page(context) as page:
        show(page, url)
        yield page
    context.close()


def show(page: Page, url: str, **address: str) -> None:
    open_page(page, f"{url}/?{'&'.join(f'{name}={value}' for name, value in address.items())}")
    page.get_by_role("tab", name="Train", exact=True).click()
    page.locator("#train-views [data-ready]").wait_for(state="attached")


def unlock(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock").click()
    expect(page.get_by_label("Preset")).to_be_visible()


def start(page: Page, *, steps: int, name: str) -> None:
    """Starts the smallest preset on a pasted text."""
    page.get_by_label("Preset").select_option("tiny")
    page.get_by_label("Learns from").select_option("paste")
    page.get_by_label("Text to learn from").fill(TEXT)
    expect(page.locator(".train-corpus")).to_contain_text(re.compile("characters, 30 different: ↵␣,"))
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="More settings").click()
    page.get_by_label("steps", exact=True).fill(str(steps))
    page.get_by_role("button", name="Start", exact=True).click()


def state(page: Page) -> Locator:
    return page.locator(".watch-state")


def test_everybody_may_watch_and_who_does_not_know_the_password_may_not_act(page: Page) -> None:
    expect(page.get_by_text("Everybody may watch.")).to_be_visible()
    expect(page.get_by_label("Preset")).to_be_hidden()


def test_a_run_is_started_watched_stopped_resumed_and_used(page: Page, url: str) -> None:
    unlock(page)
    start(page, steps=4_000, name="foxes")
    expect(state(page)).to_have_text("learning")
    page.wait_for_function("Number(document.querySelector('.loss-chart').dataset.val) >= 2")
    expect(page.get_by_test_id("train-sample")).not_to_be_empty()
    page.locator(".new-run").get_by_role("button", name="Stop").click()
    expect(state(page)).to_have_text("stopped")
    measured = int(page.locator(".loss-chart").get_attribute("data-train") or 0)

    page.reload()
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.get_by_label("Preset")).to_be_visible()  # the right survives
    page.get_by_role("tab", name="All runs").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name=re.compile("foxes")).first.click()
    page.wait_for_function("before => Number(document.querySelector('.loss-chart').dataset.train) > before", arg=measured)
    page.locator(".new-run").get_by_role("button", name="Stop").click()
    expect(state(page)).to_have_text("stopped")

    page.get_by_role("tab", name="All runs").click()
    page.get_by_role("button", name="Use this model").click()
    expect(page.get_by_test_id("facts")).to_contain_text("foxes")
    page.get_by_role("tab", name="Sample", exact=True).click()
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".status").first).to_contain_text("characters in")
    page.get_by_role("tab", name="Attention", exact=True).click()
    expect(page.locator(".tile")).to_have_count(4)

    page.get_by_role("tab", name="Train", exact=True).click()
    page.get_by_role("tab", name="All runs").click()
    page.get_by_role("button", name="Back to the model that the app began with").click()
    expect(page.get_by_test_id("facts")).to_contain_text("shakespeare")


def test_a_run_is_renamed_and_deleted_once_that_is_confirmed(page: Page, tmp_path: Path) -> None:
    unlock(page)
    start(page, steps=20, name="short")
    expect(state(page)).to_have_text("finished")
    page.get_by_role("tab", name="All runs").click()
    row = page.locator(".runs tbody tr", has_text="short").first
    expect(row).to_contain_text("20 of 20")
