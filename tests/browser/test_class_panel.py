"""The address for the class on the projector, in a real browser."""

from __future__ import annotations

import io

import numpy as np
import pytest
import segno
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.browser.conftest import open_page
from tests.browser.tab import drawn
from tests.support.server import health
from ui.class_address import class_address

QUIET = 4  # modules of white around the code
SCREENS = [(360, 740), (740, 360), (1280, 720), (1920, 1080)]


@pytest.fixture(scope="module")
def url(class_app: tuple[str, str]) -> str:
    """The class's app, which listens on every address of the machine."""
    if class_address("0.0.0.0", 7860) is None:
        pytest.skip("this machine is in no network")
    return class_app[0]


@pytest.fixture
def address(url: str) -> str:
    """What the class is to be shown."""
    address = class_address("0.0.0.0", int(url.rsplit(":", 1)[1]))
    assert address
    return address


def join(page: Page) -> Locator:
    """Opens the panel."""
    page.get_by_role("button", name="Join").click()
    panel = page.get_by_role("dialog", name="Open this on your phone or laptop")
    expect(panel).to_be_visible()
    return panel


def resize(page: Page, width: int, height: int) -> None:
    """Gives the page another size and waits until it is drawn."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("([width, height]) => innerWidth === width && innerHeight === height", arg=[width, height])
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def drawn_modules(page: Page) -> list[str]:
    """The code as it is seen: the middle of each module, quiet zone included."""
    code = page.get_by_test_id("class-qr")
    pixels = np.asarray(Image.open(io.BytesIO(code.screenshot())).convert("L"))
    side = int(code.evaluate("code => code.viewBox.baseVal.width"))
    middles = ((np.arange(side) + 0.5) / side * pixels.shape[0]).astype(int)
    seen = pixels[np.ix_(middles, middles)]
    assert set(np.unique(seen)) == {0, 255}
    return ["".join("1" if pixel == 0 else "0" for pixel in row) for row in seen]


def fits(page: Page) -> bool:
    """Whether nothing of the panel is cut off or beside the screen."""
    return page.evaluate("""() => {
      const panel = document.querySelector("dialog[open]");
      const address = panel.querySelector(".address");
      const inside = ({ left, top, right, bottom }) => left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
      return document.documentElement.scrollWidth === innerWidth
        && panel.scrollWidth <= panel.clientWidth && panel.scrollHeight <= panel.clientHeight
        && address.scrollWidth <= address.clientWidth
        && [...panel.querySelectorAll("button, h2, p, svg")].every((part) => inside(part.getBoundingClientRect()));
    }""")


def test_who_listens_to_this_machine_alone_invites_nobody(empty_page: Page, app_url: str) -> None:
    open_page(empty_page, app_url)
    expect(empty_page.get_by_role("button", name="Dark theme")).to_be_visible()
    expect(empty_page.get_by_role("button", name="Join")).to_have_count(0)
    expect(empty_page.get_by_test_id("class-panel")).to_have_count(0)


def test_the_terminal_says_where_the_class_finds_the_page(class_app: tuple[str, str], address: str) -> None:
    url, said = class_app
    assert said.splitlines()[-2:] == [f"Soliloquy is at {url}", f"For the class: {address}"]  # after how the model writes


def test_the_address_is_shown_and_answers(page: Page, address: str) -> None:
    join(page)
    expect(page.get_by_test_id("class-address")).to_have_text(address)
    assert health(address)["healthy"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_code_is_the_addresss_in_black_on_white(page: Page, address: str, theme: str) -> None:
    if theme == "dark":
        page.get_by_role("button", name="Dark theme").click()
    join(page)
    matrix = segno.make_qr(address, error="L").matrix_iter(border=QUIET)
    assert drawn_modules(page) == ["".join(map(str, row)) for row in matrix]


def test_escape_closes_and_focus_returns(page: Page) -> None:
    panel = join(page)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("button", name="Join")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()
    expect(page.get_by_role("button", name="Join")).to_be_focused()


def test_escape_in_the_panel_does_not_stop_what_is_written(page: Page) -> None:
    field = page.get_by_label("number input for Length")
    field.fill("2000")
    field.blur()
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("button", name="Stop")).to_be_enabled()
    panel = join(page)
    page.mouse.click(700, 700)  # beside everything: no element has the focus
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    drawn(page)
    expect(page.get_by_role("button", name="Stop")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("status").first).to_contain_text("stopped after")


@pytest.mark.parametrize("larger", [0, 3])
def test_it_fills_every_screen_and_nothing_overflows(page: Page, larger: int) -> None:
    for _ in range(larger):
        page.get_by_role("button", name="Larger text").click()
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360  # the header with its button more
    join(page)
    for width, height in SCREENS:
        resize(page, width, height)
        assert fits(page)
        assert page.get_by_test_id("class-qr").evaluate("code => code.clientWidth") >= 0.5 * min(width, height)
        assert page.get_by_test_id("class-address").evaluate("text => parseFloat(text.style.fontSize)") >= min(width, height) / 12


@pytest.mark.parametrize(
    "other", ["https://illyria-soliloquy-for-the-lecture.hf.space", "http://192.168.100.200:65535", f"https://{'m' * 63}.hf.space"]
)
def test_long_addresses_fit(context: BrowserContext, url: str, address: str, other: str) -> None:
    page = context.new_page()

    def replace(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace(address, other))

    page.route(f"{url}/", replace)
    open_page(page, url)
    join(page)
    expect(page.get_by_test_id("class-address")).to_have_text(other)
    for width, height in SCREENS:
        resize(page, width, height)
        assert fits(page)
    page.close()
