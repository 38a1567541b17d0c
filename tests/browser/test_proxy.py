"""The page behind reverse proxies, with and without a path of its own, and in a frame of another site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Frame, Page, Request, Response, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.browser.conftest import new_page
from tests.browser.tab import generate, set_up
from tests.support.proxy import reverse_proxy
from tests.support.server import running_app
from tests.support.viewing import serving

pytestmark = pytest.mark.slow  # an app and a proxy for each way

PREFIX = "/gpt"


@pytest.fixture(scope="module")
def prefixed_url() -> Iterator[str]:
    """An app that was told its prefix."""
    with running_app("--device", "cpu", "--root-path", PREFIX) as url:
        yield url


@pytest.fixture(scope="module")
def trusting_url() -> Iterator[str]:
    """An app that believes what a proxy on this machine says."""
    with running_app("--device", "cpu", "--trusted-proxy", "127.0.0.1") as url:
        yield url


@contextmanager
def all_requests_below(page: Page, address: str) -> Iterator[None]:
    """Fails if the page asks for anything elsewhere, or does not get it."""
    asked: list[str] = []
    failed: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    def check(response: Response) -> None:
        if response.status >= 400:
            failed.append(f"{response.status} {response.url}")

    def fail(request: Request) -> None:
        if "ERR_ABORTED" not in (request.failure or ""):  # by the page itself
            failed.append(f"{request.failure} {request.url}")

    listeners: dict[str, Callable] = {"request": note, "response": check, "requestfailed": fail}
    for event, listener in listeners.items():
        page.on(event, listener)
    yield
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    assert not failed
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((f"{address}/", "data:", "blob:"))] == []


def use(page: Page | Frame) -> None:
    """Writes two samples, and looks at the heads."""
    page.locator("[data-ready]").wait_for(state="attached")
    set_up(page, prompt="JULIET:", samples=2, length=30)
    assert [len(text) for text in generate(page)] == [len("JULIET:") + 30] * 2
    page.get_by_role("tab", name="Attention").click()
    page.locator("#attention-views [data-ready]").wait_for(state="attached")
    expect(page.locator(".tile")).to_have_count(36)
    page.get_by_role("tab", name="Train").click()
    expect(page.get_by_text("Unlock", exact=False).first).to_be_visible()


def is_styled(page: Page | Frame) -> bool:
    """Whether Gradio's theme, a file of its own, has arrived."""
    return page.evaluate("getComputedStyle(document.body).getPropertyValue('--block-title-text-weight').trim()") == "600"


@pytest.mark.parametrize("strips", [True, False], ids=["strips", "does not strip"])
def test_the_page_works_at_the_path_that_the_app_was_told(context: BrowserContext, prefixed_url: str, strips: bool) -> None:
    with reverse_proxy(prefixed_url, PREFIX, strips) as address, new_page(context) as page, all_requests_below(page, address):
        page.goto(f"{address}/?seed=5")
        use(page)
        assert is_styled(page)
        assert page.url.startswith(f"{address}/")


def test_the_page_works_at_the_path_that_a_trusted_proxy_names(context: BrowserContext, trusting_url: str) -> None:
    headers = {"Host": urlsplit(trusting_url).netloc, "X-Forwarded-Prefix": PREFIX}  # and not the browser's Host, as nginx does by itself
    with reverse_proxy(trusting_url, PREFIX, headers=headers) as address, new_page(context) as page, all_requests_below(page, address):
        headers["X-Forwarded-Host"] = urlsplit(address).netloc
        page.goto(f"{address}/")
        use(page)
        assert is_styled(page)


def test_the_page_works_behind_a_proxy_at_the_root(context: BrowserContext, url: str) -> None:
    with reverse_proxy(url) as address, new_page(context) as page, all_requests_below(page, address):
        page.goto(address)
        use(page)
        assert is_styled(page)


def test_the_page_works_in_a_frame_of_another_site(empty_page: Page, url: str) -> None:
    async def other_site(_: object) -> HTMLResponse:
        return HTMLResponse(f'<link rel="icon" href="data:,"><iframe src="{url}/" style="width: 1200px; height: 700px"></iframe>')

    with serving(Starlette(routes=[Route("/", other_site)])) as outside:
        empty_page.goto(outside.replace("127.0.0.1", "localhost"))
        with all_requests_below(empty_page, url):
            frame = next(frame for frame in empty_page.frames if frame.parent_frame)
            frame.goto(f"{url}/?seed=5")
            use(frame)
            assert is_styled(frame)
            assert frame.evaluate("(() => { try { return parent.location.href; } catch { return ''; } })()") == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["another port", "another site"])
def test_a_page_of_another_origin_reads_and_starts_nothing(context: BrowserContext, url: str, host: str) -> None:
    async def other_site(_: object) -> HTMLResponse:
        return HTMLResponse('<link rel="icon" href="data:,"><title>Another site</title>')

    ask = """async ([address, method, mode, type]) => {
      const body = method === "POST" ? '{"length": 1}' : undefined;
      const headers = type ? { "Content-Type": type } : {};
      try { return (await fetch(address, { method, mode, body, headers })).type; } catch (error) { return error.name; }
    }"""
    page = context.new_page()
    answers: list[int] = []
    page.on("response", lambda response: answers.append(response.status) if response.url.startswith(url) else None)
    with serving(Starlette(routes=[Route("/", other_site)])) as outside:
        page.goto(outside.replace("127.0.0.1", host))
        for path in ("/config", "/healthz", "/models", "/gradio_api/info"):
            assert page.evaluate(ask, [url + path, "GET", "cors", ""]) == "TypeError"
        for path in ("/write", "/admin/login", "/gradio_api/call/generate"):
            for content_type in ("application/json", "text/plain"):
                assert page.evaluate(ask, [url + path, "POST", "cors", content_type]) == "TypeError"
            assert page.evaluate(ask, [url + path, "POST", "no-cors", "text/plain"]) == "opaque"  # which its page cannot read
    page.close()
    assert answers == [403, 403, 403]  # of those that a page may send without asking; browsers do not report the others
