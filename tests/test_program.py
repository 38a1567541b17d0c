"""How programs end: real processes, without PyTorch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.viewing import PATIENCE_S


def start(program: str, *, stdout: int = subprocess.PIPE, ignoring: bool = False, **environment: str) -> subprocess.Popen[bytes]:
    """A program that has imported `run_program` and `stop_at_once`.

    Args:
        ignoring: whether it is started with Ctrl-C ignored, as by nohup or in a script's background.
    """
    source = "import os, signal, sys, threading, time\nfrom model.program import run_program, stop_at_once\n" + textwrap.dedent(program)
    interrupt = signal.SIG_IGN if ignoring else signal.default_int_handler

    def set_signals() -> None:
        """Whatever the tests were started with: nohup ignores SIGHUP."""
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, "-c", source],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        preexec_fn=set_signals,
    )


def end(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """Its exit status, and what else it wrote."""
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_program_quietly_after_its_cleaning_up(number: signal.Signals, status: int) -> None:
    process = start("""
        def main():
            try:
                print("begun", flush=True)
                threading.Event().wait()
            finally:
                print("put away")
        run_program(main)
    """)
    assert process.stdout
    assert process.stdout.readline() == b"begun\n"
    process.send_signal(number)
    assert end(process) == (status, b"put away\n", b"")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_during_the_imports_ends_a_program_at_once(number: signal.Signals, status: int) -> None:
    process = start("""
        stop_at_once()
        try:
            print("begun", flush=True)
            threading.Event().wait()
        finally:
            print("unwound", flush=True)
    """)
    assert process.stdout
    assert process.stdout.readline() == b"begun\n"
    process.send_signal(number)
    assert end(process) == (status, b"", b"")


def test_what_is_ignored_stays_ignored() -> None:
    process = start(
        """
        stop_at_once()
        def main():
            os.kill(os.getpid(), signal.SIGINT)
            print("still here")
        run_program(main)
        """,
        ignoring=True,
    )
    assert end(process) == (0, b"still here\n", b"")


@pytest.mark.parametrize("main", ["lambda: 3", "lambda: sys.exit(3)"])
def test_the_end_waits_for_no_thread(main: str) -> None:
    process = start(f"""
        threading.Thread(target=threading.Event().wait).start()
        run_program({main})
    """)
    assert end(process) == (3, b"", b"")


def test_a_bug_is_shown() -> None:
    status, _, err = end(start("run_program(lambda: 1 / 0)"))
    assert status == 1
    assert b"ZeroDivisionError" in err


@pytest.mark.parametrize("main", ["lambda: print('x' * 100_000)", "lambda: print('short')", "lambda: (print('short'), sys.exit(2))"])
def test_an_output_that_nobody_reads_ends_a_program_quietly(main: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(f"run_program({main})", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (141, b"")


def test_a_program_without_an_output_runs() -> None:
    process = start("sys.stdout = None\nrun_program(lambda: print('for nobody'))")
    assert end(process) == (0, b"", b"")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp1252:strict"])
def test_characters_that_a_terminal_lacks_are_replaced(encoding: str) -> None:
    process = start("run_program(lambda: print('\\u65e5', 'caf\\xe9', '\\U0001f3ad', '\\udcff'))", PYTHONIOENCODING=encoding)
    cafe = "caf?" if encoding == "ascii" else "café"
    assert end(process) == (0, f"? {cafe} ? ?\n".encode(encoding.partition(":")[0]), b"")


def test_every_program_ends_in_this_way() -> None:
    sources = [ROOT / "app.py", *(ROOT / "benchmarks").glob("*.py"), *(ROOT / "model").rglob("__main__.py")]
    programs = [text for path in sources if 'if __name__ == "__main__":' in (text := path.read_text(encoding="utf-8"))]
    assert len(programs) > 10
    assert all(program.endswith('\nif __name__ == "__main__":\n    run_program(main)\n') for program in programs)


def test_an_attached_command_ends_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed, so that only the system can tell the child, which waits for a corpus that nobody writes."""
    os.mkfifo(tmp_path / "corpus")
    parent = start(
        """
        from model.attached import attached
        with attached(["eval", "--corpus", os.environ["CORPUS"]], stdout=2):
            print("begun", flush=True)
        """,
        CORPUS=str(tmp_path / "corpus"),
    )
    assert parent.stdout
    assert parent.stdout.readline() == b"begun\n"
    parent.kill()
    assert end(parent) == (-signal.SIGKILL, b"", b"")  # stderr ends when the child, which has it too, is gone
