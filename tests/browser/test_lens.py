"""Layer by layer: what each layer would bet on, held against the numbers of the route."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Locator, Page, expect

from model.weights import SHIPPED_WEIGHTS, read_config
from tests.browser.conftest import open_page

TEXT = "ROMEO:\nBut, soft! what light through yonder window breaks?\n"
VOCABULARY = read_config(SHIPPED_WEIGHTS)[1].vocabulary
AT = 29  # the `r` of `through`
SIGNS = {" ": "␣", "\n": "↵"}


@pytest.fixture
def page(empty_page: Page) -> Page:
    return empty_page


def show(page: Page, url: str, text: str = TEXT, **address: str | int) -> Locator:
    """The view, drawn."""
    words = "".join(f"&{name}={value}" for name, value in address.items())
    open_page(page, f"{url}/?look={quote(text)}&see=lens{words}")
    page.get_by_role("tab", name="Attention", exact=True).click()
    page.locator("#attention-views [data-ready]").wait_for(state="attached")
    return page.get_by_role("tabpanel", name="Layer by layer")


def lens_of(page: Page, url: str, text: str = TEXT) -> NDArray[np.float64]:
    """Probabilities from the route, (rows, characters, V)."""
    capture: dict[str, Any] = page.request.post(f"{url}/attention", data={"text": text}).json()
    logits = np.frombuffer(page.request.get(f"{url}/attention/{capture['key']}/lens").body(), "<f4").astype(float)
    logits = logits.reshape(capture["n_layer"] + 1, len(text), capture["vocab_size"])
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def cells(panel: Locator) -> list[list[str]]:
    """The characters of all rows that are bets."""
    expect(panel.locator(".lens-grid td").first).to_be_visible()
    lines = [line.locator("td").all_text_contents() for line in panel.locator(".lens-grid tr").all()]
    return [line for line in lines if line]


def percent_of(words: str) -> float:
    """`41 %` as a share."""
    return float(words.strip("<> %")) / 100


def test_every_row_bets_on_what_its_layer_says_and_the_last_on_the_models_answer(page: Page, url: str) -> None:
    panel = show(page, url, at=AT)
    lens = lens_of(page, url)
    expect(panel.locator(".lens-grid td").first).to_be_visible()
    heads, *_, feet = [line.locator("th:not(.lens-label)").all_text_contents() for line in panel.locator(".lens-grid tr").all()]
    signs = [SIGNS.get(char, char) for char in TEXT]
    assert 20 <= len(heads) <= 40
    first = "".join(signs).index("".join(heads))
    assert first <= AT < first + len(heads)
    assert feet == [*signs, "–"][first + 1 : first + 1 + len(feet)]
    expected = [[VOCABULARY[i] for i in row[first : first + len(heads)].argmax(-1)] for row in lens]
    assert cells(panel) == [[SIGNS.get(char, char) for char in row] for row in expected]
    right = panel.locator("td").evaluate_all("nodes => nodes.map(node => node.classList.contains('lens-right'))")
    came = TEXT[first + 1 : first + 1 + len(heads)]
    assert right == [char == truth for row in expected for char, truth in zip(row, came, strict=False)]
    answers = page.locator(".look-next .candidate-char").all_text_contents()
    assert panel.locator(".candidate-char").all_text_contents()[: len(answers)] == answers  # the last row is chosen first
    expect(panel.locator(".lens-title")).to_contain_text("The answer")


def test_a_cell_that_is_pointed_at_explains_itself_and_moves_the_text(page: Page, url: str) -> None:
    panel = show(page, url, at=AT)
    lens, came = lens_of(page, url), VOCABULARY.index(TEXT[AT + 1])

    def explained(row: int) -> None:
        expect(panel.locator(".lens-title")).to_contain_text(f"at {AT + 1}")
        here = lens[row, AT]
        names = [VOCABULARY[i] for i in (-here).argsort(kind="stable")[:5]]
        assert panel.locator(".candidate-char").all_text_contents()[:5] == [{" ": "space"}.get(name, name) for name in names]
        shown = [percent_of(words) for words in panel.locator("span.candidate-percent:not(.candidates-raw)").all_text_contents()[:5]]
        np.testing.assert_allclose(shown, np.sort(here)[::-1][:5], atol=0.006)
        rank = int((here > here[came]).sum()) + 1
        expect(panel.locator(".lens-came")).to_have_text(re.compile(rf"^‘{TEXT[AT + 1]}’ came: .+ %, number {rank} of 65$"))

    column = panel.locator("td.lens-here").get_attribute("data-column")
    panel.locator(f"#lens-3-{column}").hover()
    expect(panel.locator(".lens-title")).to_contain_text("Layer 2")
    explained(3)
    panel.get_by_role("grid").press("ArrowUp")
    expect(panel.locator(".lens-title")).to_contain_text("Layer 1")
    explained(2)
    chart = panel.get_by_role("img").get_attribute("aria-label") or ""
    shares = [float(value) / 100 for value in re.findall(r"([\d.]+) %", chart)]
    assert shares == pytest.approx(lens[:, AT, came].tolist(), abs=0.006)
    panel.get_by_role("grid").press("ArrowRight")
    expect(panel.locator(".lens-title")).to_contain_text(f"at {AT + 2}")
    expect(page.locator(".look-char.here")).to_have_text(TEXT[AT + 1])
    page.locator(".look-char").nth(2).hover()  # far from the part that is shown
    expect(panel.locator("td.lens-here")).to_have_attribute("aria-label", re.compile("^layer 1, after M at 3: "))


def test_a_text_of_one_character_has_one_column_and_nothing_that_came(page: Page, url: str) -> None:
    panel = show(page, url, "R")
    assert [len(row) for row in cells(panel)] == [1] * 7
    expect(panel.locator(".lens-came")).to_have_text(re.compile(r"^.+ in the end: .+ %, number 1 of 65$"))


def test_what_is_forgotten_is_said_and_read_again(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    page.route("**/lens", lambda route: route.fulfill(status=404, json={"error": "This attention is no longer remembered."}))
    panel = show(page, url)
    expect(panel.get_by_role("alert")).to_contain_text("no longer remembered")
    page.unroute("**/lens")
    panel.get_by_role("button", name="Try again").click()
    expect(panel.get_by_role("grid")).to_be_visible()
    expect(panel.get_by_role("alert")).to_be_empty()
    page.close()
