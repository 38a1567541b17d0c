"""The view "Same dice" in a real browser."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from model.sampling import distribution, draw
from tests.browser.conftest import open_page

LENGTH = 60
PROMPT = "The "
# Characters that a highlight covers, by their places.
MARKED = """name => [...CSS.highlights.get(name)]
  .flatMap(({ startOffset, endOffset }) => Array.from({ length: endOffset - startOffset }, (_, i) => startOffset + i))"""


def set_up(page: Page, **sliders: float) -> None:
    """Moves sliders, by their labels."""
    for label, value in sliders.items():
        field = page.get_by_label(f"number input for {label.capitalize()}")
        field.fill(str(value))
        field.blur()


def generate(page: Page, **sliders: float) -> dict[str, Any]:
    """Writes texts, and gives what the server said of them first, with the texts."""
    set_up(page, **({"samples": 2, "length": LENGTH} | sliders))
    page.get_by_label("Prompt").fill(PROMPT)
    page.get_by_label("Seed").fill("7")
    answers: list[str] = []

    def listen(route: Route) -> None:
        answer = route.fetch()
        answers.append(answer.text())
        route.fulfill(response=answer)

    page.route("**/write", listen)
    page.get_by_role("button", name="Generate").click()
    page.wait_for_function("prompt => document.querySelector('.folio .prompt')?.textContent === prompt", arg=PROMPT)
    expect(page.get_by_test_id("status").first).to_contain_text("characters in")
    page.unroute("**/write")
    first, *news = [json.loads(line) for line in answers[0].splitlines()]
    return first | {"texts": ["".join(texts) for texts in zip(*[line["new"] for line in news if "new" in line], strict=True)]}


def show(page: Page) -> Locator:
    """The view, once it is there: its script comes when it is first shown."""
    page.get_by_role("tab", name="Same dice").click()
    panel = page.get_by_role("tabpanel", name="Same dice")
    expect(panel.locator(".locked-text").first).to_be_attached()
    return panel


def fresh_status(panel: Locator) -> Locator:
    """What is said of the text from the start."""
    return panel.locator(".locked-column").nth(1).locator(".locked-status")


def written(panel: Locator) -> list[str]:
    """Both texts."""
    return [body.text_content() or "" for body in panel.locator(".locked-text").all()]


def lands_elsewhere(page: Page, url: str, run: dict[str, Any], sample: int, *settings: float) -> list[int]:
    """Which throws of a text would land elsewhere, from the server's records of its characters."""
    places = []
    for i, char in enumerate(run["texts"][sample]):
        record = page.request.get(f"{url}/character/{run['key']}/{sample}/{i}").json()
        assert record["char"] == char
        ids = [draw(distribution(np.array([record["logits"]]), *how), [record["die"]]).ids[0] for how in ((0.8, 0, 1.0), settings)]
        if ids[0] != ids[1]:
            places.append(i)
    return places


def test_counts_and_marks_the_throws_that_land_elsewhere(page: Page, url: str) -> None:
    run = generate(page)
    panel = show(page)
    page.locator("#more-button").click()
    page.get_by_label("number input for Top-k").fill("12")
    set_up(page, temperature=1.5)
    expected = lands_elsewhere(page, url, run, 0, 1.5, 12, 1.0)
    assert 0 < len(expected) < LENGTH
    headline = f"{len(expected)} of {LENGTH} characters would change at temperature 1.5, top-k 12"
    expect(panel.locator(".locked-headline")).to_have_text(headline)
    assert page.evaluate(MARKED, "locked-changed") == expected
    expect(panel.locator(".locked-more")).to_contain_text(f"First change: character {expected[0] + 1}, ")


def test_the_originals_settings_change_nothing(page: Page) -> None:
    run = generate(page)
    panel = show(page)
    expect(panel.locator(".locked-headline")).to_have_text(f"0 of {LENGTH} characters change at the original settings")
    expect(fresh_status(panel)).to_have_text("Identical, character for character ✓")
    assert written(panel) == [PROMPT + run["texts"][0]] * 2
    assert page.evaluate(MARKED, "locked-changed") == []
    set_up(page, temperature=1.4)
    expect(panel.locator(".locked-headline")).to_contain_text("would change")
    panel.get_by_role("button", name="Original settings").click()
    expect(page.get_by_label("number input for Temperature")).to_have_value("0.8")
    expect(panel.locator(".locked-headline")).to_contain_text("0 of")


def test_the_text_from_the_start_is_what_the_server_writes(page: Page, url: str) -> None:
    run = generate(page)
    panel = show(page)
    panel.get_by_label("Sample", exact=True).select_option(index=1)
    expect(fresh_status(panel)).to_have_text("Identical, character for character ✓")
    set_up(page, temperature=1.3)
    expect(fresh_status(panel)).to_have_text(re.compile(r"^Diverges at character \d+: .+ instead of .+$"))
    asked = {"prompt": PROMPT, "temperature": 1.3, "length": LENGTH, "seed": 7, "first_sample": 1}
    lines = [json.loads(line) for line in page.request.post(f"{url}/write", data=asked).text().splitlines()]
    expected = "".join(line["new"][0] for line in lines if "new" in line)
    assert written(panel) == [PROMPT + run["texts"][1], PROMPT + expected]
    at = next(i for i, (a, b) in enumerate(zip(run["texts"][1], expected, strict=True)) if a != b)
    assert page.evaluate(MARKED, "locked-shared") == [*range(at)]
    assert page.evaluate(MARKED, "locked-parting") == [at]
    assert page.evaluate(MARKED, "locked-changed")[0] == at  # the first throw that lands elsewhere is where the texts part
    expect(page.get_by_test_id("card")).to_have_count(2)  # nothing was added to the texts


def test_the_server_is_asked_once_the_slider_rests(page: Page) -> None:
    generate(page)
    panel = show(page)
    expect(fresh_status(panel)).to_have_text("Identical, character for character ✓")
    asked: list[float] = []
    page.on("request", lambda request: asked.append(request.post_data_json["temperature"]) if request.url.endswith("/write") else None)
    page.locator("#temperature input[type=range]").evaluate("""range => {
      for (const value of [0.9, 1, 1.1, 1.2, 1.3]) {
        range.value = value;
        range.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }""")
    expect(fresh_status(panel)).to_have_text(re.compile("^Diverges at"))
    expect(fresh_status(panel)).not_to_contain_text("; writing")
    assert asked == [1.3]
    page.get_by_role("tab", name="Texts").click()
    set_up(page, temperature=0.5)
    page.wait_for_timeout(600)
    assert asked == [1.3]  # nobody looks
    set_up(page, temperature=1.3)
    show(page)
    expect(panel.locator(".locked-headline")).to_contain_text("temperature 1.3")
    page.wait_for_timeout(600)
    assert asked == [1.3]  # it is there already
    expect(panel.locator(".stale")).to_have_count(0)
    set_up(page, temperature=1.2)
    expect(panel.locator(".stale")).to_have_count(1)
    set_up(page, temperature=1.3)
    expect(panel.locator(".stale")).to_have_count(0)


def test_a_throw_that_lands_elsewhere_explains_itself(page: Page) -> None:
    generate(page)
    panel = show(page)
    set_up(page, temperature=2)
    expect(panel.locator(".locked-headline")).to_contain_text("temperature 2")
    place = page.evaluate("""() => {
      const seen = ({ startContainer, startOffset }) => /\\w/.test(startContainer.data[startOffset]);
      const { startContainer, startOffset } = [...CSS.highlights.get("locked-changed")].find(seen);
      const range = document.createRange();
      range.setStart(startContainer, startOffset);
      range.setEnd(startContainer, startOffset + 1);
      const { left, top, width, height } = range.getBoundingClientRect();
      return { x: left + width / 2, y: top + height / 2, char: startContainer.data[startOffset] };
    }""")
    page.mouse.move(place["x"], place["y"])
    said = page.get_by_test_id("inspector")
    expect(said).to_contain_text(f"instead of ‘{place['char']}’, had a")
    expect(said).to_contain_text("The die")


def test_the_address_keeps_which_sample(page: Page) -> None:
    generate(page)
    panel = show(page)
    panel.get_by_label("Sample", exact=True).select_option(index=1)
    expect(fresh_status(panel)).to_have_text("Identical, character for character ✓")
    texts = written(panel)
    page.wait_for_url("**dice=1.2*")
    page.reload()
    expect(fresh_status(panel)).to_have_text("Identical, character for character ✓")
    assert written(panel) == texts
    page.get_by_role("button", name="Clear").click()
    expect(panel.locator(".empty")).to_be_visible()
    expect(panel.get_by_label("Sample", exact=True)).to_be_hidden()


def test_a_sample_that_was_pressed_is_taken(page: Page) -> None:
    run = generate(page)
    page.get_by_test_id("card").nth(1).locator(".card-text").click(position={"x": 3, "y": 3})
    panel = show(page)
    expect(panel.locator(".locked-text").first).to_have_text(PROMPT + run["texts"][1])
    page.wait_for_url("**dice=1.2*")
    page.reload()
    expect(panel.locator(".locked-text").first).to_have_text(PROMPT + run["texts"][1])


def test_a_sample_of_the_first_screen_keeps_its_place(page: Page) -> None:
    panel = show(page)
    panel.get_by_label("Sample", exact=True).select_option(index=2)
    expect(panel.locator(".locked-headline")).to_contain_text("characters")
    texts = written(panel)
    page.wait_for_url("**dice=1.3*")
    page.reload()
    expect(panel.locator(".locked-text").first).to_have_text(texts[0], use_inner_text=False)


def test_keys_go_from_sample_to_sample_and_back_to_the_settings(page: Page) -> None:
    run = generate(page)
    panel = show(page)
    original = panel.locator(".locked-text").first
    for key, sample in (("n", 1), ("n", 1), ("p", 0), ("p", 0)):
        page.keyboard.press(key)
        expect(original).to_have_text(PROMPT + run["texts"][sample])
    set_up(page, temperature=1.4)
    page.keyboard.press("o")
    expect(page.get_by_label("number input for Temperature")).to_have_value("0.8")


def test_what_is_no_longer_remembered_is_said(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    open_page(page, url)
    generate(page)
    page.route("**/logits/**", lambda route: route.fulfill(status=404))
    panel = show(page)
    expect(panel.locator(".locked-note")).to_contain_text("The server no longer remembers this text")
    expect(panel.locator(".locked-headline")).to_contain_text(f"0 of {LENGTH} characters change")
    page.close()


@pytest.mark.parametrize("address", ["**/logits/**", "**/write"])
def test_a_server_that_is_gone_is_said_and_asked_again(context: BrowserContext, url: str, address: str) -> None:
    page = context.new_page()
    open_page(page, url)
    generate(page)
    page.route(address, lambda route: route.abort())
    panel = show(page)
    alert = panel.get_by_role("alert").filter(has_text="The server cannot be reached")
    expect(alert).to_be_visible()
    page.unroute(address)
    alert.get_by_role("button", name="Try again").click()
    expect(fresh_status(panel)).to_have_text("Identical, character for character ✓")
    expect(panel.get_by_role("button", name="Try again")).to_have_count(0)
    page.close()


def test_a_number_out_of_range_is_moved(page: Page) -> None:
    generate(page)
    panel = show(page)
    set_up(page, temperature=9)
    expect(panel.locator(".locked-headline")).to_contain_text("at temperature 2")
    expect(fresh_status(panel)).to_have_text(re.compile("^Diverges at"))
    expect(panel.get_by_role("button", name="Try again")).to_have_count(0)
