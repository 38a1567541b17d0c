"""The app as a Space starts it, from the files that a deploy uploads: as a user who cannot write there, in a frame of another site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Frame, Page, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from model.hub import space
from model.hub.deploy import deploy
from tests.browser.tab import generate, set_up
from tests.support.admin import PASSWORD, Admin, runs_ended
from tests.support.fake_hub import fake_hub, use_hub
from tests.support.space import HOST, LIKE_CUDA, Space, zero_gpu
from tests.support.viewing import serving, write
from ui.web.admin import CLOSED_ON_A_SPACE

pytestmark = pytest.mark.slow  # a deploy of everything, and an app for each case

NAME = "ada/soliloquy"
TEXT = b"the quick brown fox jumps over the lazy dog, and the dog sleeps on.\n" * 60


@pytest.fixture(scope="module")
def files(app_url: str) -> dict[str, bytes]:
    """The files of the Space after a deploy of this checkout."""
    with pytest.MonkeyPatch.context() as patch, fake_hub() as hub:
        patch.setattr(space, "POLL_S", 0.01)
        hub.add_account("ada")
        use_hub(hub, patch)
        hub.on_create = lambda repo: setattr(repo, "host", app_url)
        assert deploy(NAME) == app_url
        return dict(hub.space(NAME).files)


@pytest.fixture
def deployed(files: dict[str, bytes], tmp_path: Path) -> Iterator[Space]:
    """The folder of a Space."""
    deployed = Space(tmp_path, files)
    yield deployed
    for path in (deployed.folder, *deployed.folder.rglob("*")):
        path.chmod(0o755)


def opened(page: Page, url: str) -> Frame:
    """The app in the frame of another site, as the Hub shows it."""
    page.locator("iframe").wait_for()
    frame = next(frame for frame in page.frames if frame.parent_frame)
    frame.goto(f"{url}/?__theme=light")
    frame.locator("[data-ready]").wait_for(state="attached")
    return frame


def test_without_its_secret_a_space_writes_and_stays_locked(empty_page: Page, deployed: Space) -> None:
    async def other_site(_: object) -> HTMLResponse:
        return HTMLResponse('<link rel="icon" href="data:,"><iframe style="width: 1200px; height: 700px"></iframe>')

    with deployed.running() as url, serving(Starlette(routes=[Route("/", other_site)])) as outside:
        empty_page.goto(outside.replace("127.0.0.1", "localhost"))
        frame = opened(empty_page, url)
        set_up(frame, prompt="JULIET:", samples=2, length=30)
        assert [len(text) for text in generate(frame)] == [len("JULIET:") + 30] * 2
        frame.get_by_role("tab", name="Train").click()
        expect(frame.get_by_text(CLOSED_ON_A_SPACE).first).to_be_visible()
        frame.get_by_role("tab", name="Sample").click()
        frame.get_by_role("button", name="Join").click()
        expect(frame.get_by_role("dialog")).to_contain_text(HOST)
        status, _ = Admin(url).post("/admin/login", password="")
        assert status == 403
    assert deployed.written() == {"home/.cache/soliloquy/precision.json"}


def test_with_its_secret_a_space_trains_in_the_place_that_it_is_given(deployed: Space) -> None:
    runs = deployed.data / "runs"
    with runs_ended(runs), deployed.running(ADMIN_PASSWORD=PASSWORD, SOLILOQUY_RUNS=str(runs)) as url:
        admin = Admin.logged_in(url)
        run = admin.do("/train/start", preset="tiny", corpus=admin.upload(TEXT), settings={"steps": 20})["run"]["id"]
        assert admin.until(run, "finished", "failed", "died")["state"] == "finished"
        trained = next(model["key"] for model in admin.get("/models")[1]["models"] if model["id"] == f"runs/{run}")
        assert write(url, prompt="the ", length=5, model=trained)
    elsewhere = {path for path in deployed.written() if not path.startswith("data/runs/")}
    assert elsewhere == {"home/.cache/soliloquy/precision.json"}


def test_a_space_on_zero_gpu_reports_its_function_and_works_on_the_cpu(deployed: Space) -> None:
    pytest.importorskip("spaces")
    with zero_gpu() as (environment, reports), deployed.running("-c", LIKE_CUDA, **environment) as url:
        assert reports == ["/startup-report"]
        assert Admin(url).get("/models")[1]["models"][0]["device"] == "CPU"
        assert len(write(url, prompt="ROMEO:", length=5)) == 1
