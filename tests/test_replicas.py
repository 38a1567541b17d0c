"""`python app.py --replicas 2`, with Ray: the texts and their logits are those of one engine, also if a replica is killed in the middle."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.sampling import SamplingParams
from model.serving.request import DONE, NO_GUESS, RUNNING, STOPPED, Request
from tests.support.admin import wait_for
from tests.support.server import processes, running_process
from tests.support.viewing import IDLE, PATIENCE_S, Viewer, answer, texts_of, wait_until, write

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray, which is large: make test-replicas")
VOCABULARY = "abc"


@pytest.mark.parametrize("at", [0, 3, 5])
def test_a_request_that_is_filled_from_pieces_is_like_the_one_that_was_written(at: int) -> None:
    written, filled = (Request("", (), SamplingParams(samples=2, max_new_chars=5, seed=1), VOCABULARY) for _ in range(2))
    rung: list[int] = []
    filled.listen(lambda: rung.append(1))
    written.begin()
    filled.begin()
    for index in range(5):
        for sample in range(2):
            written.append(sample, index % 3, np.full(3, index, np.float32), index / 9, (index + 1) / 9, guess=index - 1)
        if index + 1 == at:
            for sample in range(2):
                filled.extend(sample, written.piece(sample, 0))
    written.end(DONE)
    for sample in range(2):
        filled.extend(sample, written.piece(sample, 0).since(at))
    filled.end(DONE)
    assert filled.progress().texts == written.progress().texts == ("abcab", "abcab")
    assert filled.progress().guesses == written.progress().guesses == ([NO_GUESS, 0, 1, 2, 3],) * 2
    assert len(rung) == 2  # at the first characters and at the end
    for sample in range(2):
        np.testing.assert_array_equal(filled.logits(sample), written.logits(sample))
        for index in range(5):
            mine, other = filled.character(sample, index), written.character(sample, index)
            assert mine
            assert other
            assert (mine.char, mine.die, mine.low, mine.high) == (other.char, other.die, other.low, other.high)


def test_a_piece_without_a_record_drops_that_of_the_request() -> None:
    bare = Request("", (), SamplingParams(max_new_chars=5, seed=1), VOCABULARY)
    bare.begin()
    bare.append(0, 1, np.zeros(3, np.float32), 0.0, 1.0)
    filled = Request("", (), SamplingParams(max_new_chars=5, seed=1), VOCABULARY)
    filled.begin()
    bare.forget()
    filled.extend(0, bare.piece(0, 0))
    filled.end(STOPPED)
    assert filled.progress().texts == ("b",)
    assert filled.logits(0) is None


def test_without_ray_the_app_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from model.errors import ParameterError
    from model.serving.replicas import Replicas, Source

    monkeypatch.setitem(sys.modules, "ray", None)
    start: Callable[..., Any] = Replicas.start
    for number, words in (
        (2, r'Replicas need Ray, which is not installed: pip install "ray\[serve\]"'),
        (65, "--replicas must be between"),
    ):
        with pytest.raises(ParameterError, match=words):
            start(None, None, number, Source(tmp_path, "cpu", tmp_path, ()))


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """An app with two replicas: its address and its process."""
    folder = tmp_path_factory.mktemp("replicas")
    with running_process("--device", "cpu", "--replicas", "2", "--runs", str(folder)) as app:
        yield app


def replicas_of(pid: int) -> dict[int, float]:
    """The processes of an app's replicas, and the seconds that each has used."""
    found = {}
    for process in processes(pid):
        if b"ServeReplica" in Path(f"/proc/{process}/cmdline").read_bytes():
            fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            found[process] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:
        return response.read()


@needs_ray
@pytest.mark.slow
def test_replicas_write_what_one_engine_writes(replicated: tuple[str, int], url: str) -> None:
    asked = {"prompt": "ROMEO:", "samples": 2, "seed": 7, "length": 60}
    found = []
    for address in (replicated[0], url):
        with Viewer(address) as viewer:
            key = viewer.ask(**asked)["key"]
            lines = viewer.rest()
        found.append((texts_of(lines), fetch(f"{address}/logits/{key}/1"), fetch(f"{address}/character/{key}/1/40")))
        status, _ = answer(address, "POST", "/attention", b'{"text": "ROMEO:"}', Content_Type="application/json")
        assert status == 200
    assert found[0] == found[1]


@needs_ray
@pytest.mark.slow
def test_a_viewer_who_leaves_frees_the_replica_and_requests_are_spread(replicated: tuple[str, int]) -> None:
    url, pid = replicated
    with Viewer(url) as viewer:
        viewer.ask(prompt="A", samples=4, length=2_000, seed=1)
        viewer.line()
    wait_until(IDLE, url)
    before = replicas_of(pid)
    with ThreadPoolExecutor(8) as viewers:
        texts = list(viewers.map(lambda seed: write(url, prompt="A", samples=2, length=150, seed=seed), range(8)))
    assert len({*map(tuple, texts)}) == 8
    assert all(used > before[process] for process, used in replicas_of(pid).items())


@needs_ray
@pytest.mark.slow
def test_texts_of_a_replica_that_is_killed_are_written_again(replicated: tuple[str, int]) -> None:
    url, pid = replicated
    asked = [{"prompt": "JULIET:", "samples": 2, "length": 1_200, "seed": seed} for seed in range(4)]
    whole = [write(url, **each) for each in asked]
    before = replicas_of(pid)
    viewers = [Viewer(url) for _ in asked]
    firsts = [viewer.ask(**each) for viewer, each in zip(viewers, asked, strict=True)]
    lines = [[viewer.line()] for viewer in viewers]
    assert all(line["state"] == RUNNING for (line,) in lines)
    killed = next(iter(before))
    os.kill(killed, signal.SIGKILL)
    for viewer, mine in zip(viewers, lines, strict=True):
        mine += viewer.rest()
        viewer.close()
        assert mine[-1]["state"] == DONE
    assert [texts_of(mine) for mine in lines] == whole
    for first in firsts:
        assert len(fetch(f"{url}/logits/{first['key']}/0?since=1190")) == 10 * 65 * 4
    wait_until(IDLE, url)
    wait_for(lambda: len(replicas_of(pid).keys() - {killed}) == 2)  # another takes its place
    assert write(url, **asked[0]) == whole[0]
