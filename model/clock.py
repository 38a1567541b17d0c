"""The clock for waits and sessions: it goes on while the machine sleeps, and setting the time does not move it."""

from __future__ import annotations

import time

# Linux's CLOCK_MONOTONIC, which is `time.monotonic`, stands still while the machine sleeps; its CLOCK_BOOTTIME goes on. So does macOS's
# CLOCK_MONOTONIC, which is not `time.monotonic` there. Windows has neither, and its `time.monotonic` goes on.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def seconds() -> float:
    """Seconds since a moment that is the same for all processes until the machine restarts."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
