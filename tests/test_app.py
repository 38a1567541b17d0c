"""The app as a program: its address, its health, and what stops it from starting."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

import app
from model.limits import MAX_PROMPT_CHARS
from model.weights import SHIPPED_WEIGHTS
from tests.support.client import host_and_port
from tests.support.server import ROOT, free_port, health, wait_until_healthy
from tests.support.viewing import PATIENCE_S, app_with_log, write
from ui.web.client_log import CLIENT_LINES


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The app's message when it refuses to start with some arguments."""

    def start(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
        assert app.main() == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        return message

    return start


def test_health_says_what_the_engine_does(url: str) -> None:
    assert health(url) == {"healthy": True, "writing": 0, "waiting": 0}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/healthz", method="HEAD")) as response:
        assert (response.status, response.read()) == (200, b"")


def test_small_answers_on_kept_connections_are_sent_at_once() -> None:
    """asyncio turns off the system's waiting for more to send only where the protocol is named."""
    listener = app._listen("127.0.0.1", free_port())
    assert listener.proto == socket.IPPROTO_TCP
    listener.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux lets an app say when a client is given up")
def test_a_client_that_left_the_network_is_given_up_after_minutes() -> None:
    with app._listen("127.0.0.1", free_port()) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == app.GONE_S * 1000


def test_options_that_cannot_be_are_named(refusal: Callable[..., str], tmp_path: Path) -> None:
    lecture = tmp_path / "lecture.md"
    assert f"{lecture}" in refusal("--lecture", str(lecture))
    lecture.write_text("# Mine\n\n## First\n\nNo address.\n")
    assert f"{lecture}: Line 5: below its title, a scene needs an address" in refusal("--lecture", str(lecture))
    assert "--root-path must be a path such as /gpt" in refusal("--root-path", "gpt")
    assert "--allow-host must be a name" in refusal("--allow-host", "https://example.org")
    assert "A trusted proxy is an IP address" in refusal("--trusted-proxy", "nginx")


def test_pages_may_ask_this_host_only(url: str) -> None:
    with urllib.request.urlopen(url) as response:
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert "googleapis" not in response.read().decode()


def test_the_api_writes_and_a_seed_repeats(url: str) -> None:
    client = Client(url, verbose=False)
    first = client.predict("ROMEO:", temperature=0.8, length=50, samples=2, seed=7, api_name="/generate")
    assert first["state"] == "done"
    assert first["seed"] == 7
    assert [len(text) for text in first["texts"]] == [50, 50]
    assert first["texts"][0] != first["texts"][1]
    again = client.predict("ROMEO:", temperature=0.8, length=50, samples=2, seed=7, api_name="/generate")
    assert again["texts"] == first["texts"]
    drawn = client.predict("ROMEO:", length=50, api_name="/generate")
    assert drawn["texts"][0] not in first["texts"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 2.01}, "temperature must be between 0 and 2"),
        ({"temperature": -1}, "temperature must be between 0 and 2"),
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"length": 0}, "length must be between 1 and 2,000"),
        ({"length": 10**12}, "length must be between 1 and 2,000"),
        ({"length": 1.5}, "length must be a whole number"),
        ({"samples": 17}, "samples must be between 1 and 16"),
        ({"seed": -3}, "seed must be between 0 and"),
        ({"seed": [1]}, "seed must be a whole number"),
        ({"top_p": 1.5}, "top_p must be between 0 and 1"),
        ({"prompt": "x" * 100_000}, f"the maximum is {MAX_PROMPT_CHARS:,}"),
        ({"prompt": 5}, "The prompt must be a string"),
    ],
)
def test_the_api_names_what_is_wrong(url: str, settings: dict, message: str) -> None:
    with pytest.raises(AppError, match=message):
        Client(url, verbose=False).predict(**({"prompt": "ROMEO:"} | settings), api_name="/generate")


def test_not_a_number_over_plain_http_is_refused(url: str) -> None:
    body = b'{"data": ["ROMEO:", NaN]}'
    request = urllib.request.Request(f"{url}/gradio_api/call/generate", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{url}/gradio_api/call/generate/{event}") as response:
        assert b"event: error" in response.read()
    assert health(url)["healthy"]


def test_a_process_that_refuses_to_start_ends_with_one_line_and_a_status() -> None:
    command = [sys.executable, "app.py", "--port", "99999"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_a_port_in_use_is_named_with_a_remedy(url: str, refusal: Callable[..., str]) -> None:
    port = url.rsplit(":", 1)[1]
    assert f"Cannot listen on 127.0.0.1:{port}" in refusal("--port", port)
    assert "another port" in refusal("--port", port)
    assert "--host" in refusal("--host", "not.a.host.invalid", "--port", port)


def test_a_port_that_is_none_is_named(refusal: Callable[..., str]) -> None:
    assert "between 1 and 65,535, not 99,999" in refusal("--port", "99999")


def test_damaged_weights_are_named(tmp_path: Path, refusal: Callable[..., str]) -> None:
    port = str(free_port())
    assert "There is no folder" in refusal("--port", port, "--weights", str(tmp_path / "nowhere"))
    broken = tmp_path / "broken"
    shutil.copytree(SHIPPED_WEIGHTS, broken)
    file = broken / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    message = refusal("--port", port, "--weights", str(broken))
    assert str(file) in message
    assert "damaged" in message


@pytest.mark.slow
def test_without_a_folder_of_runs_the_app_starts_and_says_why(tmp_path: Path) -> None:
    runs = tmp_path / "runs.txt"
    runs.write_text("not a folder")
    why = "The folder of training runs cannot be read (Not a directory). Start the app with another one (--runs)."
    with app_with_log(tmp_path / "stderr", "--runs", str(runs)) as url:
        with urllib.request.urlopen(f"{url}/train/runs") as response:
            told = json.load(response)
        assert (told["runs"], told["trouble"]) == ([], why)
        assert write(url, prompt="ROMEO:", length=5)
    said = (tmp_path / "stderr").read_text()
    assert f"{runs}: {why}\n" in said
    assert "Traceback" not in said


def test_the_readmes_client_example_runs(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = readme.split("```python\n")[1].split("```")[0]
    exec(example.replace("http://127.0.0.1:7860", url), {})
    assert len(capsys.readouterr().out) > 200


def test_a_request_larger_than_any_page_sends_is_refused(url: str) -> None:
    body = json.dumps({"data": ["x" * 2_000_000]}).encode()
    request = urllib.request.Request(f"{url}/gradio_api/call/generate", body, {"Content-Type": "application/json"})
    with pytest.raises((urllib.error.HTTPError, urllib.error.URLError)) as refused:
        urllib.request.urlopen(request)
    if isinstance(refused.value, urllib.error.HTTPError):
        assert refused.value.code == 413
    assert health(url)["healthy"]


def test_whatever_strangers_send_the_log_stays_short_and_without_tracebacks(url: str, app_log: Path) -> None:
    logged, begun = app_log.stat().st_size, time.monotonic()
    requests = [
        "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "\x16\x03\x01 no HTTP at all\r\n\r\n",
        "GET /pwa_icon/999999999 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /static/js/x.js HTTP/1.1\r\nHost: [\r\nRange: bytes=0-1,2-3\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [\r\n\r\n",
        "GET /gradio_api/queue/data?session_hash=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /train/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
        "POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
    ]
    for path, body in (("call/nope", '{"data": []}'), ("queue/join", '{"data": ["A"], "fn_index": 77}'), ("run/predict", '{"data": []}')):
        head = f"POST /gradio_api/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        requests.append(f"{head}\r\n\r\n{body}")
    for request in requests * 40:
        with socket.create_connection(host_and_port(url), PATIENCE_S) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1).encode("latin-1"))
            while connection.recv(65_536):
                pass
    lines = app_log.read_text(encoding="utf-8")[logged:].splitlines()
    minutes = int((time.monotonic() - begun) // 60) + 2
    assert 0 < len(lines) <= 2 * CLIENT_LINES * minutes  # of ours, and of the HTTP server's own
    assert all(len(line) < 600 for line in lines)
    assert not any("Traceback" in line or line.startswith(" ") for line in lines)
    assert health(url)["healthy"]


def test_the_start_is_told_and_warnings_stay_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("model.precision")
    with app.printed(log):
        log.info("The model writes in %s.", "float32")
        log.warning("Products depend on the batch size.")
    log.info("Another model writes in float32.")
    assert capsys.readouterr() == ("The model writes in float32.\n", "Products depend on the batch size.\n")


@pytest.mark.slow
def test_an_interrupt_while_a_text_is_written_ends_cleanly() -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "app.py", "--device", "cpu", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # also where the tests run in the background
    )
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        body = json.dumps({"prompt": "ROMEO:", "length": 2_000, "samples": 16}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/write", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as stream, urllib.request.urlopen(f"http://127.0.0.1:{port}/class/stream") as room:
            assert b'"new"' in stream.readline() + stream.readline()
            assert room.readline() == b"event: room\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            assert room.read().endswith(b"\n\n")  # a stream without an end of its own is ended, not cut off
    finally:
        process.kill()
    said = [line for line in err.splitlines() if not line.startswith("On this machine a seed can give a different text")]
    assert (process.returncode, said) == (0, [])
    assert "\nThe model writes in " in f"\n{out}"
    assert out.endswith("Stopped.\n")
