"""The view "Reinforcement": two policies by step, held against the route; what both answer; and what goes wrong."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Route, expect

from tests.browser.conftest import watched
from tests.browser.tab import state_of
from tests.conftest import ROOT
from tests.support.viewing import answer

MEASURES = ("reward", "rule", "kl", "entropy", "distinct")
SHARES = ("rule", "distinct")

pytestmark = pytest.mark.skipif(
    not (ROOT / "weights/assistant/unbound/model.safetensors").is_file(), reason="the policies are not in weights/assistant"
)


@pytest.fixture(scope="module")
def runs(url: str) -> list[dict[str, Any]]:
    """The shipped run with a penalty, and the one without, from the route."""
    told: list[dict[str, Any]] = answer(url, "GET", "/assistant/runs")[1]["runs"]
    return [next(run for run in told if run["id"] == name) for name in ("bound", "unbound")]


@pytest.fixture(scope="module")
def page(context: BrowserContext, url: str, runs: list[dict[str, Any]]) -> Iterator[Page]:
    """A page with this view, loaded once: each test goes on from what the one before left."""

    def is_refused(message: ConsoleMessage) -> bool:
        return "status of 503" in message.text and message.location["url"].endswith("/assistant/runs")

    page = context.new_page()
    with watched(page, is_refused):
        page.goto(f"{url}/#run=none&tab=assistant&assistant=reinforcement")
        page.locator(".reinforcement-answer").first.wait_for()
        yield page
    page.close()


@pytest.fixture
def panel(page: Page) -> Iterator[Locator]:
    """The view at its last step, with nothing focused or pointed at."""
    page.mouse.move(2, 2)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("End")
    yield page.get_by_role("tabpanel", name="Reinforcement")
    page.unroute_all(behavior="ignoreErrors")


def figures(name: str, value: float) -> str:
    """As the page writes a measure."""
    if name not in SHARES:
        return str(Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_UP)).replace("-", "−")
    share = 100 * value
    digits = 0 if value in (0, 1) or 10 <= share < 99 else 1 if share >= 1 else 2
    return f"{Decimal(share).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)} %"


def values_at(run: dict[str, Any], step: int) -> dict[str, str]:
    """What the last evaluation up to a step has measured."""
    table = run["evaluations"]
    at = max(i for i, each in enumerate(table["step"]) if each <= step)
    return {name: figures(name, table[name][at]) for name in MEASURES if table[name][at] is not None}


def steps_of(runs: list[dict[str, Any]]) -> list[int]:
    """The steps at which any run was evaluated."""
    return sorted({step for run in runs for step in run["evaluations"]["step"]})


def check_step(panel: Locator, runs: list[dict[str, Any]], step: int) -> None:
    """Both columns show the measures and the answers of a step."""
    expect(panel.locator(".reinforcement-step")).to_have_text(f"Step {step:,} of {steps_of(runs)[-1]:,}")
    for side, run in enumerate(runs):
        for name, value in values_at(run, step).items():
            expect(panel.locator(f".reinforcement-track[data-measure={name}]").nth(side)).to_have_attribute("data-value", value)
    texts = [next(sample["texts"] for sample in reversed(run["samples"]) if sample["step"] <= step) for run in runs]
    shown = panel.locator(".reinforcement-text").all_text_contents()
    assert shown == [text["answer"] for pair in zip(*texts, strict=True) for text in pair]
    requests = panel.locator(".reinforcement-request").all_text_contents()
    assert requests == [text["request"] for text in texts[0]] == [text["request"] for text in texts[1]]
    marks = panel.locator(".reinforcement-verdict b").all_text_contents()
    assert marks == ["✓" if text["obeys"] else "✗" for pair in zip(*texts, strict=True) for text in pair]


def test_every_step_shows_the_measures_and_answers_of_both_runs(page: Page, panel: Locator, runs: list[dict[str, Any]]) -> None:
    steps = steps_of(runs)
    check_step(panel, runs, steps[-1])
    page.keyboard.press("Home")
    check_step(panel, runs, steps[0])
    page.keyboard.press("ArrowRight")
    check_step(panel, runs, steps[1])
    page.wait_for_function("step => location.hash.includes(`policy_step=${step}`)", arg=steps[1])
    panel.get_by_role("slider", name="Step").press("End")
    check_step(panel, runs, steps[-1])


def test_the_reward_rises_while_the_rule_falls_without_a_penalty(panel: Locator, runs: list[dict[str, Any]]) -> None:
    bound, unbound = (run["evaluations"] for run in runs)
    assert unbound["reward"][-1] > unbound["reward"][0]
    assert unbound["rule"][-1] < max(unbound["rule"]) - 0.05
    assert bound["rule"][-1] > unbound["rule"][-1] + 0.05
    words = panel.locator(".reinforcement-words").all_text_contents()
    by = ["The learned reward rises from ", "Reward hacking: the learned reward rises from "]
    assert all(text.startswith(beginning) for text, beginning in zip(words, by, strict=True))
    penalties = [f"KL penalty {runs[0]['kl_weight']:g}, ", "No KL penalty: reward hacking"]
    titles = panel.locator(".reinforcement-head h2").all_text_contents()
    assert all(title.startswith(beginning) for title, beginning in zip(titles, penalties, strict=True))
    assert figures("rule", unbound["rule"][-1]) in words[1]
    assert words[1].endswith(runs[1]["about"])
    assert runs[1]["about"]  # the hack is described


def test_a_point_of_a_curve_leads_to_its_step(page: Page, panel: Locator, runs: list[dict[str, Any]]) -> None:
    canvas = panel.locator(".reinforcement-track[data-measure=rule] canvas").nth(1)
    rem = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    box = canvas.bounding_box()
    assert box
    step = runs[1]["evaluations"]["step"][1]
    most = max(steps_of(runs)[-1], *(run["steps"]["step"][-1] for run in runs))
    left, right = 3.25 * rem, box["width"] - 4 * rem
    canvas.hover(position={"x": left + (right - left) * step / most, "y": box["height"] / 3})
    track = panel.locator(".reinforcement-track[data-measure=rule]").nth(1)
    expect(track).to_have_attribute("data-value", values_at(runs[1], step)["rule"])
    expect(panel.locator(".reinforcement-step b")).to_have_text(f"{steps_of(runs)[-1]:,}")
    canvas.click(position={"x": left + (right - left) * step / most, "y": box["height"] / 3})
    expect(panel.locator(".reinforcement-step b")).to_have_text(f"{step:,}")


def test_reward_and_rule_by_the_root_of_the_kl(page: Page, panel: Locator) -> None:
    others = panel.locator(".reinforcement-others").first
    expect(others).to_be_visible()
    page.keyboard.press("x")
    expect(others).to_be_hidden()
    expect(panel.get_by_role("button", name="by √KL")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("location.hash.includes('policy_axis=kl')")
    page.keyboard.press("x")
    expect(others).to_be_visible()
    page.wait_for_function("!location.hash.includes('policy_axis')")


@pytest.mark.slow
def test_everything_stays_in_the_column_of_its_run(page: Page, panel: Locator) -> None:
    """By steps and by the root of the KL, on a small projector: no text under the other run, or under the names of the measures."""
    last = ".reinforcement-texts .reinforcement-row:last-child .reinforcement-answer"
    columns = f".reinforcement-head, .reinforcement-track[data-measure=rule], .reinforcement-words, {last}"
    size = page.viewport_size
    assert size
    page.set_viewport_size({"width": 1280, "height": 720})
    for _ in ("by steps", "by the root"):
        lefts = panel.locator(columns).evaluate_all("all => all.map((node) => Math.round(node.getBoundingClientRect().x))")
        assert len(lefts) == 8
        assert lefts == lefts[:2] * 4
        assert lefts[0] < lefts[1]
        page.keyboard.press("x")
    hack = panel.locator(".reinforcement-words").last.bounding_box()
    assert hack
    assert hack["y"] < 630  # the explanation begins above the fold
    page.set_viewport_size(size)


def test_play_begins_at_the_first_step(page: Page, panel: Locator, runs: list[dict[str, Any]]) -> None:
    page.emulate_media(reduced_motion="reduce")  # then each press is a step
    page.keyboard.press("p")
    check_step(panel, runs, steps_of(runs)[1])
    page.emulate_media(reduced_motion="no-preference")


def test_what_is_saved_is_what_the_route_says(page: Page, panel: Locator, runs: list[dict[str, Any]]) -> None:
    def saved(label: str, name: str) -> Path:
        page.locator("#assistant-views").get_by_role("button", name="Download").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=label).click()
        assert download.value.suggested_filename == name
        return Path(download.value.path())

    rows = [*csv.DictReader(io.StringIO(saved("All curves (CSV)", "reinforcement.csv").read_text(encoding="utf-8"), newline=""))]
    for run in runs:
        kept_back = [row for row in rows if row["run"] == run["name"] and row["requests"] == "kept back"]
        assert [int(row["step"]) for row in kept_back] == run["evaluations"]["step"]
        assert [float(row["rule"]) for row in kept_back] == run["evaluations"]["rule"]
    texts = json.loads(saved("Answers at all evaluations (JSON)", "reinforcement.json").read_text(encoding="utf-8"))
    assert [each["evaluations"] for each in texts] == [run["samples"] for run in runs]
    with Image.open(saved("Charts (PNG)", "reinforcement.png")) as picture:
        assert picture.width > 3 * 1_000
        assert len(picture.convert("L").getcolors() or []) > 20  # something is drawn


def test_what_goes_wrong_is_said_and_can_be_tried_again(page: Page, panel: Locator, runs: list[dict[str, Any]]) -> None:
    def show_again() -> None:
        page.get_by_role("tab", name="Reward", exact=True).click()
        page.get_by_role("tab", name="Reinforcement", exact=True).click()

    def answer_once(route: Route, told: list[dict[str, Any]]) -> None:
        route.fulfill(json={"runs": told})

    page.route("**/assistant/runs", lambda route: route.fulfill(status=503, json={"error": "Too busy."}), times=1)
    show_again()
    expect(panel.locator(".trouble").first).to_contain_text("Too busy.")
    panel.get_by_role("button", name="Try again").click()
    check_step(panel, runs, steps_of(runs)[-1])
    page.route("**/assistant/runs", lambda route: answer_once(route, []), times=1)
    show_again()
    expect(panel.locator(".reinforcement-empty")).to_contain_text("No policy has been trained on this server")
    page.route("**/assistant/runs", lambda route: answer_once(route, [runs[1]]), times=1)
    show_again()
    expect(panel.locator(".reinforcement-head:visible")).to_have_count(1)
    expect(panel.locator(".reinforcement-answer")).to_have_count(len(runs[1]["samples"][-1]["texts"]))
    page.route("**/assistant/runs", lambda route: answer_once(route, [runs[0], runs[1] | {"trouble": "It is damaged."}]), times=1)
    show_again()
    expect(panel.locator(".notice")).to_contain_text(f"{runs[1]['name']} cannot be shown: It is damaged.")
    show_again()
    check_step(panel, runs, steps_of(runs)[-1])
    assert state_of(page.url)["assistant"] == ["reinforcement"]
