"""The view "Overfitting": two runs side by side, what of their texts is copied, and any other text."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Route, expect

from model.data import load_corpus
from tests.browser.conftest import watched
from tests.browser.tab import state_of
from tests.support.viewing import answer, write

LENGTH = 400
FIRST = {"prompt": "ROMEO:\n", "temperature": 0.5, "dice": 7}
SIDES = ("overfit", "overfit-dropout")
WRITTEN = "() => document.querySelectorAll('.overfitting-side .copied:not(.running) .copied-said:not(:empty)').length === 4"
# How many characters of a card are marked.
MARKED = """card => {
  const ranges = ["copied-even", "copied-odd"].flatMap((name) => [...CSS.highlights.get(name)]);
  return ranges.filter((range) => card.contains(range.startContainer)).reduce((sum, range) => sum + range.endOffset - range.startOffset, 0);
}"""


@pytest.fixture(scope="module")
def runs(url: str) -> dict[str, dict[str, Any]]:
    """The runs that the app describes, by id."""
    return {run["id"]: run for run in answer(url, "GET", "/learning/runs")[1]["runs"]}


@pytest.fixture(scope="module")
def page(context: BrowserContext, url: str, corpus_path: Path) -> Iterator[Page]:
    """A page with this view, loaded once: each test goes on from what the one before left. The app finds the corpus."""

    def is_gone(message: ConsoleMessage) -> bool:
        return "status of 404" in message.text and message.location["url"].endswith("/write")

    page = context.new_page()
    with watched(page, is_gone):
        page.goto(f"{url}/#{urlencode({'run': 'none', 'tab': 'learning', 'learning': 'overfitting', **FIRST})}")
        page.wait_for_function(WRITTEN)
        yield page
    page.close()


@pytest.fixture
def panel(page: Page) -> Iterator[Locator]:
    """The view, with nothing pointed at or focused."""
    page.mouse.move(2, 2)
    page.evaluate("document.activeElement.blur()")
    yield page.get_by_role("tabpanel", name="Overfitting")
    page.unroute_all(behavior="ignoreErrors")


def show_again(page: Page) -> None:
    """Leaves the view and comes back."""
    page.get_by_role("tab", name="Data", exact=True).click()
    page.get_by_role("tab", name="Overfitting", exact=True).click()


def answer_with(page: Page, runs: list[dict[str, Any]]) -> None:
    """Has the page's next question for the runs answered with these."""
    page.route("**/learning/runs", lambda route: route.fulfill(json={"runs": runs}), times=1)


def copied(url: str, text: str, **where: Any) -> dict[str, Any]:
    """What the route says of a text."""
    status, told = answer(url, "POST", "/learning/copied", json.dumps({"text": text, **where}).encode(), Content_Type="application/json")
    assert status == 200, told
    return told


def percent(share: float) -> str:
    """As the page writes it."""
    value = 100 * share
    digits = 0 if share in (0, 1) or 10 <= value < 99 else 1 if value >= 1 else 2
    return f"{math.floor(value * 10**digits + 0.5) / 10**digits:.{digits}f} %"


def test_the_texts_of_both_runs_are_marked_where_they_copy(panel: Locator, url: str, runs: dict[str, dict[str, Any]]) -> None:
    shares = {}
    for name, side in zip(SIDES, panel.locator(".overfitting-side").all(), strict=True):
        run = runs[name]
        kept = {snapshot["step"]: snapshot["key"] for snapshot in run["snapshots"]}
        for step, card in zip((max(kept), run["best_step"]), side.locator(".copied").all(), strict=True):
            text = write(url, model=kept[step], prompt="ROMEO:\n", temperature=0.5, seed=7, length=LENGTH, samples=1)[0]
            expect(card.locator(".copied-text")).to_have_text(f"ROMEO:\n{text}", use_inner_text=False)
            stretches = copied(url, text, source="shipped", run=name)["stretches"]
            marked = sum(stretch["length"] for stretch in stretches)
            assert card.evaluate(MARKED) == marked
            shares[name, step] = marked / LENGTH
            expect(card.locator(".copied-said")).to_contain_text(f"{percent(marked / LENGTH)} copied")
    best, last = (runs["overfit"][name] for name in ("best_step", "steps"))
    assert shares["overfit", last] > 0.3 > shares["overfit", best]  # by heart at its end, and not before
    expect(panel.locator(".overfitting-summary")).to_contain_text(
        f"At its last step, {last:,}, the network without dropout copies {percent(shares['overfit', last])} of its text; "
        f"at its best step, {best:,}, {percent(shares['overfit', best])}."
    )


def test_a_stretch_shows_the_lines_that_it_is_copied_from(page: Page, panel: Locator, corpus_path: Path) -> None:
    lines, source = load_corpus(corpus_path).text.split("\n"), page.get_by_test_id("copied-source")
    page.keyboard.press("]")
    expect(source).to_be_visible()
    number = int(re.search(r"from line ([\d,]+) of Tiny Shakespeare", source.inner_text())[1].replace(",", ""))
    assert source.locator(".copied-number").first.inner_text() == f"{number:,}"
    shown = source.locator(".copied-line").first
    assert shown.evaluate("node => node.textContent") in lines[number - 1]
    assert shown.locator("mark").evaluate("node => node.textContent") in panel.locator(".copied-text:focus").evaluate(
        "node => node.textContent"
    )
    page.keyboard.press("Escape")
    expect(source).to_be_hidden()
    panel.locator(".copied-said button").first.hover()
    panel.locator(".copied-said button").first.click()  # the longest one
    expect(source).to_contain_text("word for word")
    page.mouse.move(2, 2)
    text = panel.locator(".copied-text:focus")
    text.press("Escape")
    x, y = text.evaluate(
        """node => {
          node.scrollIntoView({ block: "center" });
          const marked = [...CSS.highlights.get("copied-even")].find((range) => node.contains(range.startContainer));
          const range = document.createRange();
          range.setStart(marked.startContainer, marked.startOffset);
          range.setEnd(marked.startContainer, marked.startOffset + 1);
          const { left, top, height } = range.getClientRects()[0];
          return [left + 2, top + height / 2];
        }"""
    )
    page.mouse.move(x, y)
    expect(source).to_be_visible()
    page.mouse.move(2, 2)
    expect(source).to_be_hidden()


def test_early_stopping_follows_the_patience(page: Page, panel: Locator, url: str) -> None:
    evaluations = answer(url, "GET", "/learning/runs/shipped/overfit/curve")[1]["evaluations"]
    losses = [*zip(evaluations["step"], evaluations["val_loss"], strict=True)]
    best = min(losses, key=lambda point: point[1])[0]
    later = [step for step, _ in losses if step > best]
    words = panel.locator(".overfitting-stop").first
    panel.get_by_label("patience").fill("2")
    expect(words).to_have_text(f"Early stopping would end it at step {later[1]:,}, with the weights of step {best:,}.")
    panel.get_by_label("patience").fill("99")
    expect(words).to_contain_text("would not end it: the validation loss never goes 99 evaluations without a new minimum.")
    page.wait_for_function("location.hash.includes('patience=99')")
    figures = panel.locator(".overfitting-figures").first.locator("tr[data-point=best] td").all_inner_texts()
    loss = dict(losses)[best]
    assert figures[1:] == [f"{loss:.2f}", f"{loss / math.log(2):.2f}", f"{math.exp(loss):.1f}"]


def test_early_stopping_knows_no_later_evaluation(page: Page, panel: Locator, url: str) -> None:
    curve = answer(url, "GET", "/learning/runs/shipped/overfit/curve")[1]
    steps, losses = (curve["evaluations"][name] for name in ("step", "val_loss"))
    worse = [*losses[:2], losses[1] + 1, *losses[3:]]  # before the best one, which is at the fourth evaluation
    page.route("**/overfit/curve", lambda route: route.fulfill(json=curve | {"evaluations": {"step": steps, "val_loss": worse}}), times=1)
    first, words = panel.get_by_label("First run", exact=True), panel.locator(".overfitting-stop").first
    panel.get_by_label("patience").fill("1")
    for name in ("quick", SIDES[0]):
        first.select_option(name)
    expect(words).to_have_text(f"Early stopping would end it at step {steps[2]:,}, with the weights of step {steps[1]:,}.")
    for name in ("quick", SIDES[0]):
        first.select_option(name)


def test_any_text_can_be_checked(page: Page, panel: Locator, corpus_path: Path) -> None:
    corpus = load_corpus(corpus_path).text
    form, field = panel.locator(".overfitting-check"), panel.get_by_label("Any text")
    said = form.locator(".copied-said")

    def check(text: str) -> None:
        field.fill(text)
        field.press("Control+Enter")

    page.keyboard.press("c")
    expect(field).to_be_focused()
    check(corpus[5_000:5_300])
    expect(said).to_contain_text("100 % copied: 1 stretch, the longest 300 characters")
    check(corpus[600_000:600_300])  # no run on this view learned from it
    expect(said).to_contain_text("0 % copied")
    form.get_by_label("Compare with").select_option("all of Tiny Shakespeare's training text")
    form.get_by_role("button", name="Check").click()
    expect(said).to_contain_text("100 % copied")
    page.wait_for_function(
        "start => new URLSearchParams(location.hash.slice(1)).get('checked')?.startsWith(start)", arg=corpus[600_000:600_100]
    )
    check("A")
    expect(said).to_contain_text("0 % copied")
    check("A" * 12_001)
    expect(form.locator(".overfitting-count")).to_have_text("12,001 of 12,000 characters")
    expect(form.locator(".trouble")).to_have_text("This text has 12,001 characters; up to 12,000 can be checked.")
    assert len(field.input_value()) == 12_001  # nothing is lost


def test_the_runs_and_the_dice_are_chosen_and_everything_is_saved(page: Page, panel: Locator, runs: dict[str, dict[str, Any]]) -> None:
    second = panel.get_by_label("Second run", exact=True)
    second.select_option("quick")
    page.wait_for_function("location.hash.includes('overfit=')")
    offered = panel.get_by_label("Compare with").locator("option").all_inner_texts()
    assert [words for words in offered if "first" not in words] == [
        "all of Tiny Shakespeare's training text"
    ]  # once, though quick learned from it
    texts = panel.locator(".overfitting-side .copied-text")
    before = texts.all_text_contents()
    second.blur()
    page.keyboard.press("s")
    page.wait_for_function("before => document.querySelector('.copied-text').textContent !== before", arg=before[0])
    page.wait_for_function(WRITTEN)
    second.select_option(SIDES[1])
    page.wait_for_function(WRITTEN)
    page.wait_for_function("!location.hash.includes('overfit=')")  # the two that the view begins with
    assert "dice" in state_of(page.url)
    saved = {}
    for name in ("Both curves (CSV)", "Texts and what is copied (JSON)", "Charts (PNG)"):
        page.get_by_role("button", name="Download", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        saved[name.split("(")[1][:-1]] = Path(download.value.path())
    with saved["CSV"].open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    evaluated = [row for row in rows if row["validation_loss"]]
    assert {row["run"] for row in rows} == set(SIDES)
    assert all(math.isclose(float(row["validation_bits"]) * math.log(2), float(row["validation_loss"])) for row in evaluated)
    content = json.loads(saved["JSON"].read_text(encoding="utf-8"))
    assert [(text["run"], text["point"]) for text in content["texts"]] == [(name, point) for name in SIDES for point in ("best", "last")]
    assert all(text["copied"]["learned_characters"] == runs[text["run"]]["train_chars"] for text in content["texts"])
    assert saved["PNG"].read_bytes().startswith(b"\x89PNG")


def test_what_was_not_kept_is_said(page: Page, panel: Locator, runs: dict[str, dict[str, Any]]) -> None:
    quick = runs["quick"]
    kept, steps = [snapshot for snapshot in quick["snapshots"] if snapshot["step"] < quick["best_step"]], quick["steps"]
    answer_with(page, [*(run for run in runs.values() if run is not quick), quick | {"snapshots": kept}])
    second, side = panel.get_by_label("Second run", exact=True), panel.locator(".overfitting-side").last
    show_again(page)
    second.select_option("quick")
    last = f"{kept[-1]['step']:,}"
    expect(side.locator(".copied-title").first).to_have_text(f"Step {last}, the nearest kept to the last step, {steps:,}")
    expect(side.locator(".copied-title").last).to_have_text(f"Step {last}, the nearest kept to the best step, {quick['best_step']:,}")
    expect(panel.locator(".overfitting-summary")).to_contain_text(
        f"At step {last}, the nearest kept to the last step, {steps:,}, “quick” copies"
    )
    # The losses are those of the kept weights: the running average's, in this run.
    assert side.locator("tr[data-point=last] td").nth(1).inner_text() == f"{kept[-1]['val_loss']:.2f}"
    second.select_option(SIDES[1])


def test_a_run_that_comes_later_and_other_weights_are_found(page: Page, panel: Locator, runs: dict[str, dict[str, Any]]) -> None:
    options = panel.get_by_label("First run", exact=True).locator("option")
    answer_with(page, [runs[name] for name in SIDES])
    show_again(page)
    expect(options).to_have_text(SIDES)
    show_again(page)
    expect(options).to_have_text([*runs])
    # The server has other weights than those whose keys the page knows, as after a restart.
    texts = panel.locator(".overfitting-side .copied-text")
    before = texts.all_text_contents()
    old = [run | {"snapshots": [snapshot | {"key": "00000000"} for snapshot in run["snapshots"]]} for run in runs.values()]
    answer_with(page, old)
    asked = []
    with page.expect_request(lambda request: request.url.endswith("/learning/runs") and len(asked.append(request) or asked) == 2):
        show_again(page)  # the second question follows the first 404
    expect(panel.locator(".overfitting-side .copied-said").filter(has_text="copied")).to_have_count(4)
    assert texts.all_text_contents() == before


def test_without_the_corpus_the_rest_works(page: Page, panel: Locator) -> None:
    where = "Download it, and set SOLILOQUY_CORPUS to its path."

    def missing(route: Route) -> None:
        text = route.request.post_data_json["text"]
        nothing = {"text": text, "notice": "", "corpus": "", "chars": 0, "least": 20, "stretches": [], "trouble": where}
        route.fulfill(json=nothing)

    page.route("**/learning/copied", missing)
    page.get_by_role("button", name="New dice").click()
    expect(panel.locator(".notice")).to_have_text(where)
    page.wait_for_function("document.querySelectorAll('.overfitting-side .copied:not(.running)').length === 4")
    assert all(len(text) > LENGTH for text in panel.locator(".overfitting-side .copied-text").all_text_contents())
    assert panel.locator(".loss-chart canvas").count() == 2


def test_of_a_text_that_is_the_admins_no_line_is_shown(page: Page, panel: Locator) -> None:
    def hidden(route: Route) -> None:
        told = route.fetch().json()
        own = [stretch | dict.fromkeys(("at", "line", "before", "after")) for stretch in told["stretches"]]
        route.fulfill(json=told | {"corpus": "mine.txt", "stretches": own})

    page.route("**/learning/copied", hidden)
    panel.get_by_label("Any text").fill("First Citizen:\nBefore we proceed any further, hear me speak.")
    panel.get_by_role("button", name="Check").click()
    said = panel.locator(".overfitting-check .copied-said")
    expect(said).to_have_text(re.compile(r"100 % copied: 1 stretch, the longest \d+ characters$"))
    said.get_by_role("button").click()
    expect(page.get_by_test_id("copied-source")).to_contain_text(re.compile(r"word for word from mine\.txt"))
    assert page.locator(".copied-number").all_inner_texts() == ["", ""]
