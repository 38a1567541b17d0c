"""A minute of the crowd that comes, stops, reloads and vanishes at random; `python -m benchmarks.soak` lets it in for ten."""

from __future__ import annotations

import sys

import pytest

from benchmarks.soak import soak
from tests.support.server import running_process


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_minute_of_comings_and_goings_leaves_no_fault_behind() -> None:
    with running_process("--device", "cpu") as (url, pid):
        assert soak(url, pid, minutes=1) == []
