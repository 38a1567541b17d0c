"""Keys and the full screen in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import new_page, open_page
from tests.browser.tab import generate, set_up, start_long

VIEWS = ["Texts", "Next character", "Tree", "Same dice", "Score"]
# What single keys could change, but for the field that is typed into.
UNTOUCHED = """() => [
  document.querySelector(".views [aria-selected=true]").textContent,
  document.querySelectorAll(".card-text").length,
  document.querySelector(".texts-bar .switch").getAttribute("aria-pressed"),
  document.querySelectorAll(".next-text > *").length,
  document.querySelectorAll("dialog[open], :popover-open").length,
  document.querySelector(".bar-said").textContent,
  Boolean(document.fullscreenElement),
]"""
IN_FRONT = """node => {
  const { left, top, width, height } = node.getBoundingClientRect();
  return node.contains(document.elementFromPoint(left + width / 2, top + 12));
}"""


@pytest.fixture(scope="module")
def page(context: BrowserContext, url: str) -> Iterator[Page]:
    """One page for all: what is on it when a test begins does not matter."""
    with new_page(context) as page:
        open_page(page, url)
        set_up(page, length=8, samples=2)
        yield page


def show(page: Page, view: str) -> None:
    page.get_by_role("tab", name=view, exact=True).click()
    page.locator("#sample .panel:not([hidden]) > *").first.wait_for(state="attached")  # its script comes when it is first shown
    if view == "Next character":
        expect(page.get_by_test_id("next-entropy")).to_contain_text(re.compile(r"\d bits"))


def selected(page: Page) -> str:
    return page.locator(".views [aria-selected=true]").inner_text()


def temperature(page: Page) -> float:
    return float(page.get_by_label("number input for Temperature").input_value())


def listed(page: Page) -> dict[str, str]:
    """The keys that the page names, and what they are for."""
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    names = [" ".join(name.locator("kbd").all_inner_texts()) for name in dialog.locator("dt").all()]
    keys = dict(zip(names, dialog.locator("dd").all_inner_texts(), strict=True))
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    return keys


def writes(page: Page) -> Callable[[str], None]:
    """A key writes a new group."""

    def press(key: str) -> None:
        before = page.get_by_test_id("group").first.element_handle() if page.get_by_test_id("group").count() else None
        with page.expect_request("**/write"):
            page.keyboard.press(key)
        page.wait_for_function("before => document.querySelector('.group') !== before", arg=before)
        expect(page.get_by_test_id("status").first).to_contain_text("characters in")

    return press


@pytest.mark.slow
def test_every_key_that_is_listed_does_what_it_says(page: Page) -> None:
    def stops(key: str) -> None:
        start_long(page)
        page.keyboard.press(key)
        expect(page.get_by_test_id("status").first).to_contain_text("stopped after")
        set_up(page, length=8, samples=2)

    def clears(key: str) -> None:
        page.keyboard.press(key)
        expect(page.get_by_test_id("group")).to_have_count(0)

    def undoes(key: str) -> None:
        page.keyboard.press(key)
        assert page.get_by_test_id("group").count()

    def changes_temperature(by: float, limit: float) -> Callable[[str], None]:
        def press(key: str) -> None:
            before = temperature(page)
            page.keyboard.press(key)
            assert temperature(page) == pytest.approx(before + by)
            for _ in range(25):
                page.keyboard.press(key)
            assert temperature(page) == limit
            set_up(page, temperature=0.8)
            page.get_by_role("tab", name=selected(page)).focus()

        return press

    def shows(view: str) -> Callable[[str], None]:
        def press(key: str) -> None:
            page.keyboard.press(key)
            assert selected(page) == view

        return press

    def fills_the_screen(key: str) -> None:
        page.keyboard.press(key)
        page.wait_for_function("document.fullscreenElement")
        page.keyboard.press(key)
        page.wait_for_function("!document.fullscreenElement")

    def copies(key: str) -> None:
        page.keyboard.press(key)
        expect(page.locator(".bar-said")).to_have_text("Link copied")
        assert page.evaluate("navigator.clipboard.readText()").startswith("http")

    def downloads(key: str) -> None:
        page.keyboard.press(key)
        expect(page.locator(".menu-entry").first).to_be_focused()
        page.keyboard.press(key)
        expect(page.locator(".menu-entry").first).to_be_hidden()

    def helps(key: str) -> None:
        page.keyboard.press(key)
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        page.keyboard.press("Escape")

    def colours(key: str) -> None:
        switch = page.get_by_role("button", name={"h": "Colour by surprisal", "e": "Colour guesses"}[key])
        page.keyboard.press(key)
        expect(switch).to_have_attribute("aria-pressed", "true")
        page.keyboard.press(key)
        expect(switch).to_have_attribute("aria-pressed", "false")

    def steps(by: int) -> Callable[[str], None]:
        def press(key: str) -> None:
            before = len(page.get_by_test_id("next-text").text_content() or "")
            page.keyboard.press(key)
            page.wait_for_function("count => document.querySelector('.next-text').textContent.length === count", arg=before + by)

        return press

    def throws(key: str) -> None:
        page.keyboard.press(key)
        expect(page.get_by_test_id("next-counted" if key == "m" else "next-said")).not_to_be_empty()

    def starts_over(key: str) -> None:
        for _ in range(2):
            steps(1)(".")
        page.keyboard.press(key)
        expect(page.get_by_test_id("next-text")).to_have_text(page.get_by_label("Prompt").input_value())

    def orders(key: str) -> None:
        by_alphabet = page.get_by_role("button", name="by alphabet")
        for pressed in ("false", "true"):
            page.keyboard.press(key)
            expect(by_alphabet).to_have_attribute("aria-pressed", pressed)

    def moves_on(key: str) -> None:
        steps(1)(".")
        page.keyboard.press(key)
        expect(page.get_by_role("button", name="What comes next?")).to_be_hidden()

    def shows_all_bars(key: str) -> None:
        for shown in (True, False):
            page.keyboard.press(key)
            expect(page.get_by_test_id("next-alphabet")).to_be_visible(visible=shown)

    def unfolds(key: str) -> None:
        set_up(page, length=6, samples=16, temperature=2)
        for _ in range(5):
            generate(page, "Again")
        toggle = page.locator(".tree-toggle")
        for words in ("Show all", "Fold small branches", "Show all"):
            expect(toggle).to_have_text(words)
            page.get_by_role("tab", name="Tree").focus()
            page.keyboard.press(key)
        set_up(page, length=8, samples=2, temperature=0.8)

    def goes_back(key: str) -> None:
        writes(page)("g")
        set_up(page, temperature=1.5)
        page.get_by_role("tab", name="Same dice").focus()
        page.keyboard.press(key)
        assert temperature(page) == 0.8

    def takes_sample(by: int) -> Callable[[str], None]:
        def press(key: str) -> None:
            select = page.get_by_label("Sample", exact=True)
            chosen = "select => [...select.options].filter((option) => !option.disabled).indexOf(select.selectedOptions[0])"
            before = select.evaluate(chosen)
            page.keyboard.press(key)
            assert select.evaluate(chosen) == before + by

        return press

    def scores(key: str) -> None:
        newest = page.locator(".folio .card-text").first.text_content() or ""
        page.keyboard.press(key)
        expect(page.get_by_label("Your text")).to_have_value(newest)

    everywhere = {
        "g": writes(page),
        "a": writes(page),
        "c": clears,
        "u": undoes,
        "s": stops,
        "[": changes_temperature(-0.1, 0),
        "]": changes_temperature(0.1, 2),
        **{str(i + 1): shows(view) for i, view in enumerate(VIEWS)},
        "f": fills_the_screen,
        "l": copies,
        "d": downloads,
        "?": helps,
    }
    own = {
        "Texts": {"h": colours, "e": colours},
        "Next character": {
            ".": steps(1),
            "n": moves_on,
            "Backspace": steps(-1),
            "t": throws,
            "m": throws,
            "r": starts_over,
            "o": orders,
            "w": shows_all_bars,
        },
        "Tree": {"o": unfolds},
        "Same dice": {"n": takes_sample(1), "p": takes_sample(-1), "o": goes_back},
        "Score": {"n": scores},
    }
    for view in VIEWS:
        show(page, view)
        wanted = own.get(view, {}) | (everywhere if view == "Texts" else {})
        for key, check in wanted.items():
            show(page, view)
            check(key)
        show(page, view)
        # The list and what was tried are the same; the others are for texts and fields, and for the tabs (see test_hall.py).
        others = {"Ctrl Enter", "Esc", "← ↑ → ↓", *(f"Shift {number}" for number in range(1, 8))}
        assert listed(page).keys() == own.get(view, {}).keys() | everywhere.keys() | others


@contextmanager
def nothing_asked(page: Page) -> Iterator[None]:
    """The server is asked for nothing, but for its health, which the page looks after by itself."""
    asked: list[str] = []
    page.on("request", note := lambda request: asked.append(request.url))
    yield
    page.remove_listener("request", note)
    assert {urlsplit(url).path for url in asked} <= {"/healthz"}


@pytest.mark.parametrize("name", ["Prompt", "Seed", "number input for Length", "Your text", "Temperature 2"])
def test_no_key_acts_while_somebody_types(page: Page, name: str) -> None:
    show(page, "Score" if name == "Your text" else "Texts")
    field = page.get_by_label(name)
    value = field.input_value()
    before, warmth = page.evaluate(UNTOUCHED), temperature(page)
    field.focus()
    with nothing_asked(page):
        for key in "gascu[]12345fld?he.tmronpw":
            page.keyboard.press(key)
        page.keyboard.press("Backspace")
        expect(field).to_be_focused()
        assert page.evaluate(UNTOUCHED) == before
        assert temperature(page) == warmth
    field.fill(value)
    field.blur()


def test_no_key_acts_with_others_held_down(page: Page) -> None:
    show(page, "Next character")
    expect(page.get_by_test_id("next-entropy")).to_contain_text(re.compile(r"\d bits"))
    before, warmth = page.evaluate(UNTOUCHED), temperature(page)
    with nothing_asked(page):
        for held in ("Control", "Alt", "Meta"):
            for key in "gascu[]1f?htmronp.":
                page.keyboard.press(f"{held}+{key}")
        assert page.evaluate(UNTOUCHED) == before
        assert temperature(page) == warmth


def test_control_and_enter_write_what_was_just_typed(page: Page) -> None:
    show(page, "Texts")
    page.get_by_label("Prompt").fill("KING:")
    with page.expect_request("**/write") as asked:
        page.keyboard.press("Control+Enter")
    assert asked.value.post_data_json["prompt"] == "KING:"
    expect(page.get_by_label("Prompt")).to_be_focused()
    expect(page.get_by_test_id("status").first).to_contain_text("characters in")


def test_the_list_of_keys_opens_and_closes_by_keys_and_gives_the_focus_back(page: Page) -> None:
    show(page, "Texts")
    dialog = page.get_by_role("dialog", name="Keys")
    opener = page.get_by_role("button", name="Keys", exact=True)
    opener.focus()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    before = page.evaluate(UNTOUCHED)
    for key in "gcf4":
        page.keyboard.press(key)
    assert page.evaluate(UNTOUCHED) == before
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    card = page.locator(".card-text").first
    card.focus()
    page.keyboard.press("?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(card).to_be_focused()
    page.keyboard.press("?")
    page.mouse.click(5, 5)  # beside it
    expect(dialog).to_be_hidden()


def test_arrow_keys_walk_the_strip_of_views(page: Page) -> None:
    show(page, "Texts")
    page.get_by_role("tab", name="Texts").focus()
    for view in [*VIEWS[1:], "Texts"]:
        page.keyboard.press("ArrowRight")
        assert selected(page) == view
        expect(page.get_by_role("tab", name=view, exact=True)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    assert selected(page) == "Score"
    page.keyboard.press("Home")
    assert selected(page) == "Texts"
    page.keyboard.press("End")
    assert selected(page) == "Score"
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Caption", exact=True)).to_be_focused()


def test_escape_closes_what_is_open_before_it_stops_the_writing(page: Page) -> None:
    show(page, "Texts")
    start_long(page)
    status = page.get_by_test_id("status").first
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    expect(status).to_have_text("writing")
    page.get_by_role("button", name="Download").click()
    expect(page.locator(".menu-list")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".menu-list")).to_be_hidden()
    expect(page.get_by_role("button", name="Download")).to_be_focused()
    expect(status).to_have_text("writing")
    page.keyboard.press("Escape")
    expect(status).to_contain_text("stopped after")
    set_up(page, length=8, samples=2)


def in_front(node: Locator) -> None:
    """Whether it is seen, with nothing over it."""
    expect(node).to_be_visible()
    assert node.evaluate(IN_FRONT)


def test_in_full_screen_everything_that_opens_is_seen(page: Page) -> None:
    show(page, "Texts")
    generate(page)
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement?.contains(document.querySelector('.panels'))")
    card = page.locator(".card-text").first
    in_front(card)
    assert not page.get_by_label("Prompt").evaluate(IN_FRONT)
    card.focus()
    page.keyboard.press("ArrowRight")
    in_front(page.get_by_test_id("inspector"))
    page.mouse.click(5, 700)
    page.keyboard.press("d")
    in_front(page.locator(".menu-list"))
    page.keyboard.press("d")
    page.keyboard.press("?")
    in_front(page.get_by_role("dialog", name="Keys"))
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()  # keys do nothing below it
    page.route("**/write", lambda route: route.fulfill(status=400, json={"error": "Not now."}))  # words that stay
    page.keyboard.press("g")
    in_front(page.locator(".bar-said"))
    expect(page.locator(".bar-said")).to_contain_text("Not now.")
    page.unroute("**/write")
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("!document.fullscreenElement")


def test_a_browser_that_allows_no_full_screen_is_told(page: Page) -> None:
    show(page, "Texts")
    page.evaluate("() => { Element.prototype.requestFullscreen = () => Promise.reject(new TypeError()); }")
    page.keyboard.press("f")
    expect(page.get_by_test_id("notice")).to_have_text("This browser does not allow full screen here.")
