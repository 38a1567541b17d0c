"""Characters are code points and texts run in their own direction: the page with a model that writes emoji and Hebrew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from model.config import GPTConfig
from model.network.gpt import GPT
from model.tokenizer import CharTokenizer
from model.weights import save_weights
from tests.browser.conftest import open_page
from tests.browser.tab import card, drawn, generate, open_tree, set_up
from tests.conftest import TINY
from tests.support.server import running_app

EMOJI = "😀😁😂🤣🎭"  # four of them have the same first half
HEBREW = "אבגדה"
VOCABULARY = "\n abc" + HEBREW + EMOJI
RIGHT_TO_LEFT = "אבג 😀"
# The text in each range of a highlight that lies in an element, in order.
MARKED = """([selector, names]) => names
  .flatMap((name) => [...(CSS.highlights.get(name) ?? [])])
  .filter(({ startContainer }) => startContainer.parentElement?.closest(selector))
  .map(({ startContainer, startOffset, endOffset }) => startContainer.data.slice(startOffset, endOffset))"""
DIRECTION = "node => getComputedStyle(node).direction"
# Keeps what is written on any canvas from now on.
LISTEN = """() => {
  window.painted = [];
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    window.painted.push(text);
    return write.call(this, text, ...rest);
  };
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app whose model knows these characters; its texts are random."""
    folder = tmp_path_factory.mktemp("model") / "emoji"
    network = GPT(GPTConfig(**TINY | {"vocab_size": len(VOCABULARY)}), torch.Generator().manual_seed(0)).requires_grad_(False)
    save_weights(folder, network, CharTokenizer(VOCABULARY), {})
    with running_app("--device", "cpu", "--weights", str(folder)) as url:
        yield url


def marked(page: Page, selector: str, *names: str) -> list[str]:
    """What is marked."""
    return page.evaluate(MARKED, [selector, names])


def is_whole(text: str) -> bool:
    """Whether no character of a text is cut in half; on its way from the browser a half becomes a replacement character."""
    return not any("\ud800" <= char <= "\udfff" or char == "\ufffd" for char in text)


NEWEST = ".folio > .group:first-child"  # the earlier texts stay below


def common(texts: list[str]) -> str:
    """What all texts begin with."""
    return next(texts[0][:n] for n in range(min(map(len, texts)), -1, -1) if len({text[:n] for text in texts}) == 1)


@pytest.mark.slow
def test_marks_cover_whole_characters(page: Page) -> None:
    set_up(page, prompt="a", seed="1", samples=16, length=1)
    written = [text.removeprefix("a") for text in generate(page)]
    assert len({text for text in written if text in EMOJI}) > 1
    alone = [text for text in written if written.count(text) == 1]
    assert sorted(marked(page, ".folio", "parting")) == sorted(alone)
    assert marked(page, ".folio", "shared") == []
    set_up(page, samples=2, length=30)
    for seed in range(5):
        set_up(page, seed=str(seed))
        both = [text.removeprefix("a") for text in generate(page)]
        begin = common(both)
        assert set(marked(page, NEWEST, "shared")) <= {begin}
        assert marked(page, NEWEST, "parting") == [text[len(begin)] for text in both]
    page.get_by_role("button", name="Colour by surprisal").click()
    page.wait_for_function("[...CSS.highlights].some(([name, ranges]) => name.startsWith('heat-') && ranges.size)")
    assert all(map(is_whole, marked(page, ".folio", *(f"heat-{step}" for step in range(1, 8)))))


def test_keys_and_pointer_go_from_character_to_character(page: Page) -> None:
    set_up(page, prompt="a", seed="3", samples=1, length=12)
    (text,) = generate(page)
    text = text.removeprefix("a")
    assert set(text) & set(EMOJI)
    inspector, body = page.get_by_test_id("inspector"), card(page)
    body.focus()
    seen = []
    for _ in text:
        page.keyboard.press("ArrowRight")
        drawn(page)
        seen += marked(page, ".folio", "inspected")
    assert "".join(seen) == text
    page.keyboard.press("ArrowRight")  # there is no further one
    drawn(page)
    for char in reversed(text[:-1]):
        page.keyboard.press("ArrowLeft")
        drawn(page)
        assert marked(page, ".folio", "inspected") == [char]
    page.evaluate("""() => { for (const _ of Array(4)) {
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
    } }""")  # quicker than pictures
    drawn(page)
    assert marked(page, ".folio", "inspected") == [text[4]]
    place = next(i for i, char in enumerate(text) if char in EMOJI)
    x, y = point(body, text, place)
    page.mouse.move(2, 2)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    expect(inspector.locator("b").first).to_have_text(text[place])
    assert marked(page, ".folio", "inspected") == [text[place]]
    inspector.get_by_role("button", name="Continue from here").click()
    expect(page.get_by_label("Prompt")).to_have_value("a" + text[: place + 1])


def point(body: Locator, text: str, place: int) -> tuple[float, float]:
    """Where a character of a card is seen."""
    before, char = (len(part.encode("utf-16-le")) // 2 for part in (text[:place], text[place]))
    x, y = body.evaluate(
        """(body, [from, to]) => {
          const range = document.createRange();
          range.setStart(body.lastChild, from);
          range.setEnd(body.lastChild, to);
          const { left, top, width, height } = range.getBoundingClientRect();
          return [left + width / 2, top + height / 2];
        }""",
        [before, before + char],
    )
    return x, y


def test_the_tree_cuts_no_character(page: Page) -> None:
    page.evaluate(LISTEN)
    set_up(page, prompt="😀" * 230 + "a", seed="1", samples=16, length=3)
    generate(page)
    open_tree(page)
    page.wait_for_function("document.querySelector('.tree-canvas').branches().length > 5")
    drawn(page)
    painted = page.evaluate("window.painted")
    assert painted
    assert all(map(is_whole, painted))
    leaves = [text for text in painted if set(text) & set(EMOJI) and len(text) < 4]
    assert leaves
    branches = page.evaluate("document.querySelector('.tree-canvas').branches()")
    fork = min(branch["from"] for branch in branches if not branch["isRoot"])
    assert fork == 2 * 230 + 1  # in UTF-16 units: after the prompt
    page.get_by_test_id("tree").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tree-path")).to_have_text("…" + "😀" * 55 + "a")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        drawn(page)
        assert is_whole(page.get_by_test_id("tree-card").inner_text())


def test_short_texts_are_in_the_tree_to_their_ends(page: Page) -> None:
    page.evaluate(LISTEN)
    set_up(page, prompt="a", seed="2", samples=2, length=6)
    written = generate(page)
    open_tree(page)
    drawn(page)
    assert "…" not in page.evaluate("window.painted")
    assert any(set(text) & set(EMOJI) for text in written)


def test_a_score_counts_characters(page: Page) -> None:
    page.get_by_role("tab", name="Score").click()
    page.get_by_label("Your text").fill("😀😁" * 20)
    expect(page.locator(".score-count")).to_have_text("40 of 12,000 characters")
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.locator(".score-status")).to_have_text("39 characters scored by emoji; the first is only context")
    assert all(map(is_whole, marked(page, ".score-text", *(f"heat-{step}" for step in range(1, 8)))))


def test_attention_glows_on_whole_characters(page: Page) -> None:
    set_up(page, prompt="a")  # is read first; of another prompt nothing would be left
    page.get_by_role("tab", name="Attention").click()
    page.get_by_role("button", name="Enter a text").click()
    page.get_by_label("A text to read").fill("😀😁אב😂")
    page.get_by_role("button", name="Read it").click()
    expect(page.locator(".look-char")).to_have_count(5)
    page.locator('[data-head="0.0"]').focus()
    page.locator(".look-char").last.hover()
    glowing = marked(page, ".look-characters", *(f"glow-{step}" for step in range(1, 21)))
    assert sorted(glowing) == sorted("😀😁אב")
    expect(page.locator(".look-line")).to_contain_text("5 characters")


@pytest.mark.parametrize(("text", "direction"), [(RIGHT_TO_LEFT, "rtl"), ("abc 😀", "ltr")])
def test_texts_run_in_their_own_direction(page: Page, url: str, text: str, direction: str) -> None:
    def check(*nodes: Locator) -> None:
        for node in nodes:
            expect(node).to_be_visible()
            assert node.evaluate(DIRECTION) == direction, node

    set_up(page, prompt=text, seed="1", samples=1, length=5)
    generate(page)
    check(page.get_by_label("Prompt"), card(page))
    page.get_by_role("tab", name="Next character").click()
    expect(page.get_by_test_id("next-entropy")).to_contain_text("bits of entropy")
    expect(page.get_by_test_id("next-text")).to_contain_text(text)
    check(page.get_by_test_id("next-text"), page.get_by_test_id("next-after").locator("bdi"))
    open_tree(page).focus()
    page.keyboard.press("ArrowRight")
    check(page.locator(".tree-path"))
    page.get_by_role("tab", name="Same dice").click()
    check(page.locator(".locked-text").first)
    page.get_by_role("tab", name="Score").click()
    page.get_by_label("Your text").fill(text)
    page.get_by_role("button", name="Score", exact=True).click()
    check(page.get_by_label("Your text"), page.locator(".score-text"))
    page.get_by_role("tab", name="Attention").click()
    check(page.locator(".look-characters"))
    page.get_by_role("tab", name="Heads off").click()
    page.get_by_role("button", name="Compare texts").click()
    check(page.locator(".off-text"), page.locator(".off-side-text").first, page.locator(".off-side-text").last)
    page.get_by_role("button", name="Enter a text").click()
    check(page.get_by_label("A text to read"))


def test_in_a_text_from_the_right_the_left_arrow_leads_on(page: Page) -> None:
    set_up(page, prompt=RIGHT_TO_LEFT, seed="4", samples=1, length=6)
    (text,) = generate(page)
    text = text.removeprefix(RIGHT_TO_LEFT)
    card(page).focus()
    seen = []
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
        drawn(page)
        seen += marked(page, ".folio", "inspected")
    assert seen == [text[0], text[1], text[0]]
    x, y = point(card(page), text, 2)
    page.mouse.move(2, 2)
    page.mouse.click(x, y)
    assert marked(page, ".folio", "inspected") == [text[2]]


def test_a_state_with_such_characters_is_in_the_address(page: Page, url: str) -> None:
    set_up(page, prompt=RIGHT_TO_LEFT * 3, seed="5", samples=2, length=8)
    written = generate(page)
    page.wait_for_url("**#*run=*")
    page.reload()
    page.wait_for_function("document.querySelectorAll('.group .status').length && !document.querySelector('.group .running')")
    assert page.locator(".folio .card-text").all_text_contents() == written
    expect(page.get_by_label("Prompt")).to_have_value(RIGHT_TO_LEFT * 3)


def test_what_is_shortened_keeps_whole_characters(page: Page, url: str) -> None:
    texts: list[Any] = []
    for name, value in (("temperature", "😀" * 50), ("models", "😀" * 50), ("view", "a" + "😀" * 50)):
        open_page(page, f"{url}/?{name}={value}")
        expect(page.get_by_test_id("notice")).to_contain_text("…”" if name != "models" else "… is not")
        texts.append(page.get_by_test_id("notice").inner_text())
    assert all("😀" * 39 in text and is_whole(text) for text in texts)
