"""How a character was drawn, in a real browser: what is said of it is what the server drew from; going on from it, and forcing another."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from model.sampling import Floats, dice, distribution, draw
from tests.browser.conftest import open_page
from tests.browser.tab import PLACE, WRITING, card, drawn, generate, groups, point_at, set_up, start_long, texts
from tests.support.viewing import Viewer, answer, write
from ui.web.first_screen import PROMPT

NAMES = {"\n": "newline", " ": "space"}
RAW = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
DIE = re.compile(r"The die showed ([\d.]+): between ([\d.]+) and ([\d.]+), which is")
ROW = re.compile(
    r"Write (?P<char>.+?)(?: \(number (?P<rank>\d+)\))?: (?P<drawn>[^,]+), (?P<raw>[^,]+?) before temperature(?P<hit>, drawn)?"
)
TITLE = re.compile(r"had a (?P<drawn>[^%]+%) chance\s*character (?P<place>[\d,]+)")
BITS = re.compile(r"before temperature: (?P<raw>[^%]+%) \(surprisal (?P<bits>[\d.]+) bits\)")
RECOMPUTED = "Recomputed."
SETTINGS = [
    {"temperature": 0.8},
    {"temperature": 2.0, "top_k": 5},
    {"temperature": 1.3, "top_p": 0.55},
    {"temperature": 0.0},
]


@pytest.fixture
def own_page(browser: Browser, url: str) -> Iterator[Page]:
    """The page in a context that may go off line, where the browser may complain of what it misses."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    open_page(page, url)
    yield page
    context.close()


def vocabulary_of(page: Page) -> list[str]:
    """The model's characters in order."""
    return page.evaluate("fetch('./models').then((answer) => answer.json()).then(({ models }) => models[0].vocabulary)")


def says(shown: str, value: float) -> bool:
    """Whether a probability is shown as it is, as far as it is shown."""
    known = {"0 %": value == 0, "< 0.01 %": 0 < value < 1e-4, "> 99.9 %": 0.9995 <= value < 1, "100 %": value == 1}
    number = shown.removesuffix(" %")
    decimals = len(number.partition(".")[2])
    return known[shown] if shown in known else abs(float(number) / 100 - value) <= 0.5001 * 10 ** -(2 + decimals)


def check_story(said: Locator, char: str, logits: Floats, settings: dict[str, float], vocabulary: list[str], die: float | None) -> None:
    """What is said of a character is true: probabilities, surprise, die, interval, and the ten likeliest characters."""
    drawn, raw = distribution(logits[None], **settings)[0], distribution(logits[None])[0]
    id = vocabulary.index(char)
    expect(said.locator(".inspector-title b")).to_have_text(NAMES.get(char, char))
    shown = TITLE.search(said.locator(".inspector-title").inner_text())
    assert shown
    assert says(shown["drawn"], drawn[id])
    before = BITS.search(said.locator(".inspector-bits").inner_text())
    assert before
    assert says(before["raw"], raw[id])
    assert abs(float(before["bits"]) + math.log2(raw[id])) <= 0.05001
    story = DIE.search(said.locator(".inspector-said").inner_text())
    if die is None:
        assert story is None
    else:
        assert story
        hit = draw(drawn[None], [die])
        assert hit.ids[0] == id
        for shown, true in zip(story.groups(), (die, hit.low[0], hit.high[0]), strict=True):
            assert abs(float(shown) - true) <= 0.5001 * 10 ** -len(shown.partition(".")[2])
        thrown, low, high = map(float, story.groups())
        assert low <= thrown < high
        expect(said.get_by_role("img", name=f"The die, {story[1]}, falls on {NAMES.get(char, char)}")).to_be_visible()
    order = np.argsort(-logits, kind="stable").tolist()
    labels = said.locator(".candidate").evaluate_all("rows => rows.map((row) => row.ariaLabel)")
    rows = [ROW.fullmatch(label) for label in labels]
    expected = order[:10] if id in order[:10] else [*order[:10], id]
    assert [row and row["char"] for row in rows] == [NAMES.get(vocabulary[i], vocabulary[i]) for i in expected]
    for row, i in zip(rows, expected, strict=True):
        assert row
        assert says(row["drawn"], drawn[i]), row[0]
        assert says(row["raw"], raw[i]), row[0]
        assert bool(row["hit"]) == (i == id)
        assert row["rank"] == (None if i in order[:10] else str(order.index(id) + 1))


def scored(url: str, text: str) -> Floats:
    """What the network says after each character of a text, (n, V)."""
    with Viewer(url, path="/score") as viewer:
        lines = [viewer.ask(text=text), *viewer.rest()]
    rows = [np.frombuffer(base64.b64decode(line["logits"]), "<f4").reshape(-1, lines[0]["vocab_size"]) for line in lines if "from" in line]
    return np.concatenate(rows).astype(float)


def check_recomputed(page: Page, url: str, start: str, text: str, index: int, settings: dict[str, float], die: float) -> None:
    """What is said of a character was computed from the text, says so, and shows the die where it would fall there again."""
    vocabulary = vocabulary_of(page)
    logits = scored(url, start + text)[len(start) - 1 + index]
    said = point_at(page, card(page), index)
    expect(said.locator(".inspector-said")).to_contain_text(RECOMPUTED)
    falls = vocabulary[draw(distribution(logits[None], **settings), [die]).ids[0]] == text[index]
    check_story(said, text[index], logits, settings, vocabulary, die if falls else None)


def set_sampling(page: Page, settings: dict[str, float]) -> None:
    """Fills in temperature, top-k and top-p, the last two of which are behind More."""
    more = page.get_by_role("button", name="More")
    if more.get_attribute("aria-expanded") == "false":
        more.click()
    sliders = {"temperature": settings["temperature"], "top-k": settings.get("top_k", 0), "top-p": settings.get("top_p", 1)}
    set_up(page, **sliders)


@pytest.mark.slow
def test_a_character_is_explained_by_what_it_was_drawn_from(page: Page, url: str) -> None:
    vocabulary = vocabulary_of(page)
    for settings in SETTINGS:
        set_sampling(page, settings)
        set_up(page, seed="11", samples=2, length=60)
        text = generate(page)[1].removeprefix(PROMPT)
        with page.expect_request("**/logits/*/1?*") as asked:
            point_at(page, card(page, 1), 0)
        key = asked.value.url.split("/")[-2]
        for index in {0, text.index(" "), text.index("\n", 1) if "\n" in text[1:] else 7, 20, 59}:
            _, known = answer(url, "GET", f"/character/{key}/1/{index}")
            assert known["char"] == text[index]
            assert known["die"] == dice(11, 1, 1, start=index)[0]
            said = point_at(page, card(page, 1), index)
            check_story(said, text[index], np.array(known["logits"]), settings, vocabulary, known["die"])
            expect(said.locator(".inspector-said")).not_to_contain_text(RECOMPUTED)


def test_the_first_screen_is_explained_by_what_it_was_drawn_from(page: Page) -> None:
    vocabulary, text = vocabulary_of(page), texts(page)[0].removeprefix(PROMPT)
    with page.expect_response("**/logits/*/0?*") as asked:
        point_at(page, card(page), 0)
    logits = np.frombuffer(asked.value.body(), "<f4").reshape(-1, len(vocabulary)).astype(float)
    for index in (0, 40, 299):
        said = point_at(page, card(page), index)
        check_story(said, text[index], logits[index], {"temperature": 0.8}, vocabulary, dice(1597, 0, 1, start=index)[0])
        expect(said.locator(".inspector-said")).not_to_contain_text(RECOMPUTED)
        expect(said.locator(".inspector-place")).to_have_text(f"character {index + 1}")
    body, shown = card(page).bounding_box(), said.bounding_box()
    assert body
    assert shown
    assert shown["x"] >= body["x"] + body["width"], "it covers how the text goes on"


def test_what_the_server_has_forgotten_is_explained_from_the_text(own_page: Page, url: str) -> None:
    page = own_page
    page.route("**/logits/**", lambda route: route.fulfill(status=404, json={"error": "no longer remembered"}))
    settings = {"temperature": 1.2, "top_k": 12}
    set_sampling(page, settings)
    set_up(page, prompt="", seed="3", samples=1, length=50)
    text = generate(page)[0]
    for index in (0, 49):
        check_recomputed(page, url, "\n", text, index, settings, dice(3, 0, 1, start=index)[0])


def test_a_server_that_is_gone_is_told_and_asked_again(own_page: Page) -> None:
    page = own_page
    set_up(page, samples=2, length=40)
    written = generate(page)
    page.context.set_offline(True)
    x, y = card(page).evaluate(PLACE, 3)
    page.mouse.move(x, y)
    expect(page.get_by_role("alert")).to_have_text("The server cannot be reached. Nothing is lost.")
    expect(page.get_by_test_id("inspector")).to_be_hidden()
    page.mouse.click(x, y)
    page.get_by_role("tab", name="Tree").click()
    page.get_by_role("tab", name="Texts").click()
    assert texts(page) == written
    page.context.set_offline(False)
    expect(point_at(page, card(page), 3)).to_contain_text("had a")


def test_keys_walk_pin_and_give_the_focus_back(page: Page) -> None:
    said, body = page.get_by_test_id("inspector"), card(page, 2)
    text = texts(page)[2].removeprefix(PROMPT)
    title = said.locator(".inspector-title b")
    body.focus()
    for index in (0, 1, 2):
        page.keyboard.press("ArrowRight")
        expect(title).to_have_text(NAMES.get(text[index], text[index]))
    page.keyboard.press("ArrowLeft")
    expect(title).to_have_text(text[1])
    inside = "document.activeElement.closest('.inspector') !== null"
    assert not page.evaluate(inside)
    page.keyboard.press("Enter")
    page.wait_for_function(inside)
    page.keyboard.press("Tab")
    assert page.evaluate(inside)
    page.keyboard.press("Escape")
    expect(said).to_be_hidden()
    expect(body).to_be_focused()


def test_escape_leaves_the_focus_where_somebody_types(page: Page) -> None:
    page.get_by_label("Prompt").focus()
    point_at(page, card(page), 3)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("inspector")).to_be_hidden()
    expect(page.get_by_label("Prompt")).to_be_focused()


def test_up_and_down_walk_from_line_to_line(page: Page) -> None:
    set_up(page, prompt="ROMEO:", length=200, samples=1, seed="7")
    generate(page)
    body = card(page)
    body.focus()
    at = """() => {
      const [{ startContainer, startOffset }] = CSS.highlights.get("inspected");
      const range = document.createRange();
      range.setStart(startContainer, startOffset);
      range.setEnd(startContainer, startOffset + 1);
      const { left, top } = range.getBoundingClientRect();
      return [startOffset, left, top + document.querySelector(".folio .card-text").scrollTop];
    }"""
    page.keyboard.press("ArrowRight")
    page.wait_for_function("CSS.highlights.get('inspected').size === 1")
    for _ in range(3):
        reached = page.evaluate(at)[0]
        page.keyboard.press("ArrowRight")
        page.wait_for_function("reached => [...CSS.highlights.get('inspected')][0]?.startOffset === reached + 1", arg=reached)
    before = page.evaluate(at)
    page.keyboard.press("ArrowDown")
    page.wait_for_function("before => [...CSS.highlights.get('inspected')][0]?.startOffset > before", arg=before[0])
    after = page.evaluate(at)
    assert after[2] > before[2]
    assert abs(after[1] - before[1]) < 20
    expect(page.get_by_test_id("inspector")).to_be_visible()
    page.keyboard.press("ArrowUp")
    page.wait_for_function("after => [...CSS.highlights.get('inspected')][0]?.startOffset < after", arg=after[0])
    assert page.evaluate(at)[2] == before[2]


def test_a_tap_explains_a_character(browser: Browser, url: str) -> None:
    page = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True).new_page()
    open_page(page, url)
    said, body = page.get_by_test_id("inspector"), card(page)
    x, y = body.evaluate(PLACE, 7)
    page.touchscreen.tap(x, y)
    text = texts(page)[0].removeprefix(PROMPT)
    expect(said.locator(".inspector-title b")).to_have_text(NAMES.get(text[7], text[7]))
    expect(said.get_by_role("button", name="Continue from here")).to_be_in_viewport()
    box = said.get_by_role("button", name="Continue from here").bounding_box()
    assert box
    assert box["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.touchscreen.tap(350, 8)
    expect(said).to_be_hidden()
    index = len(texts(page)[0]) - len(PROMPT) - 2  # near the lower edge, where all that is said would lie over it
    page.touchscreen.tap(*body.evaluate(PLACE, index))
    expect(said).to_be_visible()
    page.wait_for_function(
        """index => {
          const body = document.querySelector(".folio .card-text");
          const range = document.createRange();
          range.setStart(body.lastChild, index);
          range.setEnd(body.lastChild, index + 1);
          return range.getBoundingClientRect().bottom < document.querySelector(".inspector").getBoundingClientRect().top;
        }""",
        arg=index,
    )
    page.touchscreen.tap(*body.evaluate(PLACE, 12))
    expect(said.locator(".inspector-title b")).to_have_text(NAMES.get(text[12], text[12]))
    page.touchscreen.tap(350, 8)
    expect(said).to_be_hidden()
    page.context.close()


def finished(page: Page, count: int) -> None:
    """Waits until all groups are there and written."""
    expect(page.get_by_test_id("group")).to_have_count(count)
    page.wait_for_function(f"!document.querySelector('{WRITING}')")


def test_samples_go_on_from_a_character(page: Page, url: str) -> None:
    set_up(page, prompt="ROMEO:", samples=2, length=40, seed="8")
    written = generate(page)
    set_up(page, samples=3, length=30, seed="9", temperature=1.1)
    point_at(page, card(page, 1), 12, click=True).get_by_role("button", name="Continue from here").click()
    finished(page, 2)
    prompt = written[1][: len("ROMEO:") + 13]
    expect(page.get_by_label("Prompt")).to_have_value(prompt)
    new = write(url, prompt=prompt, seed=9, temperature=1.1, samples=3, length=30)
    assert groups(page) == [[prompt + text for text in new], written]
    assert page.locator(".folio .prompt").first.text_content() == prompt
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Prompt")).to_have_value("ROMEO:")
    assert groups(page) == [written]


def test_an_empty_prompt_goes_on_after_its_newline(page: Page, url: str) -> None:
    set_up(page, prompt="", samples=1, length=40, seed="8")
    written = generate(page)[0]
    point_at(page, card(page), 9, click=True).get_by_role("button", name="Continue from here").click()
    finished(page, 2)
    prompt = "\n" + written[:10]
    expect(page.get_by_label("Prompt")).to_have_value(prompt)
    assert texts(page) == [prompt + write(url, prompt=prompt, seed=8, temperature=0.8, samples=1, length=40)[0]]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Prompt")).to_have_value("")


@pytest.mark.parametrize("chosen", ["newline", "other"])
def test_after_a_forced_character_the_samples_own_dice_go_on(page: Page, url: str, chosen: str) -> None:
    settings = {"temperature": 1.2, "top_k": 20}
    set_sampling(page, settings)
    set_up(page, prompt="ROMEO:", samples=3, length=40, seed="21")
    written = generate(page)
    set_sampling(page, {"temperature": 0.4})  # of the next texts; this one goes on as it began
    set_up(page, samples=4, length=25, seed="")
    for index in (i for i in range(5, 40) if written[1][len("ROMEO:") + i] == " "):
        said = point_at(page, card(page, 1), index, click=True)
        rows = said.get_by_role("button", name="Write newline") if chosen == "newline" else said.locator(".candidate:not(.candidate-drawn)")
        if rows.count():
            break
        page.keyboard.press("Escape")
    row = rows.first
    match = ROW.fullmatch(row.get_attribute("aria-label") or "")
    assert match
    char = {name: char for char, name in NAMES.items()}.get(match["char"], match["char"])
    row.click()
    finished(page, 2)
    prompt = written[1][: len("ROMEO:") + index] + char
    own_dice = {"seed": 21, "first_sample": 1, "first_step": index + 1, "samples": 1, "length": 25}
    assert texts(page) == [prompt + write(url, prompt=prompt, **own_dice, **settings)[0]]
    assert page.locator(".forced").all_text_contents() == [char]
    expect(page.get_by_label("Prompt")).to_have_value(prompt)
    line = page.get_by_test_id("group").first.locator(".group-line")
    expect(line).to_contain_text("newline chosen by hand" if chosen == "newline" else f"‘{match['char']}’ chosen by hand")
    expect(line).to_contain_text(f"dice continue from throw {index + 2}")
    expect(page.get_by_test_id("group").first.locator(".card-number")).to_have_text("2")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Prompt")).to_have_value("ROMEO:")
    assert groups(page) == [written]


def test_clicks_while_writing_are_answered_and_disturb_nothing(page: Page) -> None:
    start_long(page)
    said = point_at(page, card(page), 5, click=True)
    title = said.locator(".inspector-title").inner_text()
    length = len(texts(page)[0])
    page.wait_for_function("(length) => document.querySelector('.card-text').textContent.length > length + 50", arg=length)
    assert said.locator(".inspector-title").inner_text() == title
    page.keyboard.press("Escape")
    expect(said).to_be_hidden()
    expect(page.get_by_test_id("status").first).to_have_text("writing")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("status").first).to_contain_text("stopped after")


def test_what_is_said_of_a_text_goes_with_it(page: Page) -> None:
    said = point_at(page, card(page), 5, click=True)
    page.keyboard.press("c")
    expect(said).to_be_hidden()
    expect(page.get_by_test_id("card")).to_have_count(0)


def test_only_the_scrolling_of_its_own_text_takes_it_away(page: Page) -> None:
    said = point_at(page, card(page), 5)
    page.get_by_label("Prompt").evaluate("field => field.dispatchEvent(new Event('scroll'))")
    drawn(page)
    expect(said).to_be_visible()
    card(page).evaluate("body => body.dispatchEvent(new Event('scroll'))")
    expect(said).to_be_hidden()


def test_it_does_not_cover_what_is_pointed_at(page: Page) -> None:
    set_up(page, prompt="scriptimg srcx onerroralert", samples=1, length=20, seed="182631")
    text = generate(page)[0].removeprefix("scriptimg srcx onerroralert")
    said = point_at(page, card(page), text.index("\n"))  # far beyond the end of its line
    expect(said.locator(".inspector-title b")).to_have_text("newline")
    point_at(page, card(page), text.index("\n"), click=True)
    page.keyboard.press("Escape")


def test_hostile_text_is_text_in_it(page: Page) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))

    elements = page.locator("#sample img, #sample script").count()
    set_up(page, prompt=hostile, samples=1, length=20)
    written = generate(page)[0]
    point_at(page, card(page), 2, click=True).get_by_role("button", name="Continue from here").click()
    finished(page, 2)
    expect(page.get_by_label("Prompt")).to_have_value(written[:-17])
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Prompt")).to_have_value(hostile)
    assert page.locator("#sample img, #sample script").count() == elements
    assert not dialogs
