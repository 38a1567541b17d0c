"""The wall: what the lecturer opens, the hall sees as it comes: texts, their tree, and what came next beside its true probability."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from model.sampling import distribution
from tests.browser.conftest import SCREEN, context_at, watched
from tests.support.admin import Admin
from tests.support.viewing import Viewer

WALL = "#run=none&tab=class"
PROMPT = "ROMEO:"
NAMES = ["Ann", "<b>Ben</b>", ""]
OTHER_PROMPT = "JULIET:"

# Mosaics of so many texts: their tiles.
TILES = """async ({ script, counts }) => {
  const { layTiles } = await import(`${script}classroom/wall/mosaic.js`);
  return counts.map((n) => layTiles(Array.from({ length: n }, () => "To be, or not to be. ".repeat(6)), 1200, 440, 18));
}"""
LINES_LEFT_OUT = """all => all.map((words) =>
  Math.round((words.scrollHeight - words.clientHeight) / parseFloat(getComputedStyle(words).lineHeight)))"""
ROW = re.compile(r"(?:Go on to )?(.+): (\d+) of \d+, expected (\d+)(?: to (\d+))?; true probability (\S+) %")
SEEN = {"\n": "newline", " ": "space"}
# Shares of four characters that come to another order, with the focus on each of their rows in turn: the rows, and which has the focus.
SHARES_IN_ANY_ORDER = """async ({ script, orders }) => {
  const { Shares } = await import(`${script}classroom/wall/shares.js`);
  const shares = new Shares(() => {});
  document.body.append(shares.node);
  const show = (order) => shares.show({
    vocabulary: [..."abcd"], counts: [3, 3, 3, 3], probabilities: [..."abcd"].map((char) => (4 - order.indexOf(char)) / 10), n: 12,
  }, false);
  const found = [];
  for (const order of orders) for (const char of "abcd") {
    show("abcd");
    shares.node.querySelectorAll(".wall-row")["abcd".indexOf(char)].focus();
    show(order);
    const rows = [...shares.node.querySelectorAll(".wall-char")].map((label) => label.textContent).join("");
    found.push([rows, document.activeElement.closest(".wall-row")?.querySelector(".wall-char").textContent]);
  }
  shares.node.remove();
  return found;
}"""
BRANCHES = "document.querySelector('.tree-canvas[data-testid=class-tree]').branches()"


@pytest.fixture(scope="module")
def url(class_app: tuple[str, str]) -> str:
    return class_app[0]


@pytest.fixture
def desk(browser: Browser, admin: Admin, url: str) -> Iterator[Page]:
    """The lecturer's wall."""
    with context_at(browser, SCREEN, f"localStorage.setItem('soliloquy-session', '{admin.token}')") as context, wall(context, url) as page:
        yield page


@contextmanager
def wall(context: BrowserContext, url: str, more: str = "") -> Iterator[Page]:
    """A page with the wall, whose console stays free of errors."""
    page = context.new_page()
    with watched(page):
        page.goto(f"{url}/{WALL}{more}")
        page.locator("#class-views [data-ready]").wait_for(state="attached")
        yield page
    page.close()


def throw(admin: Admin, round: str, *members: str) -> list[dict[str, Any]]:
    """All members throw; returns the texts of the round."""
    for member in members:
        with Viewer(admin.url, path="/class/throw") as viewer:
            viewer.ask(member=member, round=round)
            assert viewer.rest()[-1]["state"] == "done"
    return list(admin.get(f"/class/rounds/{round}")[1]["texts"])


def join(admin: Admin, *names: str) -> list[str]:
    return [admin.do("/class/join", name=name)["member"] for name in names]


def open_round(admin: Admin, **settings: Any) -> str:
    return str(admin.do("/class/open", **{"prompt": PROMPT, "length": 12} | settings)["round"]["id"])


def test_a_round_with_three_throws(desk: Page, admin: Admin) -> None:
    expect(desk.get_by_test_id("wall-invitation")).to_be_visible()
    members = join(admin, *NAMES)
    expect(counts(desk)).to_have_text("3 phones joined")
    desk.locator("#wall-prompt").fill(OTHER_PROMPT)
    desk.locator("#wall-length").fill("12")
    with desk.expect_response("**/class/open") as opened:
        desk.get_by_role("button", name="Open a round", exact=True).click()
    expect(desk.locator(".wall-empty-prompt")).to_have_text(OTHER_PROMPT)
    texts = throw(admin, opened.value.json()["round"]["id"], *members)
    expect(desk.locator(".wall-tile")).to_have_count(3)
    expect(counts(desk)).to_have_text("3 joined3 thrown")
    said = desk.locator(".wall-tile").evaluate_all("tiles => tiles.map((tile) => tile.ariaLabel)")
    assert said == [each["text"] for each in texts]
    expect(desk.locator(".wall-tile-large")).to_have_attribute("data-sample", str(texts[-1]["sample"]))  # the newest
    assert desk.locator(".wall-tile-text").evaluate_all(LINES_LEFT_OUT) == [0, 0, 0]
    desk.get_by_role("button", name="Stop", exact=True).click()
    expect(counts(desk)).to_contain_text("closed")


@pytest.mark.slow
def test_the_tree_tells_what_came_and_what_was_to_be_expected(desk: Page, admin: Admin, url: str) -> None:
    settings = {"temperature": 0.7, "top_k": 5, "top_p": 1}
    round, (late, *members) = open_round(admin, length=8, **settings), join(admin, *[""] * 13)
    texts = throw(admin, round, *members)
    desk.get_by_role("button", name="Tree", exact=True).click()
    desk.wait_for_function(f"{BRANCHES}.length > 1")
    expect(desk.locator(".wall-mosaic")).to_be_hidden()
    rows = desk.locator(".wall-row")
    expect(rows.first).to_be_visible()
    root, *others = desk.evaluate(BRANCHES)
    shown = [ROW.fullmatch(title).groups() for title in rows.evaluate_all("rows => rows.map((row) => row.title)")]
    expected = expected_rows(admin, root["begins"], texts, settings)
    assert [(char, int(count), int(low), int(high or low)) for char, count, low, high, _ in shown] == [row[:4] for row in expected]
    assert [float(p) for *_, p in shown] == pytest.approx([100 * row[4] for row in expected], rel=0.06)
    fork = max((branch for branch in others if not branch["hidden"]), key=lambda branch: branch["count"])
    desk.mouse.move(fork["x"], fork["y"])
    came = sum((PROMPT + each["text"]).startswith(fork["begins"]) for each in texts)
    expect(desk.locator(".wall-facts")).to_contain_text(f"{came} of ")
    assert came == fork["count"]
    expect(desk.locator(".wall-verdict")).to_contain_text("too few")
    desk.mouse.move(0, 0)
    expect(desk.locator(".wall-facts")).to_contain_text("All 12 texts")
    desk.locator("button.wall-row").first.focus()  # even the likeliest may not have come
    throw(admin, round, late)
    expect(desk.locator(".wall-facts")).to_contain_text("All 13 texts")
    expect(desk.locator("button.wall-row:focus")).to_have_count(1)


def expected_rows(admin: Admin, way: str, texts: list[dict[str, Any]], settings: dict[str, Any]) -> list[tuple[str, int, int, int, float]]:
    """What comes after a way that all texts went: each character with its count, its range and its probability, the likeliest first."""
    models = admin.get("/models")[1]
    vocabulary = next(model["vocabulary"] for model in models["models"] if model["key"] == models["default"])
    logits = np.array([admin.do("/next", prompt=way)["logits"]])
    (chances,) = distribution(logits, settings["temperature"], settings["top_k"], settings["top_p"])
    came = Counter((PROMPT + each["text"])[len(way)] for each in texts)
    likeliest = np.argsort(-chances, kind="stable")[: settings["top_k"]]
    found = [(vocabulary[id], float(chances[id])) for id in likeliest]
    return [(SEEN.get(char, char), came[char], *binomial_range(len(texts), p), p) for char, p in found]


def binomial_range(n: int, p: float) -> tuple[int, int]:
    """Between the 2.5 % and the 97.5 % quantile."""
    below = np.cumsum([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
    return int(np.argmax(below >= 0.025)), int(np.argmax(below >= 0.975))


@pytest.mark.slow
def test_the_same_again_stands_beside_with_the_same_dice(desk: Page, admin: Admin, url: str) -> None:
    members = join(admin, "Ann", "Ben")
    before = throw(admin, open_round(admin, temperature=1), *members)
    expect(desk.locator(".wall-tile")).to_have_count(2)
    desk.get_by_label("Temperature of the same again").fill("0")
    with desk.expect_response("**/class/open") as opened:
        desk.get_by_role("button", name="Same again at").click()
    round = opened.value.json()["round"]
    after = throw(admin, round["id"], *members)
    assert round["seed"] == admin.get(f"/class/rounds/{round['beside']}")[1]["seed"]
    assert len({each["text"] for each in after}) == 1  # without chance, all are the same
    expect(desk.locator(".wall-stage")).to_have_count(2)
    expect(desk.locator(".wall-stage-title")).to_have_text(["temperature 1 · 2 texts", "temperature 0 · 2 texts"])
    said = "tiles => tiles.map((tile) => tile.ariaLabel)"
    assert desk.locator(".wall-stage").nth(0).locator(".wall-tile").evaluate_all(said) == [each["text"] for each in before]
    desk.keyboard.press("m")
    expect(desk.get_by_test_id("class-tree")).to_have_count(2)
    expect(desk.locator(".wall-facts").nth(1)).to_have_text("Both texts are the same.")
    assert len(set(desk.locator(".wall-path").all_text_contents())) == 1, "the two trees are not compared at one place"
    first = desk.get_by_label("Round", exact=True).locator("option").last
    desk.get_by_label("Round", exact=True).select_option(first.get_attribute("value"))
    expect(desk.locator(".wall-stage")).to_have_count(1)
    expect(counts(desk)).to_contain_text("closed")


@pytest.mark.slow
def test_all_texts_come_again_and_the_chosen_one_stays(desk: Page, admin: Admin) -> None:
    first, *others = join(admin, *NAMES)
    round = open_round(admin)
    throw(admin, round, *others)
    tile = desk.locator(".wall-tile").first
    expect(desk.locator(".wall-tile")).to_have_count(2)
    tile.click()
    desk.get_by_role("tab", name="Votes", exact=True).click()
    with desk.expect_response(lambda response: response.url.endswith("/class/stream?wall=1")):
        desk.get_by_role("tab", name="Wall", exact=True).click()
        tile.focus()
    throw(admin, round, first)
    expect(desk.locator(".wall-tile")).to_have_count(3)
    expect(tile).to_be_focused()
    expect(tile).to_have_class(re.compile("wall-tile-large"))


def test_a_tile_can_be_reached_by_tab_where_the_one_that_could_is_gone(desk: Page, admin: Admin) -> None:
    ann, ben = join(admin, "Ann", "Ben")
    throw(admin, before := open_round(admin), ann)
    throw(admin, open_round(admin), ann, ben)
    tiles = desk.locator(".wall-tile")
    for round, count in ((before, 1), ("", 2)):  # the earlier one is fetched first
        desk.evaluate(f"round => location.hash = '{WALL}' + round", f"&round={round}" if round else "")
        expect(tiles).to_have_count(count)
    tiles.first.click()  # Ann's; Ben's is the newest
    desk.evaluate("round => location.hash += '&round=' + round", before)
    expect(tiles).to_have_count(1)
    expect(tiles).to_be_focused()
    expect(tiles).to_have_js_property("tabIndex", 0)


def test_a_row_keeps_the_focus_when_the_order_changes(desk: Page) -> None:
    orders = ["".join(order) for order in itertools.permutations("abcd")]
    found = desk.evaluate(SHARES_IN_ANY_ORDER, {"script": scripts(desk), "orders": orders})
    assert found == [[order, char] for order in orders for char in "abcd"]


@pytest.mark.slow
def test_names_stay_hidden_until_the_lecturer_shows_them(browser: Browser, desk: Page, admin: Admin, url: str) -> None:
    throw(admin, open_round(admin), *join(admin, *NAMES))
    with context_at(browser, SCREEN) as context, wall(context, url) as hall:
        expect(hall.locator(".wall-tile")).to_have_count(3)
        expect(hall.get_by_role("button", name="Open a round", exact=True)).to_be_hidden()
        expect(hall.locator(".wall-tile-name").first).to_have_text("")
        desk.locator("[aria-controls=wall-more]").click()
        desk.get_by_role("button", name="Show names").click()
        expect(hall.locator(".wall-tile-name")).to_have_text(NAMES)
        desk.get_by_role("button", name="Names are shown").click()
        expect(hall.locator(".wall-tile-name")).to_have_text([""] * 3)
        hall.get_by_role("button", name="Unlock to open a round").click()
        expect(hall.get_by_label("Password")).to_be_focused()


@pytest.mark.slow
def test_a_round_is_saved_with_all_that_its_texts_came_from(desk: Page, admin: Admin, url: str) -> None:
    texts = throw(admin, open_round(admin, temperature=0.5), *join(admin, "Ann", "Ben"))
    expect(desk.locator(".wall-tile")).to_have_count(2)
    (round,) = json.loads(saved(desk, "Texts and settings (JSON)").read_text(encoding="utf-8"))["rounds"]
    assert round["texts"] == texts
    model = round["model"]["key"]
    again = {"prompt": PROMPT, "temperature": 0.5, "length": 12, "seed": round["seed"], "samples": 1, "model": model}
    with Viewer(url) as viewer:
        assert viewer.write(**again, first_sample=texts[1]["sample"]) == [texts[1]["text"]]
    rows = list(csv.DictReader(io.StringIO(saved(desk, "Texts (CSV)").read_bytes().decode())))
    assert [(int(row["sample"]), row["text"], row["temperature"]) for row in rows] == [
        (each["sample"], each["text"], "0.5") for each in texts
    ]
    for label in ("Picture of the mosaic (PNG)", "Picture of the tree (PNG)"):
        assert saved(desk, label).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_tiles_have_room_for_one_text_and_for_three_hundred(desk: Page) -> None:
    many = [1, 2, 3, 5, 8, 13, 40, 41, 100, 200, 300, 1000]
    for count, tiles in zip(many, desk.evaluate(TILES, {"script": scripts(desk), "counts": many}), strict=True):
        assert len(tiles) == count
        taken = np.zeros((442, 1202), dtype=int)
        for tile in tiles:
            x, y = round(tile["x"]), round(tile["y"])
            right, lower = round(tile["x"] + tile["width"]), round(tile["y"] + tile["height"])
            assert 0 <= x < right <= 1201
            assert 0 <= y < lower <= 441
            taken[y:lower, x:right] += 1
        assert taken.max() == 1, f"{count} tiles overlap"
        assert tiles[0]["width"] * tiles[0]["height"] == max(tile["width"] * tile["height"] for tile in tiles)
        assert tiles[0]["font"] >= tiles[-1]["font"] >= 9
        assert tiles[0]["font"] >= 20, "the back row cannot read the newest"
        assert count > 8 or min(tile["font"] for tile in tiles) >= 20, f"{count} texts have room for larger letters"


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280, 1920])
def test_nothing_is_wider_than_the_screen(browser: Browser, admin: Admin, url: str, width: int) -> None:
    members = join(admin, "Ann", "Ben")
    first = open_round(admin, prompt="W" * 200)
    throw(admin, first, *members)
    throw(admin, open_round(admin, prompt="W" * 200, beside=first), *members)
    script = f"localStorage.setItem('soliloquy-session', '{admin.token}')"
    with context_at(browser, {"width": width, "height": 720}, script) as context:
        for part, seen in (("", ".wall-tile"), ("&wall=tree", ".wall-row")):
            with wall(context, url, f"&class=wall{part}") as page:
                expect(page.locator(seen).first).to_be_visible()
                assert page.evaluate("document.documentElement.scrollWidth") <= width


def scripts(page: Page) -> str:
    """Where the page has its modules from."""
    return str(page.evaluate("new URL(soliloquy.bundles + '../', document.baseURI).href"))


def counts(page: Page) -> Locator:
    return page.get_by_test_id("class-counts")


def saved(page: Page, label: str) -> Path:
    """The file behind an entry of the menu."""
    page.locator("#class-views").get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    return Path(download.value.path())
