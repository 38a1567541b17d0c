"""A lecture: scenes in order, each a state of the page with a caption for the class and notes for the lecturer, as a Markdown file.

    # Title of the lecture

    What it is about, for whoever reads the file.

    ## Title of a scene

    `#tab=attention&see=one`

    The caption, for the class.

    > - Notes, for the lecturer.
    > - What to say, and what to press.

The address is what follows the "#" in the page's own; a link or a bare line will do, and so will a whole address. The paragraph after it is
the caption. All further paragraphs are notes, quoted or not; their line breaks stay. A line of text that would mean something else begins
with a backslash. All of it is plain text: emphasis, links and HTML have no meaning.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.errors import CheckpointError, LectureError
from model.files import clean_name, read_file
from model.limits import (
    MAX_CAPTION_CHARS,
    MAX_LECTURE_BYTES,
    MAX_NOTES_CHARS,
    MAX_SCENE_ADDRESS_CHARS,
    MAX_SCENE_TITLE_CHARS,
    MAX_SCENES,
)

ADDRESS = re.compile(r"#[!#-;=?-_a-~]*")  # in ASCII, with spaces and quotes as browsers write them
LINK = re.compile(r"\[[^\]]*\]\((?P<link>\S+)\)|`(?P<code>[^`]+)`|<(?P<angle>[^>]+)>")
WHOLE_ADDRESS = re.compile(r"https?://[^#]*#")
ESCAPED = re.compile(r"^\\(?=[#>\\])")
NEEDS_ESCAPE = re.compile(r"^(?=[#>\\])")
LINE_END = re.compile(r"\r\n|\r|\n")
TOO_MANY = f"a lecture may have at most {MAX_SCENES} scenes"


@dataclass(frozen=True)
class Scene:
    """A state of the page.

    Attributes:
        address: what follows the page's own address, with the "#".
        caption: one line; may be empty.
        notes: lines; may be empty.
    """

    title: str
    address: str
    caption: str = ""
    notes: str = ""


@dataclass(frozen=True)
class Lecture:
    """Scenes in order.

    Attributes:
        about: lines; may be empty.
    """

    title: str
    scenes: tuple[Scene, ...]
    about: str = ""


@dataclass(frozen=True)
class _Line:
    number: int  # counts from 1
    text: str


def load_lecture(path: Path) -> Lecture:
    """Reads a file.

    Raises:
        LectureError: it cannot be read, or is not a lecture.
    """
    try:
        return read_lecture(read_file(path, MAX_LECTURE_BYTES).decode())
    except CheckpointError as error:
        raise LectureError(str(error)) from error
    except UnicodeDecodeError as error:
        raise LectureError(f"{path} is not a text in UTF-8.") from error
    except LectureError as error:
        raise LectureError(f"{path}: {error}") from error


def read_lecture(text: str) -> Lecture:
    """Reads a file's text.

    Raises:
        LectureError: it is not a lecture; the message names the line.
    """
    if len(text.encode("utf-8", "replace")) > MAX_LECTURE_BYTES:
        raise LectureError(f"A lecture may have at most {MAX_LECTURE_BYTES:,} bytes. Shorten it or divide it.")
    lines = [_Line(number, line.rstrip()) for number, line in enumerate(LINE_END.split(text.removeprefix("\ufeff")), 1)]
    head = next((line for line in lines if line.text), lines[0])
    with _named(head):
        if not head.text.startswith("# "):
            raise ValueError("a lecture begins with its title: # Title of the lecture")
        title = _title(head.text[1:])
    about, parts = _divided(lines[head.number :])
    with _named(head):
        if not parts:
            raise ValueError("the lecture has no scenes. A scene begins with its title: ## Title of the scene")
    if len(parts) > MAX_SCENES:
        with _named(parts[MAX_SCENES][0]):
            raise ValueError(TOO_MANY)
    with _named(about[0] if about else head):
        introduction = _bounded(_plain(about), MAX_NOTES_CHARS, "text before the first scene")
    return Lecture(title, tuple(_read_scene(part) for part in parts), introduction)


def write_lecture(lecture: Lecture) -> str:
    """The file's text; `read_lecture` gives the same lecture."""
    parts = [f"# {lecture.title}", *([_escaped(lecture.about)] if lecture.about else [])]
    for scene in lecture.scenes:
        parts += [f"## {scene.title}", f"`{scene.address}`"]
        if scene.caption:
            parts.append(_escaped(scene.caption))
        if scene.notes:
            parts.append("\n".join(f"> {line}".rstrip() for line in scene.notes.split("\n")))
    return "\n\n".join(parts) + "\n"


def lecture_json(lecture: Lecture) -> dict[str, Any]:
    """A lecture as JSON values."""
    return asdict(lecture) | {"scenes": [asdict(scene) for scene in lecture.scenes]}


def lecture_of(content: object) -> Lecture:
    """The lecture of JSON values, in the form in which a file would give it.

    Raises:
        LectureError: they are not a lecture; the message names the scene.
    """
    with _named("The lecture"):
        words = _words(content, ("title", "about"))
        scenes = content.get("scenes") if isinstance(content, dict) else None
        if not isinstance(scenes, list) or not scenes:
            raise ValueError("it needs at least one scene")
        if len(scenes) > MAX_SCENES:
            raise ValueError(TOO_MANY)
        title = _title(words["title"])
        about = _bounded(_lines_of(words["about"]), MAX_NOTES_CHARS, "text before the first scene")
    return Lecture(title, tuple(_scene_of(scene, number) for number, scene in enumerate(scenes, 1)), about)


def _scene_of(content: object, number: int) -> Scene:
    with _named(f"Scene {number}"):
        words = _words(content, ("title", "address", "caption", "notes"))
        caption = _bounded(clean_name(words["caption"]), MAX_CAPTION_CHARS, "caption")
        notes = _bounded(_lines_of(words["notes"]), MAX_NOTES_CHARS, "notes")
        return Scene(_title(words["title"]), _address(words["address"].strip()), caption, notes)


def _words(content: object, names: Iterable[str]) -> dict[str, str]:
    """The texts of an object; what is not there is empty.

    Raises:
        ValueError: it is no object, or one of them is no text.
    """
    if not isinstance(content, dict):
        raise ValueError("it must be an object")
    words = {name: content.get(name, "") for name in names}
    for name, word in words.items():
        if not isinstance(word, str):
            raise ValueError(f"its {name} must be text")
    return words


@contextlib.contextmanager
def _named(where: _Line | str) -> Iterator[None]:
    """Says where something is wrong.

    Raises:
        LectureError: for a ValueError.
    """
    try:
        yield
    except ValueError as error:
        place = f"Line {where.number}" if isinstance(where, _Line) else where
        raise LectureError(f"{place}: {error}.") from error


def _divided(lines: Iterable[_Line]) -> tuple[list[_Line], list[list[_Line]]]:
    """What stands before the first scene, and the lines of each, its title first."""
    about: list[_Line] = []
    parts: list[list[_Line]] = []
    for line in lines:
        if line.text.startswith("# "):
            with _named(line):
                raise ValueError("the lecture has its title already. A scene's title begins with ##")
        if line.text.startswith("## ") or line.text == "##":
            parts.append([line])
        else:
            (parts[-1] if parts else about).append(line)
    while about and not about[0].text:
        about.pop(0)
    return about, parts


def _read_scene(part: list[_Line]) -> Scene:
    head, *rest = part
    with _named(head):
        title = _title(head.text[2:])
    filled = [line for line in rest if line.text.strip()]
    at = filled[0] if filled else head
    with _named(at):
        address = _address(at.text.strip() if filled else "")
    caption, *others = [*_paragraphs(line for line in rest if line.number > at.number)] or [[]]
    if caption and caption[0].text.startswith(">"):
        caption, others = [], [caption, *others]
    with _named(caption[0] if caption else at):
        words = _bounded(clean_name(" ".join(ESCAPED.sub("", line.text, count=1) for line in caption)), MAX_CAPTION_CHARS, "caption")
    lines = [line for paragraph in others for line in (*paragraph, _Line(0, ""))]
    with _named(lines[0] if lines else at):
        return Scene(title, address, words, _bounded(_plain(lines), MAX_NOTES_CHARS, "notes"))


def _paragraphs(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    paragraph: list[_Line] = []
    for line in (*lines, _Line(0, "")):
        if line.text.strip():
            paragraph.append(line)
        elif paragraph:
            yield paragraph
            paragraph = []


def _title(word: str) -> str:
    if title := clean_name(word):
        return _bounded(title, MAX_SCENE_TITLE_CHARS, "title")
    raise ValueError("a title is missing")


def _address(word: str) -> str:
    if linked := LINK.fullmatch(word):
        word = next(filter(None, linked.groups()))
    if whole := WHOLE_ADDRESS.match(word):
        word = word[whole.end() - 1 :]
    if not word.startswith("#"):
        raise ValueError("below its title, a scene needs an address of the page, such as `#tab=attention`")
    if not ADDRESS.fullmatch(word):
        raise ValueError("an address has no spaces, quotes or letters beyond ASCII. Copy it from the browser, or write + for a space")
    return _bounded(word, MAX_SCENE_ADDRESS_CHARS, "address")


def _plain(lines: Iterable[_Line]) -> str:
    """Text without its quotation marks and backslashes."""
    return _lines_of("\n".join(line.text[1:] if line.text.startswith(">") else ESCAPED.sub("", line.text, count=1) for line in lines))


def _lines_of(text: str) -> str:
    """Lines without what cannot be seen, and at most one empty line between two of them."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(map(clean_name, LINE_END.split(text)))).strip("\n")


def _escaped(text: str) -> str:
    return "\n".join(NEEDS_ESCAPE.sub(r"\\", line, count=1) for line in text.split("\n"))


def _bounded(text: str, most: int, what: str) -> str:
    if len(text) > most:
        raise ValueError(f"the {what} may have at most {most:,} characters, not {len(text):,}")
    return text
