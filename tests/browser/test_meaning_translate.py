"""The view "Encoder and decoder", in a real browser: what both networks write, and all kinds of attention, held against the route."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Route, expect

from model.meaning.rules import RULES
from model.meaning.translates import TRANSLATES_FILE
from tests.browser.conftest import watched
from tests.browser.tab import state_of
from tests.conftest import ROOT
from tests.support.admin import Admin

TEXT = "honest Iago"
SIGN = "■"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all((ROOT / "weights/meaning" / name / TRANSLATES_FILE).is_file() for name in ("reversal", "reversal-gpt", "early-modern")),
        reason="the networks are not in weights/meaning, or were not measured",
    ),
]


def answer(url: str, text: str, task: str = "reversal", beams: int = 1) -> dict[str, Any]:
    """What the server answers."""
    told: dict[str, Any] = Admin(url).do("/meaning/translate", task=task, text=text, beams=beams)
    return told


def weights_of(told: dict[str, Any], network: str, kind: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The weights of all heads, (layers, heads, rows, columns)."""
    found = told["networks"][network]["attention"][kind]
    return np.frombuffer(base64.b64decode(found["weights"]), "<u2").reshape(found["shape"]) / 65_535


def signed(text: str) -> str:
    """A text as the view writes it."""
    return text.replace("\n", SIGN).replace(" ", "␣")


@pytest.fixture(scope="module")
def page(context: BrowserContext, url: str) -> Iterator[Page]:
    """A page with this view, loaded once; it plays nothing by itself."""

    def is_refused(message: ConsoleMessage) -> bool:
        return "status of 400" in message.text and message.location["url"].endswith("/meaning/translate")

    page = context.new_page()
    page.emulate_media(reduced_motion="reduce")
    with watched(page, is_refused):
        show(page, url)
        yield page
    page.close()


@pytest.fixture
def panel(page: Page, url: str) -> Iterator[Locator]:
    """The view with its text written to the end, the cross-attention of the last layer's mean, and nothing focused."""
    show(page, url)
    yield page.get_by_role("tabpanel", name="Encoder and decoder")
    page.unroute_all(behavior="ignoreErrors")


def show(page: Page, url: str, **address: str | int) -> None:
    page.goto("about:blank")
    page.goto(f"{url}/#{urlencode({'run': 'none', 'tab': 'meaning', 'meaning': 'translate', 'source': TEXT, **address})}")
    page.locator(".translate-target .translate-char.now").wait_for()


def text_of(row: Locator) -> str:
    return "".join(row.locator(".translate-char:not(.unwritten)").all_text_contents())


def test_both_answers_stand_below_the_input_and_their_first_mistake_is_marked(panel: Locator, url: str) -> None:
    told = answer(url, TEXT)
    networks = told["networks"]
    assert text_of(panel.locator(".translate-source")) == signed(networks["encoder-decoder"]["source"])
    for row, name in (("target", "encoder-decoder"), ("gpt", "gpt")):
        made = networks[name]
        assert text_of(panel.locator(f".translate-{row}")) == signed(made["target"])
        mark = panel.locator(f".translate-{row}-label b")
        expect(mark).to_have_attribute("aria-label", "right" if made["is_right"] else "wrong")
        right = f"{told['right']}\n"
        wrong = next((i for i, char in enumerate(made["target"]) if right[i : i + 1] != char), None)
        marks = panel.locator(f".translate-{row} .translate-char")
        marked = marks.evaluate_all("all => all.flatMap(({ classList }, i) => (classList.contains('wrong') ? [i] : []))")
        assert marked == ([] if wrong is None else [wrong])


def test_each_step_shows_its_likeliest_characters_and_where_it_looks(page: Page, panel: Locator, url: str) -> None:
    made = (told := answer(url, TEXT))["networks"]["encoder-decoder"]
    cross = weights_of(told, "encoder-decoder", "cross")[-1].mean(0)
    n = len(made["steps"])
    page.keyboard.press("Home")
    for step in range(n):
        expect(panel.locator(".translate-place")).to_have_text(f"{step + 1} of {n}")
        assert text_of(panel.locator(".translate-target")) == signed(made["target"][: step + 1])
        assert panel.locator(".translate-sign").all_text_contents() == [signed(char) for char, _ in made["steps"][step]["top"]]
        looked = panel.locator(".translate-source .looked-at")
        assert looked.evaluate("node => [...node.parentNode.children].indexOf(node)") == cross[step].argmax()
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"location.hash.includes('written={n - 1}')")
    panel.get_by_role("slider").press("Home")
    expect(panel.locator(".translate-place")).to_have_text(f"1 of {n}")
    panel.locator(".translate-target .translate-char").nth(3).click()
    expect(panel.locator(".translate-place")).to_have_text(f"4 of {n}")


def test_every_kind_of_attention_can_be_read_cell_by_cell(page: Page, panel: Locator, url: str) -> None:
    told = answer(url, TEXT)
    canvas = panel.get_by_role("application")
    for kind, network, name in (
        ("encoder", "encoder-decoder", "encoder"),
        ("decoder", "encoder-decoder", "decoder"),
        ("cross", "encoder-decoder", "cross"),
        ("gpt", "gpt", "decoder"),
    ):
        panel.locator(f".translate-attention[data-kind={kind}]").click()
        expect(panel.locator(".translate-map")).to_have_attribute("data-kind", kind)
        weights = weights_of(told, network, name)[-1].mean(0)
        canvas.focus()
        for _ in range(weights.shape[0]):
            page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowDown")
        share = 100 * weights[1, 0]
        digits = 0 if 10 <= share < 99 else 1 if share >= 1 else 2
        expect(panel.locator(".translate-said b")).to_have_text("< 0.01 %" if share < 0.01 else f"{share:.{digits}f} %")
        page.evaluate("document.activeElement.blur()")
    panel.locator(".translate-attention[data-kind=decoder]").click()
    canvas.focus()
    for key in ("ArrowUp",) * 30 + ("ArrowRight",):
        page.keyboard.press(key)
    expect(panel.locator(".translate-said")).to_contain_text("which comes later")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(".")
    page.wait_for_function("location.hash.includes('sees_head=')")
    assert state_of(page.url)["sees"] == ["decoder"]


def test_an_input_of_ones_own_is_rewritten_and_one_that_is_too_long_loses_nothing(page: Page, panel: Locator, url: str) -> None:
    panel.get_by_role("button", name=RULES["early-modern"].title).click()
    source = panel.get_by_label("Input", exact=True)
    source.fill("You are my friend.")
    source.press("Enter")
    expected = answer(url, "You are my friend.", "early-modern")["networks"]["encoder-decoder"]
    expect(panel.locator(".translate-source")).to_have_text(signed("You are my friend.\n"))
    page.keyboard.press("Escape")
    panel.get_by_role("slider").press("End")
    assert text_of(panel.locator(".translate-target")) == signed(expected["target"])
    panel.get_by_label("Beams", exact=True).select_option("4")
    beams = answer(url, "You are my friend.", "early-modern", 4)["networks"]["encoder-decoder"]["steps"]
    page.wait_for_function("document.querySelectorAll('.translate-beam').length > 0")
    panel.get_by_role("slider").press("Home")
    assert panel.locator(".translate-beam").count() == len(beams[0]["beams"]) == 4
    long = "You are my friend. " * 20
    source.fill(long)
    source.press("Enter")
    expect(panel.locator(".translate-main > .trouble")).to_contain_text("characters; this network learned texts of up to")
    expect(source).to_have_value(long)
    expect(panel.locator(".translate-source")).to_have_text(signed("You are my friend.\n"))  # what was there stays


def test_an_unchanged_input_is_written_again_and_an_empty_one_is_asked_for(page: Page, panel: Locator, url: str) -> None:
    n = len(answer(url, "abcd")["networks"]["encoder-decoder"]["steps"])
    source, play, place = panel.get_by_label("Input", exact=True), panel.locator(".translate-play"), panel.locator(".translate-place")
    source.fill("abcd")
    source.press("Enter")
    expect(panel.locator(".translate-source")).to_have_text(signed("abcd\n"))
    panel.get_by_role("slider").press("End")
    page.emulate_media(reduced_motion="no-preference")
    send = panel.get_by_role("button", name="Rewrite", exact=True)
    send.click()
    expect(play).to_have_text("Pause")
    send.click()  # while it is written
    expect(play).to_have_text("Pause")
    expect(place).to_have_text(f"{n} of {n}")
    expect(play).to_have_text("Play")
    expect(panel.locator(".translate-main.stale")).to_have_count(0)
    page.emulate_media(reduced_motion="reduce")
    source.fill("  ")
    source.press("Enter")
    expect(panel.locator(".translate-main > .trouble")).to_have_text("Type a text to rewrite, or choose an example.")
    expect(panel.locator(".translate-source")).to_have_text(signed("abcd\n"))  # what was there stays
    source.fill("abcd")
    source.press("Enter")
    expect(panel.locator(".translate-main > .trouble")).to_be_empty()


def test_play_writes_the_answer_one_character_after_another(page: Page, panel: Locator, url: str) -> None:
    n = len(answer(url, "abc")["networks"]["encoder-decoder"]["steps"])
    page.emulate_media(reduced_motion="no-preference")
    source = panel.get_by_label("Input", exact=True)
    source.fill("abc")
    source.press("Enter")
    play = panel.locator(".translate-play")
    expect(play).to_have_text("Pause")
    expect(panel.locator(".translate-place")).to_have_text(f"{n} of {n}")
    expect(play).to_have_text("Play")
    page.emulate_media(reduced_motion="reduce")
    play.click()
    expect(panel.locator(".translate-place")).to_have_text(f"2 of {n}")
    play.click()
    expect(panel.locator(".translate-place")).to_have_text(f"3 of {n}")


def test_the_figures_are_the_measured_ones(panel: Locator, url: str) -> None:
    networks = Admin(url).get("/meaning/translators")[1]["tasks"][0]["networks"]
    expect(panel.locator(".translate-note")).to_contain_text("on the mirrored character")
    shown = panel.locator(".translate-table td b").all_text_contents()
    shares = [networks[name]["figures"][of]["right"] for of in ("trained", "longer") for name in ("encoder-decoder", "gpt")]
    assert [float(words.removesuffix(" %").strip("<> ")) for words in shown] == pytest.approx([100 * share for share in shares], abs=0.51)


def test_all_of_it_can_be_taken_along(page: Page, panel: Locator, url: str) -> None:
    told = answer(url, TEXT)

    def saved(label: str) -> bytes:
        page.locator("#meaning-views").get_by_role("button", name="Download").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=label).click()
        return Path(download.value.path()).read_bytes()

    answers = json.loads(saved("Answers, step by step (JSON)"))
    assert (answers["text"], answers["right"]) == (TEXT, TEXT[::-1])
    assert answers["gpt"]["answer"] == told["networks"]["gpt"]["text"]
    rows = [*csv.DictReader(io.StringIO(saved("This map (CSV)").decode()))]
    cross = weights_of(told, "encoder-decoder", "cross")[-1].mean(0)
    assert [float(row["weight"]) for row in rows] == pytest.approx(cross.flatten().tolist(), abs=2e-5)
    assert saved("This map (PNG)").startswith(b"\x89PNG")
    lengths = [*csv.DictReader(io.StringIO(saved("Exact matches by length (CSV)").decode()))]
    assert {row["network"] for row in lengths} == {"encoder-decoder", "gpt"}


def test_without_the_encoder_decoder_the_gpt_stands_alone(page: Page, panel: Locator, url: str) -> None:
    def without(route: Route) -> None:
        told = route.fetch().json()
        told["networks"]["encoder-decoder"] = {"trouble": "This network cannot be used."}
        route.fulfill(json=told)

    page.route("**/meaning/translate", without)
    source = panel.get_by_label("Input", exact=True)
    source.fill("abcd")
    source.press("Enter")
    expect(panel.locator(".translate-main > .notice")).to_contain_text("This network cannot be used.")
    expect(panel.locator(".translate-map")).to_have_attribute("data-kind", "gpt")
    assert panel.locator(".translate-attention:enabled").count() == 1
