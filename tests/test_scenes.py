"""A lecture as a Markdown file: read and written without loss, bounded, and with errors that name the line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from model.classroom.scenes import Lecture, Scene, lecture_json, lecture_of, load_lecture, read_lecture, write_lecture
from model.errors import LectureError
from model.limits import (
    MAX_CAPTION_CHARS,
    MAX_LECTURE_BYTES,
    MAX_NOTES_CHARS,
    MAX_SCENE_ADDRESS_CHARS,
    MAX_SCENE_TITLE_CHARS,
    MAX_SCENES,
)

FILE = """# How it writes

For a class of two hundred.

## The data

`#tab=learning&chars=a%2Cb`

A million characters:
all that it will ever read.

> - Press a character.
> - Ask which is the commonest.
>
> Then go on.

## The first screen

`#`
"""
LECTURE = Lecture(
    "How it writes",
    (
        Scene(
            "The data",
            "#tab=learning&chars=a%2Cb",
            "A million characters: all that it will ever read.",
            "- Press a character.\n- Ask which is the commonest.\n\nThen go on.",
        ),
        Scene("The first screen", "#"),
    ),
    "For a class of two hundred.",
)
AWKWARD = ["# a", "## b", "> c", ">", "\\", "\\# d", "`#e`", "#", "[f](#g)", "<b>h</b>", "- i", "", "   j  k ", "…‘l’ 日本", "1. m"]


def lecture_of_one(title: str = "A", address: str = "#", rest: str = "") -> str:
    return f"# T\n\n## {title}\n\n{address}\n\n{rest}\n"


def test_a_file_is_read() -> None:
    assert read_lecture(FILE) == LECTURE


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_change_nothing(end: str) -> None:
    assert read_lecture("\ufeff" + FILE.replace("\n", end)) == LECTURE


@pytest.mark.parametrize(
    "written",
    [
        "#tab=train&a=(1)",
        "`#tab=train&a=(1)`",
        "[Train](#tab=train&a=(1))",
        "<#tab=train&a=(1)>",
        "http://10.0.0.1:7860/gpt/?__theme=dark#tab=train&a=(1)",
    ],
)
def test_an_address_is_bare_or_code_or_a_link_or_whole(written: str) -> None:
    assert read_lecture(lecture_of_one(address=written)).scenes[0].address == "#tab=train&a=(1)"


def test_all_paragraphs_after_the_caption_are_notes() -> None:
    (scene,) = read_lecture(lecture_of_one(rest="Caption.\n\nOne\ntwo\n\n> three\n\n\\# four\n### five")).scenes
    assert (scene.caption, scene.notes) == ("Caption.", "One\ntwo\n\nthree\n\n# four\n### five")
    (scene,) = read_lecture(lecture_of_one(rest="> Notes alone.")).scenes
    assert (scene.caption, scene.notes) == ("", "Notes alone.")


def test_what_is_written_is_read_as_it_was() -> None:
    assert read_lecture(write_lecture(LECTURE)) == LECTURE
    rng = random.Random(1)

    def lines(most: int) -> str:
        return "\n".join(rng.choices(AWKWARD, k=rng.randint(0, most)))

    for _ in range(300):
        scenes = [
            {"title": rng.choice(AWKWARD) + "x", "address": rng.choice(["#", "#a=b&c"]), "caption": lines(3), "notes": lines(8)}
            for _ in range(rng.randint(1, 4))
        ]
        lecture = lecture_of({"title": rng.choice(AWKWARD) + "x", "about": lines(4), "scenes": scenes})
        assert read_lecture(write_lecture(lecture)) == lecture
        assert lecture_of(lecture_json(lecture)) == lecture


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Line 1: a lecture begins with its title"),
        ("\n\nHello", "Line 3: a lecture begins with its title"),
        ("# T\n\ntext", "Line 1: the lecture has no scenes"),
        ("# T\n\n##\n\n#", "Line 3: a title is missing"),
        ("# T\n## A", "Line 2: below its title, a scene needs an address"),
        ("# T\n## A\n\nA caption.", "Line 4: below its title, a scene needs an address"),
        (lecture_of_one(address="#a=b c"), "Line 5: an address has no spaces"),
        (lecture_of_one(address='#a="b"'), "Line 5: an address has no spaces"),
        (lecture_of_one(address="#a=é"), "Line 5: an address has no spaces"),
        (lecture_of_one(rest="A.\n\n# B"), "Line 9: the lecture has its title already"),
        (lecture_of_one(title="x" * (MAX_SCENE_TITLE_CHARS + 1)), "Line 3: the title may have at most 80 characters, not 81"),
        (lecture_of_one(address="#" + "x" * MAX_SCENE_ADDRESS_CHARS), "Line 5: the address may have at most 8,000 characters, not 8,001"),
        (lecture_of_one(rest="x" * (MAX_CAPTION_CHARS + 1)), "Line 7: the caption may have at most 240 characters, not 241"),
        (lecture_of_one(rest="A.\n\n> " + "x" * (MAX_NOTES_CHARS + 1)), "Line 9: the notes may have at most 4,000 characters"),
        ("# T\n" + "## A\n#\n" * (MAX_SCENES + 1), "Line 402: a lecture may have at most 200 scenes"),
        ("# T\n" + "x" * MAX_LECTURE_BYTES, "A lecture may have at most 262,144 bytes"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(LectureError) as raised:
        read_lecture(text)
    assert str(raised.value).startswith(words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "The lecture: it must be an object."),
        ({"title": "T"}, "The lecture: it needs at least one scene."),
        ({"title": "T", "scenes": {}}, "The lecture: it needs at least one scene."),
        ({"title": 1, "scenes": [{}]}, "The lecture: its title must be text."),
        ({"title": "\u200b", "scenes": [{}]}, "The lecture: a title is missing."),
        ({"title": "T", "scenes": [7]}, "Scene 1: it must be an object."),
        ({"title": "T", "scenes": [{"title": "A", "address": "#", "notes": []}]}, "Scene 1: its notes must be text."),
        (
            {"title": "T", "scenes": [{"title": "A", "address": "javascript:alert(1)"}]},
            "Scene 1: below its title, a scene needs an address",
        ),
        ({"title": "T", "scenes": [{}] * (MAX_SCENES + 1)}, "The lecture: a lecture may have at most 200 scenes."),
    ],
)
def test_what_is_wrong_in_a_lecture_of_a_browser_is_named_with_its_scene(content: object, words: str) -> None:
    with pytest.raises(LectureError) as raised:
        lecture_of(content)
    assert str(raised.value).startswith(words)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lecture.md"
    with pytest.raises(LectureError, match=r"lecture\.md"):
        load_lecture(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LectureError, match=r"lecture\.md is not a text in UTF-8"):
        load_lecture(path)
    path.write_text("# T\n\n## A\n")
    with pytest.raises(LectureError, match=r"lecture\.md: Line 3: below its title"):
        load_lecture(path)
    path.write_text(FILE)
    assert load_lecture(path) == LECTURE
