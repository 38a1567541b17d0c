"""The clock for waits and sessions."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from model.clock import seconds
from tests.conftest import ROOT


def test_it_never_goes_back() -> None:
    read = [seconds() for _ in range(1_000)]
    assert read == sorted(read)


def test_it_is_the_same_for_all_processes() -> None:
    before = seconds()
    command = [sys.executable, "-c", "from model.clock import seconds; print(seconds())"]
    there = float(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    assert before <= there <= seconds()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no second clock to compare with")
def test_it_counts_the_time_that_the_machine_slept() -> None:
    asleep_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    assert seconds() - time.monotonic() == pytest.approx(asleep_s, abs=1.0)
