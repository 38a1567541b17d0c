"""Reads files that lie beside the page's code."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def read(name: str) -> str:
    """The text of a file in this folder."""
    return (HERE / name).read_text(encoding="utf-8")


def styles() -> str:
    """All style sheets; the page's own comes first, since it names the colours."""
    sheets = sorted(HERE.rglob("*.css"), key=lambda path: (path.name != "page.css", str(path)))
    return "\n".join(path.read_text(encoding="utf-8") for path in sheets)
