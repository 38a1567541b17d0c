"""An address as a QR code: its modules for the page, and a picture for the terminal."""

from __future__ import annotations

import segno

QUIET = 4  # light modules around the code, which scanners need
BLACK_ON_WHITE, AS_BEFORE = "\x1b[30;107m", "\x1b[0m"
HALVES = {"00": " ", "10": "▀", "01": "▄", "11": "█"}  # a module and the one below it


def qr_modules(text: str) -> list[str]:
    """The QR code of a text, row by row, without the quiet zone around it: "1" is a dark module."""
    code = segno.make_qr(text, error="L")  # fewest modules, so the largest ones; segno raises the level where that needs no more of them
    return ["".join(map(str, row)) for row in code.matrix]


def qr_picture(text: str) -> str:
    """The QR code of a text for a terminal, with its quiet zone: two rows of modules to a line, black on white whatever its colours are."""
    rows = ["0" * QUIET + row + "0" * QUIET for row in qr_modules(text)]
    blank = "0" * len(rows[0])
    rows = [blank] * QUIET + rows + [blank] * QUIET
    rows += [blank] * (len(rows) % 2)
    lines = ("".join(HALVES[upper + lower] for upper, lower in zip(*pair, strict=True)) for pair in zip(rows[::2], rows[1::2], strict=True))
    return "\n".join(f"{BLACK_ON_WHITE}{line}{AS_BEFORE}" for line in lines)
