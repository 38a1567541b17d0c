"""The view "Score", and the colours of surprisal, in a real browser."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from model.limits import MAX_SCORE_CHARS
from model.weights import SHIPPED_WEIGHTS, load_weights
from tests.browser.conftest import open_page
from tests.browser.tab import state_of

TEXT = "ROMEO:\nWhat light is this that breaks upon the wall?\nI know it not; yet know that I am bound.\n" * 3  # past the first window
READY = re.compile(r"scored.*; the first is only context$")
# How many characters each highlight covers.
PAINTED = """() => Object.fromEntries([...Array(7).keys()].map((i) => {
  const ranges = [...CSS.highlights.get(`heat-${i + 1}`)].filter((range) => range.startContainer.parentElement.matches(".score-text"));
  return [i + 1, ranges.reduce((sum, range) => sum + range.endOffset - range.startOffset, 0)];
}))"""


@pytest.fixture(scope="module")
def url(float32_url: str) -> str:
    """Sums in float32 can be compared with what the network says in one pass."""
    return float32_url


def show(page: Page) -> Locator:
    """The view."""
    page.get_by_role("tab", name="Score").click()
    return page.get_by_role("tabpanel", name="Score")


def ask(page: Page, text: str) -> Locator:
    """Types a text and presses Score."""
    panel = show(page)
    panel.get_by_label("Your text").fill(text)
    panel.get_by_role("button", name="Score", exact=True).click()
    return panel


def score(page: Page, text: str) -> Locator:
    """Scores a text to its end."""
    panel = ask(page, text)
    expect(panel.get_by_label("The scored text")).to_have_text(text, use_inner_text=False)
    expect(panel.locator(".score-status")).to_have_text(READY)
    return panel


def figure(panel: Locator, name: str) -> float:
    """A large figure."""
    return float(panel.locator(f"[data-figure={name}] b").inner_text())


def download(page: Page) -> list[dict[str, str]]:
    """The table that can be downloaded."""
    page.get_by_role("button", name="Download", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Scored text (CSV)").click()
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def plain_loss(text: str) -> float:
    """The mean loss of all characters but the first, from passes without a cache."""
    weights = load_weights(SHIPPED_WEIGHTS, torch.device("cpu"))
    model, ids = weights.model, torch.tensor(weights.tokenizer.encode(text))
    places = torch.arange(1, len(ids))
    starts = torch.tensor([model.config.window_start(i) for i in places.tolist()])
    losses = []
    with torch.inference_mode():
        for start in starts.unique().tolist():
            logits = model(ids[None, start : start + model.config.block_size])[0]
            here = places[starts == start]
            losses.append(F.cross_entropy(logits[here - start - 1], ids[here], reduction="none"))
    return torch.cat(losses).mean().item()


def test_the_mean_loss_is_the_plain_forwards(kept_page: Page) -> None:
    panel = score(kept_page, TEXT)
    rows = download(kept_page)
    assert [row["character"] for row in rows] == list(TEXT)
    assert rows[0]["surprisal_bits"] == ""
    bits = sum(float(row["surprisal_bits"]) for row in rows[1:]) / (len(TEXT) - 1)
    assert bits * math.log(2) == pytest.approx(plain_loss(TEXT), abs=1e-4)
    assert figure(panel, "loss") == pytest.approx(bits * math.log(2), abs=0.006)
    assert figure(panel, "bits") == pytest.approx(bits, abs=0.006)
    assert figure(panel, "perplexity") == pytest.approx(2**bits, abs=0.06)
    expect(panel.locator(".score-scale")).to_contain_text("validation loss 1.41")
    expect(panel.locator(".score-scale")).to_contain_text("guessing: ln 65 = 4.17")


def test_an_example_is_scored_when_the_view_is_opened(page: Page) -> None:
    panel = show(page)
    expect(panel.locator(".score-status")).to_have_text(READY)
    expect(panel.get_by_label("Your text")).to_have_value(re.compile("^HORTENSIO:"))
    assert figure(panel, "loss") < 2
    assert "text=" not in page.url


def test_each_character_is_painted_in_the_step_of_its_bits(kept_page: Page) -> None:
    score(kept_page, "Out, out, brief telephone! zxqv")
    steps = Counter(min(7, int(float(row["surprisal_bits"]))) for row in download(kept_page)[1:])
    assert kept_page.evaluate(PAINTED) == {str(step): steps[step] for step in range(1, 8)}
    assert steps[7]
    assert sum(steps.values()) == 30


def test_a_new_text_takes_the_colours_of_the_old_one_away(kept_page: Page) -> None:
    score(kept_page, TEXT)
    before = kept_page.evaluate(PAINTED)
    score(kept_page, "the")
    assert sum(kept_page.evaluate(PAINTED).values()) <= 2 < sum(before.values())


def test_ink_is_readable_on_every_step(kept_page: Page) -> None:
    contrast = """() => {
      const [probe, pixel] = [document.createElement("i"), new OffscreenCanvas(1, 1).getContext("2d")];
      document.body.append(probe);
      const light = (name) => {
        probe.style.color = `var(--${name})`;
        pixel.fillStyle = getComputedStyle(probe).color;
        pixel.fillRect(0, 0, 1, 1);
        const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = [...pixel.getImageData(0, 0, 1, 1).data].map((v) => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
      };
      const ink = light("ink");
      return [...Array(8).keys()].map((i) => light(`heat-${i}`)).map((l) => Math.max(l, ink) / Math.min(l, ink));
    }"""
    for theme in ("light", "dark"):
        contrasts = kept_page.evaluate(contrast)
        assert contrasts == sorted(contrasts, reverse=True)
        assert contrasts[-1] >= 4.5, theme
        kept_page.get_by_role("button", name="Dark theme").click()


def test_characters_explain_themselves_but_the_first(kept_page: Page) -> None:
    panel = score(kept_page, "qu")
    body = panel.get_by_label("The scored text")
    box = body.evaluate("""body => {
      const range = document.createRange();
      range.selectNodeContents(body);
      const { left, top, width, height } = range.getBoundingClientRect();
      return { left, top, width, height };
    }""")
    said = kept_page.get_by_test_id("inspector")
    kept_page.mouse.move(box["left"] + box["width"] * 0.75, box["top"] + box["height"] / 2)
    expect(said).to_contain_text(re.compile(r"u had a \d+ % chance"))
    expect(said).not_to_contain_text("die")
    kept_page.mouse.move(box["left"] + box["width"] * 0.2, box["top"] + box["height"] / 2)
    expect(said).to_be_hidden()
    body.focus()
    kept_page.keyboard.press("ArrowRight")
    expect(said).to_be_visible()
    kept_page.keyboard.press("ArrowLeft")
    expect(said).to_be_hidden()  # at the first
    kept_page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("u had a")


def test_what_cannot_be_scored_is_said_and_the_earlier_result_stays(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    open_page(page, url)
    panel = score(page, "To be, or not")
    for text, words in (("", "Nothing to score yet"), (" \n", "Nothing to score yet"), ("中文字", "Left out, because the model does not")):
        ask(page, text)
        expect(panel.get_by_role("alert")).to_contain_text(words)
        expect(panel.get_by_label("The scored text")).to_have_text("To be, or not")
        expect(panel.get_by_label("Your text")).to_have_value(text)
    page.route("**/score", lambda route: route.abort())
    ask(page, "that is the question")
    expect(panel.get_by_role("alert")).to_contain_text("The server cannot be reached")
    expect(panel.get_by_label("The scored text")).to_have_text("To be, or not")
    expect(panel.locator(".score-result")).to_have_class("score-result stale")
    page.unroute("**/score")
    score(page, "that is the question")
    expect(panel.locator(".score-result")).to_have_class("score-result")
    expect(panel.get_by_role("alert")).to_have_count(0)
    page.close()


def test_one_character_is_only_context(kept_page: Page) -> None:
    panel = ask(kept_page, "A")
    expect(panel.locator(".score-status")).to_contain_text("One character is only context")
    expect(panel.locator(".score-figure")).to_have_count(0)


def test_markup_is_text_and_what_was_left_out_is_named(kept_page: Page) -> None:
    panel = ask(kept_page, "a <b>“bold”</b> word—中")
    expect(panel.get_by_label("The scored text")).to_have_text("a b'bold'b word--")
    expect(panel.locator(".score-notice")).to_have_text("Left out, because the model does not know them: ‘<’, ‘>’, ‘/’, ‘中’.")
    expect(panel.locator(".score-text *")).to_have_count(0)


def test_of_a_long_paste_the_beginning_is_scored(page: Page) -> None:
    paste = ("all the world… " * 80_000)[:1_000_000]
    panel = show(page)
    expect(panel.locator(".score-status")).to_contain_text("only context")  # the example is scored
    asked: list[int] = []

    def answer(route: Route) -> None:
        text = route.request.post_data_json["text"]
        asked.append(len(text.replace("…", "...")))
        route.fulfill(body='{"text": "al", "notice": "", "vocab_size": 65}\n')

    page.route("**/score", answer)
    panel.get_by_label("Your text").fill(paste)
    expect(panel.locator(".score-count")).to_have_text("1,000,000 of 12,000 characters: its beginning is scored")
    panel.get_by_role("button", name="Score", exact=True).click()
    expect(panel.locator(".score-notice")).to_have_text("The server cannot be reached. Nothing is lost. Try again")  # cut off
    assert MAX_SCORE_CHARS - 3 < asked[0] <= MAX_SCORE_CHARS
    assert panel.get_by_label("Your text").input_value() == paste


def test_stop_keeps_what_was_read_and_typing_keeps_the_result(kept_page: Page) -> None:
    panel = ask(kept_page, (TEXT * 50)[:MAX_SCORE_CHARS])
    expect(panel.locator(".score-status")).to_contain_text("of 11,999 characters scored")
    panel.get_by_role("button", name="Stop").click()
    expect(panel.locator(".score-status")).to_have_text(re.compile(r"of 11,999 characters scored.*; .*; stopped$"))
    expect(panel.get_by_role("button", name="Stop")).to_be_disabled()
    before = panel.locator(".score-figures").inner_text()
    panel.get_by_label("Your text").press("End")
    kept_page.keyboard.type("and on")
    assert panel.locator(".score-figures").inner_text() == before
    panel.get_by_label("Your text").fill("short")
    kept_page.keyboard.press("Control+Enter")
    expect(panel.get_by_label("The scored text")).to_have_text("short")


def test_samples_and_examples_are_scored_at_a_press(page: Page) -> None:
    sample = page.locator(".card-text").first.text_content()
    panel = show(page)
    losses = {}
    for name in ("Use the latest sample", "Shakespeare-like example", "Modern example"):
        before = panel.get_by_label("The scored text").text_content()
        panel.get_by_role("button", name=name).click()
        expect(panel.get_by_label("The scored text")).not_to_have_text(before or "")
        expect(panel.locator(".score-status")).to_have_text(READY)
        losses[name] = figure(panel, "loss")
        if name == "Use the latest sample":
            assert panel.get_by_label("The scored text").text_content() == sample
    assert losses["Modern example"] > losses["Shakespeare-like example"]
    panel.get_by_label("Your text").focus()
    page.keyboard.press("Control+z")
    expect(panel.get_by_label("Your text")).to_have_value(re.compile("^HORTENSIO"))


def test_the_address_keeps_the_text(page: Page) -> None:
    score(page, "a short scene\nof two lines")
    page.wait_for_url("**text=*")
    page.reload()
    panel = page.get_by_role("tabpanel", name="Score")
    expect(panel.get_by_label("Your text")).to_have_value("a short scene\nof two lines")
    expect(panel.locator(".score-status")).to_have_text(READY)


def test_the_address_keeps_what_is_typed_and_the_link_says_what_it_has_no_room_for(page: Page) -> None:
    page.evaluate("navigator.clipboard.writeText = async () => {}")
    panel = show(page)
    text = (TEXT * 12)[:3000]
    panel.get_by_label("Your text").fill(text)
    page.wait_for_url("**text=*")
    assert state_of(page.url)["text"] == [text]
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".bar-said")).to_have_text("Link copied")
    panel.get_by_label("Your text").fill("long " * 14_000)
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".bar-said")).to_have_text("Link copied. The text is too long for a link.")


def test_a_key_scores_the_newest_sample(page: Page) -> None:
    panel = show(page)
    expect(panel.get_by_text("Ctrl Enter scores it")).to_be_visible()
    page.keyboard.press("n")
    expect(panel.locator(".score-status")).to_have_text(READY)
