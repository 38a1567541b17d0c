"""The view "Examples" of the Assistant tab, in a real browser: what the supervised model learns from, and what the loss counts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Download, Locator, Page, expect

from model.assistant.skills import SKILLS
from tests.browser.test_hall import CUT, SMALLEST
from tests.support.viewing import answer

PAGE = 8
TROUBLE = "There is no corpus here."


@pytest.fixture
def page(empty_page: Page, corpus_path: Path) -> Page:
    return empty_page


def show(page: Page, url: str, **address: str | int) -> Locator:
    """The view, with its examples."""
    page.goto("about:blank")
    page.goto(f"{url}/#{urlencode({'tab': 'assistant', 'assistant': 'examples', **address})}")
    panel = page.get_by_role("tabpanel", name="Examples")
    expect(panel.locator(".examples-line").first).to_be_visible()
    return panel


def examples_of(url: str, **query: Any) -> dict[str, Any]:
    """A page of the examples, as the server has them."""
    told: dict[str, Any] = answer(url, "GET", f"/assistant/examples?{urlencode(query)}")[1]
    return told


def signs(text: str) -> str:
    """A row on one line."""
    return text.replace("\n", "↵")


def test_rows_show_what_is_read_and_what_the_loss_counts(page: Page, url: str) -> None:
    panel = show(page, url)
    told = examples_of(url)
    assert panel.locator(".examples-line-read").all_text_contents() == [signs(one["row"][: one["is_read"]]) for one in told["examples"]]
    assert panel.locator(".examples-line-learned").all_text_contents() == [f"{signs(one['answer'])}↵↵" for one in told["examples"]]
    for place in (0, 1):
        if place:
            page.keyboard.press("n")
        example = told["examples"][place]
        expect(panel.locator(".examples-line[aria-current] .examples-line-read")).to_have_text(signs(f"\n\n{example['request']}\n"))
        read, row = panel.locator(".examples-read"), signs(example["row"]).replace(" ", "␣")
        expect(read).to_have_text([*row[:-1]])
        learned = panel.locator(".examples-cell > :last-child").all_text_contents()
        assert learned == ["·"] * (example["is_read"] - 1) + [*row[example["is_read"] :]]
    page.keyboard.press("p")
    expect(panel.locator(".examples-line").first).to_have_attribute("aria-current", "true")
    panel.locator(".examples-line").nth(2).click()
    expect(panel.locator(".examples-line").nth(2)).to_have_attribute("aria-current", "true")
    for width, height in ((1280, 720), (360, 740)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []


def test_pages_are_turned_and_the_address_keeps_the_place(page: Page, url: str) -> None:
    panel = show(page, url)
    counts, place = examples_of(url)["counts"], panel.locator(".examples-place")
    total = sum(counts.values())
    expect(place).to_have_text(f"1 to {PAGE} of {total:,}")
    expect(panel.get_by_role("button", name="Previous examples")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("ArrowRight")
    expect(place).to_have_text(f"{PAGE + 1} to {2 * PAGE} of {total:,}")
    page.keyboard.press("]")
    insults = counts[SKILLS[0].id]
    expect(place).to_have_text(f"1 to {PAGE} of {insults:,}")
    expect(panel.locator(".examples-rail [aria-current]")).to_contain_text(f"{SKILLS[0].title}{insults:,}")
    panel.get_by_role("button", name="Spell").click()
    last = (counts["spell"] - 1) // PAGE * PAGE
    page.wait_for_url("**examples=spell*")
    panel = show(page, url, examples="spell", examples_from=last)
    expect(place).to_have_text(f"{last + 1:,} to {counts['spell']:,} of {counts['spell']:,}")
    page.keyboard.press("ArrowRight")
    expect(place).to_have_text(f"{last + 1:,} to {counts['spell']:,} of {counts['spell']:,}")
    requests = [one["request"] for one in examples_of(url, skill="spell", **{"from": last})["examples"]]
    assert [words.strip("↵") for words in panel.locator(".examples-line-read").all_text_contents()] == requests
    panel = show(page, url, examples="sing", examples_from=10**6)  # an old address
    expect(place).to_have_text(f"1 to {PAGE} of {total:,}")


def test_downloads_hold_the_examples_on_screen(page: Page, url: str, tmp_path: Path) -> None:
    show(page, url, examples="shout")
    size, where = page.evaluate(SMALLEST, "#assistant-views")
    assert size >= 0.999, where
    told = examples_of(url, skill="shout")["examples"]
    pairs = [json.loads(line) for line in download(page, "JSON Lines", tmp_path).splitlines()]
    assert pairs == [{"request": one["request"], "answer": one["answer"]} for one in told]
    rows = [*csv.DictReader(download(page, "CSV", tmp_path).splitlines())]
    assert [(row["skill"], row["request"], row["answer"]) for row in rows] == [("shout", one["request"], one["answer"]) for one in told]


def download(page: Page, entry: str, folder: Path) -> str:
    """What an entry of the menu of downloads saves."""
    page.keyboard.press("d")
    with page.expect_download() as waiting:
        page.get_by_role("button", name=entry).locator("visible=true").click()
    file: Download = waiting.value
    file.save_as(folder / file.suggested_filename)
    return (folder / file.suggested_filename).read_text(encoding="utf-8")


def test_without_a_corpus_it_is_said(empty_page: Page, url: str) -> None:
    page = empty_page
    page.route("**/assistant/examples?*", lambda route: route.fulfill(json={"examples": [], "n": 0, "counts": {}, "trouble": TROUBLE}))
    page.goto(f"{url}/#tab=assistant&assistant=examples")
    panel = page.get_by_role("tabpanel", name="Examples")
    expect(panel.locator(".trouble").first).to_contain_text(TROUBLE)
    expect(panel.locator(".examples")).to_be_hidden()
    page.unroute("**/assistant/examples?*")
    panel.get_by_role("button", name="Try again").click()
    expect(panel.locator(".trouble").first).not_to_contain_text(TROUBLE)
