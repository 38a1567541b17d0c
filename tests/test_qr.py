"""QR codes: their modules, and the picture of them in a terminal."""

from __future__ import annotations

import segno

from model.qr import AS_BEFORE, BLACK_ON_WHITE, HALVES, QUIET, qr_modules, qr_picture


def test_the_code_is_rows_of_modules_with_its_three_corners() -> None:
    modules = qr_modules("http://192.168.1.20:7860")
    assert len(modules) == 25  # the second smallest size
    assert all(len(row) == 25 and set(row) == {"0", "1"} for row in modules)
    for corner in (modules[0][:7], modules[0][-7:], modules[-1][:7]):
        assert corner == "1111111"
    assert modules == ["".join(map(str, row)) for row in segno.make_qr("http://192.168.1.20:7860", error="L").matrix]


def test_the_picture_has_every_module_and_the_quiet_zone_in_its_own_colours() -> None:
    text = "https://ada-soliloquy.hf.space"
    modules, rows, pairs = qr_modules(text), [], {half: pair for pair, half in HALVES.items()}
    for line in qr_picture(text).splitlines():
        assert line.startswith(BLACK_ON_WHITE)
        assert line.endswith(AS_BEFORE)
        halves = [pairs[half] for half in line.removeprefix(BLACK_ON_WHITE).removesuffix(AS_BEFORE)]
        rows += ["".join(half[place] for half in halves) for place in (0, 1)]
    inside = slice(QUIET, QUIET + len(modules))
    assert [row[inside] for row in rows[inside]] == modules
    outside = [*rows[:QUIET], *rows[inside.stop :], *(row[:QUIET] + row[inside.stop :] for row in rows)]
    assert set("".join(outside)) == {"0"}
    assert len(rows) - inside.stop >= QUIET
