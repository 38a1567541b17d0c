"""Odd machines, interrupts and the ends of children: the real programs, in processes of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from model.__main__ import main
from model.training.job import Job
from model.training.jobs import MEASURING_S
from model.training.process import Process
from model.training.run import Run
from tests.conftest import ROOT
from tests.support.admin import Admin, runs_ended, wait_for
from tests.support.client import host_and_port
from tests.support.killing import synthetic_text
from tests.support.server import free_port, processes, wait_until_healthy
from tests.support.viewing import PATIENCE_S, Viewer, answer

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")]  # an app for each

NAMELESS = 12_345  # a user id that no user has
ALPHABET = "café 日本 🎭\n"  # in no terminal's ASCII
SECRET = "caf\u00e9 noir"
DECOMPOSED = "cafe\u0301 noir"

# Writes down whom a process asks for, besides this machine, and which type stubs it opens.
WATCH = """
import sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        asked = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        if "127.0.0.1" not in str(asked):
            with open({path!r}, "a", encoding="utf-8") as file:
                file.write(f"{{event}} {{asked}}\\n")
    if event == "open" and str(arguments[0]).endswith(".pyi"):
        with open({path!r}, "a", encoding="utf-8") as file:
            file.write(f"{{event}} {{arguments[0]}}\\n")

sys.addaudithook(watch)
"""


def as_nameless(*command: str) -> list[str]:
    """A command as a user whose id has no name. It may read what root may, where Python is installed for root, but not write it."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become another user")
    reading = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    return ["setpriv", "--reuid", str(NAMELESS), "--regid", str(NAMELESS), "--clear-groups", *reading, *command]


def environment(**changed: str | None) -> dict[str, str]:
    """The environment with some variables changed; None removes one."""
    return {name: value for name, value in (os.environ | changed).items() if value is not None}


def start(*command: str, **options: object) -> subprocess.Popen[bytes]:
    """A Python program that Ctrl-C interrupts, also where the tests run in the background."""
    options = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    interrupted = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    return subprocess.Popen([sys.executable, *command], preexec_fn=interrupted, **options)  # type: ignore[call-overload]


def end(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Its exit status, and what else it wrote."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    return process.returncode, out.decode(), err.decode()


def is_importing_torch(process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    return "libtorch_cpu" in Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, its finished run and that run's exported weights. No ASCII terminal has their characters."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "corpus.txt").write_text(synthetic_text() + ALPHABET * 100, encoding="utf-8")
    chosen = ["--corpus", str(folder / "corpus.txt"), "--run", "tiny", "--runs", str(folder / "runs"), "--device", "cpu"]
    assert main(["train", "--preset", "tiny", "--steps", "4", "--eval-interval", "2", *chosen]) == 0
    assert main(["export", str(folder / "runs" / "tiny"), str(folder / "weights")]) == 0
    return folder


def every_command(tiny: Path, folder: Path) -> list[list[str]]:
    """Each command at its smallest, with what it writes in a folder."""
    corpus, weights = ["--corpus", str(tiny / "corpus.txt")], ["--weights", str(folder / "weights")]
    steps = ["--steps", "4", "--eval-interval", "2"]
    return [
        ["train", "--preset", "tiny", *corpus, *steps, "--run", "another", "--runs", str(folder / "runs")],
        ["export", str(tiny / "runs" / "tiny"), str(folder / "weights")],
        ["eval", *corpus, *weights],
        ["heads", *corpus, *weights],
        ["sample", *weights, "--prompt", ALPHABET, "--length", "20"],
        ["pace", "--preset", "bigram"],
        ["train", "--help"],
    ]


# Runs several commands in one process, as `python -m model` runs one.
IN_A_ROW = """
import json, sys
from model.program import run_program
from model.__main__ import main

def all_of_them():
    for arguments in json.load(sys.stdin):
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code
        print("status", status, flush=True)

run_program(all_of_them)
"""


def run_in_a_row(commands: list[list[str]], prefix: list[str], **changed: str | None) -> tuple[str, str]:
    """What several commands write to stdout and stderr."""
    given = json.dumps(commands).encode()
    command = [*prefix, sys.executable, "-c", IN_A_ROW]
    done = subprocess.run(command, input=given, cwd=ROOT, env=environment(**changed), capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("ascii"), done.stderr.decode("ascii")


def statuses(out: str) -> list[int]:
    """The exit statuses of commands that ran in a row."""
    return [int(line.split()[1]) for line in out.splitlines() if line.startswith("status ")]


@pytest.mark.slow
@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_every_command_runs_on_an_ascii_terminal(tiny: Path, tmp_path: Path, locale: dict[str, str]) -> None:
    commands = every_command(tiny, tmp_path)
    out, err = run_in_a_row(commands, [], **locale)
    assert statuses(out) == [0] * len(commands), out + err
    assert "caf? ?? ?" in out
    assert "Traceback" not in err


def test_a_command_runs_on_an_ascii_terminal(tiny: Path) -> None:
    command = ["-m", "model", "sample", "--weights", str(tiny / "weights"), "--prompt", ALPHABET, "--length", "5"]
    status, out, err = end(start(*command, env=environment(PYTHONIOENCODING="ascii")))
    assert status == 0, err
    assert out.startswith("caf? ?? ?\n")


def test_a_user_without_home_name_and_rights_is_told_what_cannot_be_written(tiny: Path, tmp_path: Path) -> None:
    """Nothing but the temporary folder may be written to."""
    own = tmp_path / "tmp"
    own.mkdir()
    os.chown(own, NAMELESS, NAMELESS)
    shutil.copytree(tiny / "weights", tmp_path / "weights")
    _, export, *others = every_command(tiny, tmp_path)
    changed = {"HOME": None, "XDG_CACHE_HOME": None, "TMPDIR": str(own), "PYTHONIOENCODING": "ascii"}
    out, err = run_in_a_row([export, *others], as_nameless(), **changed)
    assert statuses(out) == [2, 0, 2, 0, 0, 0], out + err
    assert "weights/model.safetensors could not be written. Permission denied." in err
    assert "weights/heads.json.part could not be written. Permission denied." in err
    assert "Traceback" not in err


@contextlib.contextmanager
def odd_app(folder: Path) -> Iterator[SimpleNamespace]:
    """The app, read-only, for a user without a home and a name, on an ASCII terminal, where the temporary folder for Gradio is somebody
    else's, and the password has a newline and a composed letter. Yields its url, process and folders."""
    own, site, asked = folder / "tmp", folder / "site", folder / "asked"
    own.mkdir(parents=True)
    (own / "gradio").mkdir(mode=0o700)
    os.chown(own, NAMELESS, NAMELESS)
    site.mkdir()
    (site / "sitecustomize.py").write_text(WATCH.format(path=str(asked)), encoding="utf-8")
    asked.touch(0o666)
    asked.chmod(0o666)
    changed = {
        "HOME": None,
        "XDG_CACHE_HOME": None,
        "TMPDIR": str(own),
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": str(site),
        "ADMIN_PASSWORD": f"{SECRET}\n",
        "SOLILOQUY_CORPUS": None,
    }
    url = f"http://127.0.0.1:{(port := free_port())}"
    with (folder / "stderr").open("wb") as err:
        command = as_nameless(sys.executable, "app.py", "--device", "cpu", "--port", str(port))
        process = subprocess.Popen(command, cwd=ROOT, env=environment(**changed), stdout=subprocess.PIPE, stderr=err)
    try:
        wait_until_healthy(url, process)
        yield SimpleNamespace(url=url, process=process, own=own, asked=asked, stderr=folder / "stderr")
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("odd")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    with odd_app(folder) as app:
        yield app


def test_an_app_on_an_odd_machine_serves_writes_and_says_where_its_cache_is(odd: SimpleNamespace) -> None:
    status, page = answer(odd.url, "GET", "/config")
    assert status == 200
    assert page
    with Viewer(odd.url) as viewer:
        assert [len(text) for text in viewer.write(prompt="ROMEO:", length=30, samples=2, seed=7)] == [30, 30]
    cache = odd.own / f"soliloquy-{NAMELESS}"
    assert (cache / "precision.json").is_file()
    assert f"It is in {cache}" in odd.stderr.read_text(encoding="ascii")


def test_the_password_of_an_odd_machine_is_the_one_that_a_keyboard_types(odd: SimpleNamespace) -> None:
    assert Admin.logged_in(odd.url, SECRET).token
    assert Admin.logged_in(odd.url, DECOMPOSED).token
    assert Admin(odd.url).post("/admin/login", password="cafe noir")[0] == 401


def test_a_training_on_an_odd_machine_says_where_it_cannot_write(odd: SimpleNamespace) -> None:
    admin = Admin.logged_in(odd.url, SECRET)
    status, told = admin.post("/train/start", preset="tiny", corpus=admin.upload(synthetic_text().encode()))
    assert status >= 400
    assert f"{ROOT / 'runs'} cannot be written to" in told["error"]


def test_an_app_asks_no_other_host_and_imports_gradio_without_stubs(odd: SimpleNamespace) -> None:
    """After its start and the tests above: they read the page, wrote, logged in and tried to train."""
    text = {"text": "To be, or not to be"}
    with Viewer(odd.url, path="/score") as viewer:
        viewer.ask(**text)
        assert viewer.rest()[-1] == {"state": "done"}
    assert answer(odd.url, "POST", "/attention", json.dumps(text).encode(), Content_Type="application/json")[0] == 200
    assert odd.asked.read_text(encoding="utf-8") == ""
    seen = subprocess.run(
        [sys.executable, "-c", "import socket; socket.getaddrinfo('soliloquy.invalid', 80)"],
        env=environment(PYTHONPATH=str(odd.asked.parent / "site")),
        capture_output=True,
    )
    assert seen.returncode  # there is no such host
    assert odd.asked.read_text(encoding="utf-8") == "socket.getaddrinfo soliloquy.invalid\n"


def test_an_odd_machine_is_left_as_it_was(odd: SimpleNamespace) -> None:
    """The last of the tests of this app."""
    odd.process.terminate()
    out, _ = odd.process.communicate(timeout=PATIENCE_S)
    assert odd.process.returncode == 0
    assert out.endswith(b"Stopped.\n")
    assert "Traceback" not in odd.stderr.read_text(encoding="ascii")
    assert not list((odd.own / "gradio").iterdir())
    left = {path.name for path in odd.own.iterdir()}
    assert {name for name in left if "soliloquy" in name} == {f"soliloquy-{NAMELESS}"}
    assert not (ROOT / "~").exists()


@pytest.mark.skipif(not shutil.which("ps"), reason="there is no ps")
def test_a_process_is_found_again_by_an_app_in_another_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where ps says when a process began, in words."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("TZ", "America/New_York")
    ours = Process.find(os.getpid())
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert ours.began
    assert ours.alive


@pytest.mark.parametrize("command", [["app.py"], ["-m", "model", "sample"]])
def test_an_interrupt_while_pytorch_is_imported_is_quiet(command: list[str]) -> None:
    process = start(*command)
    wait_for(lambda: is_importing_torch(process))
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_interrupted_does_not_wait_for_the_model(number: signal.Signals, tmp_path: Path) -> None:
    """The app measures the model's precision, which takes seconds where no cache has it, after it has taken its port."""
    port = free_port()
    cache, own = tmp_path / "cache", tmp_path / "tmp"
    own.mkdir()
    process = start("app.py", "--device", "cpu", "--port", str(port), env=environment(XDG_CACHE_HOME=str(cache), TMPDIR=str(own)))

    def is_listening() -> bool:
        assert process.poll() is None
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_for(is_listening)
    process.send_signal(number)
    assert end(process) == (128 + number, "", "")
    assert not cache.exists()  # the measurement was not waited for
    assert not [path for path in own.iterdir() if "soliloquy" in path.name]


def test_an_interrupted_text_ends_quietly() -> None:
    process = start("-m", "model", "sample", "--prompt", "ROMEO:", "--length", "2000", "--device", "cpu")
    assert process.stdout
    assert process.stdout.read(10).startswith(b"ROMEO:")
    process.send_signal(signal.SIGINT)
    status, _, err = end(process)
    assert status == 130
    assert err.startswith("seed ")
    assert err.count("\n") == 1


def test_an_interrupted_evaluation_ends_quietly(tiny: Path, tmp_path: Path) -> None:
    """It waits for a corpus that nobody writes."""
    os.mkfifo(tmp_path / "corpus")
    process = start("-m", "model", "eval", "--weights", str(tiny / "weights"), "--corpus", str(tmp_path / "corpus"))
    with open(tmp_path / "corpus", "wb"):  # opened once the command reads it
        process.send_signal(signal.SIGINT)
        assert end(process) == (130, "", "")


def test_interrupted_heads_end_quietly(corpus_path: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "weights" / "shakespeare", tmp_path / "weights")
    process = start("-m", "model", "heads", "--weights", str(tmp_path / "weights"), "--corpus", str(corpus_path), "--device", "cpu")
    assert process.stderr
    assert process.stderr.read(5)  # the progress bar
    process.send_signal(signal.SIGINT)
    status, out, err = end(process)
    assert (status, out) == (130, "")
    assert "Traceback" not in err


def test_an_interrupted_measurement_leaves_nothing_behind(tmp_path: Path) -> None:
    process = start("-m", "model", "pace", "--preset", "lesson", "--device", "cpu", env=environment(TMPDIR=str(tmp_path)))
    wait_for(lambda: [*tmp_path.glob("*/config.json")] or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, "", "")
    assert not [*tmp_path.glob("*/config.json")]


def test_a_text_that_nobody_reads_any_more_ends_quietly() -> None:
    process = start("-m", "model", "sample", "--prompt", "ROMEO:\n", "--length", "2000", "--device", "cpu")
    assert process.stdout
    assert process.stdout.readline() == b"ROMEO:\n"
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read().startswith(b"seed ")
    assert process.wait(PATIENCE_S) == 141


def test_a_training_that_nobody_reads_any_more_writes_a_checkpoint(tiny: Path, tmp_path: Path) -> None:
    chosen = ["--preset", "tiny", "--steps", "100000", "--eval-interval", "2", "--corpus", str(tiny / "corpus.txt")]
    process = start("-m", "model", "train", *chosen, "--run", "unread", "--runs", str(tmp_path), "--device", "cpu")
    assert process.stdout
    assert b"M parameters" in process.stdout.readline()
    process.stdout.close()
    assert process.stderr
    assert b"Traceback" not in process.stderr.read()
    assert process.wait(PATIENCE_S) == 141
    run = Run(tmp_path / "unread")
    assert run.load()[1]["step"] == run.metrics()[-1]["step"]
    assert "ended" in run.process()


def test_an_app_whose_output_nobody_reads_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("app.py", "--device", "cpu", "--port", str(free_port()), stdout=writing, env=environment(ADMIN_PASSWORD="x"))
    os.close(writing)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (141, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_measurement_ends_with_the_app_and_does_not_hold_it_up(number: signal.Signals, tmp_path: Path) -> None:
    """The measurement is frozen, so that it cannot end by itself: an app that waited for it would not end."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ["--device", "cpu", "--port", str(port), "--runs", str(tmp_path / "runs")]
    app = start("app.py", *arguments, env=environment(ADMIN_PASSWORD=SECRET))
    try:
        wait_until_healthy(url, app)
        headers = Admin.logged_in(url, SECRET).headers | {"Content-Type": "application/json"}
        asking = http.client.HTTPConnection(*host_and_port(url))
        asking.request("POST", "/train/pace", '{"preset": "lesson"}', headers)
        wait_for(lambda: len(processes(app.pid)) == 2)
        child = Process.find(processes(app.pid)[1])
        os.kill(child.pid, signal.SIGSTOP)
        app.send_signal(number)
        app.wait(MEASURING_S / 2)
        assert child.alive
        os.kill(child.pid, signal.SIGCONT)
        wait_for(lambda: not child.alive)
    finally:
        app.kill()
    status, out, err = end(app)
    if number == signal.SIGKILL:
        assert (status, err) == (-signal.SIGKILL, "")
    else:
        assert (status, err) == (0, "")
        assert out.endswith("Stopped.\n")


def test_a_training_goes_on_without_the_app(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    with runs_ended(tmp_path / "runs") as runs:
        app = start("app.py", "--device", "cpu", "--port", str(port), "--runs", str(runs), env=environment(ADMIN_PASSWORD=SECRET))
        try:
            wait_until_healthy(url, app)
            admin = Admin.logged_in(url, SECRET)
            corpus = admin.upload(synthetic_text().encode())
            run = admin.do("/train/start", preset="tiny", corpus=corpus, settings={"steps": 100_000})["run"]["id"]
            app.terminate()
            assert end(app)[0] == 0
            process = Job(runs / run).process()
            assert process
            assert process.alive
        finally:
            app.kill()


def test_an_app_ends_with_the_benchmark_that_started_it() -> None:
    benchmark = start("-m", "benchmarks.soak", "--minutes", "1")
    wait_for(lambda: len(processes(benchmark.pid)) > 1)
    app = Process.find(processes(benchmark.pid)[1])
    benchmark.terminate()
    assert end(benchmark)[0] == 143
    assert not app.alive
