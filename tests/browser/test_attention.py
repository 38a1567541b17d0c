"""The Attention tab in a real browser: the text, what comes next, all heads, while it writes, and what can be taken along."""

from __future__ import annotations

import csv
import json
import re
import struct
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.tab import drawn

TEXT = "KING HENRY:\nO my lord, my lord!"


def ask(url: str, text: str) -> dict[str, Any]:
    """What the server says of a text."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(f"{url}/attention", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def exact(url: str, key: str, layer: int, head: int, n: int) -> np.ndarray:
    """The weights of a head, (n, n)."""
    with urllib.request.urlopen(f"{url}/attention/{key}/head/{layer}/{head}") as response:
        half = np.frombuffer(response.read(), "<f4")
    weights = np.zeros((n, n))
    weights[np.tril_indices(n)] = half
    return weights


def open_attention(page: Page, url: str, **address: str) -> None:
    """The tab at an address, drawn."""
    query = "&".join(f"{name}={urllib.request.quote(value)}" for name, value in address.items())
    page.goto(f"{url}/?{query}")
    page.get_by_role("tab", name="Attention").click()
    page.locator("#attention-views [data-ready]").wait_for(state="attached")


@pytest.fixture
def tab(empty_page: Page, url: str) -> Page:
    """The tab with a short text."""
    open_attention(empty_page, url, look=TEXT)
    return empty_page


def glowing(page: Page) -> list[int]:
    """How much each character glows, in per cent; the one looked from does not."""
    return page.locator(".look-char").evaluate_all("""chars => chars.map((char) => {
      const glows = (step) => [...CSS.highlights.get(`glow-${step}`)].some((range) => range.startContainer === char.firstChild);
      return 5 * (1 + [...Array(20).keys()].findIndex((step) => glows(step + 1)));
    })""")


def test_every_head_is_drawn_as_the_server_has_it(tab: Page, url: str) -> None:
    known = ask(url, TEXT)
    tiles = tab.locator(".tile")
    assert tiles.count() == known["n_layer"] * known["n_head"]
    n = len(TEXT)
    painted = """map => [...map.getContext("2d").getImageData(0, 0, map.width, map.height).data]"""
    for layer, head in ((0, 0), (2, 1), (5, 5)):
        pixels = np.array(tab.locator(f'[data-head="{layer}.{head}"] .tile-map').evaluate(painted)).reshape(n, n, 4)
        assert not pixels[..., 3][np.triu_indices(n, 1)].any(), "nothing is painted ahead of a character"
        assert pixels[..., 3][np.tril_indices(n)].all()
        weights = exact(url, known["key"], layer, head, n)
        strongest, faintest = (weights[np.tril_indices(n)].argsort()[place] for place in (-1, 0))
        brightness = pixels[np.tril_indices(n)][:, :3].sum(1)
        assert brightness[strongest] < brightness[faintest]  # ink on paper


def test_a_character_that_is_pointed_at_shows_where_it_looks(tab: Page, url: str) -> None:
    known = ask(url, TEXT)
    at = TEXT.rindex("l")
    tab.locator('[data-head="2.1"]').focus()
    tab.locator(".look-char").nth(at).hover()
    weights = exact(url, known["key"], 2, 1, len(TEXT))[at]
    glow = glowing(tab)
    assert max(abs(seen - 100 * weight**0.5) for seen, weight in zip(glow[:at], weights, strict=False)) < 3.5  # steps of 5, of steps of 2
    assert max(glow[:at]) > 0
    assert not any(glow[at:])
    expect(tab.locator(".look-next-title")).to_have_text("After l came o")
    assert tab.locator(".look-next .candidate-drawn").count() == 1


def test_a_clicked_character_is_kept_while_others_are_pointed_at_and_the_link_names_it(tab: Page) -> None:
    here, chosen, tile = tab.locator(".look-char.here"), tab.locator(".look-char.pinned"), tab.locator('[data-head="0.2"] .tile-frame')
    tile.hover(position={"x": 5, "y": 1})
    expect(here).to_have_text("K")  # nothing is chosen: the tile's own row
    tab.mouse.move(2, 2)
    expect(here).to_have_count(0)
    tab.locator(".look-char").nth(14).click()
    expect(tab.locator(".writing-said")).to_have_text("m at 15")
    tile.hover(position={"x": 5, "y": 1})
    expect(here).to_have_text("m")
    assert glowing(tab)[13] > 90, "the text glows with the head that is pointed at"
    tab.locator(".look-char").nth(3).hover()
    expect(here).to_have_text("G")
    expect(chosen).to_have_text("m")
    for view, place, x in (("One head", ".one-map canvas", 40), ("Layer by layer", "#lens-3-0", 10)):
        tab.get_by_role("tab", name=view).click()
        tab.locator(place).hover(position={"x": x, "y": 8})
        expect(here).not_to_have_text("m")
        tab.mouse.move(2, 2)
        expect(here).to_have_text("m")
    expect(tab).to_have_url(re.compile(r"\bat=14\b"))
    tab.locator(".look-characters").press("Escape")
    expect(chosen).to_have_count(0)
    expect(tab).not_to_have_url(re.compile(r"\bat="))


def test_the_network_leads_to_its_views_and_shows_what_is_off(empty_page: Page, url: str) -> None:
    open_attention(empty_page, url, look=TEXT, off="0.2")
    tab, network = empty_page, empty_page.get_by_role("navigation", name="The network")
    assert [network.locator(f".{part}").count() for part in ("net-block", "net-head", "net-mlp", "net-stream")] == [6, 36, 6, 6]
    expect(network.locator("[data-off]")).to_have_attribute("title", "Layer 0, head 2: prev. char 100\u00a0%")

    def leads(part: str, view: str) -> None:
        network.get_by_role("button", name=part).click()
        expect(tab.get_by_role("tab", name=view)).to_have_attribute("aria-selected", "true")

    leads("Layer 3, head 5", "One head")
    expect(tab.get_by_role("heading", name="Layer 3, head 5")).to_be_visible()
    assert network.locator("[aria-current]").get_attribute("title") == "Layer 3, head 5: word start 77\u00a0%"
    leads("The residual stream after layer 1", "Layer by layer")
    expect(tab.locator(".lens-title")).to_contain_text("Layer 1")
    leads("The output head", "Layer by layer")
    expect(tab.locator(".lens-title")).to_contain_text("The answer")
    expect(network.locator("[aria-current]")).to_have_attribute("title", "The residual stream after layer 5")
    leads("Layer 2: the MLP", "Heads off")
    leads("Layer 4: all heads", "All heads")
    for key, there in (("ArrowDown", "Layer 4, head 0"), ("ArrowRight", "Layer 4: the MLP"), ("ArrowRight", "Layer 5: all heads")):
        tab.keyboard.press(key)
        expect(tab.locator("button:focus")).to_have_attribute("aria-label", re.compile(f"^{there}"))
    network.get_by_role("button", name="The text: enter another one").click()
    expect(tab.get_by_label("A text to read")).to_be_focused()


def test_the_first_view_is_worth_seeing_and_asks_for_no_more_than_it_shows(empty_page: Page, url: str) -> None:
    asked: list[str] = []
    empty_page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    open_attention(empty_page, url)
    expect(empty_page.locator(".look-next .candidate").first).to_be_visible()
    expect(empty_page.locator(".tile.chosen .tile-name")).to_have_text("0.2")
    empty_page.locator(".look-char").nth(40).hover()
    assert [index for index, glow in enumerate(glowing(empty_page)) if glow] == [39], "the head with the clearest behaviour"
    assert "logits" in asked
    assert "lens" not in asked
    empty_page.get_by_role("tab", name="Layer by layer").click()
    expect(empty_page.get_by_role("grid")).to_be_visible()
    assert "lens" in asked


def test_the_chosen_character_is_in_sight_at_the_largest_text(empty_page: Page, url: str) -> None:
    open_attention(empty_page, url, look=TEXT * 6, at=str(6 * len(TEXT) - 1))
    for _ in range(4):
        empty_page.get_by_role("button", name="Larger text").click()
    in_sight = """() => {
      const [box, here] = [".look-characters", ".look-char.here"].map((name) => document.querySelector(name).getBoundingClientRect());
      const middle = (here.top + here.bottom) / 2;
      return box.top < middle && middle < box.bottom && box.height < 4 * here.height;
    }"""
    for view in ("One head", "Layer by layer", "Heads off", "All heads"):
        empty_page.get_by_role("tab", name=view).click()
        empty_page.wait_for_function(in_sight)
    for key in ("Home", "End"):
        empty_page.locator(".look-characters").press(key)
        empty_page.wait_for_function(in_sight)
    empty_page.set_viewport_size({"width": 900, "height": 720})
    empty_page.wait_for_function(in_sight)


WINDOWS = [(1280, 720), (1265, 720), (1920, 1080), (1024 - 15, 768)]  # with overlay and with classic scrollbars


def test_all_maps_are_in_the_window_with_all_that_is_said_of_them(tab: Page) -> None:
    for width, height in WINDOWS:
        tab.set_viewport_size({"width": width, "height": height})
        drawn(tab)
        cut = tab.locator(".tile-score").evaluate_all("all => all.filter((node) => node.scrollWidth > node.clientWidth)")
        assert cut == [], width
        lowest = max(tile.bounding_box()["y"] + tile.bounding_box()["height"] for tile in tab.locator(".tile-frame").all()[::5])
        assert lowest <= height, (width, height)
    tab.set_viewport_size({"width": 1280, "height": 720})
    for _ in range(3):
        tab.get_by_role("button", name="Larger text").click()
    drawn(tab)
    map_box = tab.locator(".tile-map").first.bounding_box()
    assert map_box["y"] + map_box["height"] <= 720, "the panels give way"


def test_in_the_dark_a_small_weight_is_told_from_what_is_masked(tab: Page) -> None:
    tab.evaluate("window.soliloquy.display.setDark(true)")
    small, nothing, paper = tab.evaluate("""async () => {
      const [scripts] = performance.getEntriesByType("resource").flatMap(({ name }) => name.match(/.*\\/assets\\/\\w+\\//) ?? []);
      const { colourOf } = await import(`${scripts}shared/heat_map.js`);
      const paper = getComputedStyle(document.body).backgroundColor;
      return [colourOf(0.02), colourOf(0), paper].map((colour) => colour.match(/\\d+/g).map(Number));
    }""")

    def luminance(colour: list[int]) -> float:
        linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    contrast = [(luminance(colour) + 0.05) / (luminance(paper) + 0.05) for colour in (small, nothing)]
    assert contrast[0] > 2
    assert 1.3 < contrast[1] < contrast[0] / 1.4
    expect(tab.get_by_text("the future: masked")).to_be_visible()


def test_arrow_keys_walk_through_the_text(tab: Page) -> None:
    tab.locator(".look-characters").focus()
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
    expect(tab.locator(".writing-said")).to_contain_text("at 4")
    tab.keyboard.press("End")
    expect(tab.locator(".writing-said")).to_contain_text(f"at {len(TEXT)}")


def test_heads_can_be_ordered_by_what_they_do(tab: Page, url: str) -> None:
    tab.get_by_label("Order heads").select_option("previous")
    shares = tab.locator(".tile-score").all_inner_texts()
    values = [int(re.search(r"(\d+)\s%$", share)[1]) for share in shares]
    assert values == sorted(values, reverse=True)
    assert len({*values}) > 3
    expect(tab).to_have_url(re.compile("order=previous"))


def test_it_is_seen_while_it_writes_and_gone_back_through(tab: Page) -> None:
    before = tab.locator(".look-char").count()
    held: list[Route] = []
    tab.route("**/write", lambda route: held.append(route), times=1)
    with tab.expect_request("**/write"):
        tab.get_by_role("button", name="Keep writing").click()
    expect(tab.locator(".writing-said")).to_have_text("Writing…")  # before anything has come
    held[0].continue_()
    tab.wait_for_function(f"document.querySelectorAll('.look-char').length > {before + 20}")
    expect(tab.get_by_role("button", name="Keep writing")).to_be_visible(timeout=60_000)
    slider = tab.get_by_label("Chosen character")
    slider.fill("3")
    expect(tab.locator(".look-char.here")).to_have_text(TEXT[3])


def test_who_looks_elsewhere_while_it_writes_is_left_there(tab: Page) -> None:
    tab.get_by_role("button", name="Keep writing").click()
    tab.wait_for_function(f"document.querySelectorAll('.look-char').length > {len(TEXT) + 8}")
    tab.locator(".look-char").nth(3).click()
    tab.wait_for_timeout(800)
    expect(tab.locator(".look-char.here")).to_have_text(TEXT[3])
    tab.keyboard.press("n")  # another text ends the writing
    expect(tab.get_by_role("button", name="Keep writing")).to_be_visible()
    newest = tab.locator(".folio .card-text").first.evaluate("card => card.textContent")
    shown = "text => document.querySelector('.look-characters').textContent.replaceAll('↵', '\\n') === text"
    tab.wait_for_function(shown, arg=newest[-256:])
    tab.wait_for_timeout(500)
    assert tab.evaluate(shown, newest[-256:])  # and nothing follows


def test_the_sample_that_was_pressed_is_taken(tab: Page) -> None:
    tab.get_by_role("tab", name="Sample", exact=True).click()
    tab.locator(".folio .card-text").nth(2).click()
    pressed = tab.locator(".folio .card-text").nth(2).evaluate("card => card.textContent")
    tab.keyboard.press("Escape")
    tab.get_by_role("tab", name="Attention", exact=True).click()
    tab.get_by_role("button", name="Use latest sample").click()
    expect(tab.locator(".look-char")).to_have_count(256)
    assert tab.evaluate("document.querySelector('.look-characters').textContent").replace("↵", "\n") == pressed[-256:]


def test_another_text_is_read_and_bad_ones_are_told(context: BrowserContext, url: str) -> None:
    tab = context.new_page()  # its console may tell of the refusals
    open_attention(tab, url, look=TEXT)

    def look_at(text: str) -> None:
        tab.get_by_role("button", name="Enter a text").click()
        tab.get_by_label("A text to read").fill(text)
        tab.get_by_role("button", name="Read it").click()

    look_at("中文")
    expect(tab.locator(".look-said")).to_contain_text("‘中’")
    expect(tab.get_by_role("button", name="Try again")).to_have_count(0)  # it would be refused again
    assert tab.locator(".look-char").count() == len(TEXT), "what was there stays"
    tab.get_by_role("button", name="Cancel").click()
    look_at("<img src=x onerror=alert(1)>")
    expect(tab.locator(".look-characters")).to_contain_text("img srcx onerror")
    assert not tab.locator(".look img").count()
    look_at("x" * 12_001)
    expect(tab.locator(".look-said")).to_contain_text("The text has 12,001 characters; the maximum is 12,000.")
    tab.get_by_role("button", name="Cancel").click()
    tab.route("**/attention", lambda route: route.abort(), times=1)
    look_at("Again")
    tab.locator(".look-said").get_by_role("button", name="Try again").click()
    expect(tab.locator(".look-char")).to_have_count(5)
    tab.get_by_role("button", name="Cancel").click()
    look_at("x" * 10_000)
    expect(tab.locator(".look-line")).to_contain_text("Characters 9,745 to 10,000 of 10,000")
    look_at("o, " * 200)
    expect(tab.locator(".look-line")).to_contain_text("of 600")
    look_at("A")
    expect(tab.locator(".look-char")).to_have_count(1)
    assert tab.locator(".tile-map").first.evaluate("map => map.width") == 1
    tab.close()


@pytest.mark.parametrize("view", ["all", "one", "lens", "off"])
def test_a_first_text_that_cannot_be_read_leaves_a_word_and_a_way_on(context: BrowserContext, url: str, view: str) -> None:
    page = context.new_page()
    page.route("**/attention", lambda route: route.abort())
    page.goto(f"{url}/?tab=attention&see={view}&look=Romeo")
    expect(page.get_by_text("No text has been read yet.")).to_be_visible()
    expect(page.locator(".look-said")).to_contain_text("The server cannot be reached")
    page.unroute("**/attention")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("No text has been read yet.")).to_be_hidden()
    expect(page.locator(".look-char")).to_have_count(5)
    expect(page.locator("#attention-views [role=tabpanel]:visible")).not_to_be_empty()
    page.close()


def test_an_address_opens_the_same_view(tab: Page, context: BrowserContext, url: str) -> None:
    tab.locator(".look-char").nth(7).click()
    tab.get_by_label("Order heads").select_option("entropy")
    tab.wait_for_timeout(600)
    other = context.new_page()
    other.goto(tab.url)
    other.locator("#attention-views [data-ready]").wait_for(state="attached")
    assert other.locator(".tile-score").all_inner_texts() == tab.locator(".tile-score").all_inner_texts()
    expect(other.locator(".look-char.here")).to_have_text(TEXT[7])
    other.close()


def test_numbers_and_pictures_can_be_taken_along(tab: Page, url: str, tmp_path: Path) -> None:
    def take(name: str) -> Path:
        tab.get_by_role("button", name="Download").click()
        with tab.expect_download() as download:
            tab.get_by_role("button", name=name).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        return path

    picture = take("All heads (PNG)").read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    assert picture.startswith(b"\x89PNG")
    assert width > 2000 < height
    known = ask(url, TEXT)
    taken = json.loads(take("All weights, exact (JSON)").read_text())
    assert taken["text"] == TEXT
    rows = next(entry for entry in taken["heads"] if (entry["layer"], entry["head"]) == (3, 4))["weights"]
    weights = exact(url, known["key"], 3, 4, len(TEXT))
    assert np.allclose([w for row in rows for w in row], weights[np.tril_indices(len(TEXT))], atol=1e-7)
    table = list(csv.DictReader(take("What the heads do (CSV)").open()))
    assert len(table) == known["n_layer"] * known["n_head"]
    assert {"layer", "head", "entropy", "previous"} <= table[0].keys()
