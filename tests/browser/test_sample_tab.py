"""The Sample tab in a real browser."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Request, Route, expect

from benchmarks.load import MOST_REQUESTS
from model.limits import MAX_CLIENT_WAITING, MAX_PROMPT_CHARS
from model.weights import Weights, save_weights
from tests.browser.conftest import open_page
from tests.browser.tab import WRITING, drawn, generate, seed_shown, set_up, start_long, texts
from tests.support.client import host_and_port
from tests.support.server import health, running_app
from tests.test_web_write import IDLE, LONGEST, Viewer, fill_engine, wait_until
from ui.web.first_screen import PARAMS, PROMPT
from ui.web.http import MAX_TEXT_BYTES

PATIENCE_MS = 60_000  # for what must come, however busy the machine is
# Counts every change of every card while the page writes: the lengths of all cards at that moment.
RECORD_GROWTH = """() => {
  window.growth = [];
  new MutationObserver(() => {
    const cards = document.querySelectorAll(".group .running .card-text");
    if (cards.length) window.growth.push([...cards].map((card) => card.textContent.length));
  }).observe(document.querySelector(".folio"), { subtree: true, childList: true, characterData: true });
}"""


def test_the_first_screens_seed_gives_its_texts(page: Page, url: str) -> None:
    expect(page.get_by_test_id("status")).to_have_text(re.compile("^1,200 characters in"))
    wait_until(IDLE, url)  # opening the page writes nothing more
    assert page.get_by_role("button", name="Stop").is_disabled()
    shown = texts(page)
    assert seed_shown(page) == str(PARAMS.seed)
    expect(page.locator(".texts-hint")).to_have_text("Point at a character to see how it was drawn.")
    page.set_viewport_size({"width": 1920, "height": 1080})
    tops = [box["y"] for each in page.get_by_test_id("card").all() if (box := each.bounding_box())]
    assert tops[0] == tops[1] < tops[2] == tops[3], "not two rows of two"
    wrapped = page.locator(".card-text").first.evaluate("body => getComputedStyle(body).textIndent")
    assert wrapped.endswith("hanging each-line"), "a wrapped line looks like one that the model began"
    set_up(page, seed=seed_shown(page), length=40)
    assert generate(page) == [text[: len(PROMPT) + 40] for text in shown]
    expect(page.get_by_test_id("compared").first).to_have_text("Identical to the texts before, as far as both go ✓")


def test_all_samples_grow_together(page: Page) -> None:
    set_up(page, samples=4, length=2000)
    page.evaluate(RECORD_GROWTH)
    page.get_by_role("button", name="Generate").click()
    page.wait_for_function("new Set(window.growth.map(String)).size >= 6")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_test_id("status").first).to_contain_text("stopped after")
    lengths = [len(text) - len(PROMPT) for text in texts(page)]
    assert len(lengths) == 4
    assert min(lengths) > 0.5 * max(lengths), "samples are written one after the other"  # in a step, one may have more good guesses
    assert max(lengths) < 2000, "the texts came all at once"
    assert len(set(texts(page))) == 4


def test_every_sample_gets_its_length(kept_page: Page) -> None:
    set_up(kept_page, samples=3, length=270)  # past the first window
    assert [len(text) for text in generate(kept_page)] == [len(PROMPT) + 270] * 3


def test_stop_stops_and_keeps_what_is_written(page: Page, url: str) -> None:
    set_up(page, samples=8, length=2000)
    page.get_by_role("button", name="Generate").click()
    page.wait_for_function("document.querySelector('.group .running .card-text')?.textContent.length > 10")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_test_id("status").first).to_contain_text("stopped after")
    length = len(texts(page)[0])
    assert 10 < length < 2000
    wait_until(IDLE, url)
    drawn(page)
    assert len(texts(page)[0]) == length
    assert page.get_by_role("button", name="Stop").is_disabled()


def test_same_seed_gives_the_same_texts(kept_page: Page) -> None:
    set_up(kept_page, seed="48213", samples=3, length=120)
    first = generate(kept_page)
    assert seed_shown(kept_page) == "48213"
    set_up(kept_page, seed="99")
    other = generate(kept_page)
    set_up(kept_page, seed="48213")
    assert generate(kept_page) == first
    assert set(other).isdisjoint(first)


def test_no_seed_gives_different_texts_and_shows_the_one_it_drew(kept_page: Page) -> None:
    set_up(kept_page, seed="", samples=2, length=120)
    first, first_seed = generate(kept_page), seed_shown(kept_page)
    second, second_seed = generate(kept_page), seed_shown(kept_page)
    assert first_seed != second_seed
    assert set(first).isdisjoint(second)
    kept_page.get_by_role("button", name=f"seed {second_seed}").click()
    expect(kept_page.get_by_label("Seed")).to_have_value(second_seed)
    assert generate(kept_page) == second


def test_temperature_zero_writes_the_same_in_every_sample(page: Page) -> None:
    set_up(page, temperature=0, samples=3, length=80)
    assert len(set(generate(page))) == 1


def test_again_keeps_earlier_samples_and_goes_on_with_the_dice(page: Page) -> None:
    set_up(page, prompt="KING:", seed="5", samples=2, length=60)
    first = generate(page)
    second = generate(page, "Again")
    assert page.get_by_test_id("group").count() == 2
    expect(page.get_by_test_id("group").first.locator(".group-line")).to_contain_text("samples 3 and 4")
    numbers = page.get_by_test_id("group").first.locator(".card-number").all_inner_texts()
    assert numbers == ["3", "4"]
    set_up(page, samples=4)
    assert generate(page) == first + second
    expect(page.get_by_test_id("group")).to_have_count(3)  # the earlier ones stay, to be compared with


def test_again_throws_the_same_dice_at_another_temperature(page: Page) -> None:
    set_up(page, seed="5", samples=2, length=60)
    generate(page)
    set_up(page, temperature=1.5)
    generate(page, "Again")
    assert page.get_by_test_id("group").first.locator(".card-number").all_inner_texts() == ["1", "2"]


def test_clear_while_writing_leaves_an_empty_page(page: Page, url: str) -> None:
    start_long(page)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".folio .empty")).to_be_visible()
    wait_until(IDLE, url)
    drawn(page)
    expect(page.get_by_test_id("group")).to_have_count(0)


def test_generate_while_writing_takes_its_place(page: Page, url: str) -> None:
    for first, prompt in (("Generate", "JULIET:"), ("Again", "KING:")):
        start_long(page, first)
        set_up(page, prompt=prompt, samples=2, length=40)
        page.get_by_role("button", name="Generate").click()
        page.wait_for_function("prompt => document.querySelector('.folio .prompt').textContent === prompt", arg=prompt)
        page.wait_for_function(f"!document.querySelector('{WRITING}')")
        wait_until(IDLE, url)
        drawn(page)
        expect(page.get_by_test_id("group")).to_have_count(1)
        assert [len(text) for text in texts(page)] == [len(prompt) + 40] * 2, first


def test_again_while_writing_settles_the_first_and_keeps_it(page: Page) -> None:
    start_long(page)
    set_up(page, samples=2, length=40)
    page.get_by_role("button", name="Again").click()
    expect(page.get_by_test_id("group")).to_have_count(3)
    page.wait_for_function(f"!document.querySelector('{WRITING}')")
    expect(page.get_by_test_id("status").nth(1)).to_contain_text("stopped after")


def test_another_viewer_is_served_at_the_same_time_and_may_stop(context: BrowserContext, page: Page, url: str) -> None:
    start_long(page)
    other = context.new_page()
    open_page(other, url)
    set_up(other, samples=2, length=40)
    assert [len(text) for text in generate(other)] == [len(PROMPT) + 40] * 2
    expect(page.get_by_test_id("status").first).to_have_text("writing")
    start_long(other)
    other.get_by_role("button", name="Stop").click()
    expect(other.get_by_test_id("status").first).to_contain_text("stopped after")
    expect(page.get_by_test_id("status").first).to_have_text("writing")
    other.close()
    page.get_by_role("button", name="Stop").click()


def test_clear_empties_the_page_and_keeps_the_prompt(page: Page) -> None:
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_test_id("card")).to_have_count(0)
    expect(page.locator(".folio .empty")).to_be_visible()
    expect(page.get_by_label("Prompt")).to_have_value(PROMPT)
    set_up(page, length=40)
    assert len(generate(page)) == 4
    expect(page.locator(".folio .empty")).to_have_count(0)


def test_hostile_text_shows_up_as_text(kept_page: Page) -> None:
    images = kept_page.locator("#sample img, #sample script").count()
    for hostile in ("<img src=x onerror=alert(1)>", "${alert(1)}", "{{7*7}}", "<script>alert(1)</script>"):
        set_up(kept_page, prompt=hostile, seed=hostile, samples=4, length=20)
        kept_page.get_by_role("button", name="Generate").click()
        expect(kept_page.get_by_test_id("notice")).to_contain_text(f"not {hostile!r}")
        set_up(kept_page, seed="")
        kept = "".join(char for char in hostile if char.isalpha() or char in "$3 ")
        generate(kept_page)
        assert kept_page.locator(".folio .prompt").all_text_contents() == [kept] * 4
        expect(kept_page.get_by_test_id("notice")).to_contain_text(
            f"Left out, because the model does not know them: ‘{hostile.strip('$')[0]}’"
        )
        expect(kept_page.get_by_label("Prompt")).to_have_value(hostile)
        assert kept_page.locator("#sample img, #sample script").count() == images, hostile


def test_unknown_characters_are_named_and_typographic_ones_normalised(kept_page: Page) -> None:
    set_up(kept_page, prompt="“Résumé—naïve…” 中文🙂", length=20)
    assert all(text.startswith("'Resume--naive...' ") for text in generate(kept_page))
    expect(kept_page.get_by_test_id("notice")).to_have_text("Left out, because the model does not know them: ‘中’, ‘文’, ‘🙂’.")


def test_an_emptied_number_field_keeps_its_value(page: Page) -> None:
    field = page.get_by_label("number input for Temperature")
    field.fill("")
    set_up(page, length=20)
    generate(page)
    expect(field).to_have_value("0.8")
    expect(page.get_by_test_id("group").first.locator(".setting:not(.group-model)").first).to_have_text("temperature 0.8")


def test_a_number_out_of_range_is_moved_with_a_word(page: Page) -> None:
    set_up(page, temperature=9)
    expect(page.get_by_test_id("notice")).to_have_text("Temperature goes from 0 to 2.")
    expect(page.get_by_label("number input for Temperature")).to_have_value("2")


def test_cards_do_not_scroll_and_a_long_prompt_does_not_fill_them(page: Page) -> None:
    scrolls = "[...document.querySelectorAll('.folio .card-text')].some((text) => text.scrollHeight > text.clientHeight)"
    assert not page.evaluate(scrolls)
    set_up(page, prompt="a" * 1500, length=60, samples=2)
    assert [len(text) for text in generate(page)] == [241 + 60] * 2
    assert not page.evaluate(scrolls)
    expect(page.get_by_test_id("group").first.locator(".group-line")).to_contain_text("reads at most the last 256 characters")


def test_escape_stops(page: Page) -> None:
    start_long(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("status").first).to_contain_text("stopped after")


def test_empty_prompt_starts_a_page(kept_page: Page) -> None:
    set_up(kept_page, prompt="", length=40, samples=2)
    assert [len(text) for text in generate(kept_page)] == [40, 40]


def test_bad_input_gets_a_message_and_loses_nothing(page: Page) -> None:
    for prompt, seed, message in (
        ("x" * 100_000, "", f"The prompt has 100,000 characters; the maximum is {MAX_PROMPT_CHARS:,}"),
        ("x", "abc", "The seed must be a whole number"),
        ("x", "-1", "seed must be between 0 and"),
        ("x", "9" * 30, "seed must be between 0 and"),
        ("x", "9" * 5000, "The seed must be a whole number"),
    ):
        shown = texts(page)
        set_up(page, prompt=prompt, seed=seed)
        page.get_by_role("button", name="Generate").click()
        expect(page.get_by_test_id("notice")).to_contain_text(message)
        assert texts(page) == shown, seed
        assert page.get_by_label("Prompt").input_value() == prompt
        set_up(page, prompt=PROMPT, seed="", length=20)
        generate(page)
        expect(page.get_by_test_id("notice")).to_have_text("")


def paste(page: Page, prompt: str) -> None:
    """Much at once: a browser that is told to type it takes seconds."""
    field = page.get_by_label("Prompt")
    field.evaluate("(field, text) => { field.value = text; field.dispatchEvent(new Event('input', { bubbles: true })); }", prompt)


def test_a_closed_page_frees_the_engine(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    open_page(page, url)
    set_up(page, samples=16, length=2000)
    page.get_by_role("button", name="Generate").click()
    page.wait_for_function(f"document.querySelector('{WRITING}')")
    page.close()
    wait_until(IDLE, url)


@pytest.fixture(scope="module")
def calm_page(context: BrowserContext, url: str) -> Iterator[Page]:
    """A page whose console may tell what goes wrong outside it."""
    page = context.new_page()
    open_page(page, url)
    yield page
    page.close()


def test_a_refusal_is_shown_in_the_servers_words_and_loses_nothing(calm_page: Page, url: str) -> None:
    page, shown = calm_page, texts(calm_page)
    with contextlib.ExitStack() as stack:
        seated, waiting = fill_engine(url, stack)
        for number in range(MAX_CLIENT_WAITING - len(waiting)):
            stack.enter_context(Viewer(url)).ask(**LONGEST, viewer=f"waiting {number}")
        wait_until(IDLE | {"writing": len(seated) * LONGEST["samples"], "waiting": MAX_CLIENT_WAITING}, url)
        set_up(page, length=20)
        page.get_by_role("button", name="Generate").click()
        expect(page.get_by_test_id("notice")).to_have_text("256 requests from your network are already waiting. Try again in a minute.")
        assert page.get_by_role("alert").get_attribute("data-testid") == "notice"
        assert page.get_by_role("button", name="Stop").is_disabled()
        assert texts(page) == shown
    wait_until(IDLE, url)
    assert len(generate(page)) == 4
    expect(page.get_by_test_id("notice")).to_have_text("")


def test_a_prompt_that_is_too_large_to_be_sent_is_refused_in_words(calm_page: Page) -> None:
    shown = texts(calm_page)
    paste(calm_page, "—" * (MAX_TEXT_BYTES // 3))  # of three bytes each; the rest of the request makes it too long
    calm_page.get_by_role("button", name="Generate").click()
    expect(calm_page.get_by_test_id("notice")).to_have_text(re.compile(rf"{MAX_TEXT_BYTES:,}|10,000"))
    assert texts(calm_page) == shown


def test_who_waits_sees_how_many_come_before(page: Page, url: str) -> None:
    with contextlib.ExitStack() as stack:
        seated, waiting = fill_engine(url, stack)
        waiting.append(stack.enter_context(Viewer(url)))
        waiting[-1].ask(**LONGEST, viewer="another")
        set_up(page, length=20)
        page.get_by_role("button", name="Generate").click()
        status = page.get_by_test_id("status").first
        expect(status).to_have_text(f"waiting, {len(waiting)} ahead of you", timeout=PATIENCE_MS)
        assert page.locator(".group .running .card-text").all_text_contents() == [PROMPT] * 4
        waiting.pop().close()
        expect(status).to_have_text(f"waiting, {len(waiting)} ahead of you", timeout=PATIENCE_MS)
        while waiting:
            waiting.pop().close()
        expect(status).to_have_text(re.compile("waiting for its turn|writing|characters in"), timeout=PATIENCE_MS)
        for viewer in seated:
            viewer.close()
        expect(status).to_contain_text("80 characters in", timeout=PATIENCE_MS)
    assert [len(text) for text in texts(page)] == [len(PROMPT) + 20] * 4


def test_who_waits_may_stop(page: Page, url: str) -> None:
    with contextlib.ExitStack() as stack:
        _, waiting = fill_engine(url, stack)
        before = health(url)["waiting"]
        page.get_by_role("button", name="Generate").click()
        expect(page.get_by_test_id("status").first).to_have_text(f"waiting, {len(waiting)} ahead of you", timeout=PATIENCE_MS)
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_test_id("status").first).to_have_text("stopped after 0 characters")
        wait_until(health(url) | {"waiting": before}, url)


@pytest.mark.parametrize("second", ["Generate", "Again"])
def test_a_second_press_before_the_first_was_answered_takes_its_place(page: Page, url: str, second: str) -> None:
    held: list[Route] = []
    page.route("**/write", lambda route: route.continue_() if held else held.append(route))
    stored = texts(page)
    set_up(page, samples=2, length=40)
    with page.expect_request("**/write"):
        page.get_by_role("button", name="Generate").click()
    set_up(page, prompt="JULIET:", samples=3)
    assert texts(page) == stored
    page.get_by_role("button", name=second, exact=True).click()
    expect(page.get_by_test_id("status").first).to_contain_text("120 characters in")
    written = texts(page)
    assert [len(text) for text in written] == [len("JULIET:") + 40] * 3
    with contextlib.suppress(Error):  # the page has given it up
        held[0].continue_()
    wait_until(IDLE, url)
    drawn(page)
    groups = [group.locator(".card-text").all_text_contents() for group in page.get_by_test_id("group").all()]
    assert groups == ([written] if second == "Generate" else [written, stored])
    expect(page.get_by_test_id("notice")).to_have_text("")


def test_presses_in_one_breath_leave_one_group(page: Page, url: str) -> None:
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if request.url.endswith("/write") else None)
    set_up(page, prompt="KING:", samples=3, length=40)
    page.get_by_role("button", name="Generate").evaluate("button => { for (let i = 0; i < 5; i++) button.click(); }")
    expect(page.get_by_test_id("status").first).to_contain_text("120 characters in")
    wait_until(IDLE, url)
    drawn(page)
    assert len(asked) == 5
    expect(page.get_by_test_id("group")).to_have_count(1)
    assert [len(text) for text in texts(page)] == [len("KING:") + 40] * 3
    expect(page.get_by_test_id("notice")).to_have_text("")
    wait_until(IDLE, url)


@pytest.mark.slow
def test_a_server_that_goes_away_is_told_and_a_new_one_with_another_model_is_followed(
    context: BrowserContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Weights
) -> None:
    save_weights(tmp_path / "another", tiny.model, tiny.tokenizer, {})
    page = context.new_page()
    with running_app("--device", "cpu") as url:
        open_page(page, url)
        start_long(page)
        numbers = page.locator(".group .running .card-number").count()
    status = page.get_by_test_id("status").first
    expect(status).to_have_text(re.compile(r"interrupted after [\d,]+ characters"))
    expect(page.get_by_test_id("notice")).to_contain_text("The server cannot be reached. Nothing is lost")
    written = texts(page)
    assert len(written) == numbers == 4
    assert all(10 < len(text) < 2000 for text in written)
    told = sum(len(text) - len(PROMPT) for text in written)
    expect(status).to_have_text(f"interrupted after {told:,} characters")
    assert page.get_by_role("button", name="Stop").is_disabled()
    set_up(page, prompt="What is ", samples=2, length=40)
    with page.expect_event("requestfailed"):
        page.get_by_role("button", name="Generate").click()
    expect(page.get_by_test_id("notice")).to_contain_text("The server cannot be reached.")
    assert texts(page) == written
    page.get_by_role("tab", name="Attention", exact=True).click()
    expect(page.locator("#attention-views").get_by_role("button", name="Try again")).to_be_visible()
    monkeypatch.setattr("tests.support.server.free_port", lambda: host_and_port(url)[1])
    with running_app("--device", "cpu", "--weights", str(tmp_path / "another")) as again:
        assert again == url
        expect(page.locator(".look-char").first).to_be_visible()  # by itself
        expect(page.get_by_test_id("facts")).to_contain_text("another")
        expect(page.get_by_text("The server cannot be reached.")).to_have_count(0)
        page.get_by_role("tab", name="Sample", exact=True).click()
        assert [len(text) for text in generate(page, "Again")] == [len("What is ") + 40] * 2
        expect(page.get_by_test_id("notice")).to_have_text("")
        expect(page.get_by_test_id("group")).to_have_count(3)
        assert page.get_by_test_id("group").nth(1).locator(".card-text").all_text_contents() == written
    page.close()


@pytest.mark.slow
def test_a_tab_that_could_not_be_loaded_says_so_and_comes_once_the_network_is_back(browser: Browser, url: str) -> None:
    context = browser.new_context()  # the tab's script must not be in its cache
    page = context.new_page()
    open_page(page, url)
    set_up(page, prompt="What is ")
    context.set_offline(True)
    page.get_by_role("tab", name="Tree", exact=True).click()  # whose script comes when it is first shown
    of_view = page.get_by_role("tabpanel", name="Tree").get_by_role("alert").filter(has_text="The server cannot be reached.")
    expect(of_view).to_be_visible()
    page.get_by_role("tab", name="Attention", exact=True).click()
    alert = page.locator("#attention-views").get_by_role("alert").filter(has_text="The server cannot be reached.")
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_be_visible()  # still offline
    context.set_offline(False)
    expect(page.locator(".look-char").first).to_be_visible()
    expect(alert).to_have_count(0)
    page.get_by_role("tab", name="Sample", exact=True).click()
    expect(page.get_by_test_id("tree")).to_be_visible()
    expect(of_view).to_have_count(0)
    page.route("**/bundles/train.js*", lambda route: route.fulfill(body="not a script", content_type="text/javascript"))
    page.get_by_role("tab", name="Train", exact=True).click()
    unable = page.get_by_role("alert").filter(has_text="This browser cannot run the page.")
    expect(unable).to_be_visible()
    page.unroute_all()
    page.route("**/bundles/train.js*", lambda route: route.fulfill(status=404))  # as after an update of the app
    unable.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("The server has a newer version of this page.")).to_be_visible()
    page.wait_for_url("**tab=train*")
    page.unroute_all()
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.get_by_label("Prompt")).to_have_value("What is ")
    context.close()


def test_without_gradios_scripts_there_is_an_opening_in_the_pages_colours_and_a_way_on(browser: Browser, url: str) -> None:
    page = browser.new_page(color_scheme="dark")
    of_something_else = "document.addEventListener('readystatechange', () => document.dispatchEvent(new Event('error')))"
    page.add_init_script(of_something_else)
    page.route("**/assets/Blocks-*.js", lambda route: route.abort())
    page.goto(url)
    opening = page.locator("#opening")
    expect(opening).to_contain_text("The server cannot be reached.")
    red, green, blue = map(int, re.findall(r"\d+", opening.evaluate("node => getComputedStyle(node).backgroundColor")))
    assert max(red, green, blue) < 64
    page.unroute_all()
    opening.get_by_role("button", name="Try again").click()
    page.locator("[data-ready]").wait_for(state="attached")
    expect(opening).to_have_count(0)
    page.close()


def test_works_on_a_phone(browser: Browser, url: str) -> None:
    page = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True).new_page()
    open_page(page, url)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    set_up(page, samples=2, length=60)
    assert len(generate(page)) == 2
    expect(page.get_by_test_id("card").first).to_be_in_viewport()
    expect(page.get_by_role("button", name="Generate")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.close()


def test_the_largest_text_fits_a_phone(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    open_page(page, url)
    for _ in range(4):
        page.get_by_role("button", name="Larger text").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for name in ("Generate", "Stop", "Again", "Clear", "Settings"):
        button = page.get_by_role("button", name=name, exact=True)
        assert button.evaluate("button => button.scrollWidth <= button.clientWidth"), name
    page.close()


def test_an_error_on_a_phone_comes_into_view(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    set_up(page, seed="abc")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_test_id("notice")).to_be_in_viewport()
    assert page.get_by_role("alert").get_attribute("data-testid") == "notice"


def test_no_request_leaves_for_another_host(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(page, url)
    set_up(page, length=20)
    generate(page)
    page.get_by_role("button", name="More").click()
    elsewhere = [address for address in asked if not address.startswith((url, "data:", "blob:"))]
    assert len(asked) > 10
    assert not elsewhere
    page.close()


def test_a_page_asks_for_little_and_finds_nothing_late(browser: Browser, url: str) -> None:
    """Each request costs a phone a round trip, and one that the document does not name comes a round trip later."""
    page = browser.new_page()
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url.partition("?")[0]))
    open_page(page, url)
    linked = page.locator("link:not([disabled]), script[src]").evaluate_all(
        "all => all.map(({ href, src }) => (href || src).split('?')[0])"
    )
    others = {
        f"{url}/healthz",
        f"{url}/favicon.ico",
        f"{url}/follow",
        *(address for address in asked.union(linked) if address.endswith(".woff2")),
    }
    later = {address for address in asked if address.endswith(("/class/stream", "/bundles/next.js"))}
    assert len(asked) <= MOST_REQUESTS
    assert {f"{url}/", *linked} - others == asked - others - later
    page.close()


def test_theme_and_text_size_last(page: Page, url: str) -> None:
    root_size = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
    background = "getComputedStyle(document.body).backgroundColor"
    normal, light = page.evaluate(root_size), page.evaluate(background)
    page.get_by_role("button", name="Larger text").click()
    page.get_by_role("button", name="Larger text").click()
    page.get_by_role("button", name="Dark theme").click()
    large, dark = page.evaluate(root_size), page.evaluate(background)
    assert large > normal
    assert dark != light
    open_page(page, url)
    page.wait_for_function(f"large => {root_size} === large", arg=large)
    page.wait_for_function(f"dark => {background} === dark", arg=dark)
    page.get_by_role("button", name="Normal text size").click()
    assert page.evaluate(root_size) == normal


def test_control_and_enter_in_the_prompt_generate(page: Page) -> None:
    before = texts(page)
    set_up(page, length=20)
    page.get_by_label("Prompt").press("Control+Enter")
    page.wait_for_function("before => document.querySelector('.card-text').textContent !== before", arg=before[0])
    page.wait_for_function(f"!document.querySelector('{WRITING}')")
    expect(page.get_by_label("Prompt")).to_have_value(PROMPT)


def test_header_tells_model_device_and_precision(page: Page) -> None:
    facts = page.get_by_test_id("facts")
    expect(facts).to_contain_text("shakespeare")
    expect(facts).to_contain_text("10.7 M parameters")
    expect(facts).to_contain_text("CPU")
    set_up(page, length=20)
    generate(page)
    expect(facts).to_contain_text("characters/s")
