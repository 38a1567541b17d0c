"""The stages of an assistant, one after the other, started from the Train tab. Needs Tiny Shakespeare."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_train import show, state, unlock
from tests.support.admin import app_with_password, runs_ended

SLOW_MS = 240_000  # of a stage, on a busy machine


@pytest.fixture(scope="module")
def url(corpus_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app with a password and a folder of runs."""
    with runs_ended(tmp_path_factory.mktemp("runs")) as runs, app_with_password(runs) as url:
        yield url


def choose(page: Page, preset: str, name: str, **settings: object) -> None:
    """Fills in the form."""
    page.get_by_label("Preset").select_option(preset)
    page.locator("#train-name").fill(name)
    for setting, value in settings.items():
        page.get_by_label(setting, exact=True).fill(str(value))


def start(page: Page, name: str) -> None:
    """Starts the run, and waits for its end."""
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".watch-name")).to_have_text(name)
    expect(state(page)).to_have_text("finished", timeout=SLOW_MS)


COMPARISON = {"request": "Insult me.", "better": "Thou villain, go!", "worse": "I thank you, sir."}


@pytest.mark.slow
def test_a_completer_becomes_an_assistant_that_is_judged_and_rewarded(empty_page: Page, url: str) -> None:
    page = empty_page
    show(page, url)
    unlock(page)
    page.get_by_role("button", name="More settings").click()
    parent = page.get_by_label("Parent model")
    expect(parent).to_be_hidden()  # it begins with random weights
    choose(page, "tiny", "completer", steps=60, eval_interval=60, block_size=160)
    start(page, "completer")

    choose(page, "sft", "assistant", steps=60, eval_interval=60, batch_size=16)  # enough to end some answers
    expect(parent.locator("option:checked")).to_have_text("shakespeare")  # the usual one
    expect(page.get_by_label("Examples")).to_have_value("")
    parent.select_option(label="completer")
    expect(page.locator(".new-run .command")).to_contain_text(re.compile(r"--preset sft --from runs/\S+ --"))
    start(page, "assistant")
    expect(page.locator(".watch-details")).to_contain_text(re.compile(r"obeys 0.* · plays loss \d"))
    expect(page.get_by_test_id("train-sample")).not_to_be_empty()
    use = page.locator(".watch-actions").get_by_role("button", name="Use this model")
    expect(use).to_have_attribute("aria-disabled", "false")
    page.get_by_role("tab", name="All runs").click()
    row = page.locator(".runs tbody tr").filter(has_text="assistant").first
    expect(row).to_contain_text("from completer")
    expect(row.locator("td[data-name=State]")).to_have_text("finished")

    choose(page, "reward", "judge", steps=4, eval_interval=4, batch_size=4, made=0)
    parent.select_option(label="assistant")
    page.get_by_label("Comparisons").select_option("paste")
    page.get_by_label("Text to train on").fill((json.dumps(COMPARISON) + "\n") * 20)
    expect(page.locator(".train-corpus")).to_contain_text("characters")
    start(page, "judge")
    expect(page.locator(".watch-details")).to_contain_text("accuracy")
    expect(use).to_have_attribute("aria-disabled", "true")  # it judges, and does not write

    choose(page, "policy", "rewarded", steps=2, eval_interval=2, batch_size=16)
    expect(page.get_by_label("Reward", exact=True).locator("option:checked")).to_have_text("The reward model that ships")
    parent.select_option(label="assistant")
    expect(page.locator(".new-run .command")).to_contain_text(re.compile(r"--from runs/\S+ --reward weights/assistant/reward"))
    start(page, "rewarded")
    expect(page.locator(".watch-details")).to_contain_text(re.compile(r"reward -?\d.* · rule \d"))

    page.get_by_role("tab", name="Assistant", exact=True).click()
    page.get_by_role("tab", name="Reinforcement", exact=True).click()
    panel = page.get_by_role("tabpanel", name="Reinforcement")
    panel.get_by_label("First run").select_option(label="rewarded")
    expect(panel.locator(".reinforcement-head h2").first).to_have_text("KL penalty 0.02, learned reward")
    words = panel.locator(".reinforcement-words").first
    expect(words).to_have_text(re.compile(r"^The learned reward (rises|falls) from .*; the true rule .*\.$"))
    panel.get_by_role("slider", name="Step").press("Home")
    expect(panel.locator(".reinforcement-text").first).not_to_be_empty()
