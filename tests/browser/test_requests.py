"""A browser has six connections to the app: no view fills them, and what nobody waits for any more is cancelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from playwright.sync_api import Page, Request, expect

from model.config import GPTConfig
from model.network.gpt import GPT
from model.tokenizer import CharTokenizer
from model.weights import save_tensors, save_weights
from tests.browser.tab import choose, drawn, generate, open_tree, set_up
from tests.conftest import TINY
from tests.support.admin import PASSWORD, app_with_password, wait_for

LETTERS = "\n abcdefghij"
NAMES = [f"letters-{number}" for number in range(6)]
QUICK = 8  # things that somebody does, one after the other


class Traffic:
    """The requests of a page that are under way.

    Attributes:
        open: how many, by the first part of their paths.
        most: how many there ever were at once.
        sent: how many in all.
        cancelled: how many of them the page gave up.
    """

    def __init__(self, page: Page):
        self.open, self.most, self.sent, self.cancelled = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        page.on("request", self._begin)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._fail)

    def _begin(self, request: Request) -> None:
        kind = self._kind(request)
        self.open[kind] += 1
        self.sent[kind] += 1
        self.most[kind] = max(self.most[kind], self.open[kind])

    def _end(self, request: Request) -> None:
        self.open[self._kind(request)] -= 1

    def _fail(self, request: Request) -> None:
        self.cancelled[self._kind(request)] += 1
        self._end(request)

    def _kind(self, request: Request) -> str:
        parts = urlsplit(request.url).path.split("/")
        return "/".join(parts[1:3]) if parts[1] == "train" else parts[1]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app with some small models beside the shipped one, and a password, whose connections no other page holds."""
    runs: Path = tmp_path_factory.mktemp("runs")
    for number, name in enumerate(NAMES):
        network = GPT(GPTConfig(**TINY | {"vocab_size": len(LETTERS)}), torch.Generator().manual_seed(number)).requires_grad_(False)
        folder = runs / name
        save_weights(folder, network, CharTokenizer(LETTERS), {})
        (folder / "model.safetensors").unlink()
        save_tensors(folder / "best.safetensors", network.state_dict(), {"step": 100, "val_loss": 2.5})
    with app_with_password(runs) as url:
        yield url


def hold(page: Page, *paths: str) -> None:
    """From now on these requests are not answered."""
    for path in paths:
        page.route(f"**/{path}", lambda route: None)


def settled(page: Page, condition: Callable[[], Any]) -> None:
    """Waits until what the page did has reached this process."""
    wait_for(lambda: page.evaluate("0") == 0 and condition())


@pytest.mark.slow
def test_eight_quick_changes_of_a_training_leave_room_to_generate(page: Page) -> None:
    page.get_by_role("tab", name="Train", exact=True).click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock").click()
    traffic = Traffic(page)
    with page.expect_request("**/train/pace"):
        page.get_by_label("Preset").select_option("lesson")
    page.get_by_role("button", name="More settings").click()
    for batch_size in range(1, QUICK + 1):
        with page.expect_request("**/train/pace"):
            page.get_by_label("batch_size", exact=True).fill(str(batch_size))
            page.get_by_label("batch_size", exact=True).blur()
        settled(page, lambda: traffic.open["train/pace"] <= 1)
    page.get_by_role("tab", name="Sample", exact=True).click()
    set_up(page, samples=1, length=10)
    assert len(generate(page)) == 1
    assert traffic.sent["train/pace"] >= QUICK + 1
    assert traffic.cancelled["train/pace"] >= QUICK
    assert traffic.most["train/pace"] <= 2  # one, and one that is being cancelled
    assert sum(traffic.open.values()) <= 3


def write_with_all_models(page: Page) -> Traffic:
    """Presses Generate, and waits until three models are writing."""
    choose(page, *NAMES)
    traffic = Traffic(page)
    set_up(page, prompt="abc", samples=4, length=2000)
    page.get_by_role("button", name="Generate").click()
    page.wait_for_function("document.querySelectorAll('.group .running').length >= 3")
    return traffic


@pytest.mark.slow
def test_several_models_leave_a_connection_for_the_next_press(page: Page) -> None:
    traffic = write_with_all_models(page)
    assert traffic.open["write"] == 3
    set_up(page, prompt="cab", samples=1, length=10)
    page.get_by_role("button", name="Generate").click()
    page.wait_for_function(
        f"document.querySelectorAll('.group-block').length === {len(NAMES)} && !document.querySelector('.group .running')"
    )
    assert all(len(text) == 3 + 10 for text in page.locator(".folio .card-text").all_text_contents())
    settled(page, lambda: not traffic.open["write"])
    names = page.locator(".folio .group-model").all_inner_texts()
    assert sorted(names) == NAMES


@pytest.mark.slow
def test_a_stop_ends_also_those_that_wait_for_their_turn(page: Page) -> None:
    traffic = write_with_all_models(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    settled(page, lambda: not traffic.open["write"])
    assert traffic.sent["write"] == 3


@pytest.mark.slow
def test_nine_rungs_of_the_ladder_leave_a_connection(page: Page) -> None:
    traffic = Traffic(page)
    page.get_by_role("tab", name="Learning", exact=True).click()
    page.get_by_role("tab", name="Ladder", exact=True).click()
    page.wait_for_function("[...document.querySelectorAll('.ladder-text')].filter((node) => node.lastChild.length > 199).length === 9")
    settled(page, lambda: not traffic.open["write"])
    assert traffic.most["write"] <= 3 + traffic.cancelled["write"]  # those that are being cancelled


def test_characters_that_are_passed_by_hold_one_connection(page: Page) -> None:
    set_up(page, samples=8, length=20)
    generate(page)
    hold(page, "logits/**")
    traffic = Traffic(page)
    for number in range(QUICK):
        page.locator(".folio .card-text").nth(number).focus()
        page.keyboard.press("ArrowRight")
        drawn(page)
        settled(page, lambda: traffic.open["logits"] <= 1)
    assert traffic.sent["logits"] == QUICK
    page.keyboard.press("Escape")
    settled(page, lambda: not traffic.open["logits"])


def test_two_who_want_the_same_logits_share_a_request(page: Page) -> None:
    set_up(page, prompt="abc", samples=1, length=20)
    generate(page)
    hold(page, "logits/**")
    traffic = Traffic(page)
    page.get_by_role("button", name="Colour by surprisal").click()
    settled(page, lambda: traffic.open["logits"] == 1)
    page.locator(".folio .card-text").first.focus()
    page.keyboard.press("ArrowRight")
    drawn(page)
    page.keyboard.press("Escape")
    drawn(page)
    settled(page, lambda: traffic.open["logits"] == 1)  # the colours still wait for it
    assert traffic.sent["logits"] == 1
    page.get_by_role("button", name="Colour by surprisal").click()
    settled(page, lambda: not traffic.open["logits"])


def test_colours_are_asked_for_one_text_after_the_other(page: Page) -> None:
    set_up(page, samples=2, length=10)
    for _ in range(3):
        generate(page, "Again")
    hold(page, "logits/**", "score")
    traffic = Traffic(page)
    page.get_by_role("button", name="Colour by surprisal").click()
    settled(page, lambda: sum(traffic.open.values()) == 1)
    drawn(page)
    assert traffic.sent["logits"] + traffic.sent["score"] == 1


def test_what_is_typed_and_walked_by_holds_one_connection(page: Page) -> None:
    set_up(page, samples=8, length=20, temperature=2)
    generate(page)
    hold(page, "logits/**", "next", "score")
    traffic = Traffic(page)
    open_tree(page).focus()
    page.keyboard.press("ArrowRight")  # the trunk
    for key in ("ArrowRight", "ArrowDown"):  # two branches, of different samples
        with page.expect_request("**/logits/**"):
            page.keyboard.press(key)
        settled(page, lambda: traffic.open["logits"] <= 1)
    page.get_by_role("tab", name="Same dice").click()
    expect(page.locator(".locked-text").first).to_be_visible()  # its script comes when it is first shown
    for _ in range(4):
        page.keyboard.press("n")
        drawn(page)
        settled(page, lambda: traffic.open["logits"] <= 1)
    page.get_by_role("tab", name="Next character").click()
    for prompt in ("a", "b", "c", "d"):
        with page.expect_request("**/next"):
            page.get_by_label("Prompt").fill(prompt)
        settled(page, lambda: traffic.open["next"] <= 1)
    page.get_by_role("tab", name="Score").click()
    page.get_by_label("Your text").fill("abc")
    for _ in range(4):
        with page.expect_request("**/score"):
            page.get_by_role("button", name="Score", exact=True).click()
        settled(page, lambda: traffic.open["score"] <= 1)
    page.get_by_role("button", name="Stop").last.click()
    settled(page, lambda: not traffic.open["score"])


@pytest.mark.slow
def test_heads_and_cells_that_are_passed_by_hold_two_connections(page: Page, url: str) -> None:
    page.goto(f"{url}/?tab=attention&see=one&look=Romeo&cell=4.1")
    expect(page.get_by_test_id("one-head-sums")).to_contain_text("Softmax")
    hold(page, "attention/*/head/**", "attention/*/cell/**")
    traffic = Traffic(page)
    for _ in range(QUICK):
        with page.expect_request("**/head/**"):
            page.locator("body").press(".")
        settled(page, lambda: traffic.open["attention"] <= 2)
    page.get_by_test_id("one-head-map").focus()
    for key in ("ArrowUp", "ArrowLeft", "ArrowUp", "ArrowUp"):
        with page.expect_request("**/cell/**"):
            page.keyboard.press(key)
        settled(page, lambda: traffic.open["attention"] <= 2)


def test_whoever_waits_for_many_requests_leaves_no_listeners(page: Page) -> None:
    left = page.evaluate(
        """async () => {
          const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
          const { load } = await import(loaded.find((address) => address.endsWith("/bundles/first.js")));
          const { Shared } = load("shared/requests.js");
          const { signal } = new AbortController();
          let listeners = 0;
          for (const [name, change] of [["addEventListener", 1], ["removeEventListener", -1]]) {
            const native = signal[name];
            signal[name] = (...args) => (listeners += change, native.apply(signal, args));
          }
          for (let n = 0; n < 20; n++) await new Shared(async () => n).wait(signal);
          await new Shared(async () => Promise.reject(new Error("no"))).wait(signal).catch(() => {});
          return listeners;
        }"""
    )
    assert left == 0
