"""Another address, taken in place, shows what a new page shows at it: in each tab from state to state, and back to the first."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.conftest import watched

PATIENCE_S = 60.0
# What a reader sees of the open tab, but for times; and how much of it is still to come.
STATE = r"""() => {
  const [panel] = [...document.querySelectorAll("#tabs [role=tabpanel]")].filter((node) => node.checkVisibility());
  const seen = (selector) => [...panel.querySelectorAll(selector)].filter((node) => node.checkVisibility());
  const pressed = seen("[aria-pressed=true], [aria-selected=true], [aria-current=true], .chosen, .here, .pinned");
  return JSON.stringify([
    location.hash,
    panel.innerText.replace(/[\d.,]+ characters? in .*|\d+(\.\d+)? characters\/s/g, ""),
    seen("input:not([type=file], [type=password]), textarea, select").map(({ value }) => value),
    pressed.map((node) => `${node.className} ${node.textContent.slice(0, 40)}`),
  ]);
}"""
GO = """async (address) => {
  const { page } = soliloquyModules.loaded["shared/page.js"];
  void (await page).address.go(address);
}"""
HAS = """(selector) => {
  const seen = (selector) => [...document.querySelectorAll(selector)].some((node) => node.checkVisibility());
  return seen(selector) && !seen(".group .running, [aria-busy=true]");
}"""

ROMEO, JULIET = "ROMEO:\nBut, soft!", "JULIET:\nO Romeo, Romeo!"
RUNS = "&run=0.8,20,2,11,0,0,0,1&run=0.8,12,2,12,0,0,0,1"


def state(more: str = "", **words: str | int) -> str:
    return f"#{urlencode(words)}{more}"


# For each tab its states, each with what is seen once it is there.
WALKS = {
    "sample": [
        (state("&run=0.8,30,2,11,0,0,0,1", prompt="KING:", temperature=1.2, colours=1), ".folio .card-text"),
        (state(view="next", steps=3, sort="probability", bars="all", seed=7, chosen="1.5"), ".next-text"),
        (state(view="next", steps=4, seed=7), ".next-text"),
        (state(RUNS, prompt="KING:", view="tree"), ".tree-title"),
        (state(RUNS, prompt="KING:", view="dice", dice="1.2", temperature=1.1), ".locked-headline"),
        (state(view="score", text="Hello there, my good friend."), ".score-figure"),
    ],
    "attention": [
        (state(tab="attention", look=ROMEO, at=5, head="2.1", order="previous"), ".tile.chosen"),
        (state(tab="attention", see="one", look=ROMEO, at=9, cell="9.4", head="1.2"), ".one-map canvas"),
        (state(tab="attention", see="one", look=JULIET, at=8, lines=1, head="3.average"), ".one-lines canvas"),
        (state(tab="attention", see="lens", look=JULIET, at=6, layer=3), ".lens-title"),
        (state(tab="attention", see="off", look=JULIET, off="0.2,mlp.3", pair=77), ".off-side-text"),
    ],
    "learning": [
        (state(tab="learning", chars="abc xyz"), ".data-cells canvas"),
        (state(tab="learning", part="batches", rows=3, block=5, batch=9, row=1), ".batch"),
        (state(tab="learning", learning="ladder", rung="bigram", code="on"), ".ladder-stage"),
        (state(tab="learning", learning="training", step=24, watched_head="1.1"), "#learning-panel-training canvas"),
        (state(tab="learning", learning="overfitting", patience=5, checked="hello"), ".overfitting-summary"),
    ],
    "assistant": [
        (state(tab="assistant", request="Praise me.", dice=5), ".before-answers"),
        (state(tab="assistant", assistant="examples", examples="insult", examples_from=8), ".examples-line"),
        (state(tab="assistant", assistant="reward", pair=3, scored_answer="Thou art kind."), ".reward-result"),
        (state(tab="assistant", assistant="reinforcement", policy_step=100, policy_axis="kl"), "#assistant-panel-reinforcement canvas"),
    ],
    "meaning": [
        (state(tab="meaning", kind="article", minimal=3, judge="ladder/bigram"), ".zero-pairs"),
        (state(tab="meaning", zero="speakers", speech="O Romeo, Romeo"), ".zero-names"),
        (state(tab="meaning", meaning="neighbours", sentence="I am dead", map_by="speaker"), "#meaning-panel-neighbours canvas"),
        (state(tab="meaning", meaning="translate", source="abcdef", written=3, sees="encoder", sees_head="0.1"), ".translate-place"),
        (state(tab="meaning", meaning="norm", norm="post-norm"), "#meaning-panel-norm canvas"),
    ],
    "train": [
        (state(tab="train", scale="linear"), ".watch-name"),
        (state(tab="train", train="runs"), ".runs-frame table"),
    ],
}


@pytest.fixture
def pages(context: BrowserContext) -> Iterator[tuple[Page, Page]]:
    """One that goes from address to address in place, and one that loads each anew."""
    here, anew = context.new_page(), context.new_page()
    with watched(here), watched(anew):
        yield here, anew
    for page in (here, anew):
        page.close()


def load(page: Page, url: str, address: str) -> None:
    page.goto("about:blank")  # where only what follows the "#" differs, a browser loads nothing
    page.goto(f"{url}/{address}")
    page.locator("[data-ready]").first.wait_for(state="attached")


def same(here: Page, anew: Page, seen: str) -> None:
    """Waits until both pages show the same, and what is to be seen."""
    for page in (here, anew):
        page.wait_for_function(HAS, arg=seen)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        shown, expected = (json.loads(page.evaluate(STATE)) for page in (here, anew))
        if shown == expected or time.monotonic() > deadline:
            assert shown == expected
            return
        here.wait_for_timeout(100)  # until the next look


@pytest.mark.slow
@pytest.mark.parametrize("tab", WALKS)
def test_an_address_in_place_is_what_a_new_page_shows(pages: tuple[Page, Page], url: str, tab: str) -> None:
    here, anew = pages
    first, *others = WALKS[tab]
    load(here, url, first[0])
    here.wait_for_function(HAS, arg=first[1])
    here.evaluate("document.body.dataset.same = ''")
    for address, seen in [*others, first]:
        here.evaluate(GO, address)
        load(anew, url, address)
        same(here, anew, seen)
    assert here.evaluate("'same' in document.body.dataset")  # nothing was loaded
