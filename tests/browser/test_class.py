"""A class in Chromium: one projector and eight phones throw, vote and come back, and the app is killed in the middle."""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from model.classroom.classroom import Classroom
from model.classroom.saved import Saved
from tests.browser.conftest import PHONE, SCREEN, watched
from tests.support.admin import PASSWORD, Admin, runs_ended, wait_for
from tests.support.client import host_and_port
from tests.support.killable import KillableApp, killable_app

PHONES = 8
LENGTH = 60


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KillableApp]:
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)
    with runs_ended(tmp_path / "runs") as runs, killable_app("--device", "cpu", "--runs", str(runs)) as app:
        yield app


def lost(message: ConsoleMessage) -> bool:
    """Whether the message only reports that the app, which the test has killed, does not answer."""
    return "Failed to load resource" in message.text or "net::ERR" in message.text


@pytest.fixture
def opened(browser: Browser) -> Iterator[contextlib.ExitStack]:
    """What is closed at the end."""
    with contextlib.ExitStack() as stack:
        yield stack


def open_class(browser: Browser, stack: contextlib.ExitStack, url: str, size: dict[str, int], view: str) -> Page:
    """A page of a browser of its own, at a view of the Class tab."""
    context: BrowserContext = browser.new_context(viewport=size, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    stack.callback(context.close)
    page = context.new_page()
    stack.enter_context(watched(page, lost))
    page.goto(f"{url}/#tab=class&class={view}")
    page.locator("#class-views [data-ready]").wait_for(state="attached")
    return page


def unlock(page: Page, url: str) -> Admin:
    """The lecturer's page, with the admin's session."""
    admin = Admin.logged_in(url)
    page.evaluate("token => localStorage.setItem('soliloquy-session', token)", admin.token)
    page.reload()
    page.locator("#class-views [data-ready]").wait_for(state="attached")
    return admin


def throw(page: Page) -> None:
    page.get_by_role("button", name="Throw the dice", exact=True).click()


def text_on(phone: Page) -> str:
    """The whole text that the phone shows, with its prompt."""
    expect(phone.locator(".part-round .part-said")).to_contain_text("On the wall")
    return str(phone.locator(".part-round > .part-text").text_content())


@pytest.mark.slow
def test_a_class_throws_votes_comes_late_and_outlives_the_app(
    browser: Browser, app: KillableApp, opened: contextlib.ExitStack, tmp_path: Path
) -> None:
    projector = open_class(browser, opened, app.url, SCREEN, "wall")
    admin = unlock(projector, app.url)
    counts = projector.get_by_test_id("class-counts")
    phones = [open_class(browser, opened, app.url, PHONE, "part") for _ in range(PHONES - 1)]

    opened_round = admin.do("/class/open", prompt="ROMEO:", length=LENGTH, temperature=1.2)["round"]["id"]
    for phone in phones:
        throw(phone)
    texts = [text_on(phone) for phone in phones]
    assert all(len(text) == len("ROMEO:") + LENGTH for text in texts)
    assert len({*texts}) == len(texts)
    expect(counts).to_contain_text(re.compile(rf"\b{PHONES - 1}\b"))
    on_wall = {text["text"] for text in admin.get(f"/class/rounds/{opened_round}")[1]["texts"]}
    assert on_wall == {text.removeprefix("ROMEO:") for text in texts}

    late = open_class(browser, opened, app.url, PHONE, "part")  # comes late, and has the whole state
    throw(late)
    texts.append(text_on(late))
    phones.append(late)
    expect(counts).to_contain_text(re.compile(rf"\b{PHONES}\b"))

    pairs = [{"request": "Insult me.", "a": "Thou art a traitor.", "b": "I thank you."}]
    votes = admin.do("/class/votes/open", pairs=pairs, hidden=True)["votes"]["id"]
    expect(phones[1].locator(".part-card").first).to_be_visible()
    wait_for(lambda: is_saved(tmp_path / "runs-class", texts[-1].removeprefix("ROMEO:")))
    phones[0].context.set_offline(True)  # away while the app is killed and started again
    app.kill()
    said = phones[1].locator(".part-votes .part-said")
    expect(phones[1].locator(".part-notice")).to_contain_text("What you have thrown and voted is kept")
    phones[1].get_by_role("button", name=re.compile("^A")).click()
    expect(said).to_have_text("A is not sent yet.")
    expect(phones[1].locator(".part-notice")).to_contain_text("Your last vote goes out as soon as it is back")
    expect(phones[1].locator(".part-votes .trouble")).to_be_empty()
    app.start()
    expect(said).to_contain_text("✓ Saved: A.")
    lost = projector.locator(".class-said")
    expect(lost).to_contain_text("The app was started again")
    expect(projector.get_by_role("button", name="Next round")).to_be_hidden()
    lost.get_by_role("button", name="Unlock").click()
    projector.get_by_label("Password").fill(PASSWORD)
    projector.get_by_label("Password").press("Enter")
    expect(projector.get_by_role("button", name="Next round")).to_be_visible()  # back where it was
    expect(lost).to_be_empty()
    admin = Admin.logged_in(app.url)
    phones[0].context.set_offline(False)
    for phone, text in zip(phones, texts, strict=True):
        expect(phone.locator(".part-round > .part-text")).to_have_text(text, use_inner_text=False)
        expect(phone.locator(".part-notice")).to_have_text("")
    expect(counts).to_contain_text(re.compile(rf"\b{PHONES}\b"))

    for number, phone in enumerate(phones):
        phone.get_by_role("button", name=re.compile("^A" if number < PHONES - 2 else "^B")).click()
        expect(phone.get_by_text(re.compile("Saved"))).to_be_visible()
    phones[0].get_by_role("button", name=re.compile("^B")).click()  # changes its mind
    expect(phones[0].get_by_text("✓ Saved: B.", exact=False)).to_be_visible()
    admin.do("/class/votes/close", votes=votes)
    projector.get_by_role("tab", name="Votes", exact=True).click()
    expect(projector.locator("#class-panel-votes")).to_contain_text(re.compile(rf"\b{PHONES - 3}\b"))
    assert len(comparisons(admin)) == PHONES

    second = admin.do("/class/open", prompt="JULIET:", length=LENGTH, beside=opened_round)["round"]["id"]
    for phone in phones:
        throw(phone)
    new = [text_on(phone) for phone in phones]
    told = admin.get(f"/class/rounds/{second}")[1]
    assert (told["thrown"], told["beside"]) == (PHONES, opened_round)
    assert {text["text"] for text in told["texts"]} == {text.removeprefix("JULIET:") for text in new}


def is_saved(folder: Path, text: str) -> bool:
    """Whether a text, and a vote, are in the files of the class."""
    saved = Classroom(Saved(folder))
    return bool(saved.votes) and any(text in round.throws.values() for round in saved.rounds.values())


def comparisons(admin: Admin) -> list[str]:
    """The lines that the class's votes have given."""
    connection = http.client.HTTPConnection(*host_and_port(admin.url))
    connection.request("GET", "/class/comparisons", headers=admin.headers)
    return connection.getresponse().read().decode().splitlines()
