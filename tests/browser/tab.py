"""What a viewer does and sees on the Sample tab."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, expect

WRITING = ".group .running"
# Scrolls to a character of a card and returns its position. A newline is to the right of the line that it ends.
PLACE = """async (body, index) => {
  const range = document.createRange();
  range.setStart(body.lastChild, index);
  range.setEnd(body.lastChild, index + 1);
  const place = () => range.getBoundingClientRect();
  const frame = body.getBoundingClientRect();
  if (place().top < frame.top || place().bottom > frame.bottom) body.scrollTop += place().top - frame.top - frame.height / 2;
  if (place().top < 0 || place().bottom > innerHeight - 80) scrollBy(0, place().top - 100);
  await new Promise((scrolled) => requestAnimationFrame(() => requestAnimationFrame(scrolled)));
  const { left, top, width, height } = place();
  return [left + (width ? width / 2 : 12), top + height / 2];
}"""

LOOK_FOR_TEXT = """() => {
  window.begun = new Promise((begun, failed) => {
    const until = performance.now() + 60_000;
    const look = () => {
      if (document.querySelector(".group .running .card-text")?.lastChild.length > 10) begun();
      else if (performance.now() < until) setTimeout(look, 10);
      else failed(new Error("no text was begun"));
    };
    look();
  });
}"""


def state_of(address: str) -> dict[str, list[str]]:
    """What an address asks for."""
    return parse_qs(urlsplit(address).fragment, keep_blank_values=True)


def drawn(page: Page) -> None:
    """Waits until the page has drawn what it knows: two frames, and the tasks before them."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")


def open_tree(page: Page) -> Locator:
    """Shows the tree, whose script comes when it is first shown, and waits until it is drawn; returns its canvas."""
    page.get_by_role("tab", name="Tree", exact=True).click()
    page.wait_for_function("document.querySelector('.tree-canvas')?.branches().length > 0")
    return page.get_by_test_id("tree")


def set_up(page: Page, *, prompt: str | None = None, seed: str | None = None, **sliders: float) -> None:
    """Fills in the controls, in their drawer where they are in one; sliders are named by their labels."""
    drawer = page.get_by_role("button", name="Settings", exact=True)
    if drawer.is_visible() and drawer.get_attribute("aria-expanded") == "false":
        drawer.click()
    if prompt is not None:
        page.locator("#prompt textarea").fill(prompt)
    if seed is not None:
        page.get_by_label("Seed").fill(seed)
    for label, value in sliders.items():
        field = page.get_by_label(f"number input for {label.capitalize()}")
        field.fill(str(value))
        field.blur()


def choose(page: Page, *names: str) -> None:
    """Ticks these models and no others in the menu."""
    page.locator("#model-opener").click()
    rows, name_of = page.locator(".model-row"), page.locator(".model-name")
    for name in names:  # found by name: the list may change meanwhile
        rows.filter(has=name_of.get_by_text(name, exact=True)).first.get_by_role("checkbox").check()
    for name in {*page.locator(".model-row:has(:checked) .model-name").all_inner_texts()} - {*names}:
        rows.filter(has=name_of.get_by_text(name, exact=True)).first.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator(".model-list")).to_be_hidden()


def generate(page: Page, button: str = "Generate") -> list[str]:
    """Presses a button, waits until the writing has ended, and returns the texts of the newest group."""
    groups = page.get_by_test_id("group")
    before = groups.first.element_handle() if groups.count() else None
    page.get_by_role("button", name=button, exact=True).click()
    if before:
        page.wait_for_function("before => document.querySelector('.group') !== before", arg=before)
    page.wait_for_function(f"document.querySelector('.group') && !document.querySelector('{WRITING}')")
    return texts(page)


def texts(page: Page) -> list[str]:
    """The texts of the newest group, prompt included."""
    return page.get_by_test_id("group").first.locator(".card-text").all_text_contents()


def seed_shown(page: Page) -> str:
    """The seed of the newest group."""
    return page.get_by_test_id("group").first.locator(".seed").inner_text().removeprefix("seed ")


def start_long(page: Page, button: str = "Generate") -> None:
    """Starts texts that take a while, and waits for the first characters; the page itself looks for them, so that it misses nothing of
    texts that are written within a second or two."""
    set_up(page, samples=4, length=2000)
    page.evaluate(LOOK_FOR_TEXT)
    page.get_by_role("button", name=button, exact=True).click()
    page.evaluate("window.begun")


def groups(page: Page) -> list[list[str]]:
    """The texts of all groups, newest first."""
    return [group.locator(".card-text").all_text_contents() for group in page.get_by_test_id("group").all()]


def card(page: Page, number: int = 0) -> Locator:
    """The text of a card; 0 is the first of the newest group."""
    return page.locator(".folio .card-text").nth(number)


def point_at(page: Page, text: Locator, index: int, click: bool = False) -> Locator:
    """Moves the mouse from elsewhere to a character of a card, and returns the inspector once it shows."""
    inspector = page.get_by_test_id("inspector")
    page.mouse.move(2, 2)
    page.wait_for_function("!document.querySelector('[data-testid=inspector]')?.checkVisibility()")  # asked each frame: it is hidden soon
    x, y = text.evaluate(PLACE, index)
    page.mouse.move(x, y)
    expect(inspector).to_be_visible()
    if click:
        page.mouse.click(x, y)
        expect(inspector.get_by_role("button", name="Continue from here")).to_be_visible()
    return inspector
