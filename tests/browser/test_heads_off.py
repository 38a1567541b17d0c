"""Heads off: what becomes of a text without some parts of the network, held against the numbers of the routes."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Locator, Page, expect

from model.config import GPTConfig
from model.network.gpt import GPT
from model.weights import SHIPPED_WEIGHTS, read_config, save_weights
from tests.browser.conftest import open_page
from tests.support.server import running_app

TEXT = "ROMEO:\nBut, soft! what light through yonder window breaks?\n"
TOKENIZER = read_config(SHIPPED_WEIGHTS)[1]
VOCABULARY = TOKENIZER.vocabulary
AT = 29  # the `r` of `through`
MARKED = "name => [...CSS.highlights.get(name)].map(({ startOffset, endOffset }) => [startOffset, endOffset])"


@pytest.fixture
def page(empty_page: Page) -> Page:
    return empty_page


def show(page: Page, url: str, text: str = TEXT, **address: str | int) -> Locator:
    """The view, drawn."""
    words = "".join(f"&{name}={value}" for name, value in address.items())
    open_page(page, f"{url}/?look={quote(text)}&see=off{words}")
    page.get_by_role("tab", name="Attention", exact=True).click()
    page.locator("#attention-views [data-ready]").wait_for(state="attached")
    panel = page.get_by_role("tabpanel", name="Heads off")
    expect(panel.locator(".off-bars-char").first).to_be_visible()
    return panel


def read(page: Page, url: str, heads_off: list[list]) -> tuple[float, NDArray[np.float64]]:
    """Loss, and the probabilities of the model's answers, (characters, V), from the routes."""
    capture: dict[str, Any] = page.request.post(f"{url}/attention", data={"text": TEXT, "heads_off": heads_off}).json()
    logits = np.frombuffer(page.request.get(f"{url}/attention/{capture['key']}/lens").body(), "<f4").astype(float)
    logits = logits.reshape(capture["n_layer"] + 1, len(TEXT), capture["vocab_size"])[-1]
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return capture["loss"], weights / weights.sum(-1, keepdims=True)


def write(page: Page, url: str, path: str, **asked: Any) -> str:
    """One text, as a route writes it."""
    lines = [json.loads(line) for line in page.request.post(url + path, data=asked).text().splitlines()]
    assert lines[-1]["state"] == "done"
    return "".join(line["new"][0] for line in lines if "new" in line)


def pressed(panel: Locator) -> list[str]:
    """Names of the buttons that are pressed."""
    return [(node.get_attribute("aria-label") or "").partition(", ")[0] for node in panel.locator("[aria-pressed=true]").all()]


def percent_of(words: str) -> float:
    """`41 %` as a share."""
    return float(words.strip("<> %")) / 100


def test_losses_bars_and_characters_are_those_of_the_routes(page: Page, url: str) -> None:
    panel = show(page, url, at=AT)
    (loss, before), (loss_without, after) = read(page, url, []), read(page, url, [[0, 5], ["mlp", 3]])
    expect(panel.locator(".off-loss")).to_have_text(f"Loss {loss:.3f}nats per character, everything on")
    panel.get_by_role("button", name="Head 0.5 off").click()
    panel.get_by_role("button", name="MLP 3 off").click()
    change = loss_without - loss
    expected = f"Loss {loss:.3f} → {loss_without:.3f}{'+' if change > 0 else '−'}{abs(change):.3f} nats per character"
    expect(panel.locator(".off-loss")).to_have_text(expected)

    best = (-np.maximum(before[AT], after[AT])).argsort(kind="stable")[:10]
    assert panel.locator(".off-bars-char").all_text_contents() == [{" ": "␣", "\n": "↵"}.get(VOCABULARY[i], VOCABULARY[i]) for i in best]
    shown = [percent_of(words) for words in panel.locator(".off-bars-number").all_text_contents()]
    np.testing.assert_allclose(np.reshape(shown, (-1, 2)), np.stack([before[AT, best], after[AT, best]], 1), atol=0.006)

    ids = [VOCABULARY.index(char) for char in TEXT]
    rows = range(len(TEXT) - 1)
    bits = [math.log2(before[i, ids[i + 1]] / after[i, ids[i + 1]]) for i in rows]
    names = panel.locator(".off-char").evaluate_all("nodes => nodes.map(node => node.classList[1] ?? '')")
    for value, name in zip(bits, names[1:], strict=True):
        step = sum(abs(value) >= least for least in (0.5, 1, 2, 4))
        assert name in ("here", f"off-{'harder' if value > 0 else 'easier'}-{step}")
    worst = int(np.argmax(bits)) + 1
    expect(panel.locator(".off-hardest")).to_contain_text(f" at {worst + 1}, +{bits[worst - 1]:.1f} bit")
    panel.locator(".off-hardest").click()
    expect(panel.locator(".off-char.here")).to_have_text({"\n": "↵"}.get(TEXT[worst], TEXT[worst]))
    expect(page.locator(".look-char.here")).to_have_text({"\n": "↵"}.get(TEXT[worst - 1], TEXT[worst - 1]))


def test_parts_and_layers_are_switched_and_kept_in_the_address(page: Page, url: str) -> None:
    panel = show(page, url)
    count = panel.locator(".off-count")
    panel.get_by_role("button", name="Whole layer 3 off").click()
    expect(count).to_have_text("Off: 6 heads, 1 MLP")
    assert pressed(panel) == ["Whole layer 3 off", *(f"Head 3.{head} off" for head in range(6)), "MLP 3 off"]
    panel.get_by_role("button", name="Head 3.2 off").press("ArrowUp")
    page.keyboard.press("Enter")
    expect(count).to_have_text("Off: 7 heads, 1 MLP")
    panel.get_by_role("button", name="Whole layer 3 off").click()
    expect(panel.locator(".off-bars-table")).to_contain_text("without 2.2")
    panel.get_by_role("button", name="MLP 0 off").press("ArrowUp")
    page.keyboard.press("Enter")
    panel.get_by_role("button", name="MLP 4 off").click()
    expect(count).to_have_text("Off: 1 head, 1 MLP, positions")
    expect(panel.locator(".off-bars-table")).to_contain_text("without 3 parts")
    page.wait_for_url("**off=2.2,mlp.4,positions*")
    page.reload()
    page.get_by_role("tab", name="Attention", exact=True).click()
    expect(count).to_have_text("Off: 1 head, 1 MLP, positions")
    assert pressed(panel) == ["Position embedding off", "Head 2.2 off", "MLP 4 off"]
    expect(panel.locator(".off-loss")).to_contain_text(f"→ {read(page, url, [[2, 2], ['mlp', 4], ['positions']])[0]:.3f}")
    expect(page.locator(".look-without")).to_have_text(" without 2.2, MLP 4, positions")
    expect(panel.locator(".off-columns")).to_be_visible()
    top = panel.locator(".off-grid").evaluate("grid => grid.getBoundingClientRect().top + scrollY")
    panel.get_by_role("button", name="All on").click()
    expect(count).to_contain_text("All 36 heads on")
    expect(panel.locator(".off-columns")).to_be_hidden()
    assert panel.locator(".off-grid").evaluate("grid => grid.getBoundingClientRect().top + scrollY") == top
    expect(panel.locator(".off-loss")).to_contain_text("everything on")


def test_an_address_names_parts_that_do_not_exist(context: BrowserContext, url: str) -> None:
    page = context.new_page()  # whose console may say that the server refused them
    panel = show(page, url, off="0.2,mlp.9")
    expect(page.locator(".look-said")).to_have_text("There is no layer 9. Valid layers: 0 to 5.")
    assert pressed(panel) == ["Head 0.2 off"]  # the others are
    page.close()


# Texts that do not fit their boxes, texts on several lines that have to be on one, and the width of what is said of the loss.
CROWDED = """panel => {
  const all = (name) => [...panel.querySelectorAll(name)];
  const tight = all(".off-part, .off-part span, .off-step").filter((node) => node.scrollWidth > node.clientWidth + 1 && node.clientWidth);
  const lines = ({ childNodes }) => {
    const range = document.createRange();
    range.setStartBefore(childNodes[0]);
    range.setEndAfter(childNodes[childNodes.length - 1]);
    return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size;
  };
  const split = all(".off-layer, .off-step, .off-value").filter((node) => lines(node) > 1);
  const [loss, text] = [panel.querySelector(".off-loss").clientWidth, panel.querySelector(".off-text").clientWidth];
  return [tight.length, split.length, loss / innerWidth, text / innerWidth];
}"""


@pytest.mark.parametrize(
    ("width", "height", "rem"),
    [
        (1280, 720, 28),
        *(pytest.param(*size, marks=pytest.mark.slow) for size in [(1280, 720, 16), (1920, 1080, 24), (360, 740, 16)]),
    ],
)
def test_nothing_is_squeezed(page: Page, url: str, width: int, height: int, rem: int) -> None:
    panel = page.get_by_role("tabpanel", name="Heads off")
    page.set_viewport_size({"width": width, "height": height})
    if not panel.is_visible():
        show(page, url, off="0.2")
    page.evaluate("rem => (document.documentElement.style.fontSize = `${rem}px`)", rem)
    tight, split, loss, text = panel.evaluate(CROWDED)
    assert (tight, split) == (0, 0)
    assert loss > 0.3
    assert text > 0.25
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_same_dice_write_the_same_text_with_all_heads_and_another_without(page: Page, url: str) -> None:
    panel = show(page, url, seed=7, temperature=0.9)
    texts = panel.locator(".off-side-text")
    asked: dict[str, Any] = {"prompt": TEXT, "seed": 7, "temperature": 0.9, "length": 120}
    panel.get_by_role("button", name="Compare texts").click()
    said = "Same dice (seed 7, temperature 0.9). The same text, character for character."
    expect(panel.locator(".off-pair-said")).to_have_text(said)
    written = write(page, url, "/write", **asked)
    assert [text.removeprefix(f"…{TEXT[-40:]}") for text in texts.all_text_contents()] == [written] * 2

    panel.get_by_role("button", name="Head 0.5 off").click()
    without = write(page, url, "/write_without", **asked, heads_off=[[0, 5]])
    expect(texts.nth(1)).to_have_text(f"…{TEXT[-40:]}{without}", use_inner_text=False)
    expect(panel.get_by_role("button", name="New dice")).to_be_in_viewport()
    assert texts.nth(0).text_content() == f"…{TEXT[-40:]}{written}"
    at = next(i for i, (a, b) in enumerate(zip(written, without, strict=True)) if a != b)
    expect(panel.locator(".off-pair-said")).to_contain_text(f"They diverge at character {at + 1}: ")
    assert page.evaluate(MARKED, "off-parting") == [[at, at + 1]] * 2
    assert page.evaluate(MARKED, "off-shared") == ([[0, at]] * 2 if at else [])

    expect(page).to_have_url(re.compile("pair=7"))
    page.reload()
    expect(texts.nth(1)).to_have_text(f"…{TEXT[-40:]}{without}", use_inner_text=False)


def test_a_server_that_is_gone_is_said_and_nothing_is_lost(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    panel = show(page, url)
    loss = panel.locator(".off-loss").text_content() or ""
    page.route("**/attention", lambda route: route.abort())
    panel.get_by_role("button", name="Head 0.5 off").click()
    expect(page.locator(".look-said")).to_contain_text("The server cannot be reached")
    assert pressed(panel) == []
    expect(panel.locator(".off-loss")).to_have_text(loss)
    page.route("**/write_without", lambda route: route.abort())
    panel.get_by_role("button", name="Compare texts").click()
    expect(panel.get_by_role("alert").filter(has_text="The server cannot be reached")).to_be_visible()
    page.unroute("**/attention")
    page.unroute("**/write_without")
    page.route("**/logits", lambda route: route.fulfill(status=404, json={"error": "This attention is no longer remembered."}))
    panel.get_by_role("button", name="Head 0.5 off").click()
    expect(panel.get_by_role("alert").filter(has_text="no longer remembered")).to_be_visible()
    page.unroute("**/logits")
    panel.get_by_role("button", name="Try again").click()
    expect(panel.locator(".off-loss")).to_contain_text("→")
    page.close()


@pytest.mark.slow
def test_a_model_with_one_head_and_a_text_of_one_character(context: BrowserContext, tmp_path: Path) -> None:
    config = GPTConfig(n_layer=1, n_head=1, n_embd=32, block_size=16, vocab_size=len(VOCABULARY))
    save_weights(tmp_path / "one", GPT(config, torch.Generator().manual_seed(0)).requires_grad_(False), TOKENIZER, {})
    with running_app("--device", "cpu", "--weights", str(tmp_path / "one")) as url:
        for text, loss in (("R", "A single character has no loss."), ("Romeo", "→")):
            page = context.new_page()
            panel = show(page, url, text)
            panel.get_by_role("button", name="Head 0.0 off").click()
            expect(panel.locator(".off-count")).to_have_text("Off: 1 head")
            expect(panel.locator(".off-loss")).to_contain_text(loss)
            expect(panel.locator(".off-pair-said")).to_contain_text("character")
            page.close()
