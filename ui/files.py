"""Files that lie beside the page's code."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def read(name: str) -> str:
    """A file of this folder."""
    return (HERE / name).read_text(encoding="utf-8")


def styles() -> str:
    """All style sheets, the page's own first: it gives the colours their names."""
    sheets = sorted(HERE.rglob("*.css"), key=lambda path: (path.name != "page.css", str(path)))
    return "\n".join(path.read_text(encoding="utf-8") for path in sheets)
