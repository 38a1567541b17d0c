"""The lecture: all its scenes by keys, the list, the notes, a reload, and editing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from model.classroom.scenes import lecture_json, load_lecture, read_lecture
from tests.browser.conftest import new_page
from tests.support.scenes import begin_lecture, wait_for_scene
from ui.web.lecture import DEFAULT_LECTURE, LIMITS

TROUBLE = """() => [...document.querySelectorAll(".trouble, .notice.error")]
  .filter((node) => node.checkVisibility()).map((node) => node.textContent.trim()).filter(Boolean)"""


@pytest.fixture
def tab(context: BrowserContext, url: str) -> Iterator[Page]:
    """A page on which the lecture has begun."""
    with new_page(context) as page:
        begin_lecture(page, url)
        yield page


@pytest.mark.slow
def test_every_scene_is_reached_by_keys_and_means_something(corpus_path: Path, tab: Page) -> None:
    scenes = load_lecture(DEFAULT_LECTURE).scenes
    assert len(scenes) >= 30
    for number, scene in enumerate(scenes, 1):
        tab.keyboard.press("PageDown" if number % 2 else "ArrowRight")
        wait_for_scene(tab, number, scene.address)
        expect(tab.locator(".lecture-title")).to_have_text(scene.title)
        expect(tab.locator(".lecture-caption")).to_have_text(scene.caption)
        assert not tab.evaluate(TROUBLE), scene.title
        assert scene.notes, scene.title
        bar, height = tab.locator(".lecture").bounding_box(), 720
        assert bar
        assert bar["y"] + bar["height"] <= height
        assert bar["height"] < height / 7, scene.title
    tab.keyboard.press("PageDown")  # there is no other
    wait_for_scene(tab, len(scenes), scenes[-1].address)
    tab.keyboard.press("PageUp")
    wait_for_scene(tab, len(scenes) - 1, scenes[-2].address)


@pytest.mark.slow
def test_the_lecture_is_given_and_edited(tab: Page, tmp_path: Path) -> None:
    scenes = load_lecture(DEFAULT_LECTURE).scenes
    lecture, title = tab.get_by_test_id("lecture"), tab.locator(".lecture-title")
    # A clicker that is pressed ten times lands where it ends.
    for _ in range(10):
        tab.keyboard.press("PageDown")
    wait_for_scene(tab, 10, scenes[9].address)
    # Another scene from the list; arrows belong to what has the focus, a clicker's keys to the lecture.
    tab.locator(".lecture-place").click()
    tab.locator(".lecture-scene").nth(0).click()
    wait_for_scene(tab, 1, scenes[0].address)
    tab.locator("#prompt textarea").press("ArrowRight")
    expect(title).to_have_text(scenes[0].title)
    tab.locator("#prompt textarea").press("PageDown")
    wait_for_scene(tab, 2, scenes[1].address)
    tab.keyboard.press("?")
    expect(tab.get_by_test_id("keys").filter(visible=True)).to_contain_text("Next scene")
    tab.keyboard.press("Escape")
    # The notes, in a window of their own, which steps too.
    with tab.expect_popup() as opened:
        tab.get_by_role("button", name="Notes").click()
    notes = opened.value
    expect(notes.locator(".notes-place")).to_have_text(f"Scene 2 of {len(scenes)}")
    expect(notes.locator(".notes-next")).to_have_text(f"Next: {scenes[2].title}")
    expect(notes.locator(".notes-since")).to_have_text(re.compile(r"^\d+:\d\d since the start$"))
    notes.keyboard.press("PageDown")
    wait_for_scene(tab, 3, scenes[2].address)
    expect(notes.get_by_test_id("notes-text").locator("li").first).to_have_text(scenes[2].notes.split("\n")[0].removeprefix("- "))
    # A reload stays in the lecture, and the notes find it again.
    tab.reload()
    expect(title).to_have_text(scenes[2].title)
    tab.locator(".lecture[data-ahead]").wait_for()
    notes.keyboard.press("ArrowRight")
    expect(title).to_have_text(scenes[3].title)
    notes.close()
    # The state is saved as a scene, changed, moved, and downloaded.
    tab.locator(".lecture-place").click()
    tab.get_by_role("button", name="Save this state as a scene").click()
    tab.locator(".lecture-form").get_by_label("Title").fill("<b>Mine</b>")
    tab.get_by_label("Caption, for the class").fill("For you")
    tab.get_by_label("Notes, for you").fill("- One\n- Two")
    tab.get_by_role("button", name="Save", exact=True).click()
    expect(title).to_have_text("<b>Mine</b>")
    expect(tab.locator(".lecture-place")).to_have_text(f"5 / {len(scenes) + 1}")
    expect(tab.locator(".lecture-scene[aria-current]")).to_be_in_viewport(ratio=1)
    tab.locator(".lecture-list").get_by_role("button", name="Edit", exact=True).click()
    tab.get_by_role("button", name="Move up: <b>Mine</b>").click()
    expect(tab.locator(".lecture-place")).to_have_text(f"4 / {len(scenes) + 1}")
    tab.get_by_role("button", name=f"Delete: {scenes[0].title}").click()
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="Download", exact=True).filter(visible=True).last.click()
    file = tmp_path / "lecture.md"
    saved.value.save_as(file)
    edited = read_lecture(file.read_text(encoding="utf-8"))
    assert [scene.title for scene in edited.scenes[:4]] == [scenes[1].title, scenes[2].title, "<b>Mine</b>", scenes[3].title]
    assert (edited.scenes[2].address, edited.scenes[2].notes) == (scenes[3].address, "- One\n- Two")
    # An app that was started with another lecture shows that one; the edited one can be had back.
    given = lecture_json(load_lecture(DEFAULT_LECTURE))
    only = given | {"title": "Another", "scenes": given["scenes"][:1], "limits": LIMITS}
    tab.route("**/lecture", lambda route: route.fulfill(json=only))
    tab.reload()
    expect(tab.locator(".lecture-place")).to_have_text("– / 1")
    tab.locator(".lecture-place").click()
    tab.get_by_role("button", name="Your edited lecture").click()
    expect(tab.locator(".lecture-scene")).to_have_count(len(scenes))
    tab.get_by_role("button", name="Undo").click()
    expect(tab.locator(".lecture-scene")).to_have_count(1)
    tab.unroute("**/lecture")
    # It is kept until it is discarded; a file takes its place, and what is no lecture says why.
    tab.reload()
    tab.locator(".lecture-place").click()
    tab.get_by_role("button", name="Your edited lecture").click()
    tab.locator(".lecture-scene").nth(2).click()
    expect(title).to_have_text("<b>Mine</b>")
    tab.locator(".lecture-place").click()
    file.write_text("# T\n\n## A\n\nno address\n", encoding="utf-8")
    tab.locator(".lecture-list input[type=file]").set_input_files(file)
    expect(tab.locator(".lecture-said")).to_contain_text("lecture.md cannot be opened. Line 5: below its title")
    tab.get_by_role("button", name="Discard changes").click()
    expect(tab.locator(".lecture-scene")).to_have_count(len(scenes))
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="End").click()
    expect(lecture).to_have_count(0)
