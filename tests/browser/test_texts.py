"""The view "Texts" in a real browser: what is shaded, marked and coloured, texts side by side, and the way back."""

from __future__ import annotations

import itertools
import json
import math
import re
import urllib.request
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from model.sampling import Floats, distribution
from tests.browser.conftest import new_page, open_page
from tests.browser.tab import WRITING, card, drawn, generate, groups, point_at, set_up, start_long, texts
from tests.support.viewing import write
from ui.web.first_screen import PROMPT

# Of each card of the newest group: its text without the prompt, and the ranges of it in each highlight.
MARKS = """() => [...document.querySelector(".group").querySelectorAll(".card-text")].map((body) => {
  const text = body.lastChild;
  const ranges = (name) => [...(CSS.highlights.get(name) ?? [])]
    .filter((range) => range.startContainer === text)
    .map((range) => [range.startOffset, range.endOffset]);
  const heat = [...Array(7).keys()].flatMap((i) => ranges(`heat-${i + 1}`).map((range) => [i + 1, ...range]));
  const guessed = { kept: ranges("guess-kept"), corrected: ranges("guess-corrected") };
  return { text: text.data, shared: ranges("shared"), parting: ranges("parting"), heat, guessed };
})"""
HIGHLIGHTED = "(names) => names.reduce((sum, name) => sum + (CSS.highlights.get(name)?.size ?? 0), 0)"
# Characters per second of one generation, and of three that stand abreast and are as fast as 5, 10 and 20.
SPEED = """async (script) => {
  const { Generation, Generations } = await import(`${script}shared/generations.js`);
  const all = new Generations(null);
  const add = (chars_per_s, beside) => all.list.push(new Generation({ samples: 1, chars_per_s, beside }, null));
  add(30, "");
  const speeds = [all.speed];
  for (const chars_per_s of [5, 10, 20]) add(chars_per_s, "temperatures");
  return [...speeds, all.speed];
}"""
# What is said of texts and those before them.
COMPARISON = """async ([script, cases]) => {
  const { comparison } = await import(`${script}sample/texts/compared.js`);
  const view = { seed: 1 };
  return cases.map(([texts, before, live]) => comparison({ texts, earlier: { texts: before, view }, live, view }));
}"""
# How many generations the newest holds, itself included, after so many presses of the same.
HELD = """async ([script, presses]) => {
  const { Generations } = await import(`${script}shared/generations.js`);
  const all = new Generations({ primary: { key: "m", take() {} } });
  const lines = [{ prompt: "a", samples: 1, seed: 1, first_sample: 0, state: "running" }, { state: "done", new: ["b"] }];
  const { fetch } = window;
  window.fetch = async () => new Response(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  for (let press = 0; press < presses; press++) await all.write({ seed: 1 }, { compare: true });
  window.fetch = fetch;
  let held = 0;
  for (let one = all.list.at(-1); one; one = one.earlier) held++;
  return held;
}"""
# The texts and states of a first screen whose lines are cut off once: when that is noticed, and once the server answers again.
CUT_OFF = """async (script) => {
  const { Generations } = await import(`${script}shared/generations.js`);
  const all = new Generations(null);
  const begin = { state: "running", ahead: 0 };
  const answers = [[begin, { new: ["ab", "c"] }], [begin, { new: ["a", "cd"] }, { new: ["b!", ""], state: "done" }]];
  const { fetch, soliloquy } = window;
  window.fetch = async () => new Response(answers.shift().map((line) => `${JSON.stringify(line)}\n`).join(""));
  let back;
  window.soliloquy = { ...soliloquy, reachable: () => new Promise((answers) => (back = answers)) };
  const states = [];
  const keep = ({ texts, view }) => states.push([...texts, view.state]);
  await all.show({ texts: ["", ""], key: "k", samples: 2, state: "running" }, { key: "m" });
  keep(all.list[0]);
  const written = new Promise((done) => all.addEventListener("grow", ({ detail }) => detail.live || done()));
  back();
  await written;
  keep(all.list[0]);
  Object.assign(window, { fetch, soliloquy });
  return states;
}"""
HEAT = [f"heat-{step}" for step in range(1, 8)]
SEEDS = itertools.count(1)
Marks = list[dict[str, Any]]
Steps = NDArray[np.int64]


def expected_marks(texts: list[str]) -> list[tuple[list[list[int]], list[list[int]]]]:
    """What should be shaded and marked of texts that are compared, some of them perhaps not written to their end."""
    if len(texts) < 2:
        return [([], [])] * len(texts)
    shared = next(n for n in range(min(map(len, texts)), -1, -1) if len({text[:n] for text in texts}) == 1)
    marks = []
    for i, text in enumerate(texts):
        others = texts[:i] + texts[i + 1 :]
        alone = [n for n in range(len(text)) if not any(other[: n + 1] == text[: n + 1] for other in others)]
        parted = alone and not any(text.startswith(other) for other in others)  # a shorter one may still go on likewise
        marks.append(([[0, shared]] if shared else [], [[alone[0], alone[0] + 1]] if parted else []))
    return marks


def check_marks(marks: Marks) -> None:
    assert [(mark["shared"], mark["parting"]) for mark in marks] == expected_marks([mark["text"] for mark in marks])


def logits_of(url: str, key: str, sample: int) -> Floats:
    """What the characters of a sample were drawn from, (n, V)."""
    with urllib.request.urlopen(f"{url}/logits/{key}/{sample}") as response:
        shape = [int(n) for n in response.headers["X-Soliloquy-Shape"].split(",")]
        return np.frombuffer(response.read(), "<f4").reshape(shape).astype(float)


def painted(mark: dict[str, Any]) -> Steps:
    """The step in which each character is painted."""
    steps = np.zeros(len(mark["text"]), dtype=int)
    for step, begin, end in mark["heat"]:
        assert not steps[begin:end].any(), "painted twice"
        steps[begin:end] = step
    return steps


def expected_steps(page: Page, text: str, logits: Floats) -> Steps:
    """The step in which each character should be: its surprisal in whole bits, of the probability before temperature, top-k and top-p."""
    vocabulary = page.evaluate("async () => (window.vocabulary ??= (await (await fetch('./models')).json()).models[0].vocabulary)")
    raw = distribution(logits[: len(text)])
    return np.array([min(7, int(-math.log2(p[vocabulary.index(char)]))) for p, char in zip(raw, text, strict=True)])


def check_painting(page: Page, url: str, key: str) -> list[int]:
    """What is painted of the newest group is painted rightly, nothing left out; returns up to where."""
    until = []
    for sample, mark in enumerate(page.evaluate(MARKS)):
        end = max((end for _, _, end in mark["heat"]), default=0)
        assert painted(mark)[:end].tolist() == expected_steps(page, mark["text"], logits_of(url, key, sample))[:end].tolist()
        until.append(end)
    return until


def answer_with(page: Page, texts: list[str]) -> None:
    """Lets the next press be answered by these texts, stopped wherever they end."""
    view = {
        "run": 1,
        "key": "",
        "prompt": "ROMEO:",
        "seed": next(SEEDS),
        "temperature": 0.8,
        "samples": len(texts),
        "first_sample": 0,
        "notice": "",
    }
    lines = [view | {"state": "waiting", "ahead": 0}, {"state": "stopped", "new": texts, "elapsed_s": 1}]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    page.route("**/write", lambda route: route.fulfill(body=body, content_type="application/x-ndjson"), times=1)


def test_what_all_begin_with_is_shaded_and_partings_are_marked(page: Page) -> None:
    cases = [
        ["alone"],
        ["same", "same", "same"],
        ["I have", "I had ", "You hav"],
        ["\nthe", "\nthe k", "\nthe q"],  # not written equally far
        ["", "a"],
        ["Sir", "sir", "Sir"],
        ["ab", "ac", "b"],
    ]
    for given in cases:
        answer_with(page, given)
        generate(page)
        marks = page.evaluate(MARKS)
        assert [mark["text"] for mark in marks] == given
        check_marks(marks)


def test_marks_follow_the_writing(page: Page) -> None:
    set_up(page, prompt="KING:", temperature=0.3)
    start_long(page)
    lengths = set()
    while len(lengths) < 3:
        marks = page.evaluate(MARKS)
        check_marks(marks)
        lengths.add(len(marks[0]["text"]))
        if page.get_by_test_id("status").first.inner_text() != "writing":
            break  # quicker than looks
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    set_up(page, prompt="QUEEN:", temperature=0, samples=3, length=50)
    generate(page)
    marks = page.evaluate(MARKS)
    assert [(mark["shared"], mark["parting"]) for mark in marks] == [([[0, 50]], [])] * 3
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate(HIGHLIGHTED, ["shared", "parting"]) == 0


def switch_colours(page: Page) -> str:
    """Turns the colours on for texts that nobody has looked into yet; returns the key under which they are remembered."""
    with page.expect_request("**/logits/*/*") as asked:
        page.get_by_role("button", name="Colour by surprisal").click()
    return asked.value.url.split("/")[-2]


def paint_all(page: Page, url: str, key: str, sample: int = 0) -> None:
    """Waits until a text of the newest group is painted to its end."""
    text = page.evaluate(MARKS)[sample]["text"]
    last = int(expected_steps(page, text, logits_of(url, key, sample)).nonzero()[0][-1])
    page.wait_for_function(f"([sample, last]) => ({MARKS})()[sample].heat.some(([, , end]) => end > last)", arg=[sample, last])


def test_each_character_has_the_colour_of_its_surprisal(page: Page, url: str) -> None:
    set_up(page, prompt="First", temperature=1.3, samples=3, length=120)
    generate(page)
    key = switch_colours(page)
    for sample in range(3):
        paint_all(page, url, key, sample)
    assert min(check_painting(page, url, key)) > 100
    assert {step for mark in page.evaluate(MARKS) for step, _, _ in mark["heat"]} == set(range(1, 8))
    assert page.evaluate(HIGHLIGHTED, ["shared", "parting"]) == 0, "a shade would pass for a colour"
    expect(page.locator(".heat-legend").first).to_be_visible()
    page.get_by_role("button", name="Colour by surprisal").click()
    assert page.evaluate(HIGHLIGHTED, HEAT) == 0
    expect(page.locator(".heat-legend").first).to_be_hidden()
    check_marks(page.evaluate(MARKS))


GUESSED: dict[str, Any] = {  # of each sample: what was guessed, and the ranges that are coloured
    "texts": ["the king", "all"],
    "guesses": ["-he--ins", "---"],
    "kept": [[[1, 3], [5, 7]], []],
    "corrected": [[[7, 8]], []],
    "said": "80 % of the guesses kept: 1.4 characters per step of the GPT instead of one",
}


def answer_with_guesses(page: Page) -> None:
    """Lets the server answer with these texts, as if it had guessed so; in two lines, the last of them without guesses."""
    vocabulary = page.evaluate("async () => (await (await fetch('./models')).json()).models[0].vocabulary")
    ids = [[-1 if char == "-" else vocabulary.index(char) for char in guesses] for guesses in GUESSED["guesses"]]

    def fulfill(route: Route) -> None:
        asked = route.request.post_data_json
        first = {**asked, "key": "k", "generation": 1, "notice": "", "precision": "float32", "seed": 1, "first_step": 0, "state": "running"}
        news = {"state": "running", "new": GUESSED["texts"], "elapsed_s": 1, "chars_per_s": 9, "guesses": ids}
        last = {"state": "done", "new": ["", " is"], "elapsed_s": 1, "chars_per_s": 9}
        route.fulfill(body="".join(json.dumps(line) + "\n" for line in (first, news, last)), content_type="application/x-ndjson")

    page.route("**/write", fulfill, times=1)


def test_each_character_has_the_colour_of_its_guess(page: Page) -> None:
    answer_with_guesses(page)
    set_up(page, prompt="See", samples=2, length=8)
    generate(page)
    switch = page.get_by_role("button", name="Colour guesses")
    place = switch.bounding_box()
    switch.click()
    page.wait_for_function("() => CSS.highlights.get('guess-kept')?.size && CSS.highlights.get('guess-corrected')?.size")  # fetched first
    expect(page.locator(".guesses-said")).to_have_text(GUESSED["said"])
    drawn(page)
    assert switch.bounding_box() == place, "another press would not turn it off"
    marks = page.evaluate(MARKS)
    assert [mark["guessed"]["kept"] for mark in marks] == GUESSED["kept"]
    assert [mark["guessed"]["corrected"] for mark in marks] == GUESSED["corrected"]
    assert page.evaluate(HIGHLIGHTED, ["shared", "parting"]) == 0, "a shade would pass for a colour"
    page.wait_for_url("**guesses=1*")
    page.keyboard.press("e")
    expect(switch).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_test_id("guesses")).to_be_hidden()
    assert page.evaluate(HIGHLIGHTED, ["guess-kept", "guess-corrected"]) == 0
    check_marks(page.evaluate(MARKS))


@pytest.mark.parametrize("has_caption", [False, True])
def test_a_phone_says_who_guesses_and_has_room_for_the_text(phones: BrowserContext, url: str, has_caption: bool) -> None:
    phones.add_init_script(f"localStorage.setItem('soliloquy-captions', '{'on' if has_caption else 'off'}')")
    with new_page(phones) as page:
        open_page(page, f"{url}#guesses=1&run=none")
        answer_with_guesses(page)
        set_up(page, prompt="See", samples=2, length=8)
        generate(page)
        expect(page.locator(".guesses-said")).to_have_text(GUESSED["said"])
        expect(page.locator(".guesses-lesson")).to_contain_text("n-gram table guesses", use_inner_text=True)
        expect(page.locator(".guesses-more")).to_be_visible(visible=has_caption)
        if not has_caption:
            lines = "node => node.offsetHeight / parseFloat(getComputedStyle(node).lineHeight)"
            assert page.locator(".guesses-lesson").evaluate(lines) < 2, "it takes the room of the text"


@pytest.mark.slow
def test_what_the_server_guesses_is_coloured_and_said(page: Page) -> None:
    page.get_by_role("button", name="Colour guesses").click()
    set_up(page, prompt="ROMEO:", samples=1, length=120)
    generate(page)
    if "No guesses here." in page.locator(".guesses-said").inner_text():
        pytest.skip("this machine makes no guesses: they would not be faster, or not the same")
    (mark,) = page.evaluate(MARKS)
    kept, corrected = (sum(end - begin for begin, end in mark["guessed"][kind]) for kind in ("kept", "corrected"))
    assert kept > corrected > 0
    assert page.locator(".guesses-said").inner_text().startswith(f"{kept / (kept + corrected):.0%}".replace("%", " %"))
    begin = mark["guessed"]["corrected"][0][0]
    card(page, 0).focus()
    for _ in range(begin + 1):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("inspector")).to_contain_text("The table had guessed")
    page.get_by_role("button", name="Colour by surprisal").click()  # one or the other
    expect(page.get_by_role("button", name="Colour guesses")).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_test_id("guesses")).to_be_hidden()
    page.get_by_role("button", name="Colour by surprisal").click()


def test_colours_follow_the_writing(page: Page, url: str) -> None:
    set_up(page, prompt="KING:")
    start_long(page)
    key = switch_colours(page)
    reached = {0}
    while len(reached) < 4:
        reached.add(min(check_painting(page, url, key)))
        if page.get_by_test_id("status").first.inner_text() != "writing":
            break  # quicker than looks
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    for sample in range(4):
        card(page, sample).scroll_into_view_if_needed()  # texts written to their ends do not all fit the screen
        paint_all(page, url, key, sample)
    check_painting(page, url, key)
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate(HIGHLIGHTED, HEAT) == 0


def test_only_texts_in_sight_are_coloured(page: Page, url: str) -> None:
    set_up(page, prompt="KING:", samples=16, length=200)
    generate(page)
    key = switch_colours(page)
    paint_all(page, url, key)
    page.wait_for_function("performance.getEntriesByType('resource').some(({ name }) => name.includes('/15?since'))")
    page.wait_for_function(f"({MARKS})()[15].heat.length === 0")
    card(page, 15).scroll_into_view_if_needed()
    paint_all(page, url, key, 15)
    page.wait_for_function(f"({MARKS})()[0].heat.length === 0")
    check_painting(page, url, key)


def settings_of(page: Page) -> list[list[str]]:
    """What is said above each generation of the newest group, but for how its writing went."""
    blocks = page.get_by_test_id("group").first.locator(".group-line").all()
    return [block.locator(".setting:not(.group-model), .seed").all_inner_texts() for block in blocks]


def compare(page: Page, *temperatures: float, presses: int = 1) -> None:
    """Has three texts written side by side."""
    for number, temperature in enumerate(temperatures, start=1):
        page.get_by_label(f"Temperature {number}", exact=True).fill(str(temperature))
    press = page.get_by_role("button", name="Compare temperatures")
    press.evaluate("(button, presses) => { for (let i = 0; i < presses; i++) button.click(); }", presses)
    page.wait_for_function("document.querySelector('.group.abreast')?.querySelectorAll('.card').length === 3")
    page.wait_for_function(f"!document.querySelector('{WRITING}')")


@pytest.mark.parametrize("seed", ["77", ""])
def test_three_temperatures_stand_side_by_side(page: Page, url: str, seed: str) -> None:
    set_up(page, prompt="JULIET:", seed=seed, length=60)
    compare(page, 1.2, 0.3, 0.7, presses=3)
    assert page.get_by_test_id("group").count() == 1
    said = settings_of(page)
    assert [words[0] for words in said] == ["temperature 0.3", "temperature 0.7", "temperature 1.2"]
    seeds = {words[1].removeprefix("seed ") for words in said}
    assert len(seeds) == 1
    assert not seed or seeds == {seed}
    again = [write(url, prompt="JULIET:", seed=min(seeds), temperature=t, samples=1, length=60)[0] for t in (0.3, 0.7, 1.2)]
    assert texts(page) == [f"JULIET:{text}" for text in again]
    assert page.locator(".card-number").all_inner_texts() == ["at 0.3", "at 0.7", "at 1.2"]
    check_marks(page.evaluate(MARKS))
    tops = [block.bounding_box()["y"] for block in page.locator(".group.abreast > *").all()]
    assert len(set(tops)) == 1, "they do not stand abreast"


def test_a_repeated_generation_says_whether_it_is_identical(page: Page) -> None:
    compared, pair = page.get_by_test_id("compared").first, page.locator(".pair > .group")
    set_up(page, prompt="KING:", seed="5", samples=2, length=60)
    first = generate(page)
    expect(compared).to_be_hidden()
    assert generate(page) == first
    expect(compared).to_have_text("Identical to the texts before, character for character ✓")
    assert groups(page) == [first, first]
    assert [(mark["shared"], mark["parting"]) for mark in page.evaluate(MARKS)] == [([[0, 60]], [])] * 2
    boxes = [group.bounding_box() for group in pair.all()]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] < boxes[1]["x"]
    set_up(page, temperature=1.6)
    warmer = generate(page)
    at = [next(i for i in range(60) if a[5 + i] != b[5 + i]) for a, b in zip(warmer, first, strict=True)]
    expect(compared).to_have_text(f"Diverge from the texts before at characters {at[0] + 1} and {at[1] + 1}")
    assert groups(page) == [warmer, first]
    assert [mark["parting"] for mark in page.evaluate(MARKS)] == [[[i, i + 1]] for i in at]
    set_up(page, seed="")
    other = generate(page)
    expect(compared).to_have_text(re.compile("^Other dice: diverge from the texts before at characters"))
    assert groups(page) == [other, warmer]
    expect(pair).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(pair).to_have_count(2)
    set_up(page, prompt="QUEEN:")
    generate(page)
    expect(page.get_by_test_id("group")).to_have_count(1)


def scripts(page: Page) -> str:
    """The folder of the page's scripts."""
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    return next(match[0] for name in loaded if (match := re.match(r".*/assets/\w+/", name)))


def test_texts_are_compared_as_far_as_there_is_something_of_both(kept_page: Page) -> None:
    cases = {
        "": [["", ""], ["", ""], False],
        "Identical to the text before, character for character ✓": [["ab", ""], ["ab", "cd"], False],
        "Diverges from the text before at character 2": [["ab", ""], ["ac", ""], False],
        "1 of 2 identical to the texts before; the rest diverge at character 1": [["ab", "c"], ["ab", "d"], False],
        "Identical to the texts before so far": [["a", "c"], ["ab", "cd"], True],
    }
    assert kept_page.evaluate(COMPARISON, [scripts(kept_page), [*cases.values()]]) == [*cases]


def test_what_undo_no_longer_brings_back_is_let_go(kept_page: Page) -> None:
    assert kept_page.evaluate(HELD, [scripts(kept_page), 20]) == 20
    assert kept_page.evaluate(HELD, [scripts(kept_page), 60]) <= 32


def test_a_first_screen_that_was_cut_off_goes_on_once_the_server_answers(kept_page: Page) -> None:
    assert kept_page.evaluate(CUT_OFF, scripts(kept_page)) == [["ab", "c", "lost"], ["ab!", "cd", "done"]]


def test_the_speed_counts_all_that_stand_abreast(kept_page: Page) -> None:
    assert kept_page.evaluate(SPEED, scripts(kept_page)) == [30, 35]


def test_undo_brings_back_texts_and_prompt(page: Page) -> None:
    def state() -> list[Any]:
        settings = page.locator(".group-line :is(.setting, .seed)").all_inner_texts()
        return [groups(page), settings, page.get_by_label("Prompt").input_value()]

    def force() -> None:
        said = point_at(page, card(page), 3, click=True)
        said.locator(".candidate:not(.candidate-drawn)").first.click()
        finished(4)

    def go_on() -> None:
        point_at(page, card(page), 5, click=True).get_by_role("button", name="Continue from here").click()
        finished(3)

    def finished(count: int) -> None:
        expect(page.get_by_test_id("group")).to_have_count(count)
        page.wait_for_function(f"!document.querySelector('{WRITING}')")

    def clear() -> None:
        page.get_by_role("button", name="Clear").click()

    set_up(page, prompt="KING:", seed="5", samples=2, length=30)
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_disabled()
    before = []
    presses = [lambda: generate(page), lambda: generate(page, "Again"), go_on, force, clear, lambda: compare(page, 0.3, 0.7, 1.2)]
    for press in presses:
        before.append(state())
        press()
        assert state() != before[-1]
    for earlier in reversed(before):
        undo.click()
        assert state() == earlier
    expect(undo).to_be_disabled()


def test_again_after_undo_throws_the_same_dice_once_more(page: Page) -> None:
    set_up(page, seed="5", samples=2, length=30)
    first = generate(page)
    again = generate(page, "Again")
    page.get_by_role("button", name="Undo").click()
    assert texts(page) == first
    assert generate(page, "Again") == again != first


def test_two_tabs_of_a_browser_do_not_mix(page: Page, url: str) -> None:
    other = page.context.new_page()
    open_page(other, url)
    for tab, seed in ((page, "1"), (other, "2")):
        set_up(tab, seed=seed, samples=2, length=60)
        tab.get_by_role("button", name="Generate").click()
    switch_colours(other)
    for tab, seed in ((page, 1), (other, 2)):
        expect(tab.get_by_test_id("status").first).to_contain_text("120 characters in")
        assert texts(tab) == [PROMPT + text for text in write(url, prompt=PROMPT, temperature=0.8, seed=seed, samples=2, length=60)]
    other.wait_for_function(f"({HIGHLIGHTED})({HEAT}) > 0")
    assert page.evaluate(HIGHLIGHTED, HEAT) == 0


def test_colours_of_a_server_that_is_gone_are_missed_with_a_word(browser: Browser, url: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    open_page(page, url)
    set_up(page, prompt="KING:", samples=2, length=40)
    written = generate(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    context.set_offline(True)
    page.get_by_role("button", name="Colour by surprisal").click()
    expect(page.get_by_test_id("notice")).to_contain_text("The server cannot be reached. Nothing is lost")
    page.wait_for_timeout(300)
    assert len([address for address in asked if not address.endswith("/healthz")]) == 1, "it asks again and again"
    assert texts(page) == written
    context.set_offline(False)
    for _ in range(2):
        page.get_by_role("button", name="Colour by surprisal").click()
    page.wait_for_function("CSS.highlights.get('heat-1').size > 0")
    context.close()
