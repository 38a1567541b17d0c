"""The view "Pre- and post-norm": the block that is drawn, the recipes and their curves, and what both networks write."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import watched
from tests.conftest import ROOT
from tests.support.admin import PASSWORD
from tests.support.viewing import answer, write

HAS_WEIGHTS = (ROOT / "weights/meaning/post-norm/model.safetensors").is_file()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_WEIGHTS, reason="the networks are not in weights/meaning")]

# Whether both norms of the block stand in the residual stream, or both beside it.
ARE_IN_THE_STREAM = """(expected) => {
  const { left, width } = document.querySelector(".norm-sum circle").getBoundingClientRect();
  const isThere = (box) => box.left < left + width / 2 && left + width / 2 < box.right;
  return [...document.querySelectorAll(".norm-norm")].slice(0, 2).every((node) => isThere(node.getBoundingClientRect()) === expected);
}"""


@pytest.fixture(scope="module")
def told(url: str) -> dict[str, Any]:
    """What the route says."""
    return answer(url, "GET", "/meaning/norm")[1]


@pytest.fixture(scope="module")
def page(context: BrowserContext, url: str) -> Iterator[Page]:
    """A page with this view, loaded once: each test goes on from what the one before left."""
    page = context.new_page()
    with watched(page):
        page.goto(f"{url}/#run=none&tab=meaning&meaning=norm")
        page.locator(".norm-recipe").first.wait_for()
        expect(page.locator(".norm-recipe[aria-pressed=true] .norm-lost")).to_contain_text("post")  # it opens where one fails
        yield page
    page.close()


@pytest.fixture
def panel(page: Page) -> Locator:
    """The view with pre-norm and the first recipe."""
    panel = page.get_by_role("tabpanel", name="Pre- and post-norm")
    panel.get_by_role("button", name="Pre-norm", exact=True).click()
    panel.locator(".norm-recipe").first.click()
    page.evaluate("document.activeElement.blur()")
    return panel


def best_of(run: dict[str, Any]) -> str:
    return f"{min(run['val']['loss']):.2f}"


def runs_of(told: dict[str, Any], warmup_steps: int, learning_rate: float) -> dict[str, dict[str, Any]]:
    """The shipped runs of a recipe, by norm."""
    chosen = [run for run in told["runs"] if run["source"] == "shipped"]
    return {run["norm"]: run for run in chosen if (run["warmup_steps"], run["learning_rate"]) == (warmup_steps, learning_rate)}


def test_the_switch_moves_the_norms_and_shows_the_lines_of_the_other_block(page: Page, panel: Locator, told: dict[str, Any]) -> None:
    def lines_of(norm: str) -> str:
        return "".join(line["text"].strip() + "\n" for each in told["norms"] if each["id"] == norm for line in each["lines"])

    page.wait_for_function(ARE_IN_THE_STREAM, arg=False)
    assert panel.locator(".norm-code pre").text_content() == lines_of("pre-norm")
    page.keyboard.press("b")
    expect(panel.get_by_role("button", name="Post-norm", exact=True)).to_have_attribute("aria-pressed", "true")
    page.wait_for_function(ARE_IN_THE_STREAM, arg=True)
    assert panel.locator(".norm-code pre").text_content() == lines_of("post-norm")
    assert "The norms stand in the stream, after each sum." in str(panel.locator(".norm-block").get_attribute("aria-label"))
    page.wait_for_function("() => location.hash.includes('norm=post-norm')")


def test_each_recipe_shows_its_curves_and_says_who_learns(page: Page, panel: Locator, told: dict[str, Any]) -> None:
    base, cold = runs_of(told, 400, 0.003), runs_of(told, 0, 0.003)
    recipes = panel.locator(".norm-recipe")
    expect(recipes).to_have_count(4)
    assert recipes.all_text_contents()[0] == (
        f"400-step warm-uplearning rate 0.003pre {best_of(base['pre-norm'])}post {best_of(base['post-norm'])}"
    )
    expect(recipes.first.locator(".norm-lost")).to_have_count(0)
    expect(panel.locator(".norm-said")).to_have_text(
        f"Pre-norm reaches a loss of {best_of(base['pre-norm'])}. Post-norm reaches a loss of {best_of(base['post-norm'])}."
    )
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(panel.locator(".norm-recipe[aria-pressed=true]")).to_contain_text("no warm-up")
    assert panel.locator(".norm-recipe[aria-pressed=true] .norm-lost").text_content() == f"post {best_of(cold['post-norm'])}"
    expect(panel.locator(".norm-said")).to_have_text(
        f"Pre-norm reaches a loss of {best_of(cold['pre-norm'])}. "
        f"Post-norm stays at {best_of(cold['post-norm'])}; a bigram has {told['bigram_loss']}."
    )
    label = panel.get_by_test_id("loss-chart").get_attribute("aria-label")
    assert label
    assert f"post-norm: validation loss {cold['post-norm']['val']['loss'][-1]:.3f} at step 1,200" in label
    assert panel.locator(".norm-written").all_text_contents() == [cold[norm]["sample"].strip() for norm in ("pre-norm", "post-norm")]
    page.wait_for_function("() => location.hash.includes('recipe=0.003-0')")


def test_both_networks_write_with_the_same_prompt_and_dice(page: Page, panel: Locator, url: str, told: dict[str, Any]) -> None:
    panel.get_by_label("Prompt", exact=True).fill("QUEEN:\n")
    panel.get_by_label("Seed").fill("11")
    panel.get_by_label("Seed").press("Enter")
    for i, norm in enumerate(told["norms"]):
        (text,) = write(url, model=norm["key"], prompt="QUEEN:\n", temperature=0.8, seed=11, length=240, samples=1)
        page.wait_for_function(
            "([i, text]) => document.querySelectorAll('.norm-written')[i].textContent === text", arg=[i, f"QUEEN:\n{text}"]
        )


def test_the_losses_are_saved(page: Page, panel: Locator, told: dict[str, Any]) -> None:
    page.locator("#meaning-views").get_by_role("button", name="Download").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Losses of all runs (CSV)").click()
    rows = [*csv.DictReader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8"), newline=""))]
    for run in told["runs"]:
        of_run = [(int(row["step"]), float(row["loss"])) for row in rows if row["run"] == run["name"] and row["part"] == "validation"]
        assert of_run == [*zip(run["val"]["step"], run["val"]["loss"], strict=True)]


def test_the_admin_trains_the_chosen_norm_with_the_chosen_recipe(browser: Browser, class_app: tuple[str, str], corpus_path: Path) -> None:
    url, _ = class_app
    page = browser.new_page()
    page.goto(f"{url}/#run=none&tab=meaning&meaning=norm&norm=post-norm&recipe=0.003-0")
    panel = page.get_by_role("tabpanel", name="Pre- and post-norm")
    panel.get_by_role("button", name="Unlock the Train tab").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock", exact=True).click()
    expect(page.get_by_label("Preset")).to_be_focused()
    page.get_by_role("tab", name="Meaning", exact=True).click()
    with page.expect_request("**/train/start") as sent:
        panel.get_by_role("button", name="Train post-norm with this recipe", exact=True).click()
    settings = {"warmup_steps": 0, "learning_rate": 0.003, "embedding_learning_rate": 0.003}
    assert sent.value.post_data_json == {"preset": "post-norm", "name": "post-norm", "settings": settings}
    expect(panel.locator(".norm-said")).to_contain_text("Post-norm, trained here, has reached a loss of")
    panel.get_by_role("button", name="Stop", exact=True).click()
    expect(panel.locator(".training-here-said")).to_contain_text("The run stopped at step")
    page.close()
