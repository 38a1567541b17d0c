"""The view "Data" of the Learning tab, in a real browser: texts and numbers, the vocabulary, the corpus and batches of chunks."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Download, Locator, Page, expect

from model.data import TINY_SHAKESPEARE_ALPHABET
from model.limits import MAX_ENCODED_CHARS
from tests.browser.tab import drawn, state_of
from tests.browser.test_accessibility import barriers
from tests.support.viewing import answer
from tests.test_web_learning_data import LECTURE_X, LECTURE_Y

TROUBLE = "There is no corpus here."


@pytest.fixture
def page(empty_page: Page) -> Page:
    return empty_page


def show(page: Page, url: str, **address: str | int) -> Locator:
    """The view as an address asks for it, with its numbers."""
    words = "".join(f"&{name}={quote(str(value))}" for name, value in address.items())
    page.goto("about:blank")
    page.goto(f"{url}/#tab=learning{words}")
    page.locator("#learning-views [data-ready]").wait_for(state="attached")
    panel = page.get_by_role("tabpanel", name="Data")
    expect(panel.get_by_label("Numbers", exact=True)).not_to_have_value("")
    return panel


def show_batch(page: Page, url: str, **address: str | int) -> Locator:
    """The batches, drawn."""
    panel = show(page, url, part="batches", **address)
    expect(panel.locator(".examples-table tbody tr").first).to_be_visible()
    return panel


def download(page: Page, entry: str) -> str:
    """What an entry of the menu of downloads gives."""
    page.get_by_role("button", name="Download", exact=True).locator("visible=true").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name=entry).click()
    file: Download = saved.value
    return Path(file.path()).read_text(encoding="utf-8")


def picture(cells: Locator) -> str:
    """What is on the canvas of some cells."""
    drawn(cells.page)
    return cells.locator("canvas").evaluate("canvas => canvas.toDataURL()")


def test_text_and_numbers_are_edited_both_ways(page: Page, url: str) -> None:
    panel = show(page, url)
    text, numbers, notice = (
        panel.get_by_label("Text", exact=True),
        panel.get_by_label("Numbers", exact=True),
        panel.locator(".notice").first,
    )
    expect(numbers).to_have_value(re.compile("^46 47 47 1 58 46 43 56 43 0 "))  # hii there, as the lecture has it
    text.fill("“Ay” €")
    expect(numbers).to_have_value("5 13 63 5 1")
    expect(notice).to_have_text("Replaced: “ → ' · ” → ' Left out, because the model does not know them: ‘€’.")
    expect(text).to_have_value("“Ay” €")  # what was typed stays
    numbers.fill("46 99 47 x")
    expect(text).to_have_value("hi")
    expect(notice).to_have_text("Left out: 99 (at position 2), x (at position 4). The vocabulary has the numbers 0 to 64.")
    expect(numbers).to_have_value("46 99 47 x")
    page.wait_for_function("location.hash.includes('chars=hi')")
    saved = json.loads(download(page, "Text as numbers (JSON)"))
    assert (saved["text"], saved["ids"], "".join(saved["vocabulary"])) == ("hi", [46, 47], TINY_SHAKESPEARE_ALPHABET)
    assert "character,number" in download(page, "Text as numbers (CSV)")
    expect(page.locator(".learning-dice")).to_be_hidden()
    page.get_by_role("tab", name="Ladder").click()
    expect(page.locator(".learning-dice")).to_be_visible()


def test_a_character_that_is_pointed_at_is_marked_in_the_text_and_in_the_vocabulary(page: Page, url: str) -> None:
    panel = show(page, url, chars="hii there")
    cells, said = panel.get_by_role("application").first, panel.locator(".data-said")
    expect(panel.get_by_role("option")).to_have_count(65)
    before = picture(cells)
    panel.get_by_role("option", name="‘h’, number 46").hover()
    expect(said).to_contain_text("‘h’ is number 46: 2 times in this text")
    assert picture(cells) != before
    panel.locator(".data-title").first.hover()
    expect(said).to_have_text("9 characters, 6 distinct. Point at one.")
    assert picture(cells) == before
    cells.focus()
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("‘i’ is number 47: 2 times")
    expect(panel.locator(".vocabulary-tile.here")).to_have_attribute("aria-label", re.compile("^‘i’, number 47"))
    expect(cells).to_have_attribute("aria-description", "‘i’, number 47, at 2")
    panel.get_by_role("listbox").focus()
    page.keyboard.press("End")
    expect(said).to_contain_text("‘z’ is number 64: 0 times")


def test_a_text_of_the_greatest_length_is_drawn_where_it_is_seen(page: Page, url: str) -> None:
    panel = show(page, url)
    text = "To be, or not to be. " * 5_000
    text = text[:MAX_ENCODED_CHARS]
    panel.get_by_label("Text", exact=True).fill(text)
    expect(panel.locator(".data-said")).to_contain_text("100,000 characters")
    cells = panel.get_by_role("application").first
    sizes = cells.evaluate(
        "box => [box.scrollHeight, box.clientHeight, box.querySelector('canvas').clientHeight, box.querySelectorAll('*').length]"
    )
    assert sizes[0] > 50 * sizes[1]
    assert sizes[1:] == [sizes[1], sizes[1], 2]
    cells.focus()
    before = picture(cells)
    page.keyboard.press("End")
    expect(cells).to_have_attribute("aria-description", re.compile(", at 100,000$"))
    assert picture(cells) != before
    panel.get_by_label("Text", exact=True).fill(text + "!")
    expect(panel.get_by_role("alert").first).to_have_text("The text has 100,001 characters; the maximum is 100,000. Shorten it.")
    expect(panel.get_by_label("Text", exact=True)).to_have_value(text + "!")
    panel.get_by_label("Text", exact=True).fill("a")
    expect(panel.get_by_label("Numbers", exact=True)).to_have_value("39")
    expect(panel.get_by_role("alert").first).to_be_empty()


@pytest.mark.usefixtures("corpus_path")
def test_the_first_batch_is_the_lectures_and_each_row_opens_into_its_examples(page: Page, url: str) -> None:
    panel = show_batch(page, url)
    expect(panel.locator(".split")).to_contain_text("1,115,394 characters, 65 distinct")
    pieces = [panel.locator(".split-piece").nth(i).bounding_box() for i in (0, 1)]
    assert pieces[0]
    assert pieces[1]
    assert pieces[0]["width"] / pieces[1]["width"] == pytest.approx(1_003_854 / 111_540, rel=0.02)
    expect(panel.locator(".split-mark")).to_have_count(4)
    rows = list(csv.DictReader(download(page, "Batch (CSV)").splitlines()))
    assert [[int(row["x"]) for row in rows[i : i + 8]] for i in range(0, 32, 8)] == LECTURE_X
    assert [[int(row["y"]) for row in rows[i : i + 8]] for i in range(0, 32, 8)] == LECTURE_Y

    page.keyboard.press("]")
    examples = panel.locator(".examples-table tbody tr")
    expect(panel.locator(".examples h3")).to_have_text("Row 2 holds 8 examples")
    written = [line.locator("td").all_text_contents() for line in examples.all()]
    assert written[1] == ["fo", "44 53", "r", "56"]
    assert [int(line[3]) for line in written] == LECTURE_Y[1]
    assert written[7][1] == " ".join(map(str, LECTURE_X[1]))

    inputs = panel.get_by_role("application", name=re.compile("^x, the inputs"))
    before = picture(inputs)
    examples.nth(2).hover()
    assert picture(inputs) != before
    box = inputs.bounding_box()
    assert box
    inputs.click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.9})  # in the last row
    expect(panel.locator(".examples h3")).to_have_text("Row 4 holds 8 examples")
    expect(panel.locator(".examples-table tr.here")).to_have_count(1)

    page.keyboard.press("b")
    page.wait_for_function("location.hash.includes('batch=')")
    state = state_of(page.evaluate("location.href"))
    assert state["row"] == ["3"]
    expect(panel.get_by_label("Seed")).to_have_value(state["batch"][0])
    asked = json.dumps({"batch_size": 4, "block_size": 8, "seed": int(state["batch"][0])})
    batch = answer(url, "POST", "/learning/chunks", asked.encode(), Content_Type="application/json")[1]
    expect(panel.locator(".examples-target-id")).to_have_text([str(target) for target in batch["y"][3]])


@pytest.mark.usefixtures("corpus_path")
def test_an_address_has_the_sizes_the_seed_and_the_row(page: Page, url: str) -> None:
    panel = show_batch(page, url, rows=16, block=32, batch=7, row=2)
    expect(panel.locator(".batch-shape").first).to_have_text("16 × 32")
    expect(panel.get_by_label("Seed")).to_have_value("7")
    expect(panel.locator(".examples h3")).to_have_text("Row 3 holds 32 examples")
    panel.get_by_label("Block size").press("Home")
    expect(panel.locator(".examples h3")).to_have_text("Row 3 holds 1 example")
    panel.get_by_label("Batch size").press("Home")
    expect(panel.locator(".examples h3")).to_have_text("Row 1 holds 1 example")  # the third is gone
    page.wait_for_function("['rows=1&', 'block=1&'].every((part) => location.hash.includes(part))")
    state = state_of(page.url)
    assert (state["part"], state["rows"], state["block"], state["batch"]) == (["batches"], ["1"], ["1"], ["7"])
    assert "row" not in state


def test_without_a_corpus_chunks_are_drawn_from_the_typed_text(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    page.route("**/learning/corpus", lambda route: route.fulfill(json={"trouble": TROUBLE}))
    panel = show_batch(page, url, chars="abcdefghijklmnopqrst")  # 18 of them to learn from
    expect(panel.locator(".notice").last).to_contain_text(TROUBLE)
    expect(panel.locator(".split")).to_contain_text("Your text20 characters")
    expect(panel.locator(".split")).to_contain_text("18 characters")
    assert re.fullmatch("[a-r]{8}", panel.locator(".examples-text").last.inner_text())
    panel.get_by_label("Block size").press("End")
    expect(panel.get_by_role("alert").last).to_have_text(
        "The training text has 18 characters; a block size of 256 needs at least 257. Use a longer text or a smaller block size."
    )
    panel.get_by_label("Block size").press("Home")
    expect(panel.get_by_role("alert").last).to_be_empty()
    expect(panel.locator(".examples-table tbody tr")).to_have_count(1)
    page.unroute("**/learning/corpus")
    page.close()


def test_both_parts_are_without_barriers_and_fit_a_phone(page: Page, url: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    panel = show(page, url)
    for part in ("Characters as numbers", "Corpus and batches"):
        panel.get_by_role("button", name=part).click()
        if part.startswith("Corpus"):
            expect(panel.locator(".examples-table tbody tr").first).to_be_visible()
        assert barriers(page) == [], part
        page.set_viewport_size({"width": 360, "height": 740})
        drawn(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, part
        page.set_viewport_size({"width": 1280, "height": 720})
