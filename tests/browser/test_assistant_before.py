"""The view "Before and after" of the Assistant tab, in a real browser: one request, the same dice, and the rule's verdict on each answer.

Small networks of the ladder stand in for the assistants, but for one test: they write quickly, and some of what they write has a stop sign.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Download, Locator, Page, Route, expect

from model.assistant.answers import ANSWER_CHARS
from model.assistant.pairs import STOP, prompt_of
from model.assistant.skills import SKILLS, judge, skill_of
from model.limits import MAX_REQUEST_CHARS
from tests.browser.conftest import SCREEN, watched
from tests.browser.tab import state_of
from tests.browser.test_hall import CUT, SMALLEST
from tests.support.admin import Admin
from tests.support.viewing import answer, write

REQUEST = "Come, insult me."
STAND_INS = {"base": "ladder/bigram", "supervised": "ladder/one-head", "reinforced": "ladder/residual", "unbound": ""}
SHARES = {"base": 0.1, "supervised": 0.5, "reinforced": 0.9}
DICE = (0.8, 1337)


@pytest.fixture(scope="module")
def about(url: str) -> dict[str, Any]:
    """GET /assistant, with the stand-ins, and shares that can be told apart."""
    told: dict[str, Any] = answer(url, "GET", "/assistant")[1]
    keys = {model["id"]: model["key"] for model in answer(url, "GET", "/models")[1]["models"]} | {"": ""}
    for stage in told["models"]:
        stage |= {"key": keys[STAND_INS[stage["id"]]], "trouble": "" if STAND_INS[stage["id"]] else "It is not here."}
    told["obeys"] = dict.fromkeys(told["obeys"])
    for id, share in SHARES.items():
        success = {"n": 30, "obeys": share, "low": share - 0.1, "high": share + 0.1, "distinct": None}
        told["obeys"][id] = {"n": 330, "temperature": 0.8, "skills": dict.fromkeys((s.id for s in SKILLS), success), "mean": success}
    told["forgetting"] = {"base": 2.5, "supervised": None, "reinforced": None, "unbound": None}
    return told


@pytest.fixture(scope="module")
def is_expected() -> Callable[[ConsoleMessage], bool]:
    """Requests that these tests refuse, and models that they say are gone."""
    return lambda message: "ERR_FAILED" in message.text or "status of 404" in message.text


@pytest.fixture(scope="module")
def kept(context: BrowserContext, url: str, about: dict[str, Any], is_expected: Callable[[ConsoleMessage], bool]) -> Iterator[Page]:
    """The view, loaded once for most tests."""
    page = context.new_page()
    page.route("**/assistant", lambda route: route.fulfill(json=about))
    with watched(page, is_expected):
        show(page, url)
        yield page
    page.close()


@pytest.fixture
def page(kept: Page, panel: Locator) -> Page:
    """The view with the first request and dice, one answer of each of three models."""
    panel.get_by_label("Seed", exact=True).fill(str(DICE[1]))
    panel.get_by_label("Request", exact=True).fill(REQUEST)
    panel.get_by_label("Request", exact=True).press("Enter")
    panel.get_by_label("Fourth model").select_option("none")
    panel.get_by_role("button", name="1 answer", exact=True).click()
    kept.evaluate("document.activeElement.blur()")
    answered(kept)
    return kept


@pytest.fixture
def panel(kept: Page) -> Locator:
    return kept.get_by_role("tabpanel", name="Before and after")


def show(page: Page, url: str, **address: str | int) -> Locator:
    """The view, once all have answered."""
    page.goto("about:blank")
    page.goto(f"{url}/#{urlencode({'tab': 'assistant', 'request': REQUEST, **address})}")
    page.locator("#assistant-views [data-ready]").wait_for(state="attached")
    panel = page.get_by_role("tabpanel", name="Before and after")
    answered(page)
    return panel


def answered(page: Page) -> None:
    """Waits until all have answered, and their answers are judged if there is a rule."""
    page.wait_for_function("""() => {
      const columns = [...document.querySelectorAll(".before-column")].filter((node) => !node.querySelector(".before-answers[hidden]"));
      const isDone = (node) => node.querySelector(".before-verdict").textContent && !node.querySelector(".before-caret, .before-old");
      return columns.length > 1 && columns.every(isDone);
    }""")


def answers_of(url: str, about: dict[str, Any], stage: str, request: str, samples: int = 1, seed: int = DICE[1]) -> list[tuple[str, bool]]:
    """What a stand-in answers, and whether it stops, as the server writes it."""
    (key,) = [model["key"] for model in about["models"] if model["id"] == stage]
    asked = {"model": key, "prompt": prompt_of(request), "temperature": DICE[0], "seed": seed, "length": ANSWER_CHARS, "samples": samples}
    parts = [text.partition(STOP) for text in write(url, **asked)]
    return [(text, bool(stop)) for text, stop, _ in parts]


def shown(panel: Locator, stage: str) -> list[str]:
    """The answers of a column, as they are shown, without what is said of them."""
    without_why = """all => all.map(({ childNodes }) =>
      [...childNodes].filter(({ className }) => className !== "before-why").map(({ textContent }) => textContent).join(""))"""
    texts: list[str] = panel.locator(f".before-column[data-stage={stage}] .before-answer").evaluate_all(without_why)
    return texts


def as_shown(text: str, stops: bool) -> str:
    """How an answer is shown: newlines that it begins with as signs, and its end."""
    words = text.lstrip("\n")
    begins = "↵" * (len(text) - len(words))
    return f"{begins}{' ' if begins else ''}{words}{'↵↵' if stops else '…'}"


def test_each_stage_answers_with_the_same_dice_and_is_judged(page: Page, panel: Locator, url: str, about: dict[str, Any]) -> None:
    panel.get_by_role("button", name="4 answers").click()
    page.wait_for_url("**answers=4*")
    answered(page)
    ends = set[bool]()
    for stage in SHARES:
        expected = answers_of(url, about, stage, REQUEST, 4)
        assert shown(panel, stage) == [as_shown(*one) for one in expected]
        verdicts = [(verdict := judge(REQUEST, text)) is not None and verdict.obeys and stops for text, stops in expected]
        column = panel.locator(f".before-column[data-stage={stage}]")
        expect(column.locator(".before-verdict")).to_have_text(f"{sum(verdicts)} of 4 obey.")
        assert column.locator(".before-answer").evaluate_all("all => all.map(({ dataset }) => dataset.obeys === 'yes')") == verdicts
        expect(column.locator("[data-obeys=no] > .before-why")).to_have_count(verdicts.count(False))
        expect(column.locator(".before-why")).to_have_count(verdicts.count(False))
        ends |= {stops for _, stops in expected}
    assert ends == {True, False}  # both kinds of end were seen
    panel.get_by_role("button", name="1 answer", exact=True).click()
    answered(page)
    first, *_ = answers_of(url, about, "supervised", REQUEST, 4)
    expect(panel.locator(".before-column[data-stage=supervised] .before-answer")).to_have_text([as_shown(*first)])
    page.wait_for_function("!location.hash.includes('answers=')")
    verdict = panel.locator(".before-column[data-stage=supervised] .before-verdict")
    why = judge(REQUEST, first[0])
    assert why
    expect(verdict).to_contain_text(why.why if first[1] else f"does not end within {ANSWER_CHARS} characters")
    before = shown(panel, "supervised")
    page.keyboard.press("s")
    page.wait_for_function("location.hash.includes('dice=')")
    answered(page)
    seed = int(state_of(page.url)["dice"][0])
    ((text, stop),) = answers_of(url, about, "supervised", REQUEST, seed=seed)
    expect(panel.locator(".before-column[data-stage=supervised] .before-answer")).to_have_text([as_shown(text, stop)])
    assert shown(panel, "supervised") != before


@pytest.mark.slow
def test_the_models_that_ship_answer(empty_page: Page, url: str) -> None:
    request, told = "Shout: silver moon", answer(url, "GET", "/assistant")[1]
    if any(model["trouble"] for model in told["models"]):
        pytest.skip("the assistants are not in weights/assistant")
    panel = show(empty_page, url, request=request)
    stages = [model for model in told["models"] if model["id"] in SHARES]
    for stage in stages:
        assert shown(panel, stage["id"]) == [as_shown(*one) for one in answers_of(url, told, stage["id"], request)]
    shares = [f"{stage['title']} {int(100 * told['obeys'][stage['id']]['skills']['shout']['obeys'] + 0.5)}\u00a0%" for stage in stages]
    expect(panel.locator(".before-rail [aria-current]")).to_have_attribute("aria-label", ", ".join(["Shout", *shares]))
    expect(panel.locator(".before-column[data-stage=supervised] .before-answer")).to_contain_text("↵↵")  # it stops


def test_a_skill_asks_its_requests_one_after_the_other(page: Page, panel: Locator, about: dict[str, Any]) -> None:
    field, here = panel.get_by_label("Request", exact=True), panel.locator(".before-rail [aria-current]")
    expect(here).to_have_attribute("aria-label", "Insult, Base 10\u00a0%, Supervised 50\u00a0%, Reinforced 90\u00a0%")
    requests = {skill["id"]: skill["requests"] for skill in about["skills"]}
    panel.get_by_role("button", name=re.compile("^Shout")).click()
    expect(field).to_have_value(requests["shout"][0])
    expect(here.locator(".before-skill-title")).to_have_text("Shout")
    page.keyboard.press("n")
    expect(field).to_have_value(requests["shout"][1])
    page.wait_for_function("request => new URLSearchParams(location.hash.slice(1)).get('request') === request", arg=requests["shout"][1])
    answered(page)
    page.keyboard.press("ArrowRight")
    expect(here.locator(".before-skill-title")).to_have_text("Echo")
    answered(page)
    page.keyboard.press("ArrowLeft")
    expect(here.locator(".before-skill-title")).to_have_text("Shout")
    expect(field).to_have_value(requests["shout"][0])
    page.keyboard.press("r")
    expect(field).to_be_focused()
    answered(page)


def test_shares_are_bars_with_their_intervals(page: Page, panel: Locator) -> None:
    rows = panel.locator(".before-skill")
    assert rows.count() == len(SKILLS) + 1
    widths = """bars => bars.map((bar) => [...bar.children].map((part) =>
      [part.offsetLeft, part.offsetLeft + part.offsetWidth].map((edge) => Math.round((100 * edge) / bar.offsetWidth))))"""
    for row in (rows.first, rows.last):
        edges = row.locator(".before-bar").evaluate_all(widths)
        for (fill, interval), share in zip(edges, SHARES.values(), strict=True):
            assert fill == pytest.approx([0, 100 * share], abs=1)
            assert interval == pytest.approx([100 * share - 10, 100 * share + 10], abs=1)
    base = panel.locator(".before-column[data-stage=base]")
    expect(base.locator(".before-mean")).to_have_text("Insult: 10\u00a0% obey")
    expect(base.locator(".before-measured")).to_contain_text("10\u00a0% insult (0 to 20 %, N = 30)")
    expect(base.locator(".before-measured")).to_contain_text("Loss on the plays 2.500")
    expect(panel.locator(".before-note")).to_contain_text("30 requests kept back from training")


def test_a_request_of_ones_own_may_have_no_rule_and_unknown_characters(page: Page, panel: Locator, url: str, about: dict[str, Any]) -> None:
    field = panel.get_by_label("Request", exact=True)
    field.fill("What is  the\ntime☃?")
    field.press("Enter")
    expect(panel.locator(".notice")).to_contain_text("☃")
    expect(panel.locator(".before-verdict").first).to_have_text("No rule judges this request.")
    answered(page)
    assert shown(panel, "base") == [as_shown(*one) for one in answers_of(url, about, "base", "What is the time?")]
    expect(panel.locator(".before-rail [aria-current]")).to_have_count(0)
    with page.expect_request("**/write"):
        field.fill("Praise me.")  # after a pause, without another key
    expect(panel.locator(".notice")).to_be_empty()
    asked: list[str] = []
    page.on("request", note := lambda request: asked.append(request.url) if "/write" in request.url else None)
    field.fill("x" * (MAX_REQUEST_CHARS + 1))
    field.press("Enter")
    expect(panel.locator(".trouble").first).to_have_text(
        f"A request has at most {MAX_REQUEST_CHARS} characters; this one has {MAX_REQUEST_CHARS + 1}."
    )
    expect(field).to_have_value("x" * (MAX_REQUEST_CHARS + 1))  # nothing is lost
    page.remove_listener("request", note)
    assert asked == []
    columns = len(SHARES)
    expect(panel.locator(".before-old")).to_have_count(columns)  # the answers are those to another request
    field.fill(REQUEST)
    field.press("Enter")
    expect(panel.locator(".trouble").first).to_be_empty()
    answered(page)
    field.fill("")
    field.press("Enter")
    expect(panel.locator(".trouble").first).to_have_text("Write a request: this one is empty.")
    expect(panel.locator(".before-old")).to_have_count(columns)
    field.blur()
    expect(field).to_have_value(REQUEST)
    expect(panel.locator(".trouble").first).to_be_empty()
    answered(page)


def test_a_fourth_model_that_is_missing_says_so_and_the_others_answer(page: Page, panel: Locator) -> None:
    panel.get_by_label("Fourth model").select_option("Without KL")
    columns = panel.locator(".before-column")
    expect(columns).to_have_count(4)
    expect(columns.last.locator(".trouble")).to_have_text("It is not here.")
    answered(page)
    page.wait_for_url("**also=unbound*")
    panel.get_by_label("Fourth model").select_option("none")
    expect(columns).to_have_count(3)


@pytest.mark.slow
def test_without_a_server_it_is_said_and_the_way_on_works(page: Page, panel: Locator) -> None:
    page.route("**/assistant/judge", lambda route: route.abort())
    page.keyboard.press("s")
    trouble = panel.locator(".trouble:not(:empty)")
    expect(trouble).to_have_count(1)
    expect(trouble).to_contain_text("The server cannot be reached.")
    page.unroute("**/assistant/judge")
    expect(trouble).to_have_count(0)  # its button is pressed by itself once the server answers
    answered(page)


def test_a_key_that_is_gone_is_asked_for_again(empty_page: Page, url: str, about: dict[str, Any]) -> None:
    page, asked = empty_page, 0

    def first_stale(route: Route) -> None:
        nonlocal asked
        asked += 1
        models = [stage | ({"key": "00000000"} if asked == 1 and stage["id"] == "base" else {}) for stage in about["models"]]
        route.fulfill(json=about | {"models": models})

    page.route("**/assistant", first_stale)
    panel = show(page, url, dice=7)
    assert asked == 2
    assert shown(panel, "base") == [as_shown(*one) for one in answers_of(url, about, "base", REQUEST, seed=7)]


def test_downloads_hold_what_is_shown(page: Page, panel: Locator, tmp_path: Path) -> None:
    saved = json.loads(download(page, "Answers (JSON)", tmp_path))
    assert (saved["request"], saved["temperature"], saved["seed"], saved["skill"]) == (REQUEST, *DICE, "insult")
    for model in saved["models"]:
        ((one, text),) = zip(model["answers"], shown(panel, model["id"]), strict=True)
        assert as_shown(one["text"], one["has_stopped"]) == text
        assert skill_of(REQUEST)
        assert {"obeys", "why"} <= one.keys()
    plain = download(page, "Answers (TXT)", tmp_path)
    assert all(f"## {model['title']}\n\n{model['answers'][0]['text']}" in plain for model in saved["models"])
    rows = [*csv.DictReader(download(page, "Shares that obey (CSV)", tmp_path).splitlines())]
    assert {(row["model"], float(row["obeys"])) for row in rows} == {*SHARES.items()}
    assert len(rows) == len(SHARES) * (len(SKILLS) + 1)


def download(page: Page, entry: str, folder: Path) -> str:
    """What an entry of the menu of downloads saves."""
    page.keyboard.press("d")
    with page.expect_download() as waiting:
        page.get_by_role("button", name=entry).locator("visible=true").click()
    file: Download = waiting.value
    file.save_as(folder / file.suggested_filename)
    return (folder / file.suggested_filename).read_text(encoding="utf-8")


def key_of(url: str, run: str) -> str:
    """The key of the model that a run has trained."""
    (key,) = [model["key"] for model in answer(url, "GET", "/models")[1]["models"] if model["run"] == run]
    return str(key)


@pytest.mark.slow
def test_a_model_that_was_trained_here_answers_beside_the_others(
    empty_page: Page, class_app: tuple[str, str], about: dict[str, Any], corpus_path: Path
) -> None:
    (url, _), page = class_app, empty_page
    page.route("**/assistant", lambda route: route.fulfill(json=about))
    panel = show(page, url)
    options = panel.get_by_label("Fourth model").get_by_role("option")
    expect(options).to_contain_text(["none", "Without KL"])  # and what others have trained on this app
    expect(options.filter(has_text="Two steps")).to_have_count(0)
    admin = Admin.logged_in(url)
    settings = {"steps": 2, "eval_interval": 2, "batch_size": 4}
    parent = admin.do("/train/start", preset="tiny", settings=settings | {"block_size": 160})["run"]["id"]
    admin.until(parent, "finished")
    run = admin.do("/train/start", preset="sft", name="Two steps", parent=key_of(url, parent), settings=settings)["run"]["id"]
    admin.until(run, "finished")
    page.get_by_role("tab", name="Train", exact=True).click()
    page.get_by_role("tab", name="Assistant", exact=True).click()  # the list is read again when the view is shown
    expect(panel.locator(".training-here-said")).to_contain_text("has finished")
    panel.get_by_label("Fourth model").select_option("Two steps")
    expect(panel.locator(".before-column")).to_have_count(4)
    answered(page)
    key = key_of(url, run)
    page.wait_for_url(f"**also={key}*")
    asked = {"model": key, "prompt": prompt_of(REQUEST), "temperature": DICE[0], "seed": DICE[1], "length": ANSWER_CHARS, "samples": 1}
    (text, stop, _) = write(url, **asked)[0].partition(STOP)
    expect(panel.locator(".before-column").last.locator(".before-answer")).to_have_text(as_shown(text, bool(stop)))
    for id in (run, parent):
        admin.do(f"/train/runs/{id}/delete", id=id)


def test_the_view_is_read_from_the_back_row_and_fits_a_phone(page: Page, panel: Locator) -> None:
    panel.get_by_role("button", name="8 answers").click()
    answered(page)
    size, where = page.evaluate(SMALLEST, "#assistant-views")
    assert size >= 0.999, where
    for width, height in ((1280, 720), (360, 740)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []
    expect(panel.locator(".before-column").last).to_be_visible()
    page.set_viewport_size(SCREEN)
