"""The files beside the page's code: HTML, scripts and style sheets."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
COMMENT = re.compile(r"/\*.*?\*/\n*", re.DOTALL)


def read(name: str) -> str:
    """The text of a file in this folder."""
    return (HERE / name).read_text(encoding="utf-8")


def sheets() -> dict[str, str]:
    """All style sheets but the one in <head>, without comments: the page's own first, then the shared ones, then those of the tabs, which
    may differ."""
    order = ["page.css", "controls.css"]
    paths = [path for path in HERE.rglob("*.css") if path != HERE / "first.css"]

    def rank(path: Path) -> tuple[int, bool, str]:
        return order.index(path.name) if path.name in order else len(order), path.parent.name != "shared", str(path)

    ranked = sorted(paths, key=rank)
    return {path.relative_to(HERE).as_posix(): COMMENT.sub("", path.read_text(encoding="utf-8")) + "\n" for path in ranked}
