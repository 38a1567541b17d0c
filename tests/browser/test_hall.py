"""The page in a hall and on a phone: text that is read from the back row, panels that give way to it, and messages that move nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_page
from tests.browser.tab import drawn, set_up
from tests.browser.test_accessibility import ASSISTANT, ATTENTION, MEANING, REACHABLE, SAMPLE, show

PROJECTORS = [(1280, 720), (1920, 1080), (1024, 768)]
PHONES = [(360, 740), (414, 896)]
MOST_FONT_BYTES = 55 * 1024

ROOT_SIZE = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
# The smallest text that is seen in a part of the page, in rem.
SMALLEST = """(selector) => {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const words = document.createTreeWalker(document.querySelector(selector), NodeFilter.SHOW_TEXT);
  let smallest = [Infinity, ""];
  while (words.nextNode()) {
    const node = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || !node.checkVisibility({ visibilityProperty: true })) continue;
    const size = parseFloat(getComputedStyle(node).fontSize) / rem;
    if (size < smallest[0]) smallest = [size, node.outerHTML.slice(0, 120)];
  }
  return smallest;
}"""
# Whatever is wider than the window or cut off at its sides, except what is scrolled on purpose.
CUT = """() => {
  const scrolls = (node) => node && (getComputedStyle(node).overflowX !== "visible" || scrolls(node.parentElement));
  return [...document.querySelectorAll(".gradio-container *")]
    .filter((node) => node.checkVisibility({ visibilityProperty: true }) && node.getBoundingClientRect().width)
    .filter((node) => node.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter((node) => !scrolls(node.parentElement) && !node.closest("svg"))
    .map((node) => `${node.tagName} ${node.id || node.className}`);
}"""


# The main figure of a view, and what covers the lower edge of the window.
FIGURES = {"All heads": ".tile:last-child", "One head": ".one-map canvas", "Tree": ".tree-canvas", "Next character": ".next-bars canvas"}
LOWEST = """() => {
  const bar = document.getElementById("generate");
  return bar.checkVisibility() && getComputedStyle(bar.parentElement).position !== "static" ? bar.getBoundingClientRect().top : innerHeight;
}"""


@pytest.fixture(scope="module")
def hall(browser: Browser, url: str) -> Iterator[Page]:
    """One page at many sizes."""
    page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
    open_page(page, url)
    yield page
    page.close()


@pytest.fixture(scope="module")
def phone(browser: Browser, url: str) -> Iterator[Page]:
    """A phone, with a link to the tree."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, reduced_motion="reduce")
    page = context.new_page()
    open_page(page, url)
    yield page
    context.close()


def resize(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    drawn(page)


def box(page: Page, selector: str) -> dict[str, Any]:
    """Where the first one that is seen stands."""
    found = page.locator(selector).locator("visible=true").first.bounding_box()
    assert found
    return dict(found)


def test_the_text_follows_the_window(hall: Page) -> None:
    sizes = {}
    for width, height in [(360, 740), (1024, 768), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (1920, 600)]:
        resize(hall, width, height)
        sizes[width, height] = hall.evaluate(ROOT_SIZE)
    assert list(sizes.values()) == [16, 16, 18, 24, 30, 30, 18]
    resize(hall, 1280, 720)
    for part in ("#controls", ".bar", ".masthead"):
        size, where = hall.evaluate(SMALLEST, part)
        assert size >= 0.999, where


def test_fonts_are_our_own_and_small(hall: Page, url: str) -> None:
    hall.evaluate("document.fonts.ready.then(() => true)")
    faces = hall.evaluate("[...document.fonts].filter(({ status }) => status === 'loaded').map(({ family }) => family)")
    assert {"Literata", "Figtree"} <= {*faces}
    fonts = hall.evaluate("""performance.getEntriesByType("resource").filter(({ name }) => name.includes(".woff2"))
      .map(({ name, encodedBodySize }) => [name, encodedBodySize])""")
    assert all(name.startswith(f"{url}/assets/") for name, _ in fonts)
    assert sum(size for _, size in fonts) <= MOST_FONT_BYTES
    assert "Figtree" in hall.evaluate("getComputedStyle(document.querySelector('#generate')).fontFamily")
    assert "Literata" in hall.evaluate("getComputedStyle(document.querySelector('#prompt textarea')).fontFamily")


def test_a_message_moves_nothing_and_closes(hall: Page) -> None:
    places = (
        "['#generate', '#temperature', '.bar', '.card'].map((one) => JSON.stringify(document.querySelector(one).getBoundingClientRect()))"
    )
    notice = hall.get_by_test_id("notice")
    before = hall.evaluate(places)
    set_up(hall, temperature=9)
    expect(notice).to_have_text("Temperature goes from 0 to 2.")
    expect(notice).to_be_in_viewport()
    set_up(hall, temperature=0.8)
    assert hall.evaluate(places) == before
    hall.get_by_role("button", name="Dismiss the message").click()
    expect(notice).to_be_empty()
    set_up(hall, seed="x")
    hall.get_by_role("button", name="Generate").click()
    expect(notice).to_contain_text("The seed must be a whole number")
    assert hall.evaluate(places) == before
    seed, said = box(hall, "#seed"), box(hall, "#notice-place")
    assert 0 <= seed["y"] - (said["y"] + said["height"]) < 20  # at the seed
    expect(hall.get_by_label("Seed")).to_have_attribute("aria-invalid", "true")
    hall.get_by_role("button", name="Dismiss the message").click()
    expect(hall.get_by_label("Seed")).to_have_attribute("aria-invalid", "false")
    set_up(hall, seed="")


def test_a_caption_closes_and_stays_closed(hall: Page) -> None:
    caption = hall.get_by_test_id("caption").locator("visible=true")
    expect(caption).to_have_count(1)
    hall.get_by_role("button", name="Hide the caption").click()
    expect(caption).to_have_count(0)
    show(hall, "Tree")
    expect(caption).to_have_count(0)
    hall.reload()
    hall.locator("[data-ready]").wait_for(state="attached")
    expect(caption).to_have_count(0)
    hall.get_by_role("button", name="Caption", exact=True).click()
    expect(caption).to_have_count(1)
    show(hall, "Texts")


def test_the_keyboard_skips_the_header_and_opens_tabs(hall: Page) -> None:
    hall.evaluate(REACHABLE)
    hall.evaluate("window.reachable[0].focus()")
    expect(hall.get_by_role("button", name="Skip to the view")).to_be_focused()
    hall.keyboard.press("Enter")
    expect(hall.get_by_role("tab", name="Texts", exact=True)).to_be_focused()
    for digit, name in (
        ("Digit2", "Attention"),
        ("Digit3", "Learning"),
        ("Digit4", "Assistant"),
        ("Digit5", "Meaning"),
        ("Digit6", "Class"),
        ("Digit7", "Train"),
        ("Digit1", "Sample"),
    ):
        hall.keyboard.press(f"Shift+{digit}")
        expect(hall.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
    hall.keyboard.press("?")
    expect(hall.get_by_test_id("keys").locator("visible=true")).to_contain_text("Shift2Attention")
    hall.keyboard.press("Escape")


def test_full_screen_enlarges(hall: Page) -> None:
    hall.get_by_role("button", name="Full screen").click()
    hall.wait_for_function(f"document.fullscreenElement && {ROOT_SIZE} > 20")
    hall.keyboard.press("f")
    hall.wait_for_function(f"!document.fullscreenElement && {ROOT_SIZE} === 18")


def is_whole(page: Page, view: str) -> bool:
    """Whether the main figure of a view is seen as a whole without scrolling."""
    page.evaluate("scrollTo(0, 0)")
    drawn(page)
    figure = box(page, FIGURES[view])
    return bool(figure["height"] > 100 or view == "All heads") and figure["y"] + figure["height"] <= page.evaluate(LOWEST) + 0.5


def test_the_map_of_a_head_and_all_heads_are_seen_whole(hall: Page) -> None:
    resize(hall, 1280, 720)
    for view in ("All heads", "One head"):
        show(hall, view)
        assert is_whole(hall, view), view


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), PROJECTORS)
def test_the_largest_text_fits(hall: Page, width: int, height: int) -> None:
    for _ in range(3):
        hall.get_by_role("button", name="Larger text").click()
    resize(hall, width, height)
    for view in SAMPLE + ATTENTION + ASSISTANT + MEANING:
        show(hall, view)
        assert view not in FIGURES or is_whole(hall, view), view
        assert hall.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), view
        assert hall.evaluate(CUT) == [], view
        hall.evaluate("scrollTo(0, 0)")
        assert box(hall, ".bar")["y"] + box(hall, ".bar")["height"] < 0.55 * height, view
        expect(hall.get_by_test_id("caption").locator("visible=true")).to_have_count(0)
        if view in SAMPLE:
            assert 0 < box(hall, "#generate")["y"] < height - box(hall, "#generate")["height"], view
    resize(hall, 1280, 720)
    show(hall, "Texts")
    prompt = hall.locator("#prompt textarea")  # another tab has one too
    expect(prompt).to_be_hidden()
    hall.get_by_role("button", name="Settings").click()
    expect(prompt).to_be_in_viewport()
    hall.keyboard.press("Escape")
    expect(prompt).to_be_hidden()
    hall.get_by_role("button", name="Normal text size").click()
    expect(prompt).to_be_visible()


@pytest.mark.parametrize(("width", "height"), PHONES)
def test_a_phone_shows_the_text_first(phone: Page, width: int, height: int) -> None:
    resize(phone, width, height)
    card, generate = box(phone, ".card"), box(phone, "#generate")
    assert card["y"] < height / 2
    assert generate["y"] + generate["height"] <= height
    tabs = box(phone, "#tabs [role=tab]")
    assert tabs["y"] + tabs["height"] < 110  # the second of two rows
    assert box(phone, ".bar")["height"] < 60  # the tools beside the views
    assert phone.evaluate("document.documentElement.scrollWidth") <= width
    expect(phone.locator(".views").first).to_have_class("views scrolls-on")
    expect(phone.get_by_role("button", name="Keys", exact=True)).to_be_hidden()
    expect(phone.locator("#prompt textarea")).to_be_hidden()
    phone.get_by_role("button", name="Settings").tap()
    expect(phone.locator("#prompt textarea")).to_be_in_viewport()
    expect(phone.get_by_role("button", name="Generate")).to_be_in_viewport()
    phone.get_by_role("button", name="Settings").tap()
    expect(phone.locator("#prompt textarea")).to_be_hidden()
    phone.get_by_role("button", name="Tools").locator("visible=true").tap()
    expect(phone.get_by_role("button", name="Copy link")).to_be_in_viewport()
    phone.locator(".card").first.tap(position={"x": 5, "y": 5})
    expect(phone.get_by_role("button", name="Copy link")).to_be_hidden()


def test_a_link_to_a_view_opens_at_it(phone: Page, url: str) -> None:
    open_page(phone, f"{url}/#view=score")
    expect(phone.get_by_role("tab", name="Score")).to_be_in_viewport(ratio=0.9)
    expect(phone.get_by_role("tabpanel", name="Score")).to_be_in_viewport()
