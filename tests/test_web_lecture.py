"""The lecture's routes over real HTTP: the lecture itself, files of lectures, and the window with the notes."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from model.catalogue import Catalogue
from model.classroom.scenes import Lecture, Scene, lecture_json, load_lecture, read_lecture, write_lecture
from model.limits import MAX_LECTURE_BYTES, MAX_SCENES
from model.serving.engine import Engine
from model.training.jobs import Jobs
from model.weights import Weights
from tests.support.client import host_and_port
from tests.support.routes import NOWHERE, serving_routes
from tests.support.viewing import answer, serving
from ui.server import CONTENT_SECURITY_POLICY, create_routes, make_app
from ui.web.admin import Lock
from ui.web.lecture import DEFAULT_LECTURE, MAX_FILE_BYTES

OWN = Lecture("Own", (Scene("Only", "#tab=train", "</script><script>alert(1)</script>", "- ‘Notes’"),))


@pytest.fixture
def url(tiny: Weights) -> Iterator[str]:
    with serving_routes(Engine(tiny)) as url:
        yield url


def post(url: str, path: str, body: Any) -> tuple[int, Any]:
    return answer(url, "POST", path, json.dumps(body).encode(), Content_Type="application/json")


def test_the_lecture_that_comes_with_the_app_is_given(url: str) -> None:
    status, told = answer(url, "GET", "/lecture")
    assert status == 200
    assert told.pop("limits")["scenes"] == MAX_SCENES
    assert told == lecture_json(load_lecture(DEFAULT_LECTURE))


def test_another_lecture_is_given_where_the_app_was_started_with_it(tiny: Weights, tmp_path: Path) -> None:
    engine = Engine(tiny)
    table = create_routes(engine, Catalogue(NOWHERE), Jobs(tmp_path / "runs"), Lock(""), OWN)
    with serving(make_app(table, engine)) as url:
        assert answer(url, "GET", "/lecture")[1]["scenes"] == lecture_json(OWN)["scenes"]
    engine.stop()


def test_a_file_becomes_a_lecture_and_a_lecture_a_file(url: str) -> None:
    text = DEFAULT_LECTURE.read_text(encoding="utf-8")
    status, lecture = post(url, "/lecture/file", {"text": text})
    assert (status, lecture) == (200, lecture_json(read_lecture(text)))
    assert post(url, "/lecture/download", {"lecture": lecture}) == (200, {"text": write_lecture(read_lecture(text))})
    assert post(url, "/lecture/download", {"lecture": lecture_json(OWN)}) == (200, {"text": write_lecture(OWN)})


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/lecture/file", {}, "must be a string"),
        ("/lecture/file", {"text": ["# T"]}, "must be a string"),
        ("/lecture/file", {"text": "# T\n\n## A\n\nwords"}, "Line 5: below its title, a scene needs an address"),
        ("/lecture/file", {"text": "x" * (MAX_LECTURE_BYTES + 1)}, "at most 262,144 bytes"),
        ("/lecture/file", {"text": "# T", "path": "/etc/passwd"}, "no setting 'path'"),
        ("/lecture/download", {}, "The lecture: it must be an object"),
        ("/lecture/download", {"lecture": {"title": "T", "scenes": [{"title": "A", "address": "x"}]}}, "Scene 1: below its title"),
    ],
)
def test_what_is_no_lecture_is_refused_with_the_reason(url: str, path: str, body: Any, words: str) -> None:
    status, told = post(url, path, body)
    assert status == 400
    assert words in told["error"]


def test_a_lecture_that_is_too_large_for_a_file_is_not_given_away(url: str) -> None:
    scenes = [{"title": "A", "address": "#", "notes": "日" * 4_000}] * 30
    status, told = post(url, "/lecture/download", {"lecture": {"title": "T", "scenes": scenes}})
    assert (status, "at most 262,144 bytes" in told["error"]) == (400, True)
    assert answer(url, "POST", "/lecture/file", b"x" * (MAX_FILE_BYTES + 1), Content_Type="application/json")[0] == 413


def test_the_window_with_the_notes_has_its_script_and_no_word_of_anybody(url: str) -> None:
    with closing(http.client.HTTPConnection(*host_and_port(url))) as connection:
        connection.request("GET", "/lecture/notes?title=<script>nobody(1)</script>")
        response = connection.getresponse()
        page = response.read().decode()
        assert (response.status, response.headers["Content-Security-Policy"]) == (200, CONTENT_SECURITY_POLICY)
        assert "nobody" not in page
        folder = re.findall(r'soliloquy\.bundles = "([^"]+)"', page)[0]
        for name in json.loads(re.findall(r'start\("lecture/notes\.js", (\[[^\]]+\])', page)[0]):
            connection.request("GET", f"/{folder}{name}.js")
            script = connection.getresponse()
            assert (script.status, bool(script.read())) == (200, True)
