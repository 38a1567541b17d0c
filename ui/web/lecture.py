"""The lecture that the app was started with, files of lectures, and the window with the lecturer's notes.

    GET /lecture
    {"title": "...", "about": "...", "scenes": [{"title": "...", "address": "#tab=attention", "caption": "...", "notes": "..."}, ...],
     "limits": {"scenes": 200, "title": 80, "caption": 240, "notes": 4000, "address": 8000}}

    POST /lecture/file                          a lecture as JSON, of a file that somebody has opened in the browser
    {"text": "# Title..."}

    {"title": "...", "about": "...", "scenes": [...]}

    POST /lecture/download                      the file of a lecture that was edited in the browser
    {"lecture": {"title": "...", "about": "...", "scenes": [...]}}

    {"text": "# Title..."}

    GET /lecture/notes                          the window, which the page's own window fills

Nothing is kept on the server: a lecture that was edited belongs to the browser.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
from pathlib import Path

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.classroom.scenes import Lecture, lecture_json, lecture_of, load_lecture, read_lecture, write_lecture
from model.errors import ParameterError
from model.limits import (
    MAX_CAPTION_CHARS,
    MAX_LECTURE_BYTES,
    MAX_NOTES_CHARS,
    MAX_SCENE_ADDRESS_CHARS,
    MAX_SCENE_TITLE_CHARS,
    MAX_SCENES,
)
from ui.files import read
from ui.web.assets import head, start_script
from ui.web.http import MAX_SETTINGS_BYTES, NO_STORE, Body, takes_json

DEFAULT_LECTURE = Path(__file__).parent.parent / "lecture" / "default.md"
MAX_FILE_BYTES = 3 * MAX_LECTURE_BYTES + MAX_SETTINGS_BYTES  # in JSON, with every character escaped that is more than one byte
FILES_AT_ONCE = 2  # of one client
LIMITS = {
    "scenes": MAX_SCENES,
    "title": MAX_SCENE_TITLE_CHARS,
    "caption": MAX_CAPTION_CHARS,
    "notes": MAX_NOTES_CHARS,
    "address": MAX_SCENE_ADDRESS_CHARS,
}


class LectureFiles:
    """The handlers.

    Args:
        lecture: the one that the page begins with; None for the one that comes with the app.
    """

    def __init__(self, lecture: Lecture | None = None):
        self._given = lecture
        self.file = takes_json({"text"}, self._file)
        self.download = takes_json({"lecture"}, self._download)

    @functools.cached_property
    def _answer(self) -> tuple[bytes, bytes]:
        """The answer to GET /lecture, and the same gzipped."""
        plain = json.dumps(lecture_json(self._given or load_lecture(DEFAULT_LECTURE)) | {"limits": LIMITS}).encode()
        return plain, gzip.compress(plain, mtime=0)

    async def answer(self, http: HTTPRequest) -> Response:
        """Answers GET /lecture."""
        plain, gzipped = self._answer
        headers = NO_STORE | {"Vary": "Accept-Encoding"}
        if "gzip" in http.headers.get("accept-encoding", ""):
            return Response(gzipped, headers=headers | {"Content-Encoding": "gzip"}, media_type="application/json")
        return Response(plain, headers=headers, media_type="application/json")

    async def _file(self, body: Body, http: HTTPRequest) -> Response:
        """Answers POST /lecture/file.

        Raises:
            LectureError: the text is not that of a lecture.
            ParameterError: it is no text.
        """
        text = body.get("text")
        if not isinstance(text, str):
            raise ParameterError("The text must be a string.", "text")
        return JSONResponse(await asyncio.to_thread(lambda: lecture_json(read_lecture(text))), headers=NO_STORE)

    async def _download(self, body: Body, http: HTTPRequest) -> Response:
        """Answers POST /lecture/download.

        Raises:
            LectureError: it is not a lecture, or too large for a file.
        """
        return JSONResponse({"text": await asyncio.to_thread(_written, body.get("lecture"))}, headers=NO_STORE)


def _written(content: object) -> str:
    text = write_lecture(lecture_of(content))
    read_lecture(text)  # what cannot be opened again is not given away
    return text


async def notes(http: HTTPRequest) -> Response:
    """Answers GET /lecture/notes."""
    return Response(_notes_page(), headers=NO_STORE, media_type="text/html")


@functools.cache
def _notes_page() -> bytes:
    script = f"<script>const [element, props] = [document.body, {{}}]; {start_script('lecture/notes.js')}</script>"
    page = read("lecture/notes.html").replace("</head>", f"{head()}</head>", 1)
    return page.replace("</body>", f"{script}</body>", 1).encode()
