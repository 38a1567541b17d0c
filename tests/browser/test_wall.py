"""The wall of the class: what everybody threw, as a mosaic and as a tree, beside what the model says."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import SCREEN
from tests.browser.test_class_votes import at, context_at
from tests.support.admin import PASSWORD, Admin
from tests.support.viewing import Viewer

WALL = "#run=none&tab=class&class=wall"
MANY = 24


@pytest.fixture(scope="module")
def url(class_app: tuple[str, str]) -> str:
    return class_app[0]


@pytest.fixture
def admin(url: str) -> Iterator[Admin]:
    """The lecturer, in a new class."""
    admin = Admin.logged_in(url, PASSWORD)
    admin.do("/class/forget")
    yield admin
    admin.do("/class/forget")


@pytest.fixture
def desk(browser: Browser, admin: Admin) -> Iterator[BrowserContext]:
    with context_at(browser, SCREEN, f"localStorage.setItem('soliloquy-session', '{admin.token}')") as context:
        yield context


def throw(admin: Admin, round: str, n: int, name: Callable[[int], str] = lambda _: "") -> list[str]:
    """The texts of new members of the class."""
    texts = []
    for number in range(n):
        member = Admin(admin.url).do("/class/join", name=name(number))["member"]
        with Viewer(admin.url, path="/class/throw") as phone:
            lines = [phone.ask(member=member, round=round), *phone.rest()]
        texts.append("".join(line["new"] for line in lines))
    return texts


def texts_on(page: Page) -> list[str]:
    return page.locator(".wall-tile-text").all_text_contents()


def saved(page: Page, words: str) -> bytes:
    """What an entry of the menu of downloads saves."""
    page.locator("#class-views").get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=words).click()
    return Path(download.value.path()).read_bytes()


def test_a_round_is_opened_from_the_page_and_its_texts_come_by_themselves(desk: BrowserContext, admin: Admin) -> None:
    with at(desk, f"{admin.url}/{WALL}") as page:
        page.get_by_label("Prompt", exact=True).last.fill("JULIET:")
        page.get_by_label("Characters", exact=True).fill("20")
        page.get_by_role("button", name="Open a round", exact=True).click()
        expect(page.get_by_role("button", name="Next round", exact=True)).to_be_visible()
        texts = throw(admin, "r1" if admin.get("/class/rounds/r1")[0] == 200 else newest(admin), 3)
        expect(page.locator(".wall-tile")).to_have_count(3)
        assert sorted(texts_on(page)) == sorted(text.lstrip("\n") for text in texts)
        expect(page.get_by_test_id("class-counts")).to_contain_text("3 thrown")
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()


def newest(admin: Admin) -> str:
    """The id of the newest round."""
    for number in range(1, 1_000):
        if admin.get(f"/class/rounds/r{number}")[1].get("open"):
            return f"r{number}"
    raise AssertionError("no round is open")


@pytest.mark.slow
def test_the_tree_has_every_text_and_the_shares_are_those_that_came(desk: BrowserContext, admin: Admin) -> None:
    round = admin.do("/class/open", prompt="ROMEO:", length=30, temperature=1.0)["round"]["id"]
    texts = throw(admin, round, MANY)
    with at(desk, f"{admin.url}/{WALL}") as page:
        page.get_by_role("button", name="Tree", exact=True).last.click()
        rows = page.locator(".wall-row")
        expect(rows.first).to_be_visible()
        expect(page.locator(".wall-mosaic")).to_be_hidden()
        expect(page.get_by_test_id("class-tree")).to_have_attribute("aria-label", re.compile(rf"^Tree of {MANY} texts"))
        counted = sum(int(node) for node in page.locator(".wall-count").all_text_contents())
        came = Counter(text.removeprefix("\n")[0] for text in texts if text.startswith("\n"))
        assert counted == (MANY if all(text.startswith("\n") for text in texts) else counted)
        most, n = came.most_common(1)[0]
        row = page.get_by_role("button", name=re.compile(rf"^Go on to .?{most}.?: {n} of "))
        expect(row.or_(page.locator(".wall-row")).first).to_be_visible()
        expect(page.get_by_test_id("verdict")).to_contain_text(re.compile("χ²|too few"))


@pytest.mark.slow
def test_two_rounds_stand_abreast_and_are_saved_together(desk: BrowserContext, admin: Admin) -> None:
    first = admin.do("/class/open", prompt="ROMEO:", length=20)["round"]["id"]
    texts = throw(admin, first, 2)
    with at(desk, f"{admin.url}/{WALL}") as page:
        expect(page.locator(".wall-tile")).to_have_count(2)
        page.get_by_label("Temperature of the same again").fill("0")
        page.get_by_role("button", name="Same again at", exact=True).click()
        expect(page.locator(".class-wall").get_by_text(re.compile("temperature 0 ")).first).to_be_visible()
        second = newest(admin)
        texts += throw(admin, second, 2)
        expect(page.locator(".wall-tile")).to_have_count(4)
        told: dict[str, Any] = json.loads(saved(page, "Texts and settings (JSON)"))
        assert sorted(text["text"] for round in told["rounds"] for text in round["texts"]) == sorted(texts)
        assert len({round["seed"] for round in told["rounds"]}) == 1
        rows = [*csv.DictReader(io.StringIO(saved(page, "Texts (CSV)").decode("utf-8-sig")))]
        assert sorted(row["text"] for row in rows) == sorted(texts)
        assert saved(page, "Picture of the mosaic (PNG)").startswith(b"\x89PNG")


@pytest.mark.slow
def test_names_stand_on_the_wall_only_while_the_lecturer_shows_them(desk: BrowserContext, browser: Browser, admin: Admin) -> None:
    round = admin.do("/class/open", prompt="ROMEO:", length=20)["round"]["id"]
    throw(admin, round, 2, lambda number: f"<i>N{number}</i>")
    with at(desk, f"{admin.url}/{WALL}") as page, context_at(browser, SCREEN) as others, at(others, f"{admin.url}/{WALL}") as other:
        for wall in (page, other):
            expect(wall.locator(".wall-tile")).to_have_count(2)
            assert set(wall.locator(".wall-tile-name").all_text_contents()) == {""}
        expect(other.locator("#wall-more .switch")).to_be_hidden()
        page.locator("[aria-controls=wall-more]").click()
        page.locator("#wall-more .switch").click()
        for wall in (page, other):
            expect(wall.locator(".wall-tile-name").first).to_have_text(re.compile("<i>N[01]</i>"))
        page.locator("#wall-more .switch").click()
        expect(other.locator(".wall-tile-name").first).to_have_text("")
