"""The view "One head" of the Attention tab in a real browser."""

from __future__ import annotations

import csv
import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import open_page

TEXT = "ROMEO:\nBut soft!"  # all of it fits the view
LONG = "To be, or not to be, that is the question:\n" * 5
THIN, MOST_THIN, FAR_LESS = 0.05, 3, 0.1
TALL = {"width": 1280, "height": 1200}  # the mouse reaches all of the figure without scrolling


@pytest.fixture
def page(empty_page: Page) -> Page:
    return empty_page


def show(page: Page, url: str, text: str = TEXT, **settings: object) -> None:
    """Opens the view at an address and waits until it is drawn."""
    words = {"see": "one", "look": quote(text), **settings}
    open_page(page, f"{url}/?{'&'.join(f'{name}={value}' for name, value in words.items())}")
    page.get_by_role("tab", name="Attention").click()
    page.locator("#attention-views [data-ready]").wait_for(state="attached")
    expect(said(page)).not_to_be_empty()
    expect(said(page)).not_to_contain_text("…")


def said(page: Page) -> Any:
    return page.get_by_test_id("one-head-said")


def read(page: Page, url: str, text: str = TEXT) -> str:
    """Where the server has what it knows of a text."""
    key = page.request.post(f"{url}/attention", data={"text": text}).json()["key"]
    return f"{url}/attention/{key}"


def weights(page: Page, address: str, n: int) -> NDArray[np.float32]:
    """A head's weights or an average's, (n, n)."""
    full = np.zeros((n, n), np.float32)
    full[np.tril_indices(n)] = np.frombuffer(page.request.get(address).body(), "<f4")
    return full


def place(page: Page, row: int, column: int) -> tuple[float, float]:
    """The middle of a cell on the map."""
    node = page.get_by_test_id("one-head-map")
    box, data = node.locator("canvas").bounding_box(), node.evaluate("(node) => ({ ...node.dataset })")
    x = float(data["left"]) + (column - int(data["first"]) + 0.5) * float(data["width"])
    return box["x"] + x, box["y"] + (row - int(data["top"]) + 0.5) * float(data["height"])


def cell_in_words(text: str, row: int, column: int, weight: float) -> str:
    """What is said of a cell; the weight must not be small."""
    names = [{"\n": "newline", " ": "space"}.get(char, f"‘{char}’") for char in text]
    return f"{names[row]} at {row + 1} attends to {names[column]} at {column + 1} with weight {weight:.4f}"


def large(full: NDArray[np.float32], count: int = 4) -> list[tuple[int, int]]:
    """Some cells whose weights are not small."""
    rows, columns = np.nonzero(full > 0.01)
    picked = np.linspace(3, len(rows) - 1, count).astype(int)
    return [(int(rows[i]), int(columns[i])) for i in picked]


def test_the_weight_pointed_at_is_the_servers_and_the_text_follows(page: Page, url: str) -> None:
    page.set_viewport_size(TALL)
    show(page, url, head="2.3")
    full = weights(page, f"{read(page, url)}/head/2/3", len(TEXT))
    for row, column in large(full):
        page.mouse.move(*place(page, row, column))
        expect(said(page)).to_contain_text(cell_in_words(TEXT, row, column, full[row, column]))
        expect(page.locator(".look-char.here")).to_have_text(TEXT[row].replace("\n", "↵"), use_inner_text=False)
    page.mouse.move(*place(page, 4, 9))
    expect(said(page)).to_have_text("‘O’ at 5 cannot attend to ‘t’ at 10, which comes later.")


def test_the_average_is_the_mean_of_the_heads_and_has_no_queries(page: Page, url: str) -> None:
    show(page, url, head="3.average")
    address = read(page, url)
    mean = np.mean([weights(page, f"{address}/head/3/{head}", len(TEXT)) for head in range(6)], axis=0, dtype=np.float64)
    row, column = large(mean)[1]
    page.mouse.move(*place(page, row, column))
    expect(said(page)).to_contain_text("with ")
    shown = float(re.search(r"with weight ([\d.]+)", said(page).inner_text())[1])
    assert shown == pytest.approx(mean[row, column], abs=6e-5)
    page.mouse.click(*place(page, row, column))
    expect(page.get_by_test_id("one-head-sums")).to_have_text(re.compile("An average has no queries and keys:"))


def test_what_is_behind_a_cell_computes_its_weight(page: Page, url: str) -> None:
    show(page, url, head="4.1")
    address = read(page, url)
    row, column = large(weights(page, f"{address}/head/4/1", len(TEXT)))[2]
    page.mouse.click(*place(page, row, column))
    sums = page.get_by_test_id("one-head-sums")
    expect(sums).to_contain_text("the map shows")
    told = page.request.get(f"{address}/cell/4/1/{row}/{column}").json()
    shown = sums.inner_text().replace("−", "-")
    number = r"(-?\d+\.\d+)"
    product = float(re.search(rf"q · k = {number}", shown)[1])
    scaled = float(re.search(rf"/ √64 = {number}", shown)[1])
    row_max, row_sum, weight = map(float, re.search(rf"exp\([^ ]+ - {number}\) / {number} = {number}", shown.replace("+", "- -")).groups())
    assert product == pytest.approx(np.dot(told["q"], told["k"]), abs=1e-3)
    assert scaled == pytest.approx(product / 8, abs=1e-4)
    assert weight == pytest.approx(np.exp(scaled - row_max) / row_sum, abs=2e-4)
    assert f"the map shows {weight:.4f}" in shown
    writes = page.get_by_test_id("one-head-writes").inner_text().replace("−", "-")
    written, contribution = np.array(told["written"]), np.array(told["contribution"])
    assert written.shape == (384,)
    assert float(re.search(rf"length {number}", writes)[1]) == pytest.approx(np.linalg.norm(written), abs=6e-4)
    assert float(re.search(rf"{number}.%", writes)[1]) == pytest.approx(100 * contribution @ written / (written @ written), abs=0.06)
    assert float(re.search(rf"\(length {number}\)", writes)[1]) == pytest.approx(np.linalg.norm(contribution), abs=6e-4)
    expect(said(page)).to_contain_text(f"with weight {weight:.4f}")
    canvas = page.get_by_label("The query of ")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    q, k = told["q"][1], told["k"][1]
    expect(page.locator(".one-channel")).to_have_text(f"Number 1: {q:.3f} × {k:.3f} = {q * k:.3f}".replace("-", "−"))
    page.get_by_label("The value of ").press("ArrowRight")
    v, output = told["v"][0], told["output"][0]
    words = f"Number 0: v {v:.3f}, times the weight {weight * v:.3f}, of {output:.3f}".replace("-", "−")
    expect(page.locator(".one-channel")).to_have_text(words)
    expect(page).to_have_url(re.compile(rf"cell={row}\.{column}(&|$)"))
    page.reload()
    page.get_by_role("tab", name="Attention").click()
    expect(sums).to_contain_text(f"the map shows {weight:.4f}")
    page.keyboard.press("Escape")  # nothing of the view has the focus
    page.get_by_role("button", name="Close").click()
    expect(sums).to_be_hidden()
    expect(page).not_to_have_url(re.compile("cell="))
    page.get_by_role("button", name="How is this weight computed?").click()
    expect(sums).to_contain_text(f"the map shows {weight:.4f}")


def test_a_head_is_switched_off_where_it_is_seen(page: Page, url: str) -> None:
    show(page, url, head="0.2")
    about = page.locator(".one-about")
    expect(about).to_contain_text("Looks at the previous character: ")
    assert re.search(r"Loss without it: \+\d\.\d{3} nats", about.inner_text())
    ends = page.locator(".one-score dd").evaluate_all("nodes => nodes.map((node) => node.getBoundingClientRect().right)")
    assert len({round(end) for end in ends}) == 2  # two straight columns
    about.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("tabpanel", name="Heads off").locator(".off-loss")).to_contain_text("→")
    expect(page).to_have_url(re.compile("off=0.2"))
    page.get_by_role("tab", name="One head").click()
    expect(about).to_contain_text("It is off; these are the weights it would have used.")
    about.get_by_role("button", name="Switch on again").click()
    expect(about.get_by_role("button", name="Switch off")).to_be_visible()
    expect(page).not_to_have_url(re.compile("off=0.2"))


def test_enlarged_the_map_takes_the_width(page: Page, url: str) -> None:
    show(page, url, LONG, head="0.2")
    map_ = page.get_by_test_id("one-head-map")
    before = int(map_.get_attribute("data-columns"))
    page.get_by_role("button", name="Enlarge").click()
    expect(page.get_by_role("button", name="Back")).to_be_visible()
    page.wait_for_function("document.querySelector('.one-map canvas').clientWidth > 0.85 * innerWidth")
    assert int(map_.get_attribute("data-columns")) > 1.5 * before
    page.get_by_role("button", name="Back").click()
    expect(map_).to_have_attribute("data-columns", str(before))


@pytest.mark.parametrize("head", ["3.0", "0.2"])
def test_lines_are_drawn_for_weights_that_are_not_thin(page: Page, url: str, head: str) -> None:
    page.set_viewport_size(TALL)
    show(page, url, head=head, lines=1, at=14)
    full = weights(page, f"{read(page, url)}/head/{head.replace('.', '/')}", len(TEXT))
    lines = page.get_by_test_id("one-head-lines")

    least = np.maximum(np.sort(full, axis=1)[:, -MOST_THIN, None], FAR_LESS * full.max(1, keepdims=True))
    wanted = (full > 0) & ((full >= THIN) | (full >= least))
    if head == "0.2":  # the previous character alone: a row has no line for a weight near zero
        assert (wanted.sum(1) == 1).all()

    def told(which: Any) -> None:
        part, drawn = full[which], wanted[which]
        expect(lines).to_have_attribute("data-lines", str(int(drawn.sum())))
        thin = part[~drawn].sum() / part.sum() * 100
        expect(said(page)).to_contain_text(f"{drawn.sum()} line")
        share = re.search(r"hidden \((<? ?[\d.]+)\s%", said(page).inner_text())
        assert float(share[1].strip("< ")) == pytest.approx(thin, abs=0.6)

    told(14)
    page.get_by_role("button", name="All lines").click()
    told(...)
    expect(page).to_have_url(re.compile("lines=all"))
    box, cell = lines.locator("canvas").bounding_box(), float(lines.get_attribute("data-cell"))
    page.mouse.move(box["x"] + 9.5 * cell, box["y"] + box["height"] - 8)
    told(9)
    page.mouse.move(box["x"] + 4.5 * cell, box["y"] + 8)
    told(np.s_[:, 4])
    page.mouse.move(box["x"] + 4.5 * cell, box["y"] + box["height"] / 2)
    told(...)


def test_keys_choose_heads_and_walk_over_the_map(page: Page, url: str) -> None:
    show(page, url, LONG, head="0.0", at=100)
    page.get_by_role("radio", name="0").first.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator(".one-about .one-title")).to_have_text("Layer 5, average of its heads")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".one-about .one-title")).to_have_text("Layer 5, head 5")
    expect(page).to_have_url(re.compile(r"head=5\.5"))
    full = weights(page, f"{read(page, url, LONG)}/head/5/5", len(LONG))
    map_ = page.get_by_test_id("one-head-map")
    map_.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(said(page)).to_contain_text(cell_in_words(LONG, 101, 99, full[101, 99])[:-7])
    page.keyboard.press("Home")
    expect(map_).to_have_attribute("data-first", "0")
    assert int(map_.get_attribute("data-rows")) < len(LONG)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("one-head-sums")).to_contain_text("the map shows")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("one-head-sums")).to_be_hidden()
    box = page.get_by_label("The whole map.").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.9)
    page.mouse.down()
    page.mouse.up()
    expect(said(page)).to_contain_text(re.compile(rf" at {int(0.9 * len(LONG)) + 1} attends to .* at {int(0.5 * len(LONG)) + 1} "))


def download(page: Page, name: str) -> bytes:
    """A file of the Download menu."""
    page.locator("#attention-views").get_by_role("button", name="Download", exact=True).click()
    with page.expect_download() as coming:
        page.get_by_role("button", name=name).click()
    return Path(coming.value.path()).read_bytes()


def test_a_head_can_be_taken_along(page: Page, url: str) -> None:
    show(page, url, head="1.4")
    rows = list(csv.DictReader(io.StringIO(download(page, "This head, exact (CSV)").decode())))
    full = weights(page, f"{read(page, url)}/head/1/4", len(TEXT))
    np.testing.assert_array_equal(np.array([row["weight"] for row in rows], np.float32), full[np.tril_indices(len(TEXT))])
    assert rows[28] == {**rows[28], "from": "8", "from_character": "B", "to": "1", "to_character": "R"}
    for mode in ("Map", "Lines"):
        page.get_by_role("button", name=mode, exact=True).click()
        picture = download(page, "This head (PNG)")
        assert picture.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", picture[16:24])
        assert min(width, height) > 900


@pytest.mark.parametrize("text", ["a", "ab"])
def test_the_shortest_texts_have_maps_and_lines(page: Page, url: str, text: str) -> None:
    show(page, url, text, head="9.9", at=0)  # there is no such head
    expect(page.locator(".one-about .one-title")).to_have_text("Layer 0, head 2")  # the clearest
    expect(said(page)).to_have_text("‘a’ at 1 attends to ‘a’ at 1 with weight 1.0000 (100 %)")
    page.get_by_role("button", name="All lines").click()
    expect(said(page)).to_contain_text(f"{len(text)} character")
    expect(page.get_by_test_id("one-head-lines")).not_to_have_attribute("data-lines", "")


@contextmanager
def rough_page(browser: Browser) -> Iterator[Page]:
    """A page on which requests may fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    yield context.new_page()
    context.close()


def test_what_the_server_forgot_it_is_given_again(browser: Browser, url: str) -> None:
    with rough_page(browser) as page:
        readings: list[str] = []
        page.on("request", lambda request: readings.append(request.url) if request.url.endswith("/attention") else None)
        forgotten = {"status": 404, "json": {"error": "This attention is no longer remembered. Read the text again."}}
        page.route("**/attention/*/head/**", lambda route: route.fulfill(**forgotten), times=1)
        show(page, url, head="2.3", at=9)
        expect(said(page)).to_contain_text("‘t’ at 10 attends to ")
        assert len(readings) == 2


def test_a_server_that_is_gone_is_told_and_asked_again(browser: Browser, url: str) -> None:
    def refuse(route: Route) -> None:
        route.abort()

    with rough_page(browser) as page:
        show(page, url, head="2.3", at=9)
        page.route("**/attention/**", refuse)
        page.get_by_role("radiogroup", name="Head").get_by_role("radio", name="5").click()
        trouble = page.locator(".one-trouble")
        expect(trouble).to_contain_text("The server cannot be reached.")
        page.unroute("**/attention/**", refuse)
        trouble.get_by_role("button", name="Try again").click()
        expect(trouble).to_be_empty()
        expect(said(page)).to_contain_text(re.compile(r"with weight \d"))
