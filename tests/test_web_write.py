"""The page's own stream over real HTTP: what viewers are sent, and what those who misbehave cannot do to the others."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import resource
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client

from model.limits import MAX_CLIENT_WAITING, MAX_NEW_CHARS, MAX_PROMPT_CHARS, MAX_ROWS, MAX_SAMPLES, MAX_VIEWER_ROWS
from model.machine import in_fresh_thread
from model.sampling import SamplingParams, dice, distribution
from model.serving.engine import Engine
from model.serving.request import NO_GUESS
from model.weights import SHIPPED_WEIGHTS, Weights, load_weights
from tests.support.client import host_and_port
from tests.support.server import health
from tests.support.viewing import IDLE, PATIENCE_S, SOON_S, Viewer, answer, app_with_log, texts_of, wait_until, write
from ui.web.fields import MAX_VIEWER_CHARS
from ui.web.first_screen import PARAMS, PROMPT
from ui.web.http import MAX_TEXT_BYTES, TOO_MANY
from ui.web.stream import LOOK_S
from ui.web.write import lines

SETTLED_S = 5.0  # what the engine has not done by then it will not do: it is full, with less memory than most have
FILES = 8_192  # open at once: both ends of the largest crowd are on this machine
CROWD = 2_000
LONGEST: dict[str, Any] = {"prompt": "ROMEO:", "samples": MAX_SAMPLES, "length": MAX_NEW_CHARS}
SETTINGS = {"prompt", "seed", "temperature", "length", "samples", "first_sample", "first_step", "top_k", "top_p"}
INTRODUCTION = {"generation", "key", "model", "precision", *SETTINGS, "notice", "state", "ahead"}


@pytest.fixture(scope="module", autouse=True)
def many_files() -> Iterator[None]:
    """Lets this process, and the app that it starts, open as many files as the largest crowd takes, where that is allowed."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = before[1] if before[1] != resource.RLIM_INFINITY else FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(FILES, most)), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def app_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stderr of this module's app."""
    return tmp_path_factory.mktemp("app") / "stderr"


@pytest.fixture(scope="module")
def url(app_log: Path, many_files: None) -> Iterator[str]:
    """An app of its own, as crowds make it forget earlier texts, which other modules still look at."""
    with app_with_log(app_log) as url:
        yield url


@pytest.fixture(autouse=True)
def left_as_found(url: str, app_log: Path) -> Iterator[None]:
    """After every test the engine has nothing to do, and nothing went wrong without being told."""
    logged = app_log.stat().st_size
    yield
    wait_until(IDLE, url)
    assert b"Traceback" not in app_log.read_bytes()[logged:]


def post(url: str, body: bytes, content_type: str = "application/json") -> tuple[int, Any]:
    """Status and JSON of what /write answers to a body that it refuses."""
    return answer(url, "POST", "/write", body, Content_Type=content_type)


def fill_engine(url: str, stack: contextlib.ExitStack) -> tuple[list[Viewer], list[Viewer]]:
    """Viewers with the longest texts: those who have taken all seats, and those who wait, at least one, the first first."""
    viewers = [stack.enter_context(Viewer(url)) for _ in range(MAX_ROWS // MAX_SAMPLES + 1)]
    for number, viewer in enumerate(viewers):
        viewer.ask(**LONGEST, viewer=f"full {number}")
    now, since = health(url), time.monotonic()
    while now["writing"] < MAX_ROWS and time.monotonic() - since < SETTLED_S:
        before, now = now, health(url)
        since = since if now == before else time.monotonic()
        time.sleep(0.02)
    seated = now["writing"] // MAX_SAMPLES
    assert 0 < seated == len(viewers) - now["waiting"] < len(viewers)
    return viewers[:seated], viewers[seated:]


def test_a_stream_introduces_itself_tells_what_is_new_and_ends(url: str) -> None:
    with Viewer(url) as viewer:
        first = viewer.ask(
            prompt="“ROMEO”:中",
            seed=" 48213",
            samples=3,
            length=300,
            temperature=0.7,
            top_k=50,
            top_p=0.9,
            first_sample=4,
            first_step=9,
            viewer="one",
        )
        assert viewer.answer
        assert viewer.answer.headers["Content-Type"] == "application/x-ndjson"
        assert viewer.answer.headers["Cache-Control"] == "no-store"
        assert viewer.answer.headers["Content-Security-Policy"]
        news = viewer.rest()
    assert first.keys() == INTRODUCTION
    assert {name: first[name] for name in SETTINGS | {"ahead"}} == {
        "prompt": "'ROMEO':",
        "seed": 48213,
        "temperature": 0.7,
        "length": 300,
        "samples": 3,
        "first_sample": 4,
        "first_step": 9,
        "top_k": 50,
        "top_p": 0.9,
        "ahead": 0,
    }
    assert first["notice"] == "Left out, because the model does not know them: ‘中’."
    states = [first["state"], *(line["state"] for line in news)]
    assert states == sorted(states, key=["waiting", "running", "done"].index)
    assert states.count("done") == 1
    written, elapsed_s = 0, 0.0
    for line in news:
        if line["state"] == "waiting":
            continue
        assert line.keys() - {"guesses"} == {"state", "new", "elapsed_s", "chars_per_s"}
        assert len(line["new"]) == 3
        for text, guesses in zip(line["new"], line.get("guesses", []), strict=False):
            assert len(guesses) == len(text)
            assert all(NO_GUESS <= guess < 65 for guess in guesses)
        assert line["elapsed_s"] >= elapsed_s
        written, elapsed_s = written + sum(map(len, line["new"])), line["elapsed_s"]
        assert line["chars_per_s"] == pytest.approx(written / elapsed_s)
    texts = texts_of(news)
    assert [len(text) for text in texts] == [300] * 3
    assert len(set(texts)) == 3
    assert 1 + elapsed_s // 1.0 <= len(news) <= 3 + elapsed_s / LOOK_S, "what is new is told a few times a second"


def test_one_character_is_a_text_too(url: str) -> None:
    assert [len(text) for text in write(url, length=1)] == [1]


def test_a_generation_that_ends_before_anyone_reads_comes_with_its_texts(tiny: Weights) -> None:
    engine = Engine(tiny)
    try:
        request = engine.submit("ROMEO:", SamplingParams(max_new_chars=1))
        deadline = time.monotonic() + PATIENCE_S
        while not request.finished:
            assert time.monotonic() < deadline
            time.sleep(0.01)

        async def read() -> list[dict[str, Any]]:
            return [line async for line in lines(request, "float32")]

        first, last = in_fresh_thread(lambda: asyncio.run(read()))
    finally:
        engine.stop()
    assert first["state"] == "running"
    assert (last["state"], len(last["new"][0])) == ("done", 1)
    assert last["elapsed_s"] > 0


def test_settings_that_are_not_sent_have_defaults_and_a_drawn_seed_can_be_typed(url: str) -> None:
    with Viewer(url) as viewer:
        first = viewer.ask(length=60, prompt="JULIET:", seed="")
        told = {name: first[name] for name in ("temperature", "samples", "first_sample", "first_step", "top_k", "top_p", "notice")}
        assert told == {"temperature": 0.8, "samples": 1, "first_sample": 0, "first_step": 0, "top_k": 0, "top_p": 1.0, "notice": ""}
        texts = texts_of(viewer.rest())
    with Viewer(url) as viewer:
        other = viewer.ask(length=60, prompt="JULIET:", seed="")
    assert write(url, length=60, prompt="JULIET:", seed=str(first["seed"])) == texts
    assert first["seed"] != other["seed"]
    assert first["generation"] < other["generation"]
    assert first["key"] != other["key"]


def test_the_first_screen_is_written_once_for_all_and_its_seed_repeats_it(url: str) -> None:
    default = answer(url, "GET", "/models")[1]["default"]
    first = answer(url, "GET", f"/models/{default}")[1]["first_screen"]
    with Viewer(url, path="/follow") as one, Viewer(url, path="/follow") as other:
        begun = one.ask(key=first["key"])
        assert (begun["prompt"], begun["seed"], begun["model"]) == (PROMPT, PARAMS.seed, default)
        other.ask(key=first["key"])
        shown = texts_of(one.rest())
        assert texts_of(other.rest()) == shown
    again = answer(url, "GET", f"/models/{default}")[1]["first_screen"]
    assert (again["key"], again["state"], again["texts"]) == (first["key"], "done", shown)
    logits = answer(url, "POST", "/next", json.dumps({"prompt": PROMPT}).encode(), Content_Type="application/json")[1]["logits"]
    chances = distribution(np.array([logits]), PARAMS.temperature)[0]
    assert -sum(p * np.log2(p) for p in chances if p) > 1, "nothing to choose: the bars would be dull"
    typed = write(url, prompt=PROMPT, temperature=PARAMS.temperature, samples=PARAMS.samples, seed=str(PARAMS.seed), length=60)
    assert typed == [text[:60] for text in shown]


@pytest.mark.parametrize(("key", "status"), [("nobody's", 404), ("", 404), (5, 400), (None, 400)])
def test_what_nobody_writes_cannot_be_followed(url: str, key: object, status: int) -> None:
    assert answer(url, "POST", "/follow", json.dumps({"key": key}).encode(), Content_Type="application/json")[0] == status


def test_a_seed_repeats_on_a_kept_connection_in_a_crowd_and_at_the_named_endpoint(url: str) -> None:
    asked = {"prompt": "ROMEO:", "temperature": 0.9, "length": 60, "samples": 2, "top_k": 30, "top_p": 0.95}
    with Viewer(url) as viewer:
        texts = viewer.write(**asked, seed="7")
        assert viewer.write(**asked, seed="8") != texts
        assert viewer.write(**asked, seed="7") == texts
        with contextlib.ExitStack() as crowd:
            for number in range(8):
                crowd.enter_context(Viewer(url)).ask(**LONGEST | {"samples": 1 + number % 3}, viewer=f"crowd {number}")
            assert viewer.write(**asked, seed="7") == texts
    assert Client(url, verbose=False).predict(**asked, seed=7, api_name="/generate")["texts"] == texts


def test_the_first_samples_number_goes_on_with_the_dice(url: str) -> None:
    asked = {"prompt": "ROMEO:", "length": 30, "seed": "5"}
    four = write(url, **asked, samples=4)
    assert len(set(four)) == 4
    assert write(url, **asked, samples=2, first_sample=2) == four[2:]
    last = 2**31 - 1
    assert write(url, **asked, first_sample=last) == write(url, **asked, samples=2, first_sample=last)[:1]


@pytest.mark.parametrize("told", [1, 6, 250, 399])
def test_the_first_step_goes_on_with_the_dice_of_a_sample(url: str, told: int) -> None:
    """That the text goes on as it did is for float32 to promise: test_generate.py, test_engine.py."""
    rest = {"length": 400 - told, "seed": "5", "first_sample": 2, "first_step": told}
    with Viewer(url) as viewer:
        first = viewer.ask(prompt="ROMEO:" + "x" * told, **rest)
        texts = texts_of(viewer.rest())
    assert [len(text) for text in texts] == [400 - told]
    throws = dice(5, 2, 400)[told:]
    for index in {0, len(throws) - 1}:
        assert answer(url, "GET", f"/character/{first['key']}/0/{index}")[1]["die"] == throws[index]


@pytest.mark.parametrize("shape", [{}, {"top_k": 5}, {"top_p": 0.7}, {"temperature": 0}], ids=str)
def test_a_character_says_how_it_came_to_be(url: str, shape: dict[str, Any]) -> None:
    vocabulary = load_weights(SHIPPED_WEIGHTS).tokenizer.vocabulary
    settings = {"temperature": 0.9, "top_k": 0, "top_p": 1.0} | shape
    with Viewer(url) as viewer:
        first = viewer.ask(prompt="x" * 250, seed="11", samples=2, first_sample=3, length=12, **settings)  # the window moves on the way
        texts = texts_of(viewer.rest())
    for sample, text in enumerate(texts):
        throws = dice(11, 3 + sample, len(text))
        for index in range(len(text)):
            status, known = answer(url, "GET", f"/character/{first['key']}/{sample}/{index}")
            assert status == 200
            assert known.keys() == {"char", "logits", "die", "low", "high"}
            assert known["char"] == text[index]
            assert known["die"] == throws[index]
            assert known["low"] <= known["die"] < known["high"]
            probabilities = distribution([known["logits"]], **settings)[0]
            place = vocabulary.index(known["char"])
            assert len(probabilities) == len(vocabulary)
            assert known["high"] - known["low"] == pytest.approx(probabilities[place], rel=0, abs=1e-9)
            assert known["low"] == pytest.approx(np.sum(probabilities[:place]), rel=0, abs=1e-9)


def test_a_character_can_be_asked_for_once_it_is_written_and_after_a_stop(url: str) -> None:
    with Viewer(url) as viewer:
        key = viewer.ask(**LONGEST | {"samples": 2}, viewer="one")["key"]
        new = [""]
        while not all(new):
            new = viewer.line().get("new", [""])
        status, known = answer(url, "GET", f"/character/{key}/1/0")
        assert (status, known["char"]) == (200, new[1][0])
        status, refusal = answer(url, "GET", f"/character/{key}/1/{MAX_NEW_CHARS - 1}")
        assert status == 404
        assert "not written yet" in refusal["error"]
    wait_until(IDLE, url)
    assert answer(url, "GET", f"/character/{key}/1/0") == (200, known)


@pytest.fixture(scope="module")
def key(url: str) -> str:
    """Of a request with two samples of five characters, which is over."""
    with Viewer(url) as viewer:
        first = viewer.ask(samples=2, length=5)
        viewer.rest()
    return str(first["key"])


ODD_NUMBERS = ["-1", "2", str(2**31), str(2**63), str(-(2**63)), str(10**30), "9" * 5000, "1e0", "abc", "1.5", "NaN", "%D9%A3", "%00"]


@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda number: number[:40])
def test_a_sample_or_index_that_does_not_exist_is_refused_with_a_message(url: str, key: str, number: str) -> None:
    assert answer(url, "GET", f"/character/{key}/1/4")[0] == 200
    for path in (f"/character/{key}/{number}/0", f"/character/{key}/0/{number if number != '2' else 5}"):
        status, refusal = answer(url, "GET", path)
        assert status in (400, 404, 422)
        assert refusal.keys() - {"setting"} == {"error"}
        assert 0 < len(refusal["error"]) < 300


@pytest.mark.parametrize(
    "other",
    ["nobody", "{key}x", "x{key}", "%00", "%2E%2E", "%F0%9F", "%22%3E", "{{key}}", "k" * 5000, "%ED%A0%80", "None", "0"],
    ids=lambda key: key[:40],
)
def test_a_key_that_was_never_given_is_unknown(url: str, key: str, other: str) -> None:
    status, refusal = answer(url, "GET", f"/character/{other.replace('{key}', key)}/0/0")
    assert status == 404
    assert "no longer remembered" in refusal["error"]


def setting(name: str, value: str) -> bytes:
    """A body with one setting, its value written as JSON, or as what is none."""
    return f'{{"prompt": "ROMEO:", "{name}": {value}}}'.encode()


WRONG_TYPES = {
    "prompt": ("null", "5", "true", "[]", '["ROMEO:"]', "{}", "NaN"),
    "seed": ("7.0", "true", "[]", '["7"]', "{}", "NaN"),
    "viewer": ("null", "5", "true", "[]", "{}", "NaN"),
    "temperature": ("null", '"hot"', '"0.8"', "true", "[]", "{}"),
    "length": ("null", '"60"', "true", "[]", "{}", "1.5", "NaN", "Infinity", "1e400"),
    "samples": ("null", '"4"', "true", "[]", "{}", "1.5", "NaN", "-Infinity", "1e400"),
    "first_sample": ("null", '"4"', "true", "[]", "{}", "0.5", "NaN", "1e400"),
    "first_step": ("null", '"4"', "true", "[]", "{}", "0.5", "NaN", "1e400"),
    "top_k": ("null", '"4"', "true", "[]", "{}", "0.5", "NaN", "1e400"),
    "top_p": ("null", '"1"', "true", "[]", "{}"),
}
WRONG_VALUES = {
    "seed": ('"seven"', '"7.5"', '"1e3"', '"--7"', '"٣"', '"0x7"', '"\\ud800"', '"7 7"', '"-1"', f'"{2**53}"', f'"{"9" * 5000}"'),
    "temperature": ("-0.001", "2.001", "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 20),
    "length": ("0", "-1", "2001", "1e30"),
    "samples": ("0", "-1", "17", "1e30"),
    "first_sample": ("-1", "2147483648", "1e30"),
    "first_step": ("-1", "1000001", "1e30"),
    "top_k": ("-1", "4097", "1e30"),
    "top_p": ("-0.001", "1.001", "NaN", "Infinity", "1e400"),
    "viewer": (f'"{"v" * (MAX_VIEWER_CHARS + 1)}"',),
    "prompt": (f'"{"x" * (MAX_PROMPT_CHARS + 1)}"', f'"{"中" * (MAX_PROMPT_CHARS + 1)}"', f'"{"x" * 100_000}"'),
}
# What is sent, and a pattern of what the refusal says.
BAD = {
    "nothing": (b"", "not valid JSON"),
    "a form": (b"prompt=ROMEO:&length=60", "not valid JSON"),
    "cut off": (b'{"prompt": "ROM', "not valid JSON"),
    "two objects": (b'{"length": 1} {"length": 1}', "not valid JSON"),
    "nested lists": (b"[" * 100_000, "not valid JSON"),
    "nested objects": (b'{"prompt":' * 10_000 + b"1" + b"}" * 10_000, "not valid JSON"),
    "bytes that are no text": (b'{"prompt": "\xff\xfe"}', "not valid JSON"),
    "half a character": (b'{"prompt": "\xf0\x9f"}', "not valid JSON"),
    "zeros": (b"\0" * 1000, "not valid JSON"),
    **{
        f"no object: {body}": (body.encode(), "must be a JSON object")
        for body in ("[]", "5", "null", "NaN", '"ROMEO:"', "[" * 100 + "]" * 100)
    },
    **{
        f"{digits:,} digits in {name}": (setting(name, "9" * digits), f"{name}|digits")
        for name in ("length", "temperature")
        for digits in (4_000, 5_000)  # Python reads as many as 4,300
    },
    "an unknown setting": (setting("tempurature", "1"), "no setting 'tempurature'"),
    "an engine's name": (setting("max_new_chars", "1"), "no setting 'max_new_chars'"),
    "a nameless setting": (setting("", "1"), "no setting ''"),
    "a long name": (setting("n" * 5000, "1"), "no setting 'nnnnnnnnnn"),
    "a lone surrogate's name": (setting("\\ud800", "1"), r"no setting '\\ud800'"),
    "a pollution": (setting("__class__", "{}"), "no setting '__class__'"),
    **{
        f"{kind} of {name} {number}: {value[:20]}": (setting(name, value), name)
        for kind, wrong in (("type", WRONG_TYPES), ("value", WRONG_VALUES))
        for name in wrong
        for number, value in enumerate(wrong[name])
    },
}


@pytest.mark.parametrize(("body", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_by_name(url: str, body: bytes, words: str) -> None:
    status, refusal = post(url, body)
    assert status == 400
    assert refusal.keys() - {"setting"} == {"error"}
    assert re.search(words, refusal["error"])
    assert len(refusal["error"]) < 300
    assert health(url) == IDLE


@pytest.mark.parametrize(("name", "typed"), [("seed", '"abc"'), ("seed", "-1"), ("top_k", "-1"), ("temperature", "9")])
def test_a_refusal_names_the_setting_that_is_wrong(url: str, name: str, typed: str) -> None:
    assert post(url, setting(name, typed))[1]["setting"] == name


def test_a_number_out_of_range_is_called_that(url: str) -> None:
    assert "temperature must be between 0 and 2" in post(url, setting("temperature", "1" + "0" * 20))[1]["error"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_refused(url: str, method: str) -> None:
    status, refusal = answer(url, method, "/write", b'{"length": 1}' if method == "PUT" else None)
    assert status == 405
    assert refusal["error"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_content_types_that_another_site_could_send_are_refused(url: str, content_type: str) -> None:
    """Browsers let any page of the Web post these to this address; of JSON they ask first."""
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    connection.request("POST", "/write", b'{"length": 1}', {"Content-Type": content_type})
    with connection.getresponse() as response:
        body = response.read()
        assert response.status in (400, 415)
        assert b"application/json" in body


def test_a_body_that_is_announced_too_large_is_refused_unread(url: str) -> None:
    with socket.create_connection(host_and_port(url), PATIENCE_S) as raw:
        raw.sendall(b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n")
        response = http.client.HTTPResponse(raw)
        response.begin()
        assert response.status == 413
        assert f"{MAX_TEXT_BYTES:,}" in json.loads(response.read())["error"]


@pytest.mark.parametrize("announced", [True, False], ids=["with a length", "in chunks"])
def test_a_body_of_two_megabytes_is_refused(url: str, announced: bool) -> None:
    how = b"Content-Length: 2000000" if announced else b"Transfer-Encoding: chunked"
    piece = b"x" * 50_000 if announced else b"c350\r\n" + b"x" * 50_000 + b"\r\n"
    with socket.create_connection(host_and_port(url), PATIENCE_S) as raw:
        raw.sendall(b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + how + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):  # the app hangs up in the middle
            for _ in range(40):
                raw.sendall(piece)
        head = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in head and (data := raw.recv(65_536)):
                head += data
    assert head.startswith(b"HTTP/1.1 413 ")
    assert health(url) == IDLE


def test_a_body_that_never_comes_to_its_end_writes_nothing(url: str) -> None:
    body = json.dumps(LONGEST).encode()
    with socket.create_connection(host_and_port(url), PATIENCE_S) as raw:
        raw.sendall(
            b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body[:-1]
        )
        time.sleep(0.3)
        assert health(url) == IDLE
    assert [len(text) for text in write(url, length=5)] == [5]


def test_a_seed_may_be_sent_as_a_number_or_left_to_chance(url: str) -> None:
    typed, number = (write(url, length=20, seed=seed) for seed in ("7", 7))
    assert typed == number
    assert write(url, length=20, seed=None) != typed


def test_bad_input_does_not_change_what_others_are_written(url: str) -> None:
    asked = {"prompt": "ROMEO:", "samples": 2, "length": 200, "seed": "3"}
    alone = write(url, **asked)
    with Viewer(url) as viewer:
        viewer.ask(**asked)
        assert {post(url, body)[0] for body, _ in BAD.values()} == {400}
        assert texts_of(viewer.rest()) == alone


def test_a_lone_surrogate_is_left_out_of_a_prompt_and_may_be_a_viewers_name(url: str) -> None:
    with Viewer(url) as viewer:
        first = viewer.ask(prompt="RO\ud800MEO:", viewer="\udfff", length=5)
        assert first["prompt"] == "ROMEO:"
        assert "u+d800" in first["notice"].lower()
        assert len(texts_of(viewer.rest())[0]) == 5


def test_the_longest_prompt_and_name_are_taken(url: str) -> None:
    assert [len(text) for text in write(url, prompt="x" * MAX_PROMPT_CHARS, viewer="v" * MAX_VIEWER_CHARS, length=3)] == [3]


HANG_UPS = ["close", "reset", "close unread", "half-close", "close with another request behind", "close before the answer"]


@pytest.mark.parametrize("how", HANG_UPS)
def test_writing_stops_when_the_client_hangs_up(url: str, how: str) -> None:
    with Viewer(url) as viewer:
        viewer.send(**LONGEST)
        if how == "close before the answer":
            viewer.close()
            return  # nothing is left behind: left_as_found
        if how == "close with another request behind":
            viewer.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if how != "close unread":
            while not any(viewer.line().get("new", "")):
                pass
        wait_until(IDLE | {"writing": MAX_SAMPLES}, url)
        if how == "half-close":
            viewer.socket.shutdown(socket.SHUT_WR)
        elif how == "reset":
            viewer.reset()
        else:
            viewer.close()
        wait_until(IDLE, url, 5.0)


def test_a_shared_text_is_written_once_until_its_last_reader_has_left(url: str) -> None:
    asked = {"prompt": "ROMEO:", "seed": 77, "length": 300, "shared": True}
    with Viewer(url) as first, Viewer(url) as second:
        key = first.ask(**asked)["key"]
        assert second.ask(**asked)["key"] == key
        first.close()
        texts = texts_of(second.rest())
    with Viewer(url) as later, Viewer(url) as other:
        assert later.ask(**asked)["key"] == key
        assert texts_of(later.rest()) == texts == write(url, **asked | {"shared": False})
        assert other.ask(**asked | {"seed": 78, "length": 2_000})["key"] != key  # ends with its last reader: left_as_found
    assert answer(url, "POST", "/write", b'{"prompt": "", "shared": 1}', Content_Type="application/json")[0] == 400


def test_a_client_that_never_reads_holds_up_nobody(url: str) -> None:
    asked = {"prompt": "ROMEO:", "samples": 2, "length": 40, "seed": "3"}
    alone = write(url, **asked)
    with Viewer(url, receive_buffer=1) as deaf:
        deaf.send(**LONGEST, viewer="deaf")
        with Viewer(url) as other:
            began = time.monotonic()
            assert other.write(**asked, viewer="other") == alone
            assert time.monotonic() - began < SOON_S
        assert health(url)["writing"] == MAX_SAMPLES


def test_a_generation_for_a_client_that_never_reads_is_written_to_its_end(url: str) -> None:
    with Viewer(url, receive_buffer=1) as deaf:
        deaf.send(**LONGEST | {"length": 120})
        wait_until(IDLE, url, PATIENCE_S)
        assert deaf.line()["samples"] == MAX_SAMPLES


def test_hundreds_of_clients_that_never_read_leave_nothing_behind(url: str) -> None:
    with contextlib.ExitStack() as deaf:
        for number in range(MAX_CLIENT_WAITING - 6):  # each finds a place in the queue, however late the first of them is seated
            viewer = deaf.enter_context(Viewer(url, receive_buffer=1))
            viewer.send(prompt="ROMEO:", length=MAX_NEW_CHARS, viewer=f"deaf {number}")
        with Viewer(url) as other:
            began = time.monotonic()
            assert other.ask(length=5, viewer="other").keys() == INTRODUCTION
            assert time.monotonic() - began < SOON_S
            assert health(url)["writing"] > 0
            deaf.close()
            assert len(texts_of(other.rest())[0]) == 5
    wait_until(IDLE, url)


def test_a_viewer_has_its_share_and_without_a_name_the_host_counts(url: str) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(Viewer(url)) for _ in range(MAX_VIEWER_ROWS // MAX_SAMPLES + 2)]
        for connection in connections:
            connection.ask(**LONGEST)
        full = IDLE | {"writing": MAX_VIEWER_ROWS, "waiting": 2}
        wait_until(full, url)
        assert [len(text) for text in stack.enter_context(Viewer(url)).write(length=5, viewer="other")] == [5]
        assert health(url) == full


def test_a_waiting_generation_says_how_many_come_before(url: str) -> None:
    with contextlib.ExitStack() as stack:
        seated, waiting = fill_engine(url, stack)
        for _ in range(2):
            waiting.append(stack.enter_context(Viewer(url)))
            assert waiting[-1].ask(**LONGEST, viewer=f"waiting {len(waiting)}")["ahead"] == len(waiting) - 1
        last = waiting.pop()
        ahead = len(waiting)
        assert last.line() == {"state": "waiting", "ahead": ahead}
        deadline = time.monotonic() + PATIENCE_S
        for gone in reversed(waiting):
            gone.close()
            while (told := last.line()["ahead"]) == ahead:
                assert time.monotonic() < deadline
            ahead -= 1
            assert told == ahead
        assert ahead == 0
        seated[0].close()
        while (line := last.line()) == {"state": "waiting", "ahead": 0}:
            assert time.monotonic() < deadline
        assert line["state"] == "running"


async def _first_line(url: str, number: int) -> tuple[int, dict[str, Any]]:
    """Asks on a connection of its own, reads the first line of what is written, or the refusal, and hangs up."""
    reader, writer = await asyncio.open_connection(*host_and_port(url))
    try:
        body = json.dumps({"prompt": "ROMEO:", "samples": 4, "length": MAX_NEW_CHARS, "viewer": f"crowd {number}"}).encode()
        writer.write(
            b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b"chunked" in head:
            await reader.readline()  # the size of the chunk
            return int(head.split()[1]), json.loads(await reader.readline())
        length = head.lower().partition(b"content-length: ")[2].split()[0]
        return int(head.split()[1]), json.loads(await reader.readexactly(int(length)))
    finally:
        writer.transport.abort()


def test_a_crowd_that_asks_at_once_is_served_or_refused_for_now(url: str) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < CROWD + 500:
        pytest.skip("this machine does not let a process open so many files")

    async def crowd() -> list[tuple[int, dict[str, Any]]]:
        return await asyncio.wait_for(asyncio.gather(*(_first_line(url, number) for number in range(CROWD))), PATIENCE_S)

    answers = in_fresh_thread(lambda: asyncio.run(crowd()))
    assert len(answers) == CROWD
    assert {status for status, _ in answers} == {200, 503}
    for status, told in answers:
        if status == 200:
            assert told.keys() == INTRODUCTION
        else:
            assert told["error"] in ("256 requests from your network are already waiting. Try again in a minute.", TOO_MANY)
    wait_until(IDLE, url)
    assert [len(text) for text in write(url, length=5)] == [5]


def test_a_thousand_connections_that_are_reset_leave_nothing_behind(url: str) -> None:
    body = json.dumps(LONGEST).encode()
    whole = b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    for number in range(1_000):
        raw = socket.create_connection(host_and_port(url), PATIENCE_S)
        raw.sendall(whole[: (0, 20, len(whole) - 20, len(whole))[number % 4]])
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
    wait_until(IDLE, url)
    assert [len(text) for text in write(url, length=5)] == [5]


@pytest.mark.parametrize("path", ["/class/stream", "/class/stream?wall=1"])
def test_who_leaves_while_a_class_is_described_leaves_no_line_in_the_log(url: str, app_log: Path, path: str) -> None:
    before = app_log.read_text(encoding="utf-8")
    for _ in range(5):
        with socket.create_connection(host_and_port(url)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # broken off, with no goodbye
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            connection.recv(100)
    for _ in range(5):  # the app has gone on
        assert answer(url, "GET", "/healthz")[0] == 200
    assert app_log.read_text(encoding="utf-8") == before
