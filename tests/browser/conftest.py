"""A real Chromium and a real app."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from model.files import cache_dir
from tests.support.admin import PASSWORD, Admin, runs_ended
from tests.support.chromium import launch
from tests.support.server import running_app, running_process
from tests.support.viewing import answer
from ui.class_address import class_address

SCREEN = {"width": 1280, "height": 720}
PHONE = {"width": 360, "height": 740}

expect.set_options(timeout=60_000)  # for what must appear, even on a busy machine


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        browser = launch(playwright, shell=True)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One browser context: a page loads in half the time once its scripts are in the cache."""
    context = browser.new_context(viewport=SCREEN, permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture(scope="session")
def float32_url(app_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app that computes in float32, even where bfloat16 is faster: it finds this choice in its cache."""
    if answer(app_url, "POST", "/attention", b'{"text": "a"}', Content_Type="application/json")[1]["precision"] == "float32":
        yield app_url
        return
    choices = json.loads((cache_dir() / "precision.json").read_text(encoding="utf-8"))
    in_float32 = {key: choice | {"dtype": "float32"} for key, choice in choices.items() if isinstance(choice, dict)}
    home = tmp_path_factory.mktemp("home")
    (home / "soliloquy").mkdir()
    (home / "soliloquy" / "precision.json").write_text(json.dumps(in_float32), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        with running_app("--device", "cpu") as url:
            yield url


@pytest.fixture(scope="session")
def class_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of an app as a lecturer starts it, with a password, a folder of runs and an address for the class, and its stdout."""
    folder = tmp_path_factory.mktemp("class")
    network = ["--host", "0.0.0.0"] if class_address("0.0.0.0", 7860) else []
    with pytest.MonkeyPatch.context() as patch, runs_ended(folder / "runs") as runs, (folder / "stdout").open("w") as out:
        patch.setenv("ADMIN_PASSWORD", PASSWORD)
        with running_process("--device", "cpu", "--runs", str(runs), *network, stdout=out) as (url, _):
            yield url, (folder / "stdout").read_text()


@pytest.fixture(scope="module")
def module_tab(context: BrowserContext) -> Iterator[Page]:
    """One browser tab for all tests of a module: loading a page in it again takes a third of the time that a new tab takes."""
    tab = context.new_page()
    yield tab
    tab.close()


@pytest.fixture
def page(empty_page: Page, url: str) -> Page:
    """The page, loaded and ready, with nothing kept from an earlier test. The browser's console must stay free of errors."""
    open_page(empty_page, url)
    return empty_page


@pytest.fixture(scope="module")
def is_expected() -> Callable[[ConsoleMessage], bool]:
    """Which errors the console may show; a module whose tests refuse more requests has its own."""
    return refused


@pytest.fixture
def empty_page(module_tab: Page, is_expected: Callable[[ConsoleMessage], bool]) -> Iterator[Page]:
    """The module's tab before any page is loaded, for a test that opens its own address."""
    with watched(module_tab, is_expected):
        yield module_tab
    module_tab.goto("about:blank")  # ends what the page still asks for
    module_tab.unroute_all(behavior="ignoreErrors")
    module_tab.set_viewport_size(SCREEN)
    module_tab.emulate_media(reduced_motion="no-preference", color_scheme="light")


@pytest.fixture(scope="module")
def kept_page(context: BrowserContext, url: str) -> Iterator[Page]:
    """The page, loaded once for all tests of a module that do not care what is on it when they begin."""
    with new_page(context) as page:
        open_page(page, url)
        yield page


@contextmanager
def new_page(context: BrowserContext) -> Iterator[Page]:
    """A new tab that keeps nothing for the next one."""
    page = context.new_page()
    with watched(page):
        yield page
    page.close()


@contextmanager
def context_at(browser: Browser, size: dict[str, int], script: str = "") -> Iterator[BrowserContext]:
    """A browser of its own, which runs a script before each page."""
    context = browser.new_context(viewport=size, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    context.add_init_script(script)
    yield context
    context.close()


@pytest.fixture
def phones(browser: Browser) -> Iterator[BrowserContext]:
    """A phone that was never here before."""
    with context_at(browser, PHONE) as context:
        yield context


@pytest.fixture
def admin(class_app: tuple[str, str]) -> Iterator[Admin]:
    """The lecturer of the class's app, in a new class."""
    admin = Admin.logged_in(class_app[0], PASSWORD)
    admin.do("/class/forget")
    yield admin
    admin.do("/class/forget")


def refused(message: ConsoleMessage) -> bool:
    """Whether the message only reports that bad input was answered with status 400; the page shows that itself."""
    url = message.location["url"]
    return "status of 400" in message.text and ("/train/" in url or url.endswith(("/write", "/lecture/file")))


@contextmanager
def watched(page: Page, is_expected: Callable[[ConsoleMessage], bool] = refused) -> Iterator[None]:
    """Fails if the console shows an error that is not expected or a dialog opens; clears the storage at the end."""
    problems: list[str] = []
    listeners = {
        "console": lambda message: problems.append(message.text) if message.type == "error" and not is_expected(message) else None,
        "pageerror": lambda error: problems.append(str(error)),
        "dialog": lambda dialog: (problems.append(dialog.message), dialog.dismiss()),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    yield
    page.evaluate("(localStorage.clear(), sessionStorage.clear())")
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    assert not problems


def open_page(page: Page, url: str) -> None:
    """Loads the page and waits for the first screen."""
    if "#" in url and page.url.partition("#")[0] == url.partition("#")[0]:
        page.goto("about:blank")  # where only what follows the "#" differs, a browser loads nothing
    page.goto(url)
    page.locator("[data-ready]").wait_for(state="attached")
    page.get_by_role("button", name="Generate").wait_for()
    if "run=" not in url:  # the first screen, which the app writes for its first page
        page.wait_for_function("!document.querySelector('.group .running')")
