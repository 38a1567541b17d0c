"""The view "Ladder": nine networks side by side, one opened, its code, its training, and what goes wrong."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Download, Locator, Page, Route, expect

from tests.browser.conftest import refused, watched
from tests.browser.tab import state_of
from tests.support.admin import PASSWORD
from tests.support.viewing import answer, write

LENGTH = 200
FIRST = ("KING:", 0.7, 5)  # prompt, temperature and seed when a test begins
WRITTEN = """length => {
  const texts = [...document.querySelectorAll(".ladder-text")];
  return texts.length === 9 && texts.every(({ lastChild, className }) => className === "ladder-text" && lastChild.length === length);
}"""


def route_of(url: str) -> list[dict[str, Any]]:
    """The rungs as the server describes them."""
    return answer(url, "GET", "/learning/ladder")[1]["rungs"]


def show(page: Page, url: str, **address: str) -> Locator:
    """The view, with what all rungs write."""
    page.goto("about:blank")  # where only what follows the "#" differs, a browser loads nothing
    page.goto(f"{url}/#{urlencode({'tab': 'learning', 'learning': 'ladder', **address})}")
    page.locator("#learning-views [data-ready]").wait_for(state="attached")
    panel = page.get_by_role("tabpanel", name="Ladder")
    expect(panel).to_be_visible()
    return panel


def written(page: Page) -> list[str]:
    """What the rungs have written, once all have."""
    page.wait_for_function(WRITTEN, arg=LENGTH)
    return page.locator(".ladder-text").evaluate_all("nodes => nodes.map(node => node.lastChild.data.replaceAll('↵', '\\n'))")


def text_of(url: str, key: str, prompt: str, temperature: float, seed: int) -> str:
    """What a model writes with these dice, from the route."""
    return write(url, model=key, prompt=prompt, temperature=temperature, seed=seed, length=LENGTH, samples=1)[0]


def throw(page: Page, prompt: str, temperature: float, seed: int) -> None:
    """Enters prompt and dice."""
    fields = page.locator(".learning-dice")
    for label, value in (("Prompt", prompt), ("Temperature", temperature), ("Seed", seed)):
        fields.get_by_label(label, exact=True).fill(str(value))
    fields.get_by_label("Seed", exact=True).press("Enter")
    page.evaluate("document.activeElement.blur()")


@pytest.fixture(scope="module")
def is_expected() -> Callable[[ConsoleMessage], bool]:
    """Which errors the console may show: also that of a request that a test cuts off."""
    return lambda message: refused(message) or ("ERR_FAILED" in message.text and message.location["url"].endswith("/write"))


@pytest.fixture(scope="module")
def shown(context: BrowserContext, url: str, is_expected: Callable[[ConsoleMessage], bool]) -> Iterator[Page]:
    """The view, loaded once for all tests."""
    page = context.new_page()
    prompt, temperature, seed = FIRST
    with watched(page, is_expected):
        show(page, url, prompt=prompt, temperature=str(temperature), dice=str(seed))
        yield page
    page.close()


@pytest.fixture
def page(shown: Page) -> Page:
    """The view with the first dice, all nine rungs side by side."""
    shown.evaluate("document.activeElement.blur()")
    shown.keyboard.press("a")
    throw(shown, *FIRST)
    return shown


@pytest.fixture
def panel(page: Page) -> Locator:
    """The view's own part of the page."""
    return page.get_by_role("tabpanel", name="Ladder")


@pytest.fixture
def other_page(browser: Browser) -> Iterator[Page]:
    """A page whose console may show what the server refuses."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.slow
def test_nine_networks_write_with_the_same_dice_beside_their_losses(page: Page, url: str) -> None:
    rungs = route_of(url)
    assert written(page) == [text_of(url, rung["key"], *FIRST) for rung in rungs]
    assert page.locator("button .ladder-title").all_text_contents() == [rung["title"] for rung in rungs]
    assert page.locator("button .ladder-loss").all_text_contents() == [f"{rung['val_loss']:.3f}" for rung in rungs]
    expect(page.locator(".ladder-start .ladder-loss")).to_have_text("4.174")
    widths = page.locator(".ladder-bar").evaluate_all(
        "bars => bars.map(bar => bar.querySelector('.ladder-fill').offsetWidth / bar.offsetWidth)"
    )
    np.testing.assert_allclose(widths, [1, *[rung["val_loss"] / np.log(65) for rung in rungs]], atol=0.01)
    assert page.locator(".ladder-tick").count() == sum(rung["lecture_loss"] is not None for rung in rungs)


def test_arrows_climb_from_all_nine_to_the_last_rung_and_the_address_keeps_the_place(page: Page, panel: Locator, url: str) -> None:
    rungs = route_of(url)
    stage, title = panel.locator(".ladder-stage"), panel.locator(".ladder-stage-title")
    expect(stage).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    expect(stage).to_be_hidden()
    for rung in rungs:
        page.keyboard.press("ArrowRight")
        expect(title).to_have_text(rung["title"])
        expect(panel.locator(".ladder-about")).to_have_text(rung["about"])
        expect(panel.locator("[aria-current] .ladder-title")).to_have_text(rung["title"])
        expect(panel.locator(".ladder-figures")).to_contain_text(f"{rung['val_loss']:.3f}")
        expect(panel.locator(".ladder-figures")).to_contain_text(re.compile(rf"\D{rung['context']} characters? of context"))
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text(rungs[-1]["title"])
    panel.get_by_role("button", name=rungs[3]["title"]).click()
    panel.get_by_role("button", name="Previous rung").click()
    expect(title).to_have_text(rungs[2]["title"])
    page.wait_for_url(f"**rung={rungs[2]['id']}*")
    page.keyboard.press("a")
    expect(stage).to_be_hidden()
    expect(panel.get_by_role("button", name=rungs[2]["title"])).to_be_focused()
    page.wait_for_function("!location.hash.includes('rung=')")


def test_an_opened_rung_shows_what_it_expects_and_the_lines_it_adds(page: Page, panel: Locator, url: str) -> None:
    rung = route_of(url)[1]
    prompt, temperature, _ = FIRST
    panel.get_by_role("button", name=rung["title"]).click()
    asked = json.dumps({"model": rung["key"], "prompt": prompt}).encode()
    logits = np.array(answer(url, "POST", "/next", asked, Content_Type="application/json")[1]["logits"])
    weights = np.exp((logits - logits.max()) / temperature)
    bars = panel.locator(".candidate-percent:not(.candidates-raw)")
    expected = np.sort(weights / weights.sum())[::-1][:6]
    first = "document.querySelector('#learning-views .candidate-percent:not(.candidates-raw)')"
    page.wait_for_function(f"likeliest => Math.abs(parseFloat({first}?.textContent) / 100 - likeliest) < 0.006", arg=float(expected[0]))
    shown = [float(words.strip("<> %")) / 100 for words in bars.all_text_contents()[:6]]
    np.testing.assert_allclose(shown, expected, atol=0.006)
    expect(panel.locator(".ladder-bars-key")).to_have_text(f"Thick bars: at temperature {temperature}. Thin bars: at temperature 1.")
    expect(panel.locator(".ladder-code")).to_have_count(0)
    page.keyboard.press("c")
    lines = panel.locator(".ladder-line")
    assert "".join(lines.all_text_contents()) == "".join(f"{line['text']}\n" for line in rung["lines"])
    marked = lines.evaluate_all("nodes => nodes.map(node => node.tagName === 'INS')")
    assert marked == [line["is_new"] for line in rung["lines"]]
    page.wait_for_url("**code=on*")
    page.keyboard.press("c")
    page.wait_for_function("!location.hash.includes('code=')")


def test_downloads_hold_what_is_shown(page: Page, url: str, tmp_path: Path) -> None:
    rungs = route_of(url)
    texts = written(page)
    losses = saved(page, "Losses (CSV)", tmp_path).read_text(encoding="utf-8")
    rows = list(csv.DictReader(losses.splitlines()))
    assert [(row["rung"].removeprefix("'"), float(row["validation_loss"])) for row in rows] == [
        (rung["title"], rung["val_loss"]) for rung in rungs
    ]
    assert [int(row["context"]) for row in rows] == [rung["context"] for rung in rungs]
    kept = json.loads(saved(page, "All texts (JSON)", tmp_path).read_text(encoding="utf-8"))
    assert (kept["prompt"], kept["temperature"], kept["seed"]) == FIRST
    assert [rung["text"] for rung in kept["rungs"]] == texts
    plain = saved(page, "All texts (TXT)", tmp_path).read_text(encoding="utf-8")
    assert all(f"## {rung['title']}\n\nKING:{text}" in plain for rung, text in zip(rungs, texts, strict=True))
    assert saved(page, "Staircase of losses (PNG)", tmp_path).read_bytes().startswith(b"\x89PNG")


def saved(page: Page, entry: str, folder: Path) -> Path:
    """The file that an entry of the menu of downloads saves."""
    page.keyboard.press("d")
    with page.expect_download() as waiting:
        page.get_by_role("button", name=entry).click()
    file: Download = waiting.value
    file.save_as(folder / file.suggested_filename)
    return folder / file.suggested_filename


@pytest.mark.slow
def test_what_is_typed_is_written_again_and_what_no_model_knows_is_named(page: Page, panel: Locator, url: str) -> None:
    first, *_, last = [rung["key"] for rung in route_of(url)]
    _, *dice = FIRST
    before = written(page)
    field = page.locator(".learning-dice").get_by_label("Prompt", exact=True)
    with page.expect_request("**/write"):
        field.press_sequentially(" A")  # after a pause, without another key
    expect(panel.locator(".ladder-old")).to_have_count(0)
    after = written(page)
    assert [after[0], after[-1]] == [text_of(url, key, "KING: A", *dice) for key in (first, last)]
    assert all(text != old for text, old in zip(after, before, strict=True))
    assert state_of(page.evaluate("location.href"))["prompt"] == ["KING: A"]
    field.fill("ROMEO☃")
    field.press("Enter")
    expect(panel.locator(".notice")).to_contain_text("☃")
    expect(panel.locator(".ladder-text").first).to_have_text(f"ROMEO{text_of(url, first, 'ROMEO', *dice)}".replace("\n", "↵"))
    field.fill("")
    field.press("Enter")
    expect(panel.locator(".notice")).to_be_empty()
    page.wait_for_function("[...document.querySelectorAll('.ladder-prompt')].every(node => node.textContent.trim() !== 'ROMEO')")
    assert written(page)[-1] == text_of(url, last, "", *dice)
    expect(page.locator("#prompt textarea")).to_have_value("")  # the Sample tab's


@pytest.mark.slow
def test_a_damaged_rung_says_so_and_a_key_that_is_gone_is_asked_for_again(other_page: Page, url: str) -> None:
    page, rungs, asked = other_page, route_of(url), 0

    def ladder(route: Route) -> None:
        nonlocal asked
        asked += 1
        damaged = rungs[2] | {"key": "", "trouble": "The file model.safetensors is damaged."}
        stale = rungs[0] | {"vocab_size": 100} | ({"key": "00000000"} if asked == 1 else {})
        route.fulfill(json={"rungs": [stale, rungs[1], damaged, *rungs[3:]]})

    page.route("**/learning/ladder", ladder)
    panel = show(page, url, rung=rungs[1]["id"], code="on")
    expect(panel.locator(".ladder-stage-title")).to_have_text(rungs[1]["title"])
    expect(panel.locator(".ladder-code")).to_be_visible()
    page.keyboard.press("a")
    expect(panel.locator(".ladder-start")).to_contain_text(
        "ln 100 nats"
    )  # that of the rungs: the default model may have another vocabulary
    expect(panel.locator(".ladder-start .ladder-loss")).to_have_text("4.605")
    expect(panel.locator(".ladder-row .trouble:not(:empty)")).to_have_text(["The file model.safetensors is damaged."])
    page.wait_for_function(
        "[...document.querySelectorAll('.ladder-text')].filter(({ lastChild }) => lastChild.length === 200).length === 8"
    )
    assert asked == 2
    panel.get_by_role("button", name=rungs[2]["title"]).click()
    expect(panel.locator(".ladder-stage-written .trouble")).to_have_text("The file model.safetensors is damaged.")
    expect(panel.locator(".ladder-next")).to_be_hidden()


@pytest.mark.slow
def test_without_a_server_it_is_said_once_and_the_way_on_works(page: Page, panel: Locator) -> None:
    before = written(page)
    page.route("**/write", lambda route: route.abort())
    page.keyboard.press("s")
    trouble = panel.locator(".trouble:not(:empty)")
    expect(trouble).to_have_text([re.compile("The server cannot be reached.")])  # each has failed by itself before
    page.unroute("**/write")
    expect(trouble).to_have_count(0)  # its button is pressed by itself once the server answers
    expect(panel.locator(".ladder-old")).to_have_count(0)
    assert written(page) != before


@pytest.mark.slow
def test_the_admin_trains_a_rung_in_place_and_a_viewer_watches(browser: Browser, class_app: tuple[str, str], corpus_path: Path) -> None:
    url, _ = class_app
    *_, before, rung, _ = route_of(url)  # the largest of those that are trained here: it takes minutes
    page, viewer = browser.new_page(), browser.new_page()
    panel = show(page, url, rung=rung["id"])
    train = panel.get_by_role("button", name="Train this rung", exact=True)
    progress, title = panel.locator(".training-here-said"), panel.locator(".ladder-stage-title")
    expect(train).to_be_hidden()
    panel.get_by_role("button", name="Unlock the Train tab").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock", exact=True).click()
    expect(page.get_by_label("Preset")).to_be_focused()
    page.get_by_role("tab", name="Learning", exact=True).click()

    def start(route: Route) -> None:  # another rung is opened before the answer
        page.keyboard.press("ArrowLeft")
        expect(title).to_have_text(before["title"])
        route.continue_()

    page.route("**/train/start", start)
    with page.expect_response("**/train/start"):
        train.click()
    expect(train).to_be_enabled()
    expect(progress).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(progress).to_contain_text("validation loss")

    def runs(route: Route) -> None:  # newer ones of this preset, which learned from another text or with other settings
        told = route.fetch().json()
        (run,) = [run for run in told["runs"] if run["preset"] == rung["preset"]]
        others = [{"as_preset": False}, {"corpus": run["corpus"] | {"own": True}}]
        told["runs"] = [run | other | {"id": f"other-{i}", "state": "finished"} for i, other in enumerate(others)] + told["runs"]
        route.fulfill(json=told)

    viewer.route("**/train/runs", runs)
    seen = show(viewer, url, rung=rung["id"])
    expect(seen.locator(".training-here-said")).to_contain_text("step")
    expect(seen.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    panel.get_by_role("button", name="Stop", exact=True).click()
    expect(progress).to_have_text(re.compile(rf"^The run stopped at step .* of 5,000: .* here, {rung['val_loss']:.3f} as shipped\.$"))
    expect(train).to_be_visible()
    panel.get_by_role("button", name="Watch it on the Train tab").click()
    expect(page.locator(".watch-name")).to_have_text(rung["title"])
    page.close()
    viewer.unroute_all(behavior="ignoreErrors")
    viewer.close()
