"""Every state of the page has an address, and no address harms the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote, urlencode, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from model.limits import MAX_PROMPT_CHARS
from tests.browser.conftest import open_page
from tests.browser.tab import drawn, state_of
from tests.support.viewing import write
from ui.web.first_screen import PROMPT

AWKWARD = 'He said, "100% & more"; a+b #1?\n\n  ‘x’—=,'
WRONG = ["abc", "NaN", "-1", "1e999", "", "<script>alert(1)</script>", "${alert(1)}", "{{7*7}}"]
MOST_RUNS = 32
DONE = """count => document.querySelectorAll(".group-block").length === count
  && [...document.querySelectorAll(".group .status")].every((status) => status.textContent.match(/ characters? in /))"""
# All that a reader sees of a state, but for times.
STATE = """() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const value = (selector) => document.querySelector(selector)?.value; // a view that was not shown yet is not there
  const block = (block) => ({
    settings: all(".setting, .seed", block).map((node) => node.textContent),
    numbers: all(".card-number", block).map((node) => node.textContent),
    texts: all(".card-text", block).map((node) => node.textContent),
  });
  return {
    controls: ["prompt textarea", "seed input", "temperature input", "length input", "samples input", "top-k input", "top-p input"]
      .map((field) => value(`#${field}`)),
    view: document.querySelector(".views [aria-selected=true]").textContent,
    groups: all(".group").map((group) => all(".group-block", group).map(block)),
    colours: document.querySelector(".texts-bar .switch").getAttribute("aria-pressed"),
    next: all(".next-text > *").map((node) => [node.className, node.textContent]),
    score: [value(".score-field"), ...all(".score-text, .score-figure b").map((node) => node.textContent)],
  };
}"""


def set_up(page: Page, *, prompt: str | None = None, seed: str | None = None, **numbers: float) -> None:
    """Fills in the controls, numbers by their labels."""
    if prompt is not None:
        page.get_by_label("Prompt").fill(prompt)
    if seed is not None:
        page.get_by_label("Seed").fill(seed)
    for label, value in numbers.items():
        field = page.get_by_label(f"number input for {label.capitalize().replace('_', '-')}")
        field.fill(str(value))
        field.blur()


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def wait_for_runs(page: Page, count: int) -> None:
    """Until this many runs are written to their ends, and the address tells of them."""
    page.wait_for_function(DONE, arg=count)
    page.wait_for_function("count => location.hash.match(/\\b(run|beside)=/g)?.length === count", arg=count)


def copied(page: Page) -> str:
    """The link that the page gives."""
    press(page, "Copy link")
    expect(page.locator(".bar-said")).to_contain_text("Link copied")
    return page.evaluate("navigator.clipboard.readText()")


@pytest.fixture
def context(context: BrowserContext) -> Iterator[BrowserContext]:
    """For tests that open several tabs. No error may reach the console of any, and no dialog may open."""
    problems: list[str] = []
    listeners = {
        "console": lambda message: problems.append(message.text) if message.type == "error" else None,
        "weberror": lambda error: problems.append(str(error.error)),
        "dialog": lambda dialog: (problems.append(dialog.message), dialog.dismiss()),
    }
    for event, listener in listeners.items():
        context.on(event, listener)
    yield context
    for event, listener in listeners.items():
        context.remove_listener(event, listener)
    context.pages[0].evaluate("localStorage.clear()")
    for page in context.pages:
        page.close()
    assert not problems


@pytest.fixture
def page(context: BrowserContext, url: str) -> Page:
    """The page as it is without an address."""
    page = context.new_page()
    open_page(page, url)
    return page


def at(context: BrowserContext, address: str, runs: int = 0) -> Page:
    """Another page at an address."""
    page = context.new_page()
    open_page(page, address)
    if runs:
        wait_for_runs(page, runs)
    return page


def same_elsewhere(context: BrowserContext, page: Page, runs: int) -> None:
    """Whether the page's address and its link, opened elsewhere, show what the page shows."""
    wait_for_runs(page, runs)
    address = copied(page)
    page.wait_for_function("address => location.href === address", arg=address)
    other = at(context, address, runs)
    assert other.evaluate(STATE) == page.evaluate(STATE)
    other.wait_for_function("address => location.href === address", arg=address)  # it comes to rest where it began
    other.close()


def count_posts(page: Page) -> list[Request]:
    """Fills with what the page asks to be written."""
    posts: list[Request] = []
    page.on("request", lambda request: posts.append(request) if request.url.endswith("/write") else None)
    return posts


def words(page: Page, name: str = "run") -> list[str]:
    """The runs in the address."""
    return state_of(page.evaluate("location.href")).get(name, [])


def test_whatever_was_written_is_written_again_elsewhere(context: BrowserContext, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")  # the page scrolls at once: a scroll closes what explains a character
    press(page, "Clear")  # the first screen is not taken for what is written
    set_up(page, prompt=AWKWARD, seed="7", samples=2, length=20)
    press(page, "Generate")
    page.wait_for_function(DONE, arg=1)
    press(page, "Again")  # the next samples of the seed
    page.wait_for_function(DONE, arg=2)
    page.locator("#more-button").click()
    set_up(page, prompt="", seed="", temperature=1.3, top_k=9, top_p=0.85)
    press(page, "Again")  # of a seed that was drawn
    page.wait_for_function(DONE, arg=3)
    set_up(page, samples=1)
    page.get_by_label("number input for Temperature").fill("1e-7")
    press(page, "Again")
    page.wait_for_function(DONE, arg=4)
    text = page.locator(".group").last.locator(".card-text").last
    text.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
        expect(page.get_by_test_id("inspector")).to_be_visible()
        drawn(page)
    page.get_by_test_id("inspector").locator("button.candidate").nth(3).click()  # another character
    page.wait_for_function(DONE, arg=5)
    expect(page.locator(".group").first).to_contain_text("chosen by hand")
    page.locator(".group").first.locator(".card-text").focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
        expect(page.get_by_test_id("inspector")).to_be_visible()
        drawn(page)
    press(page, "Continue from here")
    page.wait_for_function(DONE, arg=6)
    page.get_by_role("button", name="Colour by surprisal").click()
    same_elsewhere(context, page, 6)


def test_runs_side_by_side_keep_their_order(context: BrowserContext, page: Page) -> None:
    held: list[Route] = []

    def turn_round(route: Route) -> None:
        held.append(route)
        if len(held) == 3:
            for last in reversed(held):
                last.continue_()

    page.route("**/write", turn_round)
    set_up(page, length=12)
    page.get_by_role("button", name="Compare temperatures").click()
    wait_for_runs(page, 3)
    temperatures = [word.split(",")[0] for word in words(page) + words(page, "beside")]
    assert temperatures == ["0.5", "0.8", "1.2"]
    same_elsewhere(context, page, 3)


def test_every_view_has_an_address(context: BrowserContext, page: Page) -> None:
    set_up(page, prompt="The k", length=12, samples=2, seed="3")
    press(page, "Generate")
    wait_for_runs(page, 1)
    page.get_by_role("tab", name="Tree").click()
    page.wait_for_url("**view=tree*")
    same_elsewhere(context, page, 1)
    page.get_by_role("tab", name="Next character").click()
    expect(page.get_by_test_id("next-entropy")).to_contain_text(re.compile(r"\d bits"))
    for _ in range(3):
        page.get_by_role("button", name="Step", exact=True).click()
    page.wait_for_url("**steps=3*")
    other = at(context, page.evaluate("location.href"), 1)
    other.wait_for_function("document.querySelector('.next-text').textContent.length >= 8")
    assert other.evaluate(STATE) == page.evaluate(STATE)
    other.close()
    page.get_by_role("tab", name="Score").click()
    page.get_by_label("Your text").fill("Too hot, too hot!\n100% & more")
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.get_by_label("The scored text")).to_contain_text("Too hot")  # no longer the example
    expect(page.locator(".score-status")).to_have_text(re.compile("only context$"))
    page.wait_for_url("**text=Too*")
    other = at(context, page.evaluate("location.href"), 1)
    expect(other.locator(".score-status")).to_have_text(re.compile("only context$"))
    assert other.evaluate(STATE)["score"] == page.evaluate(STATE)["score"]


def test_the_first_screen_stays_and_nothing_is_written(context: BrowserContext, page: Page, url: str) -> None:
    stored = page.evaluate(STATE)
    page.wait_for_timeout(500)
    assert page.evaluate("location.href").rstrip("/") == url
    other = context.new_page()
    posts = count_posts(other)
    open_page(other, f"{url}/?prompt=KING%3A&temperature=1.5&view=tree")
    other.wait_for_timeout(500)
    shown = other.evaluate(STATE)
    assert shown["groups"] == stored["groups"]
    assert (shown["controls"][0], shown["view"]) == ("KING:", "Tree")
    assert not posts
    other.close()
    set_up(page, length=12, samples=1)
    press(page, "Again")  # beside the stored ones
    page.wait_for_function("document.querySelectorAll('.group').length === 2 && !document.querySelector('.group .running')")
    page.wait_for_url("**run=stored*")
    page.reload()
    page.wait_for_function("document.querySelectorAll('.group').length === 2 && !document.querySelector('.group .running')")
    assert page.evaluate(STATE)["groups"][1] == stored["groups"][0]
    press(page, "Clear")
    page.wait_for_url("**run=none*")
    page.reload()
    expect(page.locator(".folio .empty")).to_be_visible()
    expect(page.locator(".group")).to_have_count(0)


def test_loaded_anew_between_two_runs_and_at_the_end(page: Page, url: str) -> None:
    asked = {"prompt": PROMPT, "temperature": 0.8, "length": 20, "samples": 2, "seed": 11}
    expected = [[PROMPT + text for text in write(url, **asked, first_sample=first)] for first in (0, 2)]
    held: list[Route] = []

    def hold_second(route: Route) -> None:
        if route.request.post_data_json["first_sample"] and not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/write", hold_second)
    page.goto(f"{url}/?seed=11&run=0.8,20,2,11,0,0,0,1&run=0.8,20,2,11,2,0,0,1")
    page.wait_for_function(DONE, arg=1)
    page.wait_for_timeout(500)
    assert held
    assert len(words(page)) == 2
    for _ in range(2):
        page.reload()
        wait_for_runs(page, 2)
        assert [block["texts"] for group in page.evaluate(STATE)["groups"] for block in group] == expected[::-1]


def test_loaded_anew_while_it_writes_and_stopped(context: BrowserContext, page: Page) -> None:
    begun = "least => document.querySelector('.group .running .card-text')?.textContent.length > least"
    set_up(page, prompt="KING:", length=2000, samples=2)
    press(page, "Generate")
    page.wait_for_function(begun, arg=20)
    page.wait_for_url("**run=*")
    before = page.locator(".card-text").all_text_contents()
    page.reload()
    page.wait_for_function(begun, arg=max(map(len, before)))
    press(page, "Stop")
    texts = page.locator(".card-text").all_text_contents()
    assert [text[: len(begun)] for text, begun in zip(texts, before, strict=True)] == before
    other = at(context, copied(page), 1)
    expect(other.locator(".group .status")).to_contain_text(f"{2 * (max(map(len, texts)) - len('KING:')):,} characters in")
    again = other.locator(".card-text").all_text_contents()
    assert [text[: len(before)] for text, before in zip(again, texts, strict=True)] == texts
    assert len(again[0]) == max(map(len, texts))


def test_who_writes_something_else_meanwhile_gets_that_alone(page: Page, url: str) -> None:
    page.goto(f"{url}/?run=0.8,500,1,1,0,0,0,1&run=0.8,500,1,2,0,0,0,1")
    page.wait_for_function("document.querySelector('.group .running .card-text')?.textContent.length > 6")
    posts = count_posts(page)
    # What the address asked for is done before the press is answered.
    page.evaluate("""() => {
      const real = window.fetch;
      window.fetch = async (...asked) => {
        await new Promise((ready) => {
          const look = () => (document.querySelector(".group .running") ? setTimeout(look, 5) : setTimeout(ready, 100));
          look();
        });
        return real(...asked);
      };
    }""")
    set_up(page, prompt="KING:", length=12, samples=1)
    press(page, "Generate")
    page.wait_for_function("document.querySelector('.folio .prompt').textContent === 'KING:'")
    wait_for_runs(page, 1)
    assert [json.loads(post.post_data or "")["prompt"] for post in posts] == ["KING:"]


@pytest.mark.parametrize("shift", [0, 3, 6])
def test_wrong_settings_are_named_and_the_rest_is_taken(context: BrowserContext, url: str, shift: int) -> None:
    page = context.new_page()
    posts = count_posts(page)
    wrong = dict(zip(["temperature", "length", "seed", "top_k", "top_p"], WRONG[shift:] + WRONG[:shift], strict=False))
    prompt = WRONG[shift]
    open_page(page, f"{url}/?{urlencode(wrong | {'prompt': prompt, 'samples': 3, 'view': 'tree'})}")
    notice = page.get_by_test_id("notice")
    for name, word in wrong.items():
        if name != "seed" or word:  # an empty one is none
            expect(notice).to_contain_text(f"The address sets {name.replace('_', '-')} to “{word}”")
    expect(notice).to_have_attribute("role", "alert")
    state = page.evaluate(STATE)
    assert state["controls"] == [prompt, "", "0.8", "300", "3", "0", "1"]
    assert state["view"] == "Tree"
    assert page.locator("#sample script").count() == 0
    page.wait_for_timeout(400)
    assert state_of(page.evaluate("location.href")) == {"prompt": [prompt], "samples": ["3"], "view": ["tree"]}
    assert not posts


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("temperature=" + "9" * 10_000, "The address sets temperature to “" + "9" * 40 + "…”; it must be from 0 to 2."),
        ("seed=" + "9" * 10_000, "it must be a whole number from 0 to 9,007,199,254,740,991."),
        ("length=1.5", "The address sets length to “1.5”; it must be a whole number from 1 to 2,000."),
        ("view=%3Cscript%3E", "There is no view “<script>”."),
        ("run=0.8,40,4&run=9,5,1,7,0,0,0,1&run=0.8,5,1,0.5,0,0,0,1", "asks for 3 generations that cannot be read: “0.8,40,4”."),
        ("view=texts" + "&run=x" * 1000, "The address asks for 1,000 generations; the first 32 are written."),
        ("models=" + ",".join(["deadbeef"] * 1000), "The model deadbeef is not on this server."),
        (
            "models=" + ",".join(f"{n:08}" for n in range(1000)),
            "00000002 is not on this server. The address names 997 more models that cannot be used.",
        ),
        ("dice=9.9&sort=x&colours=x&guesses=x&steps=-1&chosen=1.1.1", ""),
    ],
)
def test_what_cannot_be_read_is_said(context: BrowserContext, url: str, query: str, said: str) -> None:
    page = context.new_page()
    posts = count_posts(page)
    open_page(page, f"{url}/?{query}")
    notice = page.get_by_test_id("notice")
    expect(notice).to_contain_text(said)
    assert (notice.text_content() or "").count(said) == 1 or not said
    assert not posts
    for name in ("Next character", "Tree", "Same dice", "Score"):
        page.get_by_role("tab", name=name).click()
    assert page.get_by_test_id("card").count() > 1  # the first screen


@pytest.mark.slow
def test_a_page_opens_before_the_server_has_read_all_snapshots(context: BrowserContext, url: str) -> None:
    page, held = context.new_page(), list[Route]()
    page.route("**/learning/runs", lambda route: held.append(route))  # never answered
    open_page(page, f"{url}/#models=deadbeef")
    expect(page.get_by_test_id("notice")).to_contain_text("The model deadbeef is not on this server.")
    assert len(held) == 1


def test_no_more_runs_are_written_than_allowed_and_what_was_wrong_stays_said(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    posts = count_posts(page)
    run = "run=" + quote("0,1,1,7,0,0,0,1,A,B & <b>")
    open_page(page, f"{url}/?model=00000000-float32&seed=x&{run}&{'&'.join(['run=0,1,1,7,0,0,0,1'] * 39)}")
    wait_for_runs(page, MOST_RUNS)
    notice = page.get_by_test_id("notice")
    for said in (
        "The model 00000000 is not on this server. shakespeare writes its texts instead.",
        "asks for 40 generations",
        "The address sets seed to “x”",
    ):
        expect(notice).to_contain_text(said)
    assert len(posts) == MOST_RUNS
    page.get_by_label("Prompt").fill("K")
    set_up(page, length=1, samples=1)
    press(page, "Again")
    page.wait_for_function(DONE, arg=MOST_RUNS + 1)
    expect(notice).to_have_text("")
    copied(page)
    expect(page.locator(".bar-said")).to_have_text("Link copied. A link has no room for the earlier texts.")


def paste(page: Page, prompt: str) -> None:
    """Many lines at once: a browser that is told to type them takes minutes."""
    field = page.get_by_label("Prompt")
    field.evaluate("(field, text) => { field.value = text; field.dispatchEvent(new Event('input', { bubbles: true })); }", prompt)


@pytest.mark.parametrize("prompt", ["ROMEO: " + "Wherefore?\n" * 900, "שלום, " * 700, "春眠" * 2000], ids=["latin", "hebrew", "chinese"])
def test_a_long_prompt_reloads_though_servers_take_short_addresses(context: BrowserContext, page: Page, url: str, prompt: str) -> None:
    assert 4_000 <= len(prompt) <= MAX_PROMPT_CHARS
    paste(page, prompt)
    address = copied(page)
    assert state_of(address)["prompt"] == [prompt]
    page.wait_for_function("address => location.href === address", arg=address)
    asked: list[Request] = []
    for opened in (page, context.new_page()):
        opened.on("request", lambda request: asked.append(request))
        opened.goto(address)
        opened.reload()
        opened.locator("[data-ready]").wait_for(state="attached")
        assert opened.get_by_label("Prompt").input_value() == prompt
    assert asked
    for request in asked:
        assert len(request.url) < 2_000
        assert len(request.headers.get("referer", "")) < 2_000


def test_a_prompt_that_no_link_can_hold_is_said_to_be_missing(page: Page) -> None:
    set_up(page, length=1, samples=1, seed="1")
    paste(page, "😀" * (MAX_PROMPT_CHARS - 1) + "x")
    press(page, "Generate")
    page.wait_for_function(DONE, arg=1)
    address = copied(page)
    expect(page.locator(".bar-said")).to_contain_text("Link copied. The prompt is too long for a link.")
    assert {name: state_of(address)[name] for name in ("length", "samples", "seed")} == {"length": ["1"], "samples": ["1"], "seed": ["1"]}
    assert "prompt" not in state_of(address)
    page.wait_for_function("address => location.href === address", arg=address)


def test_older_links_have_the_state_in_the_query(context: BrowserContext, url: str) -> None:
    page = at(context, f"{url}/?prompt=KING%3A&seed=11&run=0.8,20,2,11,0,0,0,1&view=tree&__sign=x&model=none#temperature=1.5", 1)
    assert page.evaluate(STATE)["controls"][:3] == ["KING:", "11", "1.5"]
    page.wait_for_url("**view=tree*")
    address = page.evaluate("location.href")
    assert urlsplit(address).query == "__sign=x"  # not the page's own
    assert {"prompt", "seed", "run", "view", "temperature"} <= state_of(address).keys()
    assert "__sign" not in state_of(address)


def test_another_link_in_the_same_tab_is_taken_in_place(page: Page, url: str) -> None:
    open_page(page, f"{url}/#prompt=KING%3A&seed=11&run=0.8,20,2,11,0,0,0,1&view=tree")
    wait_for_runs(page, 1)
    page.get_by_role("tab", name="Texts").click()
    page.wait_for_url(lambda address: "view=" not in address)
    before = page.evaluate(STATE)
    posts = count_posts(page)
    page.evaluate("document.body.dataset.same = ''")
    run = quote("0.8,12,1,5,0,0,0,1,,QUEEN:")
    page.evaluate(f"location.hash = '#prompt=KING%3A&temperature=1.5&run=0.8,20,2,11,0,0,0,1&run={run}'")
    page.wait_for_function(DONE, arg=2)
    assert [json.loads(post.post_data or "")["prompt"] for post in posts] == ["QUEEN:"]  # the others were there
    state = page.evaluate(STATE)
    assert state["controls"][:3] == ["KING:", "", "1.5"]
    assert state["groups"][1] == before["groups"][0]
    page.evaluate("location.hash = '#prompt=QUEEN%3A&view=tree'")
    expect(page.locator(".group")).to_have_count(1)
    state = page.evaluate(STATE)
    assert (state["controls"][0], state["controls"][2], state["view"]) == ("QUEEN:", "0.8", "Tree")
    page.wait_for_url("**prompt=QUEEN**")
    assert state_of(page.evaluate("location.href")) == {"prompt": ["QUEEN:"], "view": ["tree"]}
    page.go_back()
    page.go_back()
    page.wait_for_function(DONE, arg=1)
    assert page.evaluate(STATE) == before
    assert "same" in page.evaluate("({...document.body.dataset})")  # nothing was loaded


@pytest.mark.parametrize("begin", ["/#colours=1&guesses=1", "/?guesses=1&colours=1", "/#guesses=1"])
def test_of_two_colours_the_address_keeps_what_is_shown(context: BrowserContext, url: str, begin: str) -> None:
    page = at(context, f"{url}{begin}")
    surprisal, guesses = (page.get_by_role("button", name=name) for name in ("Colour by surprisal", "Colour guesses"))
    if "colours" not in begin:
        expect(guesses).to_have_attribute("aria-pressed", "true")
        page.evaluate("location.hash += '&colours=1'")
    expect(surprisal).to_have_attribute("aria-pressed", "true")
    expect(guesses).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_test_id("guesses")).to_be_hidden()
    page.wait_for_url(lambda address: state_of(address) == {"colours": ["1"]})
    page.reload()
    expect(surprisal).to_have_attribute("aria-pressed", "true")
    guesses.click()
    page.wait_for_url(lambda address: state_of(address) == {"guesses": ["1"]})


def test_back_and_forward_do_no_harm(page: Page, url: str) -> None:
    length = page.evaluate("history.length")
    set_up(page, prompt="QUEEN:", length=12, samples=2)
    press(page, "Generate")
    expect(page.locator(".group .status")).to_contain_text("24 characters in")
    set_up(page, prompt="KING:", temperature=1.1)
    page.get_by_role("tab", name="Tree").click()
    page.wait_for_url("**view=tree*")
    before = page.evaluate(STATE)
    assert page.evaluate("history.length") == length
    page.goto(f"{url}/healthz")
    page.go_back()
    wait_for_runs(page, 1)
    assert page.evaluate(STATE) == before
    page.go_forward()
    page.go_back()
    wait_for_runs(page, 1)
    assert page.evaluate(STATE) == before
