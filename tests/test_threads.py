"""The number of threads of a step: as many as are fastest, on an idle machine and on a busy one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.machine import cpu_quota, thread_counts
from model.serving.threads import TRIAL_COST, StepThreads, Threads


def write(threads: StepThreads, seconds: float, cost: Callable[[int], float]) -> float:
    """Takes steps for some seconds, of which one with n threads costs `cost(n)`; returns the steps per second."""
    spent, steps = 0.0, 0
    while spent < seconds:
        spent += cost(threads.n)
        threads.took(cost(threads.n))
        steps += 1
    return steps / spent


def idle(n: int) -> float:
    """More threads are faster, by less and less."""
    return 0.002 + 0.004 / n


def busy(n: int) -> float:
    """With more than one thread, each step waits for a processor."""
    return 0.006 if n == 1 else 0.03


@pytest.mark.parametrize("most", [1, 2, 3, 4, 8, 64])
def test_the_fastest_number_is_found_and_kept(most: int) -> None:
    threads = StepThreads(thread_counts(most), most)
    write(threads, 20, busy)
    assert threads.chosen == 1
    assert write(threads, 20, busy) * busy(1) > 1 - 1.5 * TRIAL_COST
    write(threads, 20, idle)
    assert threads.chosen == most
    assert write(threads, 20, idle) * idle(most) > 1 - 1.5 * TRIAL_COST


def test_what_lies_between_is_found_too() -> None:
    threads = StepThreads(thread_counts(8), 8)
    write(threads, 20, lambda n: 0.003 if n == 4 else 0.004)
    assert threads.chosen == 4


def test_numbers_that_are_equally_fast_do_not_alternate() -> None:
    threads, chosen = StepThreads(thread_counts(4), 2), set()
    for _ in range(2_000):
        threads.took(0.004)
        chosen.add(threads.chosen)
    assert chosen == {2}


def test_a_trial_that_takes_long_ends_after_one_step_and_puts_the_next_one_off() -> None:
    threads = StepThreads([2, 1], 1)
    slow = []
    for step in range(4_000):
        if threads.n == 2:
            slow.append(step)
        threads.took(0.1 if threads.n == 2 else 0.001)
    assert len(slow) > 0
    assert all(after - before > 0.9 * 0.1 / TRIAL_COST / 0.001 for before, after in itertools.pairwise(slow))


def test_numbers_worth_trying() -> None:
    assert [thread_counts(most) for most in (1, 2, 3, 6, 8)] == [[1], [2, 1], [3, 2, 1], [6, 5, 3, 1], [8, 7, 4, 2, 1]]


def test_a_step_runs_with_the_number_of_threads_that_is_timed() -> None:
    before = torch.get_num_threads()
    try:
        threads, seen = Threads([2, 1]), set()
        for _ in range(300):
            seen.add(threads.run(4, torch.get_num_threads))
        assert seen == {1, 2}
    finally:
        torch.set_num_threads(before)


GROUPS = {
    "version 2": ("0::/a/b\n", {"a/b/cpu.max": "150000 100000", "a/cpu.max": "max 100000"}, 1.5),
    "version 2, limited above": ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000", "cpu.max": "max 100000"}, 2.0),
    "version 2, in a container": ("0::/\n", {"cpu.max": "50000 100000"}, 0.5),
    "version 2, no limit": ("0::/a\n", {"a/cpu.max": "max 100000"}, math.inf),
    "version 1": (
        "4:cpu,cpuacct:/a\n0::/\n",
        {"cpu,cpuacct/a/cpu.cfs_quota_us": "300000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
        3.0,
    ),
    "version 1, short name": ("4:cpuacct,cpu:/\n", {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.0),
    "version 1, no limit": ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
    "unreadable": ("nonsense", {"cpu.max": "a b"}, math.inf),
}


@pytest.mark.parametrize(("groups", "files", "expected"), GROUPS.values(), ids=GROUPS)
def test_a_containers_quota_of_processor_time_is_read(tmp_path: Path, groups: str, files: dict[str, str], expected: float) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups, encoding="utf-8")
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    assert cpu_quota(tmp_path) == expected


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) == math.inf
