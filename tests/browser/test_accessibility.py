"""No barriers: axe-core on every view, focus that is reached and seen, targets for thumbs, and nothing wider than the screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_page
from tests.browser.tab import drawn
from tests.browser.test_assistant_reward import READY
from tests.support.admin import PASSWORD, Admin
from tests.support.killing import synthetic_text
from tests.support.viewing import Viewer

SAMPLE = ["Texts", "Next character", "Tree", "Same dice", "Score"]
ATTENTION = ["All heads", "One head", "Layer by layer", "Heads off"]
LEARNING = ["Data", "Ladder", "Training", "Overfitting"]
ASSISTANT = ["Before and after", "Examples", "Reward", "Reinforcement"]
MEANING = ["Zero-shot", "Neighbours", "Encoder and decoder", "Pre- and post-norm"]
CLASS = ["Wall", "Votes", "Take part"]
TRAIN = ["Watch", "All runs", "From the Hub"]
TABS = {
    "Sample": SAMPLE,
    "Attention": ATTENTION,
    "Learning": LEARNING,
    "Assistant": ASSISTANT,
    "Meaning": MEANING,
    "Class": CLASS,
    "Train": TRAIN,
}
READS = {"Reward": "train/runs", "Pre- and post-norm": "meaning/norm"}  # what a view reads each time that it is shown
VIEWS = [view for views in TABS.values() for view in views]
QUICK = ["Texts", "All heads", "Wall"]  # that the fast tests look at
SWITCHES = {"Colour by surprisal": ".heat-legend", "Colour guesses": ".guesses-legend"}  # of the texts, and what each shows
SCREENS = {"projector": (1280, 720), "phone": (360, 740)}
THUMB = 44  # pixels
HERE = ".panel:not([hidden])"  # the view that is shown in each tab
# Runs that give every view something to show; two of them side by side.
SCENE = "?prompt=The+k&run=0.8,30,4,7,0,0,0,1&run=0.8,30,1,7,0,0,0,1&beside=1.2,30,1,7,0,0,0,1&text=Too+hot,+too+hot!"
# Everything that the Tab key should reach.
REACHABLE = """() => {
  const nodes = [...document.querySelectorAll("button, input, select, textarea, a[href], [tabindex]")];
  window.reachable = nodes.filter((node) => node.tabIndex >= 0 && !node.disabled && node.checkVisibility({ visibilityProperty: true }));
  return window.reachable.length;
}"""
# Of what has the focus: which of them it is, and by what the ring around it is cut off.
FOCUSED = """() => {
  const node = document.activeElement;
  const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(node);
  const name = `${node.tagName} ${node.id || node.className} ${node.getAttribute("aria-label") ?? node.textContent.trim().slice(0, 30)}`;
  const cut = outlineStyle === "none" || parseFloat(outlineWidth) < 2 ? ["no ring"] : [];
  const reach = parseFloat(outlineWidth) + parseFloat(outlineOffset) - 0.6;
  const { left, top, right, bottom } = node.getBoundingClientRect();
  for (let frame = node.parentElement; frame && frame !== document.body; frame = frame.parentElement) {
    const { overflowX, overflowY } = getComputedStyle(frame);
    if (overflowX === "visible" && overflowY === "visible") continue;
    const edge = frame.getBoundingClientRect();
    const inside = edge.left <= left - reach && edge.top <= top - reach && edge.right >= right + reach && edge.bottom >= bottom + reach;
    if (!inside) cut.push(`cut off by ${frame.id || frame.className}`);
  }
  return { index: window.reachable.indexOf(node), problems: cut.map((words) => `${name}: ${words}`) };
}"""
SMALL = """least => window.reachable
  .map((node) => [node, node.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < least - 0.5 || height < least - 0.5)
  .map(([node, { width, height }]) => `${node.id || node.className} ${node.getAttribute("aria-label")}: ${width} x ${height}`)"""

# Where the controls begin; the empty notice is out of the way.
COLUMNS = """() => [...new Set(
  [...document.querySelectorAll("#controls > *")]
    .filter((node) => node.offsetWidth && !["absolute", "fixed"].includes(getComputedStyle(node).position))
    .map((node) => node.offsetLeft),
)]"""


@pytest.fixture(scope="module")
def url(class_app: tuple[str, str]) -> Iterator[str]:
    """The class's app, with a finished run, and a round and a vote that are open."""
    url, _ = class_app
    admin = Admin.logged_in(url)
    corpus = admin.upload(synthetic_text().encode())
    asked = {"preset": "tiny", "corpus": corpus, "settings": {"steps": 40, "eval_interval": 10}}
    admin.until(admin.do("/train/start", **asked)["run"]["id"], "finished")
    round = admin.do("/class/open", prompt="ROMEO:", length=40)["round"]["id"]
    for name in ("Ann", "Bea", ""):
        member = admin.do("/class/join", name=name)["member"]
        with Viewer(url, path="/class/throw") as phone:
            phone.ask(member=member, round=round)
            phone.rest()
    admin.do("/class/votes/open", pairs=[{"request": "Insult me.", "a": "Thou art a traitor.", "b": "I thank you."}], hidden=False)
    yield url
    admin.do("/class/forget")


@pytest.fixture(scope="module", params=["projector", pytest.param("phone", marks=pytest.mark.slow)])
def page(request: pytest.FixtureRequest, browser: Browser, url: str) -> Iterator[Page]:
    """A page with something in every view."""
    width, height = SCREENS[request.param]
    page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    open_page(page, url + "/" + SCENE)
    page.wait_for_function(
        "[...document.querySelectorAll('.status')].filter((node) => node.textContent.includes('characters in')).length === 3"
    )
    if is_phone(page):
        page.get_by_role("button", name="Settings", exact=True).click()
    page.locator("#more-button").click()
    page.keyboard.press("Escape")  # closes the settings where they are a drawer
    page.get_by_role("tab", name="Train", exact=True).click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock").click()
    page.get_by_role("button", name="More settings").click()
    yield page
    page.close()
    assert not problems


def is_phone(page: Page) -> bool:
    return page.viewport_size == {"width": 360, "height": 740}


def download(page: Page) -> None:
    """Opens the menu of downloads, which on a phone is among other tools."""
    if is_phone(page):
        page.get_by_role("button", name="Tools").locator("visible=true").click()
    page.get_by_role("button", name="Download").locator("visible=true").click()


def show(page: Page, view: str) -> None:
    """Shows a view and waits for what comes late in it."""
    tab = next(tab for tab, views in TABS.items() if view in views)
    with page.expect_response(f"**/{READS[view]}") if view in READS else nullcontext():
        page.get_by_role("tab", name=tab, exact=True).click()
        if tab != "Sample":
            page.locator(f"#{tab.lower()}-views [data-ready]").wait_for(state="attached")
        page.get_by_role("tab", name=view, exact=True).click()
    if tab == "Attention":
        expect(page.locator(".look-char").first).to_be_visible()
        expect(page.locator(".look-next .candidate").first).to_be_attached()  # large text leaves no room for it
    if view == "All heads":
        expect(page.locator(".tile-score").last).to_have_text(re.compile(r"\w"))
    if view == "One head":
        expect(page.get_by_test_id("one-head-said")).to_contain_text(re.compile(r"Point at|%"))
    if view == "Layer by layer":
        expect(page.locator(".lens-grid td").first).to_be_visible()
    if view == "Heads off":
        expect(page.locator(".off-bars-char").first).to_be_visible()
    if view == "Tree":
        expect(page.locator(".tree-title")).to_contain_text("samples")
        drawn(page)
    if view == "Next character":
        expect(page.get_by_test_id("next-entropy")).to_contain_text(re.compile(r"\d bits"))
    if view == "Same dice":
        expect(page.locator(".locked-status").last).to_contain_text(re.compile("Diverges at|Identical"))
    if view == "Ladder":
        page.wait_for_function("[...document.querySelectorAll('.ladder-text')].filter((node) => node.lastChild.length > 100).length === 9")
    if view == "Training":  # what belongs to the step before is faint until then, and what is said of the heads changes while they come
        page.wait_for_function("document.querySelector('.training-text[data-done]') && !document.querySelector('.training .stale')")
        page.wait_for_function("Number(document.querySelector('.training-curves').dataset.points) === 12")
    if view == "Before and after":
        page.wait_for_function("document.querySelector('.before-verdict')?.textContent && !document.querySelector('.before-caret')")
    if view == "Examples":  # without a corpus there are none
        expect(page.locator(".examples-line, .panel:not([hidden]) > .trouble:not(:empty)").first).to_be_visible()
    if view == "Reward":
        page.wait_for_function(READY)
    if view == "Encoder and decoder":
        expect(page.locator(".translate-target .now, .panel:not([hidden]) .trouble:not(:empty)").first).to_be_attached()
    if view == "Reinforcement":
        expect(page.locator(".reinforcement-answer").first).to_be_visible()
    if view == "Pre- and post-norm":
        written = "[...document.querySelectorAll('.norm-written')].filter((node) => node.textContent.length > 200)"
        page.wait_for_function(f"{written}.length === 2")
    if view == "Zero-shot":
        expect(page.locator(".zero-place, .panel:not([hidden]) > .notice:not(:empty)").first).not_to_be_empty()
    if view == "Neighbours":  # without the embedding there are none
        expect(page.locator(".neighbours-line, .neighbours > .trouble:not(:empty)").first).to_be_visible()
    if view == "Watch":
        expect(page.locator(".watch-text")).not_to_be_empty()
    if view == "All runs":
        expect(page.get_by_role("button", name="Use this model")).to_be_visible()
    if view == "Score":
        expect(page.locator(".score-status")).to_contain_text("only context")


def barriers(page: Page, *rules: str, within: str = "html") -> list[str]:
    """What axe-core finds that is serious or critical within a part of the page; with rules, only these are looked at."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE_SCRIPT)
    # Passes are counted, not sent: they name every node of the page.
    run = """([within, options]) => axe.run(within, { resultTypes: ["violations"], ...options })
      .then(({ passes, violations }) => ({ passes: passes.length, violations }))"""
    found: dict[str, Any] = page.evaluate(run, [within, {"runOnly": [*rules]} if rules else {}])
    assert found["passes"]
    worst = [rule for rule in found["violations"] if rule["impact"] in ("serious", "critical")]
    return [f"{rule['id']}: {node['target']} {node['html'][:200]}" for rule in worst for node in rule["nodes"]]


def check(page: Page, where: str, within: str = "html") -> None:
    """Looks for barriers, in all of the page or within what has just opened; in the dark too, where only colours are other."""
    theme = "dark => { window.soliloquy.display.setDark(dark); }"
    assert barriers(page, within=within) == [], where
    page.evaluate(theme, True)
    dark = barriers(page, "color-contrast", "link-in-text-block", within=within)
    page.evaluate(theme, False)
    assert dark == [], f"{where}, dark"


@pytest.mark.parametrize(
    "view", [*QUICK, *(pytest.param(view, marks=pytest.mark.slow) for view in [*VIEWS, *SWITCHES] if view not in QUICK)]
)
def test_no_view_has_barriers(page: Page, view: str) -> None:
    if view in SWITCHES:
        show(page, "Texts")
        page.get_by_role("button", name=view).click()
        expect(page.locator(SWITCHES[view]).first).to_be_visible()
    else:
        show(page, view)
    check(page, view)
    if view in SWITCHES:
        page.get_by_role("button", name=view).click()


@pytest.mark.slow
def test_nothing_that_opens_has_barriers(page: Page) -> None:
    show(page, "Texts")
    page.locator(".card-text").first.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
        expect(page.get_by_test_id("inspector")).to_be_visible()
        drawn(page)
    expect(page.get_by_test_id("inspector").get_by_role("button").first).to_be_focused()
    check(page, "inspector", "[data-testid=inspector]")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    check(page, "keys", "dialog[open]")
    page.keyboard.press("Escape")
    download(page)
    expect(page.locator(".menu-list:popover-open")).to_be_visible()
    check(page, "downloads", ".menu-list:popover-open")
    page.keyboard.press("Escape")
    page.evaluate("document.getElementById('notice').textContent = ''")
    show(page, "One head")
    page.get_by_test_id("one-head-map").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_text("exp(")).to_be_visible()
    check(page, "what is behind a weight", HERE)
    page.get_by_test_id("one-head-map").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Lines", exact=True).click()
    check(page, "lines", HERE)
    page.get_by_role("button", name="Map", exact=True).click()
    show(page, "Heads off")
    page.locator(".off-left button").nth(1).click()
    expect(page.locator(".off-loss")).to_contain_text("→")
    expect(page.locator(".off-pair-said")).to_contain_text(re.compile("They diverge at|same text"))
    check(page, "a head off", HERE)
    page.locator(".off-left button").nth(1).click()
    show(page, "Texts")
    join = page.get_by_role("button", name="Join")
    if join.count():
        join.click()
        expect(page.get_by_test_id("class-panel")).to_be_visible()
        check(page, "address for the class", "[data-testid=class-panel]")
        page.get_by_test_id("class-panel").get_by_role("button", name="Close").click()


@pytest.mark.slow
def test_tab_reaches_everything_and_its_ring_is_whole(page: Page) -> None:
    for view in VIEWS:
        show(page, view)
        page.evaluate("scrollTo(0, 0)")
        count = page.evaluate(REACHABLE)
        page.evaluate("window.reachable[0].focus()")
        reached, problems = {0}, []
        for _ in range(count - 1):
            page.keyboard.press("Tab")
            focused = page.evaluate(FOCUSED)
            reached.add(focused["index"])
            problems += focused["problems"]
        assert not problems, view
        assert reached == {*range(count)}, view


def test_thumbs_find_their_targets(page: Page) -> None:
    if not is_phone(page):
        pytest.skip("a projector has none")
    for view in VIEWS:
        show(page, view)
        page.evaluate(REACHABLE)
        assert page.evaluate(SMALL, THUMB) == [], view
    show(page, "Texts")
    download(page)
    page.evaluate(REACHABLE)
    assert page.evaluate(SMALL, THUMB) == []
    page.keyboard.press("Escape")


@pytest.mark.slow
def test_what_stands_in_the_header_keeps_apart(page: Page) -> None:
    """The tabs are laid into the header's line: they may cover nothing in it, whatever wraps."""
    boxes = """() => {
      const one = (selector) => [...document.querySelectorAll(selector)].filter((node) => node.checkVisibility());
      const nodes = [...one(".masthead h1, .masthead .tagline, .masthead .facts li, .tools button"), ...one("#tabs [role=tab]")];
      return nodes.map((node) => [node.textContent.trim() || node.ariaLabel, ...Object.values(node.getBoundingClientRect().toJSON())])
        .filter(([name]) => !["Texts", "Next character", "Tree", "Same dice", "Score"].includes(name));
    }"""
    size = page.viewport_size
    widths = [360] if is_phone(page) else [1060, 1100, 1160, 1280, 1366, 1440, 1920]
    for press in ("Smaller text", "Normal text size", "Larger text", "Larger text", "Larger text"):
        page.get_by_role("button", name=press).click()
        for width in widths:
            page.set_viewport_size({"width": width, "height": 720})
            drawn(page)
            seen = [(name, x, y, x + w, y + h) for name, x, y, w, h, *_ in page.evaluate(boxes)]
            for i, (name, left, top, right, bottom) in enumerate(seen):
                for other, l2, t2, r2, b2 in seen[i + 1 :]:
                    apart = right <= l2 + 0.5 or r2 <= left + 0.5 or bottom <= t2 + 0.5 or b2 <= top + 0.5
                    assert apart, f"{name} and {other} at {width}, {press}"
    page.get_by_role("button", name="Normal text size").click()
    assert size
    page.set_viewport_size(size)


@pytest.mark.slow
def test_nothing_is_wider_than_the_screen_at_any_text_size(page: Page) -> None:
    width = page.viewport_size and page.viewport_size["width"]
    for size in ("Smaller text", "Normal text size", "Larger text"):
        for _ in range(4):
            page.get_by_role("button", name=size).click()
        for view in VIEWS:
            show(page, view)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (size, view)
            if view in SAMPLE:
                assert len(page.evaluate(COLUMNS)) <= 1, size  # none in a closed drawer
                assert page.evaluate("(node => node.scrollWidth - node.clientWidth)(document.getElementById('controls'))") <= 0, size
    page.get_by_role("button", name="Normal text size").click()
