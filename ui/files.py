"""The files beside the page's code: HTML, scripts and style sheets."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
COMMENT = re.compile(r"/\*.*?\*/\n*", re.DOTALL)


def read(name: str) -> str:
    """The text of a file in this folder."""
    return (HERE / name).read_text(encoding="utf-8")


def styles() -> str:
    """All style sheets but the one in <head>, without comments: the page's own first, then the shared ones, then those of the tabs,
    which may differ."""
    order = ["page.css", "controls.css"]
    sheets = [path for path in HERE.rglob("*.css") if path != HERE / "first.css"]

    def rank(path: Path) -> tuple[int, bool, str]:
        return order.index(path.name) if path.name in order else len(order), path.parent.name != "shared", str(path)

    return COMMENT.sub("", "\n".join(path.read_text(encoding="utf-8") for path in sorted(sheets, key=rank)))
