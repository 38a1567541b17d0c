"""Phones follow the lecturer's page, leave it and come back. One app as a lecturer starts it, one projector, two phones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from tests.browser.conftest import SCREEN, context_at, watched
from tests.browser.tab import set_up, state_of
from tests.support.admin import PASSWORD, Admin

IS_AT = "words => words.every((word) => location.hash.includes(word))"


@pytest.fixture
def url(class_app: tuple[str, str]) -> str:
    return class_app[0]


@pytest.fixture
def projector(browser: Browser, url: str) -> Iterator[BrowserContext]:
    """Pages of the lecturer, whose browser has unlocked the app. At the end nobody leads, and the class is a new one."""
    admin = Admin.logged_in(url, PASSWORD)
    with context_at(browser, SCREEN, f"localStorage.setItem('soliloquy-session', '{admin.token}')") as context:
        yield context
    admin.do("/class/lead", lead=None)
    admin.do("/class/forget")


@contextmanager
def at(context: BrowserContext, address: str, script: str = "") -> Iterator[Page]:
    """A page at an address, whose console stays free of errors; before it, a script is run."""
    page = context.new_page()
    page.add_init_script(script)
    with watched(page, answers_500):
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


def answers_500(message: ConsoleMessage) -> bool:
    """Whether the message only reports what a test wanted."""
    return "status of 500" in message.text


def lead(page: Page) -> None:
    page.get_by_role("tab", name="Class", exact=True).click()
    page.get_by_role("button", name="Phones follow this page", exact=True).click()
    expect(page.get_by_test_id("lead-sign")).to_be_visible()


def until_at(page: Page, *words: str) -> None:
    """Waits until the page's address has all of these."""
    page.wait_for_function(IS_AT, arg=list(words))


def bar(page: Page) -> Callable[[str | re.Pattern[str]], None]:
    return lambda words: expect(page.get_by_test_id("following")).to_contain_text(words)


@pytest.mark.slow
def test_a_phone_that_opens_the_address_takes_part(projector: BrowserContext, phones: BrowserContext, url: str) -> None:
    admin = Admin.logged_in(url, PASSWORD)
    invitation = "class-invitation"
    with at(phones, url) as early, at(phones, f"{url}/#tab=learning") as elsewhere, at(projector, url) as lecturer:
        expect(early.get_by_test_id(invitation)).to_have_count(0)
        opened = admin.do("/class/open", prompt="ROMEO:", length=20)["round"]["id"]
        for page in (early, elsewhere):
            expect(page.get_by_test_id(invitation)).to_contain_text("A round is open")
        with at(phones, url) as late:
            expect(late.get_by_role("button", name="Throw the dice")).to_be_visible()
        early.get_by_role("button", name="Take part", exact=True).click()
        expect(early.get_by_role("button", name="Throw the dice")).to_be_visible()
        for page in (early, lecturer):
            expect(page.get_by_test_id(invitation)).to_have_count(0)
        elsewhere.get_by_role("button", name="Not now", exact=True).click()
        expect(elsewhere.get_by_test_id(invitation)).to_have_count(0)
        admin.do("/class/votes/open", pairs=[{"request": "Insult me.", "a": "Ay.", "b": "No."}], hidden=False)
        expect(elsewhere.get_by_test_id(invitation)).to_contain_text("A vote is open")
        admin.do("/class/close", round=opened)
        lead(lecturer)
        expect(elsewhere.get_by_test_id(invitation)).to_have_count(0)
        expect(elsewhere.get_by_test_id("following")).to_be_visible()


@pytest.mark.slow
def test_phones_follow_leave_come_back_and_are_let_go(projector: BrowserContext, phones: BrowserContext, url: str) -> None:
    with at(projector, url) as lecturer, at(phones, url) as phone, at(phones, f"{url}/#tab=learning") as other:
        posts = asked(phone)
        lead(lecturer)
        for page in (phone, other):
            expect(page.locator("#class-panel-part")).to_be_visible()  # the wall is on the projector
            bar(page)("The lecturer shows Class · Wall")
            expect(page.get_by_test_id("following").get_by_role("button", name="Leave")).to_be_visible()

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

        phone.go_back()  # to what was here before it followed
        until_at(phone, "see=lens")
        bar(phone)("The lecturer shows Attention · All heads.")
        phone.get_by_role("button", name="Follow", exact=True).click()
        phone.wait_for_function("!location.hash.includes('see=')")

        posts.clear()
        entries = phone.evaluate("history.length")
        phone.reload()  # goes on, and reads what others have written
        bar(phone)("Following the lecturer: Attention · All heads")
        assert phone.evaluate("history.length") == entries
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


@pytest.mark.slow
def test_only_what_is_still_to_be_done_holds_a_phone(projector: BrowserContext, phones: BrowserContext, url: str) -> None:
    admin = Admin.logged_in(url, PASSWORD)
    pairs = [{"request": f"Ask {number}.", "a": "Ay.", "b": "No."} for number in (1, 2)]
    with at(projector, url) as lecturer, at(phones, url) as phone:
        lead(lecturer)
        admin.do("/class/open", prompt="ROMEO:", length=20)
        phone.route("**/class/throw", lambda route: route.fulfill(status=500, json={"error": "No room."}))
        phone.get_by_role("button", name="Throw the dice").click()
        expect(phone.locator(".part-round .trouble")).to_contain_text("No room.")
        votes = admin.do("/class/votes/open", pairs=pairs, hidden=True)["votes"]["id"]
        phone.locator(".part-card").nth(0).click()
        expect(phone.locator(".part-votes .part-said")).to_contain_text("Saved: A.")

        lecturer.get_by_role("tab", name="Learning", exact=True).click()
        bar(phone)(re.compile(r"^The lecturer shows Learning.*\. This page follows when you are done here\."))  # held by the second pair
        expect(phone.locator(".part-card").first).to_be_visible()
        phone.locator(".part-next").click()
        phone.locator(".part-card").nth(1).click()
        until_at(phone, "tab=learning")

        lecturer.get_by_role("tab", name="Class", exact=True).click()
        until_at(phone, "tab=class")
        admin.do("/class/votes/close", votes=votes)
        admin.do("/class/votes/open", pairs=pairs, hidden=True)
        expect(phone.locator("#part-votes-title")).to_have_text("Which answer is better?")
        lecturer.get_by_role("tab", name="Meaning", exact=True).click()
        bar(phone)("The lecturer shows Meaning")
        phone.get_by_role("button", name="Follow", exact=True).click()  # now, without a vote
        until_at(phone, "tab=meaning")
        bar(phone)("Following the lecturer: Meaning")


@pytest.mark.slow
def test_a_lead_that_was_not_taken_is_told_again_and_a_duplicate_does_not_lead(
    projector: BrowserContext, phones: BrowserContext, url: str
) -> None:
    with at(projector, url) as lecturer, at(phones, url) as phone:
        lead(lecturer)
        expect(phone.locator("#class-panel-part")).to_be_visible()
        lecturer.route("**/class/lead", lambda route: route.fulfill(status=500, json={"error": "No room."}), times=1)
        lecturer.get_by_role("tab", name="Learning", exact=True).click()
        until_at(phone, "tab=learning")

        copied = lecturer.evaluate("JSON.stringify(sessionStorage)")
        copy = f"Object.assign(sessionStorage, {copied})"
        with at(projector, lecturer.url, copy) as duplicate:
            expect(duplicate.get_by_test_id("following")).to_contain_text("The lecturer shows Learning")
            expect(duplicate.get_by_test_id("lead-sign")).to_be_hidden()
            duplicate.get_by_role("tab", name="Meaning", exact=True).click()
            lecturer.get_by_role("tab", name="Ladder", exact=True).click()
            until_at(phone, "learning=ladder")

            duplicate.get_by_role("button", name="Lecture", exact=True).click()  # its bar takes the place of the other
            expect(duplicate.get_by_test_id("lecture")).to_be_visible()
            expect(duplicate.get_by_test_id("following")).to_be_hidden()
            expect(duplicate.locator(":root[data-following]")).to_have_count(0)
            duplicate.get_by_test_id("lecture").get_by_role("button", name="End", exact=True).click()
            expect(duplicate.get_by_test_id("following")).to_be_visible()
            expect(duplicate.locator(":root[data-following]")).to_have_count(1)
