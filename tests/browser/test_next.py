"""The view "Next character" in a real browser."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import ConsoleMessage, Page, Route, expect

from model.config import GPTConfig
from model.sampling import dice, distribution, draw
from tests.browser.conftest import open_page
from tests.browser.tab import state_of

VOCAB_SIZE = 65
PROMPT = "The "  # much may follow
STEPS = 12


@pytest.fixture(scope="module")
def url(float32_url: str) -> str:
    """An app in whose precision a text does not depend on whether it is read at once or was written step by step."""
    return float32_url


@pytest.fixture(scope="module")
def is_expected() -> Callable[[ConsoleMessage], bool]:
    """A request that a test refuses is an error on the console."""
    return lambda message: message.location["url"].endswith("/next")


@pytest.fixture
def page(empty_page: Page) -> Page:
    """An empty page, in which dice do not take their time to fall."""
    empty_page.emulate_media(reduced_motion="reduce")
    return empty_page


def show(page: Page, url: str, **settings: object) -> None:
    """Opens the view at an address and waits for its bars."""
    words = "&".join(f"{name}={value}" for name, value in {"view": "next", "prompt": PROMPT, "temperature": 1, **settings}.items())
    open_page(page, f"{url}/?{words}")
    bars_are_there(page)


def bars_are_there(page: Page) -> None:
    """Waits until what is shown is the distribution after the text."""
    page.locator(".next-bars[aria-busy=false]").wait_for()
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def press(page: Page, name: str) -> None:
    """A button of the view."""
    page.get_by_role("tabpanel").get_by_role("button", name=name, exact=True).click()


def table(page: Page) -> dict[str, list[str]]:
    """The distribution as it can be downloaded, by columns."""
    page.get_by_role("button", name="Download", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Distribution (CSV)").click()
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])}


def numbers(page: Page, column: str) -> NDArray[np.float64]:
    return np.array(table(page)[column], dtype=np.float64)


def logits_after(page: Page, url: str, prompt: str) -> NDArray[np.float64]:
    """What the server says of the next character."""
    return np.array(page.request.post(f"{url}/next", data={"prompt": prompt}).json()["logits"])


def entropy(probabilities: NDArray[np.float64]) -> float:
    kept = probabilities[probabilities > 0]
    return abs(float((kept * np.log2(kept)).sum()))


def text(page: Page) -> str:
    return page.get_by_test_id("next-text").inner_text()


def written(page: Page, prompt: str = PROMPT) -> str:
    """What the steps have written."""
    return page.get_by_test_id("next-text").text_content().removeprefix(prompt)


def set_slider(page: Page, label: str, value: float) -> None:
    """Moves a slider as a hand does."""
    code = "(range, value) => { range.value = value; range.dispatchEvent(new Event('input', { bubbles: true })); }"
    page.locator(f"#{label} input[type=range]").evaluate(code, value)


def test_bars_are_the_servers_distribution(page: Page, url: str) -> None:
    show(page, url, temperature=0.8, top_k=20, top_p=0.9)
    logits = logits_after(page, url, PROMPT)
    shown = table(page)
    np.testing.assert_allclose(np.array(shown["sampled"], float), distribution([logits], 0.8, 20, 0.9)[0], atol=1e-5)
    np.testing.assert_allclose(np.array(shown["raw"], float), distribution([logits])[0], atol=1e-5)
    np.testing.assert_allclose(np.array(shown["logit"], float), logits, atol=1e-4)
    assert shown["character"][:3] == ["newline", "space", "!"]
    assert shown["id"] == [str(i) for i in range(VOCAB_SIZE)]
    assert page.get_by_test_id("next-entropy").inner_text().startswith(f"{entropy(distribution([logits], 0.8, 20, 0.9)[0]):.2f} bits")
    assert page.get_by_test_id("next-choices").inner_text().startswith(f"{2 ** entropy(distribution([logits], 0.8, 20, 0.9)[0]):.1f} ")
    expect(page.get_by_test_id("next-legend")).to_contain_text("probability 0: cut by top-k and top-p")
    page.get_by_role("button", name="Download", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Bars (PNG)").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_arrow_keys_read_the_bars_in_either_order(page: Page, url: str) -> None:
    show(page, url, sort="probability")
    logits = logits_after(page, url, PROMPT)
    names, raw = table(page)["character"], distribution([logits])[0]
    bars, readout = page.get_by_test_id("next-bars"), page.get_by_test_id("next-readout")
    bars.focus()
    page.keyboard.press("ArrowDown")
    best = int(np.argmax(logits))
    expect(readout).to_have_text(f"‘{names[best]}’: {raw[best]:.5f} used; {raw[best]:.5f} before temperature; logit {logits[best]:.3f}")
    page.keyboard.press("End")
    page.keyboard.press("Enter")  # the line of all others opens them
    expect(page.get_by_role("button", name="Whole alphabet")).to_have_attribute("aria-expanded", "true")
    assert "bars=all" in until_address(page, "bars=")
    page.get_by_test_id("next-alphabet").focus()
    page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text(f"‘{names[best]}’:")
    page.keyboard.press("o")
    expect(page.get_by_role("button", name="by alphabet")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Home")
    expect(readout).to_contain_text("newline:")
    page.wait_for_url(lambda address: "sort=" not in address)
    page.keyboard.press("?")
    for key, label in (("o", "Sort the bars by alphabet or by probability"), ("r", "Start over")):
        expect(page.get_by_test_id("keys")).to_contain_text(f"{key}{label}")
    assert written(page) == "", "an arrow on the bars is no step"


def until_address(page: Page, word: str) -> str:
    """The address once it has a word."""
    page.wait_for_url(re.compile(re.escape(word)))
    return page.url


def test_a_slider_reshapes_the_bars_without_a_request(page: Page, url: str) -> None:
    show(page, url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    logits = logits_after(page, url, PROMPT)
    for temperature in (0, 0.3, 1.5, 2):
        set_slider(page, "temperature", temperature)
        expected = entropy(distribution([logits], temperature)[0])
        expect(page.get_by_test_id("next-entropy")).to_contain_text(f"{expected:.2f} bits of entropy")
    field, shown = page.get_by_label("number input for Temperature"), page.get_by_test_id("next-entropy")
    field.fill("0.8")
    expect(shown).to_contain_text(f"{entropy(distribution([logits], 0.8)[0]):.2f} bits of entropy")
    field.fill("5")  # counts as 2, and becomes that when the field is left
    expect(shown).to_contain_text(f"{entropy(distribution([logits], 2)[0]):.2f} bits of entropy")
    field.blur()
    expect(field).to_have_value("2")
    expect(shown).to_contain_text(f"{entropy(distribution([logits], 2)[0]):.2f} bits of entropy")
    until_address(page, "temperature=2")
    assert not [address for address in asked if address.endswith("/next")]
    page.locator("#temperature input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    assert written(page) == "", "an arrow on a slider is no step"


def test_draw_one_throws_the_seeds_dice(page: Page, url: str) -> None:
    page.emulate_media(reduced_motion="no-preference")
    show(page, url, seed=7, temperature=0.9)
    probabilities = distribution([logits_after(page, url, PROMPT)], 0.9)
    names = table(page)["character"]
    for sample in range(2):
        press(page, "Draw one")
        throw = dice(7, sample, 1)[0]
        hit = draw(probabilities, [throw])
        said = f"The die shows {throw:.4f} → ‘{names[hit.ids[0]]}’ ({hit.low[0]:.3f} to {hit.high[0]:.3f}) seed 7, sample {sample + 1}"
        expect(page.get_by_test_id("next-said")).to_have_text(said)
    assert numbers(page, "count").sum() == 2
    page.get_by_label("Seed").fill("")
    press(page, "Draw one")
    expect(page.get_by_test_id("next-said")).to_contain_text(re.compile(r"seed \d+, sample 1$"))


def test_a_throw_belongs_to_its_logits(page: Page, url: str) -> None:
    show(page, url, seed=7)
    logits, names = logits_after(page, url, PROMPT), table(page)["character"]
    said = page.get_by_test_id("next-said")
    press(page, "Draw one")
    expect(said).to_contain_text("The die shows")
    set_slider(page, "temperature", 0)
    best = names[int(np.argmax(logits))]
    expect(said).to_contain_text(f"The die shows {dice(7, 0, 1)[0]:.4f}, which now lands on ‘{best}’ (0.000 to 1.000)")
    page.get_by_label("Prompt").fill("Thy ")
    expect(said).to_have_text("")
    bars_are_there(page)
    expect(said).to_have_text("")


def chi_squared(counts: NDArray[np.float64], probabilities: NDArray[np.float64]) -> tuple[float, float]:
    """How far counts are from what is expected, and how far they may be once in a thousand times; rare characters count as one."""
    expected = counts.sum() * probabilities
    rare = expected < 5
    seen, awaited = ([*values[~rare], values[rare].sum()] for values in (counts, expected))
    distance = sum((a - b) ** 2 / b for a, b in zip(seen, awaited, strict=True) if b > 0)
    freedom = len(seen) - 1
    return distance, freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3  # Wilson and Hilferty


def test_many_draws_come_from_the_distribution(page: Page, url: str) -> None:
    show(page, url, seed=11, sort="probability")
    logits = logits_after(page, url, PROMPT)
    for _ in range(10):
        press(page, "Draw 1,000")
    expect(page.get_by_test_id("next-counted")).to_contain_text("10,000 drawn:")
    counts = numbers(page, "count")
    throws = np.array([dice(11, sample, 1)[0] for sample in range(10_000)])
    probabilities = distribution([logits])
    assert counts.tolist() == np.bincount(draw(np.repeat(probabilities, len(throws), axis=0), throws).ids, minlength=VOCAB_SIZE).tolist()
    distance, most = chi_squared(counts, probabilities[0])
    assert distance < most
    distance, most = chi_squared(counts, distribution([logits], 1.1)[0])
    assert distance > most, "a temperature off by a tenth would not be noticed"
    n, p = 10_000, probabilities[0]
    spread = 2 * np.sqrt(n * p * (1 - p))
    frequent = n * p >= 5
    inside = int((frequent & (counts >= n * p - spread) & (counts <= n * p + spread)).sum())
    told = f"10,000 drawn: {inside} of {frequent.sum()} frequent characters came up as often as expected (95 % range)."
    expect(page.get_by_test_id("next-counted")).to_have_text(told)
    page.get_by_test_id("next-bars").focus()
    page.keyboard.press("ArrowRight")
    best = int(np.argmax(logits))
    low, high = math.ceil(n * p[best] - spread[best]), math.floor(n * p[best] + spread[best])
    expect(page.get_by_test_id("next-readout")).to_contain_text(f"{counts[best]:,.0f} drawn, {low:,} to {high:,} expected")


def test_counts_end_with_their_distribution(page: Page, url: str) -> None:
    show(page, url, seed=3)
    changes = [
        lambda: set_slider(page, "temperature", 2),
        lambda: set_slider(page, "top-k", 2),
        lambda: page.get_by_label("Seed").fill("4"),
        lambda: page.get_by_label("Prompt").fill("Thy "),
    ]
    counted = page.get_by_test_id("next-counted")
    for change in changes:
        press(page, "Draw 1,000")
        expect(counted).to_contain_text("1,000 drawn")
        change()
        expect(counted).to_have_text("")
        bars_are_there(page)
        press(page, "Draw one")
        expect(counted).to_have_text("1 drawn so far.")
        page.get_by_label("Seed").fill(f"{page.get_by_label('Seed').input_value()}0")


@pytest.mark.parametrize("prompt", [PROMPT, ""], ids=["prompt", "empty"])
def test_steps_write_what_generate_writes(page: Page, url: str, prompt: str) -> None:
    show(page, url, prompt=prompt, seed=48213, temperature=0.8, top_p=0.95, samples=1, length=STEPS)
    assert page.evaluate("document.querySelector('.facts').textContent").endswith("float32")
    for key in ("ArrowRight", *["."] * (STEPS - 1)):  # faster than the server answers
        page.keyboard.press(key)
    expect(page.get_by_test_id("next-said")).to_contain_text(f"seed 48213, throw {STEPS}", timeout=30_000)
    steps = written(page, prompt or "↵\n")
    answer = page.request.post(
        f"{url}/write", data={"prompt": prompt, "seed": 48213, "temperature": 0.8, "top_p": 0.95, "samples": 1, "length": STEPS}
    )
    lines: list[dict[str, Any]] = [json.loads(line) for line in answer.text().splitlines()]
    assert steps == "".join(line["new"][0] for line in lines if "new" in line)
    assert page.get_by_label("Prompt").input_value() == prompt


def test_steps_can_be_undone_and_begun_again(page: Page, url: str) -> None:
    show(page, url, seed=5)
    for count in range(1, 4):
        press(page, "Step")
        expect(page.get_by_test_id("next-text")).to_have_text(re.compile(f"^{PROMPT}.{{{count}}}$", re.DOTALL))
    three = written(page)
    page.keyboard.press("Backspace")
    expect(page.get_by_test_id("next-text")).to_have_text(PROMPT + three[:2])
    np.testing.assert_allclose(numbers(page, "logit"), logits_after(page, url, PROMPT + three[:2]), atol=1e-3)
    press(page, "Step")
    expect(page.get_by_test_id("next-text")).to_have_text(PROMPT + three)
    page.keyboard.press("r")
    expect(page.get_by_test_id("next-text")).to_have_text(PROMPT)
    expect(page.get_by_role("button", name="Step back")).to_be_disabled()
    np.testing.assert_allclose(numbers(page, "logit"), logits_after(page, url, PROMPT), atol=1e-3)


def choose_a_bar(page: Page) -> str:
    """Chooses the fourth bar with the keys, and returns its character."""
    page.get_by_test_id("next-bars").focus()
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    chosen = page.get_by_test_id("next-readout").inner_text()[1]
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("next-said")).to_contain_text(f"You chose ‘{chosen}’")
    return chosen


def test_an_address_writes_the_same_steps_again(page: Page, url: str) -> None:
    show(page, url)
    expect(page.get_by_label("Seed")).to_have_value("")
    page.keyboard.press(".")
    drawn = state_of(until_address(page, "dice_seed="))["dice_seed"][0]
    expect(page.get_by_test_id("next-said")).to_contain_text(f"seed {drawn}, throw 1")
    expect(page.get_by_label("Seed")).to_have_value("")
    press(page, "What comes next?")
    bars_are_there(page)
    chosen = choose_a_bar(page)
    press(page, "Step")
    expect(page.get_by_test_id("next-said")).to_contain_text("throw 3")
    set_slider(page, "temperature", 1.5)
    press(page, "Step")
    expect(page.get_by_test_id("next-said")).to_contain_text("throw 4")
    before, address = written(page), until_address(page, "steps=4")
    assert len(before) == 4
    assert before[1] == chosen
    page.goto("about:blank")
    page.route("**/next", lambda route: route.fallback() if route.request.post_data_json["prompt"] == PROMPT else route.abort())
    open_page(page, address)
    failure = page.get_by_test_id("next-failure")
    expect(failure).to_contain_text("The server cannot be reached.")
    page.wait_for_timeout(400)  # the address has had its time to forget
    assert state_of(page.url) == state_of(address), "an unfinished text is not forgotten"
    page.unroute("**/next")
    failure.get_by_role("button", name="Try again").click()
    expect(page.get_by_test_id("next-text")).to_have_text(PROMPT + before)
    expect(page.locator(".next-chosen")).to_have_text(chosen)
    expect(page.get_by_label("Seed")).to_have_value("")
    assert re.fullmatch(r"0\.\d+d-1\.\d+-2\.\d+d", state_of(page.url)["chosen"][0]), "only the last is what these settings give"


def without_steps(address: str) -> bool:
    return not {"steps", "chosen", "dice_seed"} & state_of(address).keys()


def test_steps_belong_to_their_prompt(page: Page, url: str) -> None:
    shown, prompt = page.get_by_test_id("next-text"), page.get_by_label("Prompt")
    tree, here = (page.get_by_role("tab", name=name) for name in ("Tree", "Next character"))
    show(page, url, seed=5, steps=2)
    expect(shown).to_have_text(re.compile(f"^{PROMPT}..$", re.DOTALL))
    two = text(page)
    tree.click()
    page.get_by_label("Seed").fill("99")
    until_address(page, "chosen=0.")  # other dice would not write them
    open_page(page, page.url)
    expect(page.locator("#panel-next")).to_be_hidden()
    here.click()
    expect(shown).to_have_text(two)
    tree.click()
    prompt.fill("Thy ")
    page.wait_for_url(without_steps)
    here.click()
    expect(shown).to_have_text("Thy ")
    press(page, "Step")
    until_address(page, "steps=1")
    tree.click()
    until_address(page, "view=tree")
    open_page(page, page.url)
    prompt.fill("My ")  # before its steps were written again
    page.wait_for_url(without_steps)
    here.click()
    bars_are_there(page)
    expect(shown).to_have_text("My ")


def test_the_seed_of_the_steps_can_be_kept(page: Page, url: str) -> None:
    show(page, url)
    press(page, "Step")
    seed = page.get_by_test_id("next-said").get_by_role("button")
    expect(seed).to_have_text(re.compile(r"^seed \d+$"))
    drawn = seed.inner_text().removeprefix("seed ")
    one = text(page)
    seed.click()
    expect(page.get_by_label("Seed")).to_have_value(drawn)
    page.wait_for_url(lambda address: f"seed={drawn}" in address and "dice_seed" not in address and "chosen" not in address)
    press(page, "Start over")
    press(page, "Step")
    expect(page.get_by_test_id("next-text")).to_have_text(one)


def test_the_picture_stays_on_the_step_that_was_thrown(page: Page, url: str) -> None:
    show(page, url, seed=7)
    after, said = page.get_by_test_id("next-after"), page.get_by_test_id("next-said")
    logits = logits_after(page, url, PROMPT)
    expect(after).to_have_text(f"Next, after “{PROMPT}”")
    hit = draw(distribution([logits]), dice(7, 0, 1))
    char = table(page)["character"][hit.ids[0]]
    press(page, "Step")
    landed = f"The die shows {dice(7, 0, 1)[0]:.4f} → ‘{char}’ ({hit.low[0]:.3f} to {hit.high[0]:.3f})"
    expect(said).to_contain_text(landed)
    expect(after).to_have_text(f"Drawn after “{PROMPT}”")
    np.testing.assert_allclose(numbers(page, "logit"), logits, atol=1e-4)
    press(page, "Draw one")  # belongs to the same picture: the first of many throws is the one that was made
    expect(said).to_contain_text(landed)
    set_slider(page, "temperature", 0)
    expect(said).to_contain_text("which now lands on")
    set_slider(page, "temperature", 1)
    press(page, "What comes next?")
    expect(after).to_have_text(f"Next, after “{PROMPT}{char}”")
    expect(said).to_have_text("")
    np.testing.assert_allclose(numbers(page, "logit"), logits_after(page, url, PROMPT + char), atol=1e-3)
    page.get_by_label("Prompt").fill("Speak:\nThe king")
    expect(after).to_have_text("Next, after “…:↵The king”")


def test_a_bar_that_is_clicked_takes_the_place_of_the_step_that_is_shown(page: Page, url: str) -> None:
    show(page, url, seed=7)
    press(page, "Step")
    chosen = choose_a_bar(page)
    expect(page.get_by_test_id("next-text")).to_have_text(PROMPT + chosen)


def test_a_throw_takes_its_time_but_never_makes_the_next_one_wait(page: Page, url: str) -> None:
    page.emulate_media(reduced_motion="no-preference")
    show(page, url, seed=7)
    frames = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
    # Of the text and what is said: right after the press, and once it is drawn.
    falling = """async () => {
      const state = () => [document.querySelectorAll(".next-written").length, document.querySelector(".next-said").textContent];
      [...document.querySelectorAll(".next-buttons button")].find((button) => button.textContent === "Step").click();
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
      return state();
    }"""
    page.evaluate("""() => {
      window.flew = false;
      const letter = document.querySelector(".next-letter");
      new MutationObserver(() => { window.flew ||= letter.checkVisibility(); }).observe(letter, { attributes: true });
    }""")
    assert page.evaluate(falling) == [0, ""], "it is still falling"
    page.wait_for_function("window.flew")
    expect(page.get_by_test_id("next-said")).to_contain_text("throw 1")
    expect(page.locator(".next-written")).to_have_text(re.compile("^.$", re.DOTALL))
    for _ in range(3):
        press(page, "Step")
    page.evaluate(frames)
    page.wait_for_function("document.querySelector('.next-written').textContent.length >= 3")
    expect(page.get_by_test_id("next-said")).to_contain_text("throw 4")
    sizes = "[document.documentElement.scrollHeight > innerHeight, document.querySelector('.next-bars').getBoundingClientRect().top]"
    before = page.evaluate(sizes)
    press(page, "Draw 1,000")
    page.evaluate(frames)
    expect(page.get_by_test_id("next-counted")).to_have_text("")
    expect(page.get_by_test_id("next-counted")).to_contain_text("1,000 drawn:")
    assert page.evaluate(sizes) == before
    press(page, "Draw 1,000")
    assert numbers(page, "count").sum() == 2000, "what is downloaded has landed"


def test_what_cut_a_bar_is_named(page: Page, url: str) -> None:
    show(page, url, temperature=0)
    legend = page.get_by_test_id("next-legend")
    expect(legend).to_contain_text("probability 0: cut by temperature 0")
    set_slider(page, "temperature", 1)
    expect(legend.get_by_text("probability 0")).to_be_hidden()
    set_slider(page, "top-k", 20)
    expect(legend.get_by_text("cut by")).to_have_text("probability 0: cut by top-k")
    set_slider(page, "top-p", 0.8)
    expect(legend.get_by_text("cut by")).to_have_text("probability 0: cut by top-k and top-p")
    set_slider(page, "top-k", 0)
    expect(legend.get_by_text("cut by")).to_have_text("probability 0: cut by top-p")


def test_a_model_that_is_almost_certain_says_so_and_offers_a_choice(page: Page, url: str) -> None:
    show(page, url, prompt="ROMEO:")
    said = page.get_by_test_id("next-said")
    expect(said).to_have_text("The model is almost certain here. Press Step, or try “What is ”.")
    said.get_by_role("button", name="What is").click()
    expect(page.get_by_label("Prompt")).to_have_value("ROMEO:\nWhat is ")
    expect(said).to_have_text("")


def test_the_tab_of_the_texts_tells_that_they_are_written(page: Page, url: str) -> None:
    show(page, url)
    texts = page.get_by_role("tab", name="Texts")
    held: list[Route] = []
    page.route("**/write", lambda route: held.append(route))
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(texts).to_have_accessible_description("Texts are being written")
    expect(page.get_by_role("tab", name="Next character")).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(texts).to_have_accessible_description("")
    page.get_by_role("tab", name="Score").click()
    page.get_by_role("button", name="Again", exact=True).click()
    expect(texts).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Stop", exact=True).click()


def test_prompts_of_all_kinds(page: Page, url: str) -> None:
    show(page, url)
    prompt, notes = page.get_by_label("Prompt"), page.get_by_test_id("next-notes")
    prompt.fill("")
    expect(notes).to_have_text("The prompt is empty: the text starts from a newline.")
    prompt.fill("Z\u00fcrich \u6771")
    expect(notes).to_contain_text("Left out, because the model does not know them: ‘\u6771’.")
    expect(page.get_by_test_id("next-text")).to_have_text("Zurich ")
    long = "".join(np.random.default_rng(0).choice(list("etaoin shrdlu"), 299)) + "e"
    seen = len(long) - GPTConfig().window_start(len(long))
    prompt.fill(long)
    expect(notes).to_have_text(f"The model sees only the last {seen} characters.")
    np.testing.assert_allclose(numbers(page, "logit"), logits_after(page, url, long[-seen:]), atol=1e-3)


def test_what_the_server_refuses_is_said_beside_the_bars_and_nothing_is_lost(page: Page, url: str) -> None:
    show(page, url, seed=5)
    press(page, "Step")
    expect(page.get_by_test_id("next-said")).to_contain_text("throw 1")
    bars_are_there(page)

    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"error": "Too many wait."})

    page.route("**/next", refuse)
    press(page, "Step")
    failure = page.get_by_test_id("next-failure")
    expect(failure).to_contain_text("Too many wait.")
    expect(page.get_by_test_id("next-text")).to_have_text(re.compile(f"^{PROMPT}..$", re.DOTALL))
    two = text(page)
    page.unroute("**/next")
    page.route("**/next", lambda route: route.abort())
    failure.get_by_role("button", name="Try again").click()
    expect(failure).to_contain_text("The server cannot be reached.")
    page.unroute("**/next")
    failure.get_by_role("button", name="Try again").click()
    expect(failure).to_be_empty()
    assert text(page) == two
    press(page, "What comes next?")
    bars_are_there(page)
    np.testing.assert_allclose(numbers(page, "logit"), logits_after(page, url, two), atol=1e-3)
    page.get_by_label("Seed").fill("seven")
    press(page, "Draw one")
    expect(failure).to_contain_text("The seed must be a whole number from 0 to 9,007,199,254,740,991, or empty, not “seven”.")
    page.get_by_label("Seed").fill("7")
    expect(failure).to_be_empty()


def test_a_slow_server_is_waited_for_in_words(page: Page, url: str) -> None:
    show(page, url)
    held: list[Route] = []
    page.route("**/next", lambda route: held.append(route))
    page.get_by_label("Prompt").fill("Thy ")
    waiting, draw_one = page.get_by_test_id("next-waiting"), page.get_by_role("button", name="Draw one")
    expect(draw_one).to_be_disabled()
    expect(waiting).to_have_text("Waiting for the server…")
    held[0].fallback()
    expect(waiting).to_be_empty()
    expect(draw_one).to_be_enabled()


def test_only_the_last_of_what_is_typed_counts(page: Page, url: str) -> None:
    show(page, url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data_json["prompt"]) if request.url.endswith("/next") else None)
    page.get_by_label("Prompt").press_sequentially("king and", delay=10)
    expect(page.get_by_test_id("next-text")).to_have_text("The king and")
    assert asked[-1] == "The king and"
    assert len(asked) < len("king and")
    page.get_by_role("tab", name="Texts").click()
    page.get_by_role("tab", name="Next character").click()
    bars_are_there(page)
    assert asked.count("The king and") == 1, "the same prompt was asked for twice"


def test_it_fits(page: Page, url: str) -> None:
    show(page, url)
    press(page, "Draw 1,000")
    fits = """() => {
      const { bottom, height } = document.querySelector(".next-bars").getBoundingClientRect();
      return height > 100 && bottom <= innerHeight;
    }"""
    page.wait_for_function(fits)
    larger = page.get_by_role("button", name="Larger text")
    for _ in range(4):
        larger.click()
        page.wait_for_function(fits)
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement")
    page.wait_for_function(fits)
    page.keyboard.press("f")
    page.get_by_role("button", name="Normal text").click()
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_function("document.querySelector('.next-bars').clientHeight > 300")  # ten rows, wherever they begin
    page.keyboard.press("w")
    page.wait_for_function("document.querySelector('.next-alphabet').clientHeight > 400")  # it is folded
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
