"""Phones follow the lecturer's page, leave it and come back. One app as a lecturer starts it, one projector, two phones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.browser.conftest import SCREEN, context_at, watched
from tests.browser.tab import set_up, state_of
from tests.support.admin import PASSWORD, Admin

IS_AT = "words => words.every((word) => location.hash.includes(word))"


@pytest.fixture
def url(class_app: tuple[str, str]) -> str:
    return class_app[0]


@pytest.fixture
def projector(browser: Browser, url: str) -> Iterator[BrowserContext]:
    """Pages of the lecturer, whose browser has unlocked the app. Nobody leads at the end."""
    admin = Admin.logged_in(url, PASSWORD)
    with context_at(browser, SCREEN, f"localStorage.setItem('soliloquy-session', '{admin.token}')") as context:
        yield context
    admin.do("/class/lead", lead=None)


@contextmanager
def at(context: BrowserContext, address: str) -> Iterator[Page]:
    """A page at an address, whose console stays free of errors."""
    page = context.new_page()
    with watched(page):
        page.goto(address)
        page.locator("[data-ready]").first.wait_for(state="attached")
        yield page
    page.close()


def asked(page: Page) -> list[str]:
    """Fills with what the page asks to be written or read."""
    posts: list[str] = []
    named = ("write", "write_without", "follow")

    def note(request: Request) -> None:
        posts.extend(name for name in named if request.url.endswith(f"/{name}"))

    page.on("request", note)
    return posts


def lead(page: Page) -> None:
    page.get_by_role("tab", name="Class", exact=True).click()
    page.get_by_role("button", name="Phones follow this page", exact=True).click()
    expect(page.get_by_test_id("lead-sign")).to_be_visible()


def until_at(page: Page, *words: str) -> None:
    """Waits until the page's address has all of these."""
    page.wait_for_function(IS_AT, arg=list(words))


def bar(page: Page) -> Callable[[str], None]:
    return lambda words: expect(page.get_by_test_id("following")).to_contain_text(words)


@pytest.mark.slow
def test_phones_follow_leave_come_back_and_are_let_go(projector: BrowserContext, phones: BrowserContext, url: str) -> None:
    with at(projector, url) as lecturer, at(phones, url) as phone, at(phones, f"{url}/#tab=learning") as other:
        posts = asked(phone)
        lead(lecturer)
        for page in (phone, other):
            expect(page.locator("#class-panel-part")).to_be_visible()  # the wall is on the projector
            bar(page)("Following the lecturer: Class")

        lecturer.get_by_role("tab", name="Sample", exact=True).click()
        set_up(lecturer, prompt="KING:", seed="5", samples=2, length=30)
        lecturer.get_by_role("button", name="Generate", exact=True).click()
        until_at(phone, "run=")
        expect(phone.locator(".card-text")).to_have_count(2)
        written = lecturer.locator(".card-text")
        lecturer.wait_for_function("document.querySelector('.group .status')?.textContent.includes(' in ')")
        expect(phone.locator(".card-text")).to_have_text(written.all_text_contents())
        assert posts == ["follow"]

        lecturer.get_by_role("tab", name="Attention", exact=True).click()
        lecturer.get_by_role("tab", name="One head", exact=True).click()
        until_at(phone, "tab=attention", "see=one")
        expect(phone.locator(".one-map canvas")).to_be_visible()
        bar(phone)("Following the lecturer: Attention · One head")

        phone.get_by_role("tab", name="Layer by layer", exact=True).click()  # leaves, and stays where it is
        bar(phone)("The lecturer shows Attention · One head")
        lecturer.get_by_role("tab", name="All heads", exact=True).click()
        bar(phone)("The lecturer shows Attention · All heads")
        bar(other)("Following the lecturer: Attention · All heads")
        assert state_of(phone.evaluate("location.href"))["see"] == ["lens"]
        phone.get_by_role("button", name="Follow", exact=True).click()
        phone.wait_for_function("!location.hash.includes('see=')")
        bar(phone)("Following the lecturer: Attention · All heads")

        posts.clear()
        phone.reload()  # goes on, and reads what others have written
        bar(phone)("Following the lecturer: Attention · All heads")
        phone.get_by_role("tab", name="Sample", exact=True).click()
        expect(phone.locator(".card-text")).to_have_text(written.all_text_contents())
        assert set(posts) == {"follow"}
        bar(phone)("The lecturer shows")
        phone.reload()
        phone.locator("[data-ready]").first.wait_for(state="attached")
        bar(phone)("The lecturer shows")  # it has left, and stays so

        lecturer.get_by_test_id("lead-sign").click()
        for page in (phone, other):
            expect(page.get_by_test_id("following")).to_have_count(0)
        assert state_of(other.evaluate("location.href"))["tab"] == ["attention"]  # what it shows stays


@pytest.mark.slow
def test_the_last_lecturer_leads_also_after_reloads_and_lost_connections(
    projector: BrowserContext, phones: BrowserContext, url: str
) -> None:
    with at(projector, url) as first, at(projector, url) as second, at(phones, url) as phone:
        lead(first)
        expect(phone.locator("#class-panel-part")).to_be_visible()
        first.reload()
        expect(first.get_by_test_id("lead-sign")).to_be_visible()
        first.get_by_role("tab", name="Meaning", exact=True).click()
        until_at(phone, "tab=meaning")
        lead(second)
        expect(first.get_by_test_id("lead-sign")).to_be_hidden()
        first.get_by_role("tab", name="Learning", exact=True).click()
        expect(phone.locator("#class-panel-part")).to_be_visible()
        second.get_by_role("tab", name="Learning", exact=True).click()
        until_at(phone, "tab=learning")
        assert phone.evaluate("performance.getEntriesByType('navigation').length") == 1

        phones.set_offline(True)
        second.get_by_role("tab", name="Ladder", exact=True).click()
        expect(second.locator("#learning-panel-ladder")).to_be_visible()
        phones.set_offline(False)
        until_at(phone, "learning=ladder")
        bar(phone)("Following the lecturer: Learning · Ladder")
