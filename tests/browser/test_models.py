"""Several models on one page, in a real browser: side by side, in links, and while the default changes or a model goes."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, Route, expect

from model.config import BigramConfig, GPTConfig
from model.network import Network
from model.network.gpt import GPT
from model.network.ladder import Bigram
from model.tokenizer import CharTokenizer
from model.weights import save_tensors, save_weights
from tests.browser.conftest import open_page
from tests.browser.tab import choose, generate, set_up, state_of, texts
from tests.conftest import TINY
from tests.support.admin import Admin, app_with_password
from ui.web.shared_answers import FRESH_S

LETTERS = "\n abcdefghij"
MANY = "\n " + "".join(map(chr, range(0x3B1, 0x3B1 + 90)))  # more characters than the default model has
DONE = "count => document.querySelectorAll('.group-block').length === count && !document.querySelector('.group .running, .group .waiting')"
COLOURED = """count => [...CSS.highlights].filter(([name]) => name.startsWith("heat-")).flatMap(([, ranges]) => [...ranges])
  .reduce((sum, range) => sum + range.endOffset - range.startOffset, 0) === count"""


def network(vocabulary: str, seed: int) -> GPT:
    """A small random GPT."""
    generator = torch.Generator().manual_seed(seed)
    return GPT(GPTConfig(**TINY | {"vocab_size": len(vocabulary)}), generator).requires_grad_(False)


def save_run(runs: Path, name: str, model: Network, vocabulary: str) -> None:
    """A folder as a training run leaves it."""
    folder = runs / name
    save_weights(folder, model, CharTokenizer(vocabulary), {})
    (folder / "model.safetensors").unlink()
    save_tensors(folder / "best.safetensors", model.state_dict(), {"step": 100, "val_loss": 2.5})
    (folder / "job.json").write_text(json.dumps({"name": name}), encoding="utf-8")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPTs of other vocabularies, and a bigram."""
    folder = tmp_path_factory.mktemp("runs")
    save_run(folder, "letters", network(LETTERS, 1), LETTERS)
    save_run(folder, "greek", network(MANY, 2), MANY)
    save_run(folder, "worn", network(LETTERS, 4), LETTERS)  # a test damages it
    save_run(folder, "short-lived", network(LETTERS, 3), LETTERS)  # a test deletes it
    save_run(folder, "pairs", Bigram(BigramConfig(vocab_size=len(LETTERS))), LETTERS)
    return folder


@pytest.fixture(scope="module")
def url(runs: Path) -> Iterator[str]:
    """An app with these models."""
    with app_with_password(runs) as url:
        yield url


def wait_for_list() -> None:
    """Until the server looks again for models that came or went."""
    time.sleep(FRESH_S)


def names(page: Page) -> list[str]:
    """Who wrote the newest group, from left to right."""
    return page.get_by_test_id("group").first.locator(".group-model").all_inner_texts()


def wait_for(page: Page, count: int) -> None:
    """Until so many generations are written."""
    page.wait_for_function(DONE, arg=count)


def key_of(url: str, page: Page, name: str) -> str:
    return next(model["key"] for model in page.request.get(f"{url}/models").json()["models"] if model["name"] == name)


def test_two_models_write_abreast_with_the_same_dice_and_a_link_brings_both_back(page: Page, url: str) -> None:
    set_up(page, prompt="a bad cab", length=30, samples=2, seed="7")
    choose(page, "letters", "pairs")
    generate(page)
    wait_for(page, 2)
    assert names(page) == ["letters", "pairs"]
    both = texts(page)
    assert len(both) == 4
    assert both[:2] != both[2:]
    seeds = page.get_by_test_id("group").first.locator(".seed").all_inner_texts()
    assert seeds == ["seed 7", "seed 7"]
    page.wait_for_url("**models=*beside=*")
    open_page(page, page.url)
    wait_for(page, 2)
    assert (names(page), texts(page)) == (["letters", "pairs"], both)
    generate(page, "Again")
    wait_for(page, 4)
    assert page.get_by_test_id("group").first.locator(".card-number").all_inner_texts() == ["3", "4"] * 2


def test_top_k_goes_up_to_each_models_own_vocabulary(page: Page) -> None:
    page.locator("#more-button").click()
    field = page.get_by_label("number input for Top-k")
    expect(field).to_have_attribute("max", "65")
    choose(page, "letters", "greek")
    expect(field).to_have_attribute("max", str(len(MANY)))
    set_up(page, prompt="a", length=10, samples=1, seed="1")
    field.fill("80")
    field.blur()
    expect(field).to_have_value("80")
    generate(page)
    wait_for(page, 2)
    settings = [block.locator(".setting").all_inner_texts() for block in page.get_by_test_id("group").first.locator(".group-block").all()]
    assert ["top-k 80" in settings[names(page).index("greek")], f"top-k {len(LETTERS)}" in settings[names(page).index("letters")]] == [
        True
    ] * 2
    choose(page, "letters")
    expect(field).to_have_value(str(len(LETTERS)))


def test_another_default_under_an_open_page_loses_nothing(page: Page, url: str) -> None:
    before = texts(page)
    admin = Admin.logged_in(url)
    try:
        assert admin.post("/train/runs/letters/use")[0] == 200
        page.evaluate("fetch('./healthz')")  # not heard: the page's own requests are
        set_up(page, prompt="abc", length=20, samples=1)
        generate(page, "Again")
        expect(page.get_by_text("The lecturer has switched the model to “letters”.")).to_be_visible()
        expect(page.get_by_test_id("facts")).to_contain_text("letters")
        expect(page.locator("#model-opener")).to_contain_text("letters")
        assert page.get_by_test_id("group").last.locator(".card-text").all_text_contents() == before
        page.get_by_role("button", name="Colour by surprisal").click()  # of both models
        generate(page, "Again")
        assert names(page) == ["letters"]
        assert set(texts(page)[0]) <= set(LETTERS)
        shown = texts(page)
        admin.post("/train/shipped/use")
        page.locator("#model-opener").click()  # asks for the list
        expect(page.get_by_test_id("facts")).to_contain_text("shakespeare")
        assert texts(page) == shown  # nothing is written again by itself
        expect(page.get_by_test_id("notice")).to_be_empty()
    finally:
        admin.post("/train/shipped/use")
    expect(page.get_by_test_id("facts")).to_contain_text("shakespeare")  # also a page that nobody touches


def test_a_default_that_changes_while_another_one_is_loaded_is_followed(page: Page, url: str) -> None:
    admin = Admin.logged_in(url)
    held: list[Route] = []
    page.route(f"**/models/{key_of(url, page, 'letters')}", lambda route: held.append(route))
    try:
        admin.post("/train/runs/letters/use")
        with page.expect_request("**/models/*"):
            page.locator("#model-opener").click()  # asks for the list, and then for its new default
        page.keyboard.press("Escape")
        admin.post("/train/runs/greek/use")
        with page.expect_response("**/write"):
            page.get_by_role("button", name="Generate").click()
        held[0].continue_()
        expect(page.get_by_test_id("facts")).to_contain_text("greek")
    finally:
        admin.post("/train/shipped/use")


def test_texts_of_a_model_whose_files_are_damaged_later_stay_readable(browser: Browser, url: str, runs: Path) -> None:
    page = browser.new_page()
    open_page(page, url)
    choose(page, "worn")
    set_up(page, prompt="abc", length=12, samples=1)
    generate(page)
    (runs / "worn" / "config.json").write_text("{", encoding="utf-8")
    wait_for_list()
    page.locator("#model-opener").click()
    expect(page.locator(".model-row", has_text="worn")).to_contain_text("12 characters")  # the server has it in memory
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Colour by surprisal").click()
    page.wait_for_function(COLOURED, arg=12)
    page.close()


def test_views_that_a_bigram_cannot_show_say_so(page: Page, url: str) -> None:
    choose(page, "pairs", "letters")
    page.get_by_role("tab", name="Next character").click()
    expect(page.get_by_test_id("next-by")).to_have_text("by letters")
    choose(page, "pairs")
    expect(page.get_by_test_id("facts")).to_contain_text("pairs")
    expect(page.get_by_test_id("next-by")).to_be_empty()
    page.get_by_role("tab", name="Texts").click()
    set_up(page, prompt="abc", length=20, samples=3)
    generate(page)
    page.get_by_role("tab", name="Tree").click()
    expect(page.locator(".tree-title")).to_contain_text("3 samples by pairs")
    page.get_by_role("tab", name="Attention", exact=True).click()
    expect(page.get_by_text("The pairs model has no attention heads.")).to_be_visible()
    page.get_by_role("button", name="Read it with letters").click()
    expect(page.locator(".tile")).to_have_count(TINY["n_layer"] * TINY["n_head"])
    expect(page.locator(".net-head")).to_have_count(TINY["n_layer"] * TINY["n_head"])
    expect(page.locator(".look-line")).to_contain_text("read by letters")


def test_a_link_keeps_its_models_while_its_texts_are_written_again(page: Page, url: str) -> None:
    letters, pairs = (f"{key_of(url, page, name)}-float32" for name in ("letters", "pairs"))
    run = "0.8,12,1,5,0,0,0,1"
    held: list[Route] = []
    page.route("**/write", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/write"):
        page.goto(f"{url}/?prompt=abc&run={run},@{pairs}&run={run}&model={letters}")
    page.wait_for_timeout(600)  # the address has been written since
    asked = state_of(page.url)
    assert (asked["model"], asked["run"]) == ([letters], [f"{run},@{pairs}", f"{run},"])
    held[0].continue_()
    wait_for(page, 2)
    assert [group.locator(".group-model").inner_text() for group in page.get_by_test_id("group").all()] == ["letters", "pairs"]


def test_a_link_with_a_model_that_does_not_exist_says_so_and_the_rest_goes_on(page: Page, url: str) -> None:
    letters = key_of(url, page, "letters")
    run = "0.8,12,1,5,0,0,0,1"
    page.goto(
        f"{url}/?prompt=abc&models=deadbeef,{letters}&run={run},@00000000-float32&run={run},@{letters}-float32&model={letters}-float32"
    )
    wait_for(page, 1)
    notice = page.get_by_test_id("notice")
    for said in ("The model deadbeef is not on this server.", "The model 00000000 is not on this server. Its texts are left out."):
        expect(notice).to_contain_text(said)
    assert names(page) == ["letters"]
    expect(page.locator("#model-opener")).to_contain_text("letters")


def test_steps_and_heads_in_a_link_belong_to_a_model(page: Page, url: str) -> None:
    letters = key_of(url, page, "letters")
    page.goto(f"{url}/?view=next&prompt=abc&next_model={letters}&steps=2&chosen=0.3-1.4")
    expect(page.locator(".next-text")).to_have_text(f"abc{LETTERS[3]}{LETTERS[4]}")
    page.goto(f"{url}/?view=next&prompt=abc&seed=1")
    page.get_by_role("button", name="Step", exact=True).click()
    page.wait_for_url(f"**next_model={key_of(url, page, 'shakespeare')}*")  # another default would write other steps
    page.get_by_role("tab", name="Attention", exact=True).click()
    page.wait_for_url(f"**reader={key_of(url, page, 'shakespeare')}*")


def test_steps_and_heads_of_a_model_that_is_not_there_are_left_out_in_words(page: Page, url: str) -> None:
    page.goto(f"{url}/?view=next&prompt=abc&next_model=deadbeef&steps=2&chosen=0.3-1.4")
    expect(page.get_by_test_id("next-notes")).to_contain_text("The model deadbeef is not on this server. Its steps are left out.")
    expect(page.locator(".next-text")).to_have_text("abc")
    page.goto(f"{url}/?tab=attention&look=abc&reader=deadbeef&head=1.1&off=0.0")
    said = page.locator(".look-said")
    expect(said).to_have_text("The model deadbeef is not on this server. shakespeare reads the text instead.")
    expect(page.locator(".look-line")).not_to_contain_text("without")


def test_a_link_says_what_is_wrong_with_a_damaged_model(browser: Browser, url: str, runs: Path) -> None:
    save_run(runs, "damaged", network(LETTERS, 5), LETTERS)
    (runs / "damaged" / "config.json").write_text("{", encoding="utf-8")
    wait_for_list()
    page = browser.new_page()
    open_page(page, f"{url}/?models={key_of(url, page, 'damaged')}")
    expect(page.get_by_test_id("notice")).to_contain_text(
        "The model damaged cannot be used: runs/damaged/config.json is not a valid config.json"
    )
    page.close()
    shutil.rmtree(runs / "damaged")


@pytest.mark.slow
def test_a_page_whose_first_requests_fail_says_so_and_goes_on_by_itself(browser: Browser, url: str) -> None:
    page = browser.new_page()

    def without_answers(route: Route) -> None:
        route.fulfill(response=(document := route.fetch()), body=re.sub(r"soliloquy\.answers = .*;", "", document.text()))

    page.route(f"{url}/", without_answers)
    for path in ("models", "limits"):
        page.route(f"{url}/{path}", lambda route: route.abort(), times=2)
    page.goto(url)
    notice = page.get_by_test_id("notice")
    expect(notice).to_contain_text("The server cannot be reached.")
    notice.get_by_role("button", name="Try again").click()
    page.locator("[data-ready]").wait_for(state="attached")
    expect(notice).to_be_empty()
    set_up(page, length=10, samples=1)
    generate(page)
    page.close()


def test_a_model_that_is_deleted_meanwhile_is_named_and_the_others_go_on(browser: Browser, url: str, runs: Path) -> None:
    page = browser.new_page()
    open_page(page, url)
    with page.expect_response("**/models"):  # the menu asks for the list once more
        choose(page, "shakespeare", "short-lived")
    shutil.rmtree(runs / "short-lived")
    set_up(page, prompt="abc", length=12, samples=1)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_test_id("notice")).to_contain_text("There is no such model, or no longer.")
    page.wait_for_function("document.querySelectorAll('.group-block').length === 1 && !document.querySelector('.group .running')")
    expect(page.locator("#model-opener")).to_have_text("shakespeare▾")
    page.close()
