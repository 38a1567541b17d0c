"""The header has room for seven tabs, on a laptop and on a phone, and a theme that an address may set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import open_page
from tests.browser.tab import drawn

TABS = ["Sample", "Attention", "Learning", "Assistant", "Meaning", "Class", "Train"]
THUMB = 44

# Whatever can be read or pressed in the header, with its box, and whether any of its text is cut off.
PARTS = """() => [".masthead h1", ".masthead .facts li", ".tools button", "#tabs > .tab-wrapper [role=tab]"]
  .flatMap((selector) => [...document.querySelectorAll(selector)])
  .filter((node) => node.checkVisibility() && !node.closest(".visually-hidden"))
  .map((node) => {
    const { left, top, right, bottom } = node.getBoundingClientRect();
    const isCut = node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1;
    return { name: node.textContent.trim() || node.ariaLabel, isTab: node.role === "tab", isCut, left, top, right, bottom };
  })"""


@pytest.fixture(scope="module")
def seven(browser: Browser, url: str) -> Iterator[Page]:
    """One page with seven tabs, at many sizes."""
    page = browser.new_page()
    open_page(page, url)
    yield page
    page.close()


@pytest.mark.parametrize(("width", "height", "rows"), [(1280, 720, 1), (1920, 1080, 1), (900, 720, None), (360, 800, None)])
def test_seven_tabs_fit(seven: Page, width: int, height: int, rows: int | None) -> None:
    page = seven
    page.set_viewport_size({"width": width, "height": height})
    drawn(page)
    parts = page.evaluate(PARTS)
    tabs = [part for part in parts if part["isTab"]]
    assert [tab["name"] for tab in tabs] == TABS
    assert not [part["name"] for part in parts if part["isCut"]]
    beside = [part for part in parts if part["left"] < 0 or part["right"] > width]
    assert not [part["name"] for part in beside if width > 360 or not part["isTab"]]  # on a phone the row of tabs scrolls
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for i, one in enumerate(parts):
        for other in parts[i + 1 :]:
            assert apart(one, other), f"{one['name']} and {other['name']}"
    if rows:
        assert len({round(tab["top"]) for tab in tabs}) == rows
        assert abs(middle(tabs[0]) - middle(parts[0])) < 4  # in the line of the page's name
    if width == 360:
        assert not [tab["name"] for tab in tabs if tab["bottom"] - tab["top"] < THUMB or tab["right"] - tab["left"] < THUMB]


@pytest.mark.parametrize(
    ("system", "asked", "chosen", "expected"),
    [
        ("light", "dark", None, True),
        ("dark", "light", None, False),
        ("light", "dark", "light", True),
        ("dark", "light", "dark", False),
        ("light", "system", "dark", False),
        ("dark", "system", "light", True),
        ("light", "purple", "dark", True),
        ("light", "purple", None, False),
        ("dark", "purple", None, True),
        ("dark", None, "light", False),
        ("light", None, None, False),
        ("dark", None, None, True),
    ],
)
def test_the_address_sets_the_theme(
    empty_page: Page, url: str, system: Literal["light", "dark"], asked: str | None, chosen: str | None, expected: bool
) -> None:
    """Wherever something else than the system decides, the system has the other theme."""
    page = empty_page
    page.emulate_media(color_scheme=system)
    if chosen:
        page.goto(f"{url}/healthz")
        page.evaluate("chosen => localStorage.setItem('soliloquy-theme', chosen)", chosen)
    open_page(page, f"{url}/?__theme={asked}" if asked else url)
    dark_paper = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every((part) => part < 100)"
    assert page.evaluate(dark_paper) == expected
    assert page.evaluate("[document.documentElement, document.body].map((node) => node.classList.contains('dark'))") == [expected] * 2
    assert page.evaluate("localStorage.getItem('soliloquy-theme')") == chosen  # for this time alone


def test_a_press_on_the_theme_is_later_than_the_address(empty_page: Page, url: str) -> None:
    page = empty_page
    page.emulate_media(color_scheme="light")
    open_page(page, f"{url}/?__theme=dark&prompt=KING%3A")
    page.get_by_role("button", name="Dark theme").click()
    page.wait_for_url("**#prompt=KING*")
    assert "__theme" not in page.url
    page.reload()
    page.locator("[data-ready]").wait_for(state="attached")
    assert not page.evaluate("document.body.classList.contains('dark')")


def apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two boxes do not overlap."""
    sideways = one["right"] <= other["left"] + 0.5 or other["right"] <= one["left"] + 0.5
    return sideways or one["bottom"] <= other["top"] + 0.5 or other["bottom"] <= one["top"] + 0.5


def middle(part: dict[str, Any]) -> float:
    """The height at which a part stands."""
    return (part["top"] + part["bottom"]) / 2
