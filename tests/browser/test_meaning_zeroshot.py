"""The view "Zero-shot": accuracy as it was measured, pairs and endings as the routes read them, and one model as the judge of all."""

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

from model.meaning.ngram import ORDER
from tests.browser.conftest import watched
from tests.browser.tab import state_of
from tests.conftest import ROOT
from tests.support.viewing import answer

READY = "() => document.querySelector('.zero-place')?.textContent"
# How many characters of an element have a colour.
COLOURED = """node => [1, 2, 3, 4, 5, 6, 7]
  .flatMap((shade) => [...CSS.highlights.get(`heat-${shade}`)])
  .filter((range) => node.contains(range.startContainer))
  .reduce((sum, range) => sum + range.endOffset - range.startOffset, 0)"""
BIT = 0.6931471805599453  # nats

pytestmark = pytest.mark.skipif(not (ROOT / "weights/meaning/zeroshot.json").is_file(), reason="weights/meaning/zeroshot.json is missing")


@pytest.fixture(scope="module")
def known(url: str) -> dict[str, Any]:
    """What was measured, from the route."""
    told: dict[str, Any] = answer(url, "GET", "/meaning/zeroshot")[1]
    assert not told["trouble"]
    return told


@pytest.fixture(scope="module")
def kind(known: dict[str, Any]) -> dict[str, Any]:
    """A kind whose pairs need no corpus."""
    return next(kind for kind in known["kinds"] if kind["source"] == "rule")


@pytest.fixture(scope="module")
def page(context: BrowserContext, url: str, kind: dict[str, Any]) -> Iterator[Page]:
    """A page with this view, loaded once: each test goes on from what the one before left."""

    def is_refused(message: ConsoleMessage) -> bool:
        return "status of 400" in message.text and "/meaning/" in message.location["url"]

    page = context.new_page()
    with watched(page, is_refused):
        page.goto(f"{url}/#run=none&tab=meaning&kind={kind['id']}")
        page.wait_for_function(READY)
        yield page
    page.close()


@pytest.fixture
def panel(page: Page) -> Locator:
    """The view, with nothing focused."""
    page.evaluate("document.activeElement.blur()")
    return page.get_by_role("tabpanel", name="Zero-shot")


def ask(url: str, path: str, **body: Any) -> dict[str, Any]:
    """What a route answers."""
    status, told = answer(url, "POST", path, json.dumps(body).encode(), Content_Type="application/json")
    assert status == 200, told
    return dict(told)


def percent(share: float) -> str:
    """As the page writes it."""
    return f"{int(100 * share + 0.5)}\N{NO-BREAK SPACE}%"


def figure(nats: float) -> float:
    return pytest.approx(nats, abs=0.051)  # a decimal


def number_in(node: Locator) -> float:
    """Of bits, in nats."""
    return BIT * float(node.inner_text().split()[0].replace("−", "-"))


def saved(page: Page, label: str, name: str) -> str:
    """The file behind an entry of the menu."""
    page.locator("#meaning-views").get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    assert download.value.suggested_filename == name
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_accuracy_is_shown_as_it_was_measured(page: Page, panel: Locator, known: dict[str, Any]) -> None:
    judge = next(model for model in known["models"] if model["group"] == "shipped")
    ngram = next(model for model in known["models"] if model["group"] == "n-gram")
    expect(panel.get_by_label("Model", exact=True)).to_have_value(judge["id"])
    expect(panel.locator(".zero-all .zero-figure")).to_have_text(percent(judge["mean"]["right"]))
    rows = panel.locator("button.zero-row")
    expect(rows).to_have_count(len(known["kinds"]))
    labels = {row.get_attribute("aria-label") for row in rows.all()}
    assert labels == {
        f"{each['title']}, {judge['name']} {percent(judge['kinds'][each['id']]['right'])}, "
        f"{ngram['name']} {percent(ngram['kinds'][each['id']]['right'])}"
        for each in known["kinds"]
    }
    comparable = [
        model
        for model in known["models"]
        if model["group"] in ("n-gram", "ladder", "shipped", "snapshot") and model["val_loss"] is not None
    ]
    expect(panel.locator(".zero-key")).to_contain_text(f"n-gram, {ORDER} characters")
    expect(panel.locator(".zero-growth")).to_have_attribute("data-points", str(len(comparable)))
    rows_saved = [*csv.DictReader(io.StringIO(saved(page, "Accuracy of all models (CSV)", "zero-shot.csv"), newline=""))]
    assert {(row["model"], row["kind"], float(row["right"])) for row in rows_saved} == {
        (model["id"], kind, share["right"]) for model in known["models"] for kind, share in model["kinds"].items()
    }


def test_the_model_speaks_after_the_guess(page: Page, panel: Locator, url: str, known: dict[str, Any], kind: dict[str, Any]) -> None:
    key = next(model["key"] for model in known["models"] if model["group"] == "shipped")
    told = ask(url, "/meaning/pairs", kind=kind["id"], model=key, **{"from": 0})
    pair = told["pairs"][0]
    texts = panel.locator(".zero-pair .zero-text")
    assert {*texts.all_text_contents()} == {pair["right"]["text"], pair["wrong"]["text"]}
    expect(panel.locator(".zero-place")).to_have_text(f"pair 1 of {told['n']}")
    expect(panel.locator(".zero-verdict")).to_have_text("Which of the two is likelier, A or B?")
    assert [text.evaluate(COLOURED) for text in texts.all()] == [0, 0]

    page.keyboard.press("a")
    expect(panel.locator(".zero-says").first).to_contain_text("You: A")
    shown = texts.all_text_contents()
    right = shown.index(pair["right"]["text"])
    read = [pair["right"], pair["wrong"]] if right == 0 else [pair["wrong"], pair["right"]]
    assert [number_in(node) for node in panel.locator(".zero-sum").all()] == [figure(each["sum"]) for each in read]
    for text, each in zip(texts.all(), read, strict=True):
        from_there = each["log_probs"][pair["from"] :]
        assert abs(text.evaluate(COLOURED) - sum(-value >= BIT for value in from_there)) <= 1  # the route rounds
    likelier = int(read[1]["sum"] > read[0]["sum"])
    expect(panel.locator(".zero-card").nth(likelier)).to_have_class(re.compile("likelier"))
    signs = ["A ✓" if right == 0 else "A ✗", f"{'AB'[likelier]} {'✓' if likelier == right else '✗'}"]
    expect(panel.locator(".zero-says b").nth(0)).to_have_text(signs[0])
    expect(panel.locator(".zero-says b").nth(1)).to_have_text(signs[1])
    texts.first.focus()
    page.keyboard.press("ArrowRight")
    expect(panel.locator(".zero-pair .zero-reading")).to_have_text(re.compile(r"%, [\d.]+ bits"))


@pytest.mark.slow
def test_a_snapshot_judges_and_the_address_keeps_it(page: Page, panel: Locator, known: dict[str, Any], kind: dict[str, Any]) -> None:
    first = min((model for model in known["models"] if model["group"] == "snapshot"), key=lambda model: model["step"])
    with page.expect_response("**/meaning/pairs") as judged:
        panel.get_by_label("Model", exact=True).select_option(first["id"])
    assert judged.value.request.post_data_json["model"] == first["key"]
    expect(panel.locator(".zero-key .zero-sign").first).to_have_text(first["name"])
    expect(panel.locator(".zero-all .zero-figure")).to_have_text(percent(first["mean"]["right"]))
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    expect(panel.locator(".zero-place")).to_have_text(re.compile("^pair 2 of"))
    page.wait_for_function("location.hash.includes('minimal=2')")
    state = state_of(page.url)
    assert (state["judge"], state["kind"], state["minimal"]) == ([first["id"]], [kind["id"]], ["2"])
    page.keyboard.press("]")
    expect(panel.locator("button.zero-row[aria-current]")).not_to_contain_text(kind["title"])
    expect(panel.locator(".zero-place")).to_have_text(re.compile("^pair 1 of"))


def test_three_orders_of_endings(page: Page, panel: Locator, url: str, known: dict[str, Any]) -> None:
    key = next(model["key"] for model in known["models"] if model["group"] == "shipped")
    panel.get_by_label("Model", exact=True).select_option(next(model["id"] for model in known["models"] if model["key"] == key))
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("c")
    with page.expect_response(lambda response: "The king" in (response.request.post_data or "")) as asked:
        panel.get_by_role("button", name="The king is …").click()
    body = asked.value.request.post_data_json
    told = ask(url, "/meaning/choices", model=key, beginning=body["beginning"], endings=body["endings"])
    expect(panel.locator(".zero-choices .zero-text").first).to_contain_text("The king is ")
    for i, order in enumerate(("sum", "per_character", "corrected")):
        shown = panel.locator(".zero-order").nth(i).locator(".zero-ending")
        expect(shown).to_have_text([told["endings"][place]["text"] for place in told["orders"][order]])
    best = told["endings"][told["orders"]["sum"][0]]
    expect(panel.locator(".zero-agreement")).to_contain_text(best["text"].rstrip("."))
    assert number_in(panel.locator(".zero-order b").first) == figure(best["sum"])
    for i, order in enumerate(("sum", "per_character", "corrected")):
        winner = told["endings"][told["orders"][order][0]]["text"]
        expect(panel.locator(".zero-order").nth(i).locator(".best .zero-ending")).to_have_text([winner])
    text = panel.locator(".zero-choices .zero-text").first
    assert abs(text.evaluate(COLOURED) - sum(-value >= BIT for value in best["log_probs"])) <= 1

    fields = panel.get_by_role("textbox", name=re.compile(r"^Ending \d$"))
    fields.last.fill(fields.first.input_value())
    fields.last.press("Enter")  # two alike
    expect(panel.locator(".zero-choices .trouble")).not_to_be_empty()
    expect(fields.last).to_have_value(fields.first.input_value())  # what was typed stays
    page.wait_for_function("location.hash.includes('endings=')")

    panel.get_by_label("Beginning").fill("The")
    fields.nth(0).fill("a" * 200)
    for i, text in enumerate(("b", "c", "d"), 1):
        fields.nth(i).fill(text)
    panel.get_by_role("button", name="Compare").click()
    notice = panel.locator(".zero-choices .notice")
    expect(notice).to_contain_text(f"“The{'a' * 12}…” is read as one word")
    notice.get_by_role("button", name="Add a space").click()
    expect(panel.get_by_label("Beginning")).to_have_value("The ")
    expect(panel.get_by_text("Endings follow “The␣”")).to_be_visible()
    expect(notice).to_be_empty()

    panel.get_by_label("Beginning").fill("")
    panel.get_by_role("button", name="Compare").click()
    expect(panel.locator(".zero-agreement")).to_contain_text("Corrected: a tie of")


@pytest.mark.slow
def test_who_said_it_and_how_much_of_it_is_memory(page: Page, panel: Locator, url: str, known: dict[str, Any]) -> None:
    shipped = next(model for model in known["models"] if model["group"] == "shipped")
    panel.get_by_role("button", name="Minimal pairs").click()
    panel.get_by_label("Model", exact=True).select_option(shipped["id"])  # another test chose another
    with page.expect_response("**/meaning/speakers") as asked:
        panel.get_by_role("button", name="Who said it?").click()
    told = ask(url, "/meaning/speakers", model=shipped["key"], text=asked.value.request.post_data_json["text"])
    rows = panel.locator(".zero-name .zero-title")
    expect(rows).to_have_text([speaker["name"] for speaker in told["speakers"]], ignore_case=True)
    figures = panel.locator(".zero-question b")
    expect(figures).to_have_text([percent(known["speakers"][name]["right"]) for name in ("trained", "held_out", "examples")])
    for i, name in enumerate(("trained", "held_out", "examples")):
        measured = known["speakers"][name]
        verdict = "better than chance" if measured["low"] > measured["chance"] else "no better than chance"
        expect(panel.locator(".zero-question p").nth(i)).to_contain_text(f": {verdict}, {percent(measured['chance'])}")
    length = len(told["text"])
    expect(panel.locator(".zero-speakers .zero-count")).to_have_text(f"{length} of at most {known['max_speech_chars']} characters")
    text = panel.locator(".zero-speakers .zero-text")
    likeliest, last = told["speakers"][0], told["speakers"][-1]
    assert abs(text.evaluate(COLOURED) - sum(-value >= BIT for value in likeliest["log_probs"])) <= 1
    rows.last.click()
    expect(panel.locator(".zero-as")).to_contain_text(rows.last.inner_text())
    assert abs(text.evaluate(COLOURED) - sum(-value >= BIT for value in last["log_probs"])) <= 1
