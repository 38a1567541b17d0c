"""The view "Reward": who judges two answers and when, held against the routes; votes that are kept; and the score of any answer."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.browser.conftest import watched
from tests.browser.tab import state_of
from tests.conftest import ROOT
from tests.support.admin import PASSWORD, Admin
from tests.support.viewing import answer, write

STOP = "\n\n"
READY = "() => document.querySelector('.reward-place')?.textContent && document.querySelector('.reward-final')?.textContent"
# How many characters of an element have a colour.
COLOURED = """node => [1, 2, 3, 4, 5, 6, 7]
  .flatMap((shade) => [...CSS.highlights.get(`heat-${shade}`)])
  .filter((range) => node.contains(range.startContainer))
  .reduce((sum, range) => sum + range.endOffset - range.startOffset, 0)"""

pytestmark = pytest.mark.skipif(
    not (ROOT / "weights/assistant/reward/model.safetensors").is_file(), reason="the reward model is not in weights/assistant/reward"
)


@pytest.fixture(scope="module")
def known(url: str) -> dict[str, Any]:
    """The comparisons, the curve and the accuracy, from the route."""
    told: dict[str, Any] = answer(url, "GET", "/assistant/comparisons")[1]
    assert not told["trouble"]
    return told


@pytest.fixture(scope="module")
def page(context: BrowserContext, url: str, known: dict[str, Any]) -> Iterator[Page]:
    """A page with this view, loaded once: each test goes on from what the one before left."""

    def is_refused(message: ConsoleMessage) -> bool:
        return "status of 400" in message.text and message.location["url"].endswith("/assistant/reward")

    page = context.new_page()
    with watched(page, is_refused):
        page.goto(f"{url}/#run=none&tab=assistant&assistant=reward")
        page.wait_for_function(READY)
        yield page
    page.close()


@pytest.fixture
def panel(page: Page) -> Locator:
    """The view, with nothing focused."""
    page.evaluate("document.activeElement.blur()")
    return page.get_by_role("tabpanel", name="Reward")


def scored(url: str, request: str, text: str) -> dict[str, Any]:
    """What the route says of an answer."""
    body = json.dumps({"request": request, "answer": text}).encode()
    status, told = answer(url, "POST", "/assistant/reward", body, Content_Type="application/json")
    assert status == 200, told
    return told


def figure(score: float) -> str:
    """As the page writes it."""
    return str(Decimal(score).quantize(Decimal("0.01"), ROUND_HALF_UP)).replace("-", "−")


def saved(page: Page, label: str, name: str) -> str:
    """The file behind an entry of the menu."""
    page.locator("#assistant-views").get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    assert download.value.suggested_filename == name
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_the_reward_model_speaks_after_the_vote(page: Page, panel: Locator, url: str, known: dict[str, Any]) -> None:
    pair = known["comparisons"][0]
    cards, request = panel.locator(".reward-card"), panel.get_by_label("Request", exact=True).first
    expect(request).to_have_value(pair["request"])
    assert cards.locator(".reward-text").all_text_contents() == [pair["a"], pair["b"]]
    assert cards.locator(".reward-score").all_text_contents() == ["", ""]
    expect(panel.locator(".reward-bar")).to_have_text("?")
    assert [text.evaluate(COLOURED) for text in cards.locator(".reward-text").all()] == [0, 0]

    page.keyboard.press("a")
    told = [scored(url, pair["request"], pair[side]) for side in "ab"]
    expect(cards.locator(".reward-score")).to_have_text([figure(each["score"]) for each in told])
    for card, each in zip(cards.all(), told, strict=True):
        expect(card.locator(".reward-rule")).to_contain_text(each["rule"]["why"])
        low, high = known["range"]
        above = sum((score - low) / (high - low) * 8 >= 1 for score in each["scores"])  # the lowest of eight shades is the paper
        assert abs(card.locator(".reward-text").evaluate(COLOURED) - above) <= 1  # the route rounds
    of_a = 1 / (1 + math.exp(told[1]["score"] - told[0]["score"]))
    grown = float(panel.locator(".reward-share").first.evaluate("node => node.style.flexGrow"))
    assert grown == pytest.approx(of_a, abs=1e-3)
    model = "A" if of_a > 0.5 else "B"
    expect(panel.locator(".reward-says")).to_have_text(["You: A", f"The rule: {pair['better'].upper()}", f"The reward model: {model}"])
    agree = panel.locator(".reward-agree")
    expect(agree.nth(0)).to_contain_text(f"{int(model == 'A')} of 1")
    expect(agree.nth(1)).to_contain_text(f"{int(pair['better'] == 'a')} of 1")
    expect(agree.nth(2)).to_contain_text(f"{round(known['accuracy']['accuracy'] * known['accuracy']['n']):,} of {known['accuracy']['n']:,}")


def test_the_rule_decides_and_votes_are_kept_until_they_are_deleted(page: Page, panel: Locator, known: dict[str, Any]) -> None:
    first, second = known["comparisons"][:2]
    page.get_by_role("tab", name="Reward", exact=True).focus()  # as after a click on it
    page.keyboard.press("n")
    expect(panel.locator(".reward-place")).to_have_text(f"pair 2 of {len(known['comparisons'])}")
    page.keyboard.press("r")
    expect(panel.locator(".reward-says").first).to_have_text(f"The rule: {second['better'].upper()}")
    page.wait_for_function("location.hash.includes('pair=2')")
    assert state_of(page.url)["pair"] == ["2"]
    page.reload()
    page.wait_for_function(READY)
    expect(panel.locator(".reward-count")).to_have_text("2 votes kept in this browser")
    expect(panel.locator(".reward-says").first).to_be_visible()  # a pair with a vote is shown with all opinions
    other = "b" if second["better"] == "a" else "a"
    lines = [json.loads(line) for line in saved(page, "Votes (JSON Lines)", "votes.jsonl").splitlines()]
    assert lines == [
        {"request": first["request"], "better": first["a"], "worse": first["b"]},
        {"request": second["request"], "better": second[second["better"]], "worse": second[other]},
    ]
    panel.get_by_role("button", name="Delete", exact=True).click()
    expect(panel.locator(".reward-count")).to_have_text("2 votes kept in this browser")  # asked first
    panel.get_by_role("button", name="Delete 2 votes for good?").click()
    expect(panel.locator(".reward-count")).to_have_text("No votes yet.")
    assert page.evaluate("localStorage.getItem('soliloquy-votes')") == "[]"


def test_any_answer_is_scored_character_by_character(page: Page, panel: Locator, url: str) -> None:
    form, text = panel.locator(".reward-any"), "Thou art a saucy knave."
    page.keyboard.press("s")
    field = form.get_by_label("Answer", exact=True)
    expect(field).to_be_focused()
    field.fill(text)
    field.press("Enter")
    told = scored(url, "Insult me.", text)
    expect(form.locator(".reward-final")).to_have_text(figure(told["score"]))
    expect(form.locator(".reward-rule")).to_contain_text(told["rule"]["why"])
    expect(form.locator(".reward-text")).to_have_text(text)
    form.locator(".reward-text").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    change = told["scores"][1] - told["scores"][0]
    said = form.locator(".reward-reading").inner_text()
    assert said.startswith(f"After ‘h’: {figure(told['scores'][1])}, ")
    assert float(said.split(", ")[1].split()[0].replace("−", "-")) == pytest.approx(change, abs=0.0101)
    page.wait_for_function("location.hash.includes('scored_answer=')")
    field.fill("")
    field.press("Enter")
    expect(form.locator(".trouble")).to_contain_text("empty")
    expect(form.locator(".reward-final")).to_have_text(figure(told["score"]))  # what was there stays


def test_the_supervised_model_writes_two_new_answers(page: Page, panel: Locator, url: str) -> None:
    request = panel.get_by_label("Request", exact=True).first
    request.fill(" ")
    request.press("Enter")
    expect(panel.locator(".trouble").first).to_have_text("Write a request first: this one is empty.")
    with page.expect_request("**/write") as asked:
        request.fill("Bid me farewell.")
        request.press("Enter")
    sent = asked.value.post_data_json
    expect(panel.locator(".reward-place")).to_have_text("new answers")
    texts = write(url, **{name: sent[name] for name in ("model", "prompt", "temperature", "seed", "samples", "length")})
    assert sent["prompt"] == f"{STOP}Bid me farewell.\n"
    assert panel.locator(".reward-card .reward-text").all_text_contents() == [text.partition(STOP)[0] for text in texts]
    expect(panel.locator(".reward-bar")).to_have_text("?")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("b")
    expect(panel.locator(".reward-says").first).to_have_text("You: B")
    page.keyboard.press("ArrowRight")  # back among the pairs that are kept back
    expect(panel.locator(".reward-place")).to_contain_text("pair ")


def test_the_accuracy_by_the_number_of_comparisons(page: Page, panel: Locator, known: dict[str, Any]) -> None:
    chart = panel.locator(".reward-accuracy")
    expect(chart).to_have_attribute("data-points", str(len(known["curve"])))
    rows = [*csv.DictReader(io.StringIO(saved(page, "Accuracy curve (CSV)", "reward-accuracy.csv"), newline=""))]
    assert [(row["kind"], int(row["comparisons"]), float(row["accuracy"])) for row in rows] == [
        (point["kind"], point["comparisons"], point["accuracy"]) for point in known["curve"]
    ]
    expect(panel.locator(".reward-key")).to_contain_text("labelled by the rule")


@pytest.mark.slow
def test_the_admin_trains_a_reward_model_on_votes(browser: Browser, class_app: tuple[str, str], known: dict[str, Any]) -> None:
    url, _ = class_app
    page = browser.new_page()
    page.goto(f"{url}/#run=none&tab=assistant&assistant=reward")
    panel = page.get_by_role("tabpanel", name="Reward")
    page.wait_for_function(READY)
    page.keyboard.press("b")
    panel.get_by_role("button", name=re.compile("Unlock the Train tab|Watch it on the Train tab")).click()  # where another one was trained
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock", exact=True).click()
    expect(page.get_by_label("Preset")).to_be_focused()
    page.get_by_role("tab", name="Assistant", exact=True).click()
    with page.expect_request("**/train/corpus?*") as sent, page.expect_response("**/train/start") as started:
        panel.get_by_role("button", name="Train a reward model", exact=True).click()
    first = known["comparisons"][0]
    assert json.loads(sent.value.post_data or "") == {"request": first["request"], "better": first["b"], "worse": first["a"]}
    run = started.value.json()["run"]
    assert (run["preset"], run["corpus"]["name"]) == ("reward", "votes.jsonl")
    expect(panel.locator(".training-here-said")).to_have_text(re.compile("starting|step"))  # the comparisons by rule are made first
    Admin.logged_in(url).do(f"/train/runs/{run['id']}/stop", firmly=True)
    expect(panel.locator(".training-here-said")).to_have_text(re.compile(r"^The run \w+ at step \d"))
    page.close()
