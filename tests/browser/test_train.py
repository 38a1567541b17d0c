"""The Train tab: unlocked, a run started and watched, stopped, resumed, used, and the way back."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from model.files import cache_dir
from model.limits import MAX_CORPUS_BYTES
from model.weights import WEIGHTS_FOLDER, load_weights, save_weights
from tests.browser.conftest import new_page, open_page
from tests.browser.tab import generate, set_up
from tests.support.admin import PASSWORD, Admin, runs_ended
from tests.support.client import host_and_port
from tests.support.fake_hub import FakeHub, fake_hub, use_hub
from tests.support.server import running_process

TEXT = "the quick brown fox jumps over the lazy dog, and the dog sleeps on.\n" * 60


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The app's folder of runs."""
    with runs_ended(tmp_path_factory.mktemp("runs")) as runs:
        yield runs


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    """A Hub on localhost, with a model of its own for this module: the app keeps what it fetches in the user's cache."""
    user = f"test-{secrets.token_hex(8)}"
    with pytest.MonkeyPatch.context() as patch, fake_hub() as hub:
        hub.add_account(user)
        use_hub(hub, patch)
        yield hub
    shutil.rmtree(cache_dir() / "hub" / user, ignore_errors=True)


class App:
    """A real app with a password and a folder of runs, which can be killed and started again at the same address."""

    def __init__(self, runs: Path):
        self._runs, self._stack = runs, ExitStack()
        self.url = ""
        self.start()

    def start(self) -> None:
        """Starts it, at the address that it had."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ADMIN_PASSWORD", PASSWORD)
            if self.url:
                patch.setattr("tests.support.server.free_port", lambda: host_and_port(self.url)[1])
            process = running_process("--device", "cpu", "--runs", str(self._runs))
            self.url, self._pid = self._stack.enter_context(process)

    def kill(self) -> None:
        """Kills it without a warning."""
        os.kill(self._pid, signal.SIGKILL)
        self._stack.close()

    def stop(self) -> None:
        """Stops it."""
        self._stack.close()


@pytest.fixture(scope="module")
def app(runs: Path, hub: FakeHub) -> Iterator[App]:
    """The app of this module."""
    app = App(runs)
    yield app
    app.stop()


@pytest.fixture
def url(app: App) -> str:
    """The app's address."""
    return app.url


@pytest.fixture
def page(empty_page: Page, url: str) -> Page:
    """The tab, locked."""
    show(empty_page, url)
    return empty_page


def show(page: Page, url: str, **address: str) -> None:
    open_page(page, f"{url}/?{'&'.join(f'{name}={value}' for name, value in address.items())}")
    page.get_by_role("tab", name="Train", exact=True).click()
    page.locator("#train-views [data-ready]").wait_for(state="attached")


def unlock(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_label("Preset")).to_be_focused()  # so that a second Enter does not lock again


def start(page: Page, *, steps: int, name: str, **settings: str) -> None:
    """Starts the smallest preset on an uploaded text."""
    page.get_by_label("Preset").select_option("tiny")
    page.get_by_label("Training text").select_option("file")
    page.get_by_label("Text file").set_input_files({"name": "foxes.txt", "mimeType": "text/plain", "buffer": TEXT.encode()})
    expect(page.locator(".train-corpus")).to_contain_text(re.compile("characters, 30 different: ↵␣,"))
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="More settings").click()
    for setting, value in {"steps": str(steps), **settings}.items():
        page.get_by_label(setting, exact=True).fill(value)
    page.get_by_role("button", name="Start", exact=True).dblclick()


def measured(page: Page) -> int:
    """How many steps the curve shows."""
    return int(page.locator(".loss-chart").get_attribute("data-train") or 0)


def state(page: Page) -> Locator:
    return page.locator(".watch-state")


def test_everybody_may_watch_and_who_does_not_know_the_password_may_not_act(page: Page) -> None:
    expect(page.get_by_text("Everyone can watch. The lecturer's password is needed to start a run.")).to_be_visible()
    expect(page.get_by_label("Preset")).to_be_hidden()


@pytest.mark.slow
def test_whoever_tries_again_in_vain_is_told_once_more(browser: Browser, url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("**/train/runs", lambda route: route.abort())
    show(page, url)
    said = page.locator(".train-said")
    for _ in range(2):
        said.get_by_role("button", name="Try again").click()
    expect(said).to_contain_text("The server cannot be reached.")
    page.unroute_all()
    expect(said).to_have_text("")
    context.close()


def test_before_any_run_the_shipped_models_training_is_played(page: Page) -> None:
    expect(page.locator(".watch-name")).to_have_text("The shipped model's training")
    expect(state(page)).to_have_text("recording")
    chart, numbers, play = page.locator(".loss-chart"), page.locator(".watch-numbers"), page.locator(".watch-play")
    expect(chart).to_have_attribute("data-val", "40")
    expect(numbers).to_contain_text("1.413 step 8,000lowest validation loss")
    expect(page.get_by_test_id("train-sample")).to_be_hidden()  # its texts were not kept
    page.keyboard.press("p")
    expect(chart).to_have_attribute("data-playhead", re.compile("[1-9]"))
    play.click()
    expect(play).to_have_text("Play")
    expect(numbers).not_to_contain_text("step 8,000lowest")
    page.get_by_label("Evaluation").fill("0")
    expect(numbers).to_contain_text("2.458 step 200lowest validation loss")
    page.keyboard.press(".")
    expect(numbers).to_contain_text("2.037 step 400lowest validation loss")
    page.emulate_media(reduced_motion="reduce")
    play.click()
    expect(numbers).to_contain_text("step 8,000lowest")
    page.keyboard.press("y")
    expect(page.get_by_role("button", name="linear")).to_have_attribute("aria-pressed", "true")
    box = page.get_by_test_id("loss-chart").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    expect(page.locator(".chart-reading")).to_contain_text(re.compile(r"Step \d,\d00\nvalidation loss 1\.\d+, training loss 1\.\d+"))
    page.get_by_role("tab", name="All runs").click()
    row = page.locator(".runs tbody tr").first
    expect(row).to_contain_text("1.413")
    expect(row.get_by_role("button", name="Compare")).to_be_visible()
    expect(page.locator(".run-actions button:visible")).to_have_count(0)
    expect(page.get_by_text("No training runs yet.", exact=True)).to_be_visible()


@pytest.mark.slow
def test_a_run_outlives_the_app_and_its_model_is_used(browser: Browser, app: App) -> None:
    """The whole way: started on an uploaded text, the app killed in the middle, found again, stopped, resumed, used, given back."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page, url = context.new_page(), app.url
    show(page, url)
    unlock(page)
    start(page, steps=20_000, name="foxes")
    expect(state(page)).to_contain_text("training")
    expect(page.locator(".watch-name")).to_be_in_viewport()  # although Start was far below
    page.wait_for_function("Number(document.querySelector('.loss-chart').dataset.val) >= 2")
    expect(page.locator(".watch-numbers")).to_contain_text(re.compile(r"\d step \d+validation loss"))
    expect(page.get_by_test_id("train-sample")).not_to_be_empty()
    app.kill()
    expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    before = measured(page)
    app.start()
    page.wait_for_function("before => Number(document.querySelector('.loss-chart').dataset.train) > before", arg=before)
    expect(page.get_by_text("The server cannot be reached.")).to_be_hidden()
    unlock(page)  # the right was the other app's, and the page has seen that
    page.locator(".new-run").get_by_role("button", name="Stop").dblclick()
    expect(state(page)).to_have_text("stopped")
    (run,) = Admin(url).get("/train/runs")[1]["runs"]
    curve = Admin(url).curve(run["id"])
    assert curve["steps"]["step"] == list(range(1, run["step"] + 1))
    page.wait_for_function("steps => Number(document.querySelector('.loss-chart').dataset.train) === steps", arg=run["step"])

    page.reload()
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.get_by_label("Preset")).to_be_visible()  # the right survives
    page.locator(".watch-actions").get_by_role("button", name="Resume").dblclick()
    page.wait_for_function("before => Number(document.querySelector('.loss-chart').dataset.train) > before", arg=run["step"])
    page.locator(".new-run").get_by_role("button", name="Stop").click()
    expect(state(page)).to_have_text("stopped")

    onlooker = context.new_page()
    open_page(onlooker, url)
    page.get_by_role("button", name="Use this model").dblclick()
    expect(page.get_by_text(re.compile(r"The page now writes with foxes, step [\d,]+\."))).to_be_visible()
    expect(page.locator(".other-model")).to_have_count(0)  # said once is enough
    expect(page.get_by_test_id("facts")).to_contain_text("foxes")
    page.get_by_role("button", name="Write with it →").click()
    set_up(page, prompt="the dog", length=40, samples=1)
    (text,) = generate(page)
    assert set(text) <= set(TEXT)
    page.get_by_role("tab", name="Attention", exact=True).click()
    expect(page.locator(".tile")).to_have_count(4)
    before = onlooker.locator(".folio .card-text").all_text_contents()
    onlooker.get_by_role("button", name="Again").click()
    expect(onlooker.get_by_text("The lecturer has switched the model to “foxes”.")).to_be_visible()
    expect(onlooker.get_by_test_id("facts")).to_contain_text("foxes")
    onlooker.wait_for_function("document.querySelectorAll('.group').length === 2 && !document.querySelector('.group .running')")
    assert onlooker.locator(".group").last.locator(".card-text").all_text_contents() == before  # nothing is lost

    page.get_by_role("tab", name="Train", exact=True).click()
    page.get_by_role("tab", name="All runs").click()
    page.get_by_role("button", name="Back to the original model").click()
    expect(page.get_by_test_id("facts")).to_contain_text("shakespeare")
    Admin.logged_in(url).do(f"/train/runs/{run['id']}/delete", id=run["id"])
    context.close()


def test_what_cannot_be_learned_from_is_said(page: Page, tmp_path: Path) -> None:
    cases = {
        "is empty": b"",
        "is not UTF-8": b"\x89PNG\xff",
        "has NUL bytes": b"a\0b" * 9,
        "is one character repeated": b"x" * 5_000,
        "5,000 different characters": "".join(map(chr, range(0x4E00, 0x4E00 + 5_000))).encode(),
        "needs at least": b"too short",
        "larger than 32 MiB": bytes(MAX_CORPUS_BYTES + 1),
    }
    unlock(page)
    page.get_by_label("Preset").select_option("tiny")
    page.get_by_label("Training text").select_option("file")
    start, trouble = page.get_by_role("button", name="Start", exact=True), page.locator(".new-run .train-trouble")
    for number, (said, content) in enumerate(cases.items()):
        path = tmp_path / f"{number}.txt"
        path.write_bytes(content)
        page.get_by_label("Text file").set_input_files(path)
        expect(page.locator(".train-corpus")).not_to_have_text("…")
        start.click()
        expect(trouble).to_contain_text(said)
        expect(start).to_be_enabled()


@pytest.mark.slow
def test_a_rate_far_too_high_is_seen_and_its_run_renamed_and_deleted(page: Page) -> None:
    unlock(page)
    start(page, steps=400, name="too hot", learning_rate="1e9", n_head="5")
    expect(page.locator(".new-run .train-trouble")).to_contain_text("must be a multiple of n_head")
    page.get_by_label("n_head", exact=True).fill("2")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(state(page)).to_have_text("failed")
    expect(page.locator(".watch .train-trouble")).to_contain_text("The run has diverged")
    expect(page.get_by_role("button", name="Use this model")).to_be_visible()
    page.get_by_role("tab", name="All runs").click()
    rows = page.locator(".runs tbody tr:visible").filter(has_not_text="recording")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Name of the run").fill("<b>long</b>")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(rows.first).to_contain_text("<b>long</b>")
    for answer, left in (("Cancel", 2), ("Delete", 0)):
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_role("dialog")).to_contain_text("Delete “<b>long</b>” with its weights")
        page.get_by_role("dialog").get_by_role("button", name=answer).click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(rows).to_have_count(left)
    expect(page.get_by_role("tabpanel", name="All runs").get_by_text("No training runs yet.", exact=True)).to_be_visible()


@pytest.mark.slow
def test_a_damaged_run_is_shown_with_the_reason_and_can_be_deleted(page: Page, url: str, runs: Path) -> None:
    folder = runs / "broken"
    folder.mkdir()
    (folder / "job.json").write_text('{"created": "y", "name": 7}')
    (folder / "metrics.jsonl").write_text('{"step": 1, "loss": 4.1}\nnull\n')  # a step without its time or its gradient's norm
    (folder / "config.json").write_text('{"network": "text", "about": null}')
    show(page, url, run_shown="broken")
    expect(page.locator(".watch-name")).to_have_text("broken")
    expect(page.locator(".watch-state")).to_have_text("damaged")
    expect(page.locator(".watch .train-trouble")).to_contain_text("This run cannot be used. config.json is not a valid config.json")
    expect(page.locator(".watch-numbers")).to_contain_text("4.100")
    unlock(page)
    expect(page.locator(".watch .train-trouble")).to_contain_text("config.json is not a valid config.json")
    page.get_by_role("tab", name="All runs").click()
    row = page.get_by_role("row").filter(has_text="damaged")
    expect(row).to_contain_text("broken")
    expect(row.locator(".run-reason").first).to_contain_text("config.json is not a valid config.json")
    actions = page.locator(".run-actions").first
    expect(actions.get_by_role("button", name="Resume")).to_be_disabled()
    actions.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert not folder.exists()


def test_a_file_of_any_name_is_taken_and_a_runs_name_is_used_once(page: Page, runs: Path) -> None:
    unlock(page)
    page.get_by_label("Preset").select_option("tiny")
    page.get_by_label("Training text").select_option("file")
    for name in ("a\u00adb\u200f.txt", "x" * 59 + "😀😀.txt", "שיר.txt"):
        page.get_by_label("Text file").set_input_files({"name": name, "mimeType": "text/plain", "buffer": TEXT.encode()})
        expect(page.locator(".train-corpus")).to_have_text(re.compile("^4,0[0-9]+ characters, 30 different"))
        expect(page.locator(".train-corpus")).not_to_have_class(re.compile("error"))
    field = page.get_by_label("Name", exact=True)
    field.fill("a b: c")
    expect(page.locator(".command")).to_have_text(f"python -m model train --preset tiny --corpus text.txt --run a-b-c --runs {runs}")
    field.fill("שם " + "😀" * 57)  # 60 characters, 117 UTF-16 units
    assert field.evaluate("node => getComputedStyle(node).direction") == "rtl"
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".watch-name")).to_have_text("שם " + "😀" * 57)
    assert page.locator(".watch-name").evaluate("node => getComputedStyle(node).direction") == "rtl"
    expect(field).to_have_value("")
    page.reload()
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.get_by_label("Preset")).to_have_value("tiny")
    expect(field).to_have_value("")
    page.get_by_role("tab", name="All runs").click()
    row = page.locator(".runs tbody tr").first
    expect(row.locator(".run-open")).to_have_text("שם " + "😀" * 57)
    expect(row.locator("bdi")).to_have_text("שיר.txt")
    page.locator(".new-run").get_by_role("button", name="Stop").click()


@pytest.mark.slow
def test_a_model_from_the_hub_reaches_every_page_without_a_reload(page: Page, hub: FakeHub, url: str, tmp_path: Path) -> None:
    (account,) = hub.accounts.values()
    bigram = load_weights(WEIGHTS_FOLDER / "ladder" / "bigram")
    save_weights(tmp_path, bigram.model, bigram.tokenizer, {}, torch.float32)  # another file, so another model
    files = {name: (tmp_path / name).read_bytes() for name in ("config.json", "model.safetensors")}
    name = f"{account.name}/tiny@{hub.put('model', f'{account.name}/tiny', files).sha[:7]}"
    page.get_by_role("tab", name="From the Hub").click()
    view = page.get_by_role("tabpanel", name="From the Hub")
    expect(view).to_contain_text("Unlock this tab to fetch one.")
    expect(view.get_by_label("Model on the Hub")).to_be_hidden()
    unlock(page)
    with new_page(page.context) as other:
        open_page(other, url)
        field = view.get_by_label("Model on the Hub")
        field.fill(f"{account.name}/none")
        field.press("Enter")
        expect(view.get_by_role("status")).to_contain_text("there is no such repository")
        expect(field).to_have_value(f"{account.name}/none")
        field.fill(f"hub:{account.name}/tiny")
        view.get_by_role("button", name="Fetch").click()
        expect(view.get_by_role("status")).to_have_text(f"{name} is in the Model menu now.")
        other.locator("#model-opener").click()
        expect(other.get_by_label(name)).not_to_be_checked()
        other.keyboard.press("Escape")
        view.get_by_role("button", name="Use this model").click()
        expect(view.locator(".hub-facts")).to_have_text("4,225 parameters · in use")
        expect(other.locator(".model-names")).to_have_text(name)
    view.get_by_role("button", name="Back to the original model").click()
    view.get_by_role("button", name="Remove").click()
    expect(view).to_contain_text("No models from the Hub yet.")
