"""Gradio's scripts and style sheets that a page needs: found when the server starts, so that the page can name all of them at once, where
a browser would find them level by level; compressed once, not for each visitor; and its style sheets joined.

They are found by reading Gradio's own scripts, whose names change with each version. Whatever is not found is fetched as Gradio has it.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Collection, Iterable
from pathlib import Path

import gradio
from starlette.requests import Request as HTTPRequest
from starlette.types import ASGIApp

from ui.web.assets import kept_for_ever
from ui.web.http import Respond

FRONTEND = Path(gradio.__file__).parent / "templates" / "frontend"
ENTRY = re.compile(r'src="\./assets/([^"]+\.js)"')
STYLE = re.compile(r'<link rel="stylesheet" crossorigin href="\./assets/([^"]+\.css)">')
STAGES = ["Index", "Blocks"]  # scripts that the entry loads one after the other, by the stems of their names
DEPENDENCIES = re.compile(r"m\.f=\[([^\]]*)\]")  # of all that a script may load, by number
IMPORTED = r"import\(`\./{name}\.js`\)[^\[]*__vite__mapDeps\(\[([\d,]+)\]\)"  # a script, and the numbers of what it needs
COMPONENT = r"[{{,]{name}:\{{.*?component:\(\)=>v\(\(\)=>"


class GradioFiles:
    """What a page of some components needs.

    Attributes:
        scripts: their names.
        styles: likewise.
        all_styles: the name of one that holds these.
    """

    def __init__(self, components: Collection[str]):
        files = {name: _read(name).encode() for name in _needed(components)}
        self.scripts = [name for name in files if name.endswith(".js")]
        self.styles = [name for name in files if name.endswith(".css")]
        joined = b"\n".join(files[name] for name in self.styles)
        self.all_styles = f"gradio-{hashlib.sha256(joined).hexdigest()[:12]}.css"
        self._files = files | {self.all_styles: joined}
        self._compressed = {name: gzip.compress(content, mtime=0) for name, content in self._files.items()}

    def or_else(self, others: Respond) -> Respond:
        """The handler of Gradio's assets: one of these files, or whatever another handler has."""

        async def answer(http: HTTPRequest) -> ASGIApp:
            name = http.path_params["name"]
            if name not in self._files:
                return await others(http)
            return kept_for_ever(http, self._files[name], self._compressed[name], "text/javascript" if name.endswith(".js") else "text/css")

        return answer


def _needed(components: Iterable[str]) -> list[str]:
    """The names of all files, in the order in which they are needed."""
    document = (FRONTEND / "index.html").read_text(encoding="utf-8")
    names = [*STYLE.findall(document), *ENTRY.findall(document)]
    script = _read(names[-1])
    for stem in STAGES:
        names += (stage := _dependencies(script, IMPORTED.format(name=rf"{stem}-[\w-]+")))
        if not stage:
            break
        script = _read(stage[0])
    core = next((_read(name) for name in names if name.startswith("core-") and name.endswith(".js")), "")
    for component in components:
        names += _dependencies(core, COMPONENT.format(name=component) + IMPORTED.format(name=r"[\w-]+"))
    return [*dict.fromkeys(names)]


def _dependencies(script: str, imported: str) -> list[str]:
    """The files that a script loads for an import, the imported one first."""
    found, listed = re.search(imported, script), DEPENDENCIES.search(script)
    files = re.findall(r'"\./([^"]+)"', listed[1]) if listed else []
    return [files[int(number)] for number in found[1].split(",")] if found and files else []


def _read(name: str) -> str:
    return (FRONTEND / "assets" / name).read_text(encoding="utf-8")
