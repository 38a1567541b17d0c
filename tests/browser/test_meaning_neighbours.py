"""The view "Neighbours", held against the routes: the nearest lines by both methods, the map, two sentences, and the recall."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.browser.conftest import watched
from tests.browser.tab import state_of
from tests.conftest import ROOT
from tests.support.viewing import answer

READY = "() => document.querySelector('.neighbours-line, .neighbours > .trouble:not(:empty)') && document.querySelector('.neighbours-bar')"
# The letters of a line that are underlined.
UNDERLINED = """node => [...CSS.highlights.get("neighbours-shared")]
  .filter((range) => node.contains(range.startContainer))
  .map((range) => node.textContent.slice(range.startOffset, range.endOffset))"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / "weights/meaning/embedding/model.safetensors").is_file(), reason="the embedding is not in weights/meaning/embedding"
    ),
]


@pytest.fixture(scope="module")
def known(url: str, corpus_path: Path) -> dict[str, Any]:
    """The lines and the recall, from the route."""
    told: dict[str, Any] = answer(url, "GET", "/meaning/neighbours")[1]
    assert (told["trouble"], told["missing"]) == ("", "")
    return told


@pytest.fixture(scope="module")
def page(context: BrowserContext, url: str, known: dict[str, Any]) -> Iterator[Page]:
    """A page with this view, loaded once: each test goes on from what the one before left."""

    def is_refused(message: ConsoleMessage) -> bool:
        return "status of 400" in message.text and "/meaning/" in message.location["url"]

    page = context.new_page()
    with watched(page, is_refused):
        page.goto(f"{url}/#run=none&tab=meaning&meaning=neighbours")
        page.wait_for_function(READY)
        yield page
    page.close()


@pytest.fixture
def panel(page: Page) -> Locator:
    """The view, with nothing focused."""
    page.evaluate("document.activeElement.blur()")
    return page.get_by_role("tabpanel", name="Neighbours")


def asked(url: str, path: str, **body: str) -> dict[str, Any]:
    """What a route answers."""
    status, told = answer(url, "POST", path, json.dumps(body).encode(), Content_Type="application/json")
    assert status == 200, told
    return dict(told)


def figure(score: float) -> str:
    """As the page writes it, but for what rounding may do to the last digit."""
    return f"{score:.2f}".replace("-", "−")


def lines_of(panel: Locator, method: str) -> list[str]:
    return panel.locator(f"[data-method={method}] .neighbours-text").all_text_contents()


def saved(page: Page, label: str, name: str) -> str:
    """The file behind an entry of the menu."""
    page.locator("#meaning-views").get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    assert download.value.suggested_filename == name
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_a_sentence_finds_the_nearest_lines_by_both_methods(page: Page, panel: Locator, url: str, known: dict[str, Any]) -> None:
    sentence = "My father was a king"
    page.keyboard.press("s")
    field = panel.get_by_label("Sentence")
    expect(field).to_be_focused()
    field.fill(sentence)
    field.press("Enter")
    told = asked(url, "/meaning/nearest", text=sentence)
    for method in ("embedding", "tfidf"):
        found = panel.locator(f"[data-method={method}]")
        expect(found.locator(".neighbours-text")).to_have_text([near["text"] for near in told[method]])
        expect(found.locator(".neighbours-source")).to_have_text([f"{near['speaker']}, {near['play']}" for near in told[method]])
        assert [float(score.replace("−", "-")) for score in found.locator(".neighbours-score").all_text_contents()] == pytest.approx(
            [near["score"] for near in told[method]], abs=0.0051
        )
        random = known["random"][method]
        expect(found.locator(".neighbours-key")).to_have_text(
            f"two random lines: {figure(random['median'])}, 1 pair in 20 over {figure(random['high'])}"
        )
    first = panel.locator("[data-method=tfidf] .neighbours-text").first
    underlined = first.evaluate(UNDERLINED)
    assert underlined
    assert all(stretch.lower() in told["tfidf"][0]["text"].lower() for stretch in underlined)
    assert all(stretch[i : i + 3].lower() in sentence.lower() for stretch in underlined for i in range(len(stretch) - 2))
    page.wait_for_function("location.hash.includes('sentence=My')")
    rows = [*csv.DictReader(io.StringIO(saved(page, "Nearest lines (CSV)", "neighbours.csv"), newline=""))]
    assert [row["line"] for row in rows] == [near["text"] for near in [*told["embedding"], *told["tfidf"]]]
    assert json.loads(saved(page, "Nearest lines (JSON)", "neighbours.json")) == told


def test_the_map_is_read_by_pointer_and_by_keyboard(page: Page, panel: Locator, url: str, known: dict[str, Any]) -> None:
    lines, node = known["lines"], panel.get_by_test_id("neighbours-map")
    assert node.get_attribute("data-points") == str(known["n"])
    read = panel.locator(".neighbours-read")
    page.keyboard.press("ArrowRight")  # the first of the nearest
    nearest = panel.locator(".neighbours-line").first
    expect(read).to_have_text(nearest.locator(".neighbours-text").inner_text())
    expect(nearest).to_have_attribute("data-pointed", "")
    line = int(nearest.get_attribute("data-line") or -1)
    node.focus()
    page.keyboard.press("ArrowRight")
    further = lines["text"].index(read.inner_text())
    assert lines["x"][further] > lines["x"][line]
    page.keyboard.press("Enter")
    expect(panel.get_by_label("Sentence")).to_have_value(lines["text"][further])
    expect(panel.locator("[data-method=embedding] .neighbours-text").first).to_have_text(lines["text"][further])  # nothing is nearer to it
    expect(panel.locator("[data-method=embedding] .neighbours-score").first).to_have_text("1.00")
    # A pointer at the place of a line reads it, or one that is nearer on the screen.
    box = node.bounding_box()
    assert box is not None
    rem = float(page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)"))
    edge = 0.75 * rem
    x = box["x"] + edge + (lines["x"][line] + 1) / 2 * (box["width"] - 2 * edge)
    y = box["y"] + edge + (1 - lines["y"][line]) / 2 * (box["height"] - 2 * edge)
    page.mouse.move(x, y)
    expect(read).not_to_have_text(lines["text"][further])
    seen = lines["text"].index(read.inner_text())
    assert abs(lines["x"][seen] - lines["x"][line]) < 0.02
    assert abs(lines["y"][seen] - lines["y"][line]) < 0.02
    page.mouse.move(2, 2)


def test_the_map_is_coloured_by_play_or_by_speaker(page: Page, panel: Locator, known: dict[str, Any]) -> None:
    names = panel.locator(".neighbours-name")
    assert names.all_inner_texts() == known["plays"]
    page.keyboard.press("c")
    counts = [known["lines"]["speaker"].count(i) for i in range(len(known["speakers"]))]
    most = sorted(range(len(counts)), key=lambda i: -counts[i])[:9]
    assert names.all_inner_texts() == [known["speakers"][i] for i in most]
    page.keyboard.press("]")
    expect(names.first).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("location.hash.includes('map_group')")
    assert state_of(page.url)["map_group"] == [known["speakers"][most[0]]]
    names.first.click()
    expect(names.first).to_have_attribute("aria-pressed", "false")
    expect(names.first).to_be_focused()
    page.keyboard.press("c")
    assert names.all_inner_texts() == known["plays"]


def test_two_sentences_are_compared_by_three_measures(page: Page, panel: Locator, url: str, known: dict[str, Any]) -> None:
    page.keyboard.press("t")
    first, second = panel.get_by_label("First"), panel.get_by_label("Second")
    expect(first).to_be_focused()
    first.fill("The queen is dead.")
    second.fill("Alas, the queen has died!")
    second.press("Enter")
    told = asked(url, "/meaning/similarity", a="The queen is dead.", b="Alas, the queen has died!")
    figures = [figure(told[name]) for name in ("embedding", "tfidf", "mean")]
    expect(panel.locator(".neighbours-figure")).to_have_text(figures)
    assert panel.locator(".neighbours-median").count() == len(known["recall"]["random"])
    second.fill("")
    second.press("Enter")
    expect(panel.locator(".neighbours-two .trouble")).to_contain_text("Type a sentence")
    expect(panel.locator(".neighbours-figure")).to_have_text(figures)  # what was there stays


def test_the_recall_is_that_which_was_measured(page: Page, panel: Locator, known: dict[str, Any]) -> None:
    table, recall = panel.locator(".neighbours-recall"), known["recall"]
    for method, measured in recall["methods"].items():
        shares = table.locator(f"tr[data-method={method}] .neighbours-share")
        bars = shares.evaluate_all("cells => cells.map((cell) => Number(cell.style.getPropertyValue('--share')))")
        assert bars == pytest.approx([measured["recall"][k] for k in ("1", "5", "10")])
    expect(table).to_contain_text(f"{recall['n']} speeches")
    figures = {
        method: [*(recall["methods"][method]["recall"][k] for k in ("1", "5", "10")), recall["methods"][method]["mrr"]]
        for method in ("embedding", "tfidf")
    }
    names = ("at 1", "at 5", "at 10", "by MRR")
    for title, method, other in (("The embedding", "embedding", "tfidf"), ("TF-IDF", "tfidf", "embedding")):
        ahead = [name for name, own, theirs in zip(names, figures[method], figures[other], strict=True) if own > theirs]
        words = " and ".join([", ".join(ahead[:-1]), ahead[-1]] if len(ahead) > 1 else ahead)
        said = expect(table.locator(".neighbours-key"))
        said.to_contain_text(f"{title} is ahead {words}.") if ahead else said.not_to_contain_text(f"{title} is ahead")
    half = panel.locator(".neighbours-half")
    for method in ("embedding", "tfidf"):
        share = float(re.findall(r"([\d.]+) %", half.inner_text())[method == "tfidf"])
        assert share == pytest.approx(100 * recall["methods"][method]["recall"]["10"], abs=0.51)
    page.set_viewport_size({"width": 360, "height": 740})
    mrr = table.locator("tr[data-method=embedding] td").last
    expect(mrr).to_be_visible()
    assert mrr.evaluate("node => node.getBoundingClientRect().right <= innerWidth")
    page.set_viewport_size({"width": 1280, "height": 720})
    rows = [*csv.DictReader(io.StringIO(saved(page, "Recall (CSV)", "recall.csv"), newline=""))]
    assert {row["method"]: float(row["recall at 10"]) for row in rows} == {
        method: measured["recall"]["10"] for method, measured in recall["methods"].items()
    }


def test_what_cannot_be_looked_for_loses_nothing(page: Page, panel: Locator) -> None:
    before, field = lines_of(panel, "embedding"), panel.get_by_label("Sentence")
    for typed in ("   ", "☃"):
        field.fill(typed)
        field.press("Enter")
        expect(panel.locator(".neighbours > .trouble")).to_contain_text("Type a sentence")
        assert lines_of(panel, "embedding") == before
        expect(field).to_have_value(typed)
    field.fill("to be " * 40)
    field.press("Enter")
    expect(panel.locator(".neighbours > .trouble")).to_contain_text("The sentence has 240 characters; the maximum is 200.")
    assert lines_of(panel, "embedding") == before
    field.fill("Café ☃")
    field.press("Enter")
    expect(panel.locator(".neighbours > .notice")).to_contain_text("☃")
    expect(panel.locator(".neighbours > .trouble")).to_be_empty()
