"""The view "Training": a run step by step, held against the routes; what happens fast; and what goes wrong."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browser.conftest import open_page
from tests.browser.tab import set_up, state_of
from tests.support.viewing import Viewer, answer, write

LENGTH = 300
DONE = """step => document.querySelector(".training-text[data-done]")?.dataset.step === String(step)
  && !document.querySelector(".training .stale")"""


@pytest.fixture
def page(empty_page: Page) -> Page:
    return empty_page


@pytest.fixture(scope="module")
def run(url: str) -> dict[str, Any]:
    """The run that the server names first, as it describes it."""
    runs: list[dict[str, Any]] = answer(url, "GET", "/learning/runs")[1]["runs"]
    return runs[0]


def measured(url: str, run: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """What the heads of each step do with a text, from the route; the first line is the text."""
    with Viewer(url, path="/learning/heads") as viewer:
        *lines, last = [viewer.ask(source=run["source"], run=run["id"], text=text), *viewer.rest()]
    assert last == {"state": "done"}
    return lines


def show(page: Page, url: str, **address: str | int) -> Locator:
    """The view, with the whole text of the step."""
    open_page(page, f"{url}/#{urlencode({'run': 'none', 'learning': 'training', **address})}")
    page.get_by_role("tab", name="Learning", exact=True).click()
    page.wait_for_function("document.querySelector('.training-text[data-done]')")
    return page.get_by_role("tabpanel", name="Training")


def stepped(page: Page, step: int) -> None:
    """Waits until a step has written all of its text, and shows what it expects and attends to."""
    page.wait_for_function(DONE, arg=step)


def losses_of(snapshot: dict[str, Any]) -> str:
    """What the view says of a snapshot's losses."""
    loss, val_loss = snapshot["loss"], snapshot["val_loss"]
    held = "validation loss not evaluated here" if val_loss is None else f"validation loss {val_loss:.2f}"
    return held if loss is None else f"{held} · training loss {loss:.2f}"


def cut_once(page: Page, url: str, path: str) -> None:
    """Lets the first answer of a route end halfway, as when a connection is lost."""

    def cut(route: Route) -> None:
        body = route.fetch().text().splitlines(keepends=True)
        route.fulfill(body="".join(body[: len(body) // 2]))

    page.route(f"{url}{path}", cut, times=1)


def text_of(url: str, snapshot: dict[str, Any], **dice: Any) -> str:
    """What a snapshot writes, from the route."""
    settings = {"prompt": "ROMEO:\n", "temperature": 0.5, "seed": 7} | dice
    return write(url, model=snapshot["key"], length=LENGTH, samples=1, **settings)[0]


def test_each_step_shows_what_its_own_weights_write_expect_and_attend_to(page: Page, url: str, run: dict[str, Any]) -> None:
    first, *_, last = run["snapshots"]
    panel = show(page, url, prompt="ROMEO:\n", temperature=0.5, dice=7)
    text, slider = panel.locator(".training-text"), panel.get_by_role("slider", name="Step")
    expect(text).to_have_text("ROMEO:\n" + text_of(url, last))
    expect(slider).to_have_attribute("aria-valuetext", f"step {last['step']:,}")
    slider.press("Home")
    stepped(page, first["step"])
    expect(text).to_have_text("ROMEO:\n" + text_of(url, first))
    expect(panel.locator(".training-step")).to_have_text(f"Step 0 of {run['steps']:,}")
    expect(panel.locator(".training-map")).to_have_count(run["n_layer"] * run["n_head"])
    # Before the first step a network knows nothing: no character stands out, and heads attend to all alike.
    assert all(float(words.split()[0]) < 10 for words in panel.locator(".candidate-percent:not(.candidates-raw)").all_text_contents())
    panel.locator(".training-map").first.click()
    early = panel.locator(".training-marked").inner_text()
    slider.press("End")
    stepped(page, last["step"])
    assert panel.locator(".training-marked").inner_text() != early
    assert early.startswith("Head 0.0: prev. char ")


def test_the_losses_of_a_step_are_its_own_and_none_where_it_was_not_evaluated(page: Page, url: str, run: dict[str, Any]) -> None:
    snapshots = run["snapshots"]
    panel = show(page, url)
    evaluations = answer(url, "GET", f"/learning/runs/{run['source']}/{run['id']}/curve")[1]["evaluations"]
    curve = dict(zip(evaluations["step"], evaluations["val_loss"], strict=True))
    assert any(snapshot["val_loss"] is None for snapshot in snapshots)
    page.keyboard.press("Home")
    for snapshot in snapshots:
        expect(panel.locator(".training-losses")).to_have_text(losses_of(snapshot))
        assert curve.get(snapshot["step"]) == snapshot["val_loss"]
        page.keyboard.press("ArrowRight")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/learning/heads", "/write"])
def test_an_answer_that_ends_early_is_not_taken_for_a_whole_one(page: Page, url: str, run: dict[str, Any], path: str) -> None:
    page.goto("about:blank")
    cut_once(page, url, path)
    panel = show(page, url)  # once the server answers, it is asked again by itself
    expect(panel.locator(".training-curves")).to_have_attribute("data-points", str(len(run["snapshots"])))
    expect(panel.locator(".training-said")).to_be_empty()


def test_a_text_seen_before_is_there_at_once_and_neighbours_are_fetched_ahead(page: Page, url: str, run: dict[str, Any]) -> None:
    steps = [snapshot["step"] for snapshot in run["snapshots"]]
    panel = show(page, url, step=steps[4])
    expect(panel.locator(".training-curves")).to_have_attribute("data-points", str(len(steps)))  # then nothing is asked for any more
    asked: list[dict[str, Any]] = []
    page.on("request", lambda request: request.method == "POST" and asked.append(request.post_data_json))
    for key, place in [("ArrowRight", 5), ("ArrowLeft", 4)]:
        page.keyboard.press(key)
        stepped(page, steps[place])
    shown = [run["snapshots"][place]["key"] for place in (4, 5)]
    assert not [body for body in asked if body.get("model") in shown]  # what was shown had come before it was asked for


def test_a_slider_that_is_moved_fast_asks_for_the_step_alone_at_which_it_rests(page: Page, url: str, run: dict[str, Any]) -> None:
    keys = [snapshot["key"] for snapshot in run["snapshots"]]
    panel = show(page, url)
    expect(panel.locator(".training-curves")).to_have_attribute("data-points", str(len(keys)))
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    panel.get_by_role("slider", name="Step").evaluate(
        """slider => {
          for (let share = 1; share >= 0; share -= 0.02) {
            slider.value = share;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }"""
    )
    stepped(page, 0)
    written = [request.post_data_json["model"] for request in asked if request.url.endswith("/write")]
    assert written[0] == keys[0]
    assert set(written) <= {keys[0], keys[1]}  # and what is fetched ahead


def test_the_curves_say_when_a_head_begins_to_look_at_the_character_before(
    page: Page, url: str, run: dict[str, Any], tmp_path: Path
) -> None:
    panel = show(page, url)
    passage = panel.get_by_label("The heads read").input_value()
    text, *lines = measured(url, run, passage)
    heads = [
        (line["step"], -head["previous"], layer, place)
        for line in lines
        for layer, row in enumerate(line["stats"])
        for place, head in enumerate(row)
    ]
    step, _, layer, head = min(head for head in heads if -head[1] >= 0.25)
    assert text["uniform"]["previous"] < 0.125
    expect(panel.locator(".training-formed")).to_contain_text(
        f"“Previous character” forms by step {step:,}: head {layer}.{head} is the first to give 25 %"
    )
    shows, about = (panel.locator(part).bounding_box() for part in (".training-formed button", ".training-about"))
    assert shows
    assert about
    assert shows["y"] + shows["height"] <= about["y"] + about["height"] + 1  # in sight without scrolling
    panel.get_by_role("button", name="Show it").click()
    stepped(page, step)
    expect(panel.locator(".training-map.marked")).to_have_attribute("data-head", f"{layer}.{head}")
    expect(panel.locator(".training-curves")).to_have_attribute("data-marked", f"{layer}.{head}")
    panel.get_by_label("What the heads do").select_option("entropy")
    expect(panel.locator(".training-formed")).to_contain_text(f"Uniform attention has {text['uniform']['entropy']:.1f} bits.")
    page.wait_for_function("location.hash.includes('measure=entropy')")
    state = state_of(page.evaluate("location.href"))
    assert (state["step"], state["measure"], state["watched_head"]) == ([str(step)], ["entropy"], [f"{layer}.{head}"])
    with page.expect_download() as download:
        page.keyboard.press("d")
        page.get_by_role("button", name="Heads, all measures (CSV)").click()
    download.value.save_as(tmp_path / "heads.csv")
    rows = list(csv.DictReader((tmp_path / "heads.csv").open()))
    expected = [head["previous"] for line in lines for row in line["stats"] for head in row]
    assert [float(row["previous"]) for row in rows] == pytest.approx(expected)


def test_play_goes_on_when_a_text_can_be_read_and_ends_at_the_last_step(page: Page, url: str, run: dict[str, Any]) -> None:
    steps = [snapshot["step"] for snapshot in run["snapshots"]]
    panel = show(page, url, step=steps[-2])
    panel.get_by_role("button", name="Play", exact=True).click()
    expect(panel.get_by_role("button", name="Pause")).to_be_visible()
    stepped(page, steps[-1])
    expect(panel.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.emulate_media(reduced_motion="reduce")
    page.keyboard.press("p")  # from the beginning, a step for each press
    stepped(page, steps[1])
    expect(panel.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_a_step_can_be_read_and_written_with_on_the_other_tabs(page: Page, url: str, run: dict[str, Any]) -> None:
    snapshot = run["snapshots"][-2]
    panel = show(page, url, step=snapshot["step"])
    panel.get_by_role("button", name="Write with it").click()
    page.wait_for_function("document.querySelector('.group') && !document.querySelector('.group .running')")
    page.get_by_role("tab", name="Learning", exact=True).click()
    panel.get_by_role("button", name="Open in Attention").click()
    name = f"{run['name']}, step {snapshot['step']:,}"
    expect(page.locator(".look-line")).to_contain_text(f"read by {name}")
    page.wait_for_function("key => location.hash.includes('tab=attention') && location.hash.includes(`reader=${key}`)", arg=snapshot["key"])
    address = page.evaluate("location.href")
    open_page(page, address.replace("tab=attention", ""))  # a link to it is good on another page too
    page.get_by_role("tab", name="Attention", exact=True).click()
    page.locator("#attention-views [data-ready]").wait_for(state="attached")
    expect(page.locator(".look-line")).to_contain_text(f"read by {name}")
    page.wait_for_function("document.querySelector('.group') && !document.querySelector('.group .running')")


def test_damaged_snapshots_and_runs_without_any_are_named_and_the_rest_works(page: Page, url: str, run: dict[str, Any]) -> None:
    first, second, *others = run["snapshots"]
    snapshots = [first, second | {"key": "", "trouble": "7.safetensors is damaged."}, *others]
    damaged = run | {"name": "Half of a run", "snapshots": snapshots}
    empty = run | {"id": "empty", "name": "A quick one", "snapshots": []}

    def with_others(route: Route) -> None:
        route.fulfill(json={"runs": [damaged, empty]})

    page.route("**/learning/runs", with_others)
    page.route(
        "**/learning/runs/*/*/curve",
        lambda route: route.fulfill(json=answer(url, "GET", f"/learning/runs/{run['source']}/{run['id']}/curve")[1]),
    )
    panel = show(page, url, step=others[0]["step"])
    expect(panel.locator(".training-notice")).to_have_text(
        f"The snapshot of step {second['step']} cannot be used: 7.safetensors is damaged."
    )
    page.keyboard.press("ArrowLeft")
    stepped(page, first["step"])
    panel.get_by_label("Run", exact=True).select_option(label="A quick one")
    expect(panel.locator(".training-notice")).to_contain_text("A quick one kept no snapshots")
    expect(panel.locator(".training-text")).to_be_hidden()
    expect(panel.get_by_test_id("loss-chart")).to_be_visible()
    panel.get_by_label("Run", exact=True).select_option(label="Half of a run")
    expect(panel.locator(".training-notice")).to_contain_text("cannot be used")
    expect(panel.locator(".training-text")).to_be_visible()


def test_a_passage_with_nothing_to_measure_is_named_and_another_one_is_read(page: Page, url: str) -> None:
    panel = show(page, url)
    field = panel.get_by_label("The heads read")
    field.fill("a")
    field.blur()
    expect(panel.locator(".training-formed")).to_have_text("This measure is undefined for this passage.")
    field.fill("ab" * 30)
    field.blur()
    panel.get_by_label("What the heads do").select_option("same")
    expect(panel.locator(".training-formed")).to_contain_text("earlier occurrences of the same character")


def test_views_ask_for_nothing_while_another_tab_is_open(page: Page, url: str) -> None:
    page.goto("about:blank")
    page.goto(f"{url}/#{urlencode({'run': 'none', 'tab': 'learning', 'learning': 'overfitting'})}")
    texts = "[...document.querySelectorAll('.overfitting-side .copied:not(.running)')]"
    page.wait_for_function(f"{texts}.filter(({{ textContent }}) => textContent.length > 400).length === 4")
    page.get_by_role("tab", name="Sample", exact=True).click()
    temperatures: list[float] = []
    page.on("request", lambda asked: asked.url.endswith("/write") and temperatures.append(asked.post_data_json["temperature"]))
    set_up(page, temperature=0.35)
    page.wait_for_function("location.hash.includes('temperature=0.35')")
    assert temperatures == []
    with page.expect_request("**/write"):
        page.get_by_role("tab", name="Learning", exact=True).click()
    assert temperatures[0] == 0.35
