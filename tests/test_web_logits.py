"""What the network says, over real HTTP: after a prompt, before each character that was written, at every place of a text."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from torch import Tensor

from model.errors import WENT_WRONG
from model.limits import MAX_NEW_CHARS, MAX_PROMPT_CHARS, MAX_SCORE_CHARS, MAX_VIEWER_WAITING
from model.network.gpt import GPT
from model.serving import recent_requests
from model.serving.admission import Admission
from model.serving.engine import Engine
from model.serving.request import DONE, RUNNING
from model.weights import SHIPPED_WEIGHTS, Weights, load_weights
from tests.support.client import host_and_port
from tests.support.routes import serving_routes
from tests.support.serving import finished, params, plain_logits
from tests.support.viewing import IDLE, PATIENCE_S, SOON_S, Viewer, answer, texts_of, wait_until
from ui.web import score as score_module
from ui.web import stream
from ui.web.fields import MAX_VIEWER_CHARS
from ui.web.http import MAX_TEXT_BYTES
from ui.web.score import WINDOWS_AT_ONCE

V = 65
LONGEST = ("First Citizen:\nBefore we proceed any further, hear me speak.\n\n" * 200)[:MAX_SCORE_CHARS]


class Served:
    """The app with an engine at hand, for a small random network in float32.

    Attributes:
        windows, steps: how many windows of texts were read to be scored, and how many passes wrote.
        order: of the two, as they came.
        held: as long as it is cleared, a window that is read stays under way.
    """

    def __init__(self, weights: Weights):
        self.engine, self.order = Engine(weights), list[str]()
        self.held = threading.Event()
        self.held.set()
        self._hook = weights.model.register_forward_pre_hook(self._pass, with_kwargs=True)
        self._serving = contextlib.ExitStack()
        self.url = self._serving.enter_context(serving_routes(self.engine))

    def _pass(self, _: GPT, __: tuple[Tensor], settings: dict[str, Any]) -> None:
        self.order.append("step" if settings.get("cache") else "window")
        assert self.held.wait(PATIENCE_S)

    @property
    def windows(self) -> int:
        return self.order.count("window")

    def close(self) -> None:
        self.held.set()
        self._hook.remove()  # the shipped model is shared with other tests
        self._serving.close()


@pytest.fixture
def served(tiny: Weights, one_thread: None) -> Iterator[Served]:
    served = Served(tiny)
    yield served
    served.close()


def score(url: str, text: str, **asked: Any) -> list[dict[str, Any]]:
    """All lines that are told of a text."""
    with Viewer(url, path="/score") as viewer:
        return [viewer.ask(text=text, **asked), *viewer.rest()]


def rows_of(lines: list[dict[str, Any]]) -> NDArray[np.float32]:
    """The logits that the lines tell, (characters, V)."""
    rows = [np.frombuffer(base64.b64decode(line["logits"], validate=True), "<f4").reshape(-1, V) for line in lines if "from" in line]
    begins = [0, *np.cumsum([len(window) for window in rows]).tolist()][:-1]
    assert [line["from"] for line in lines if "from" in line] == begins
    return np.concatenate(rows)


def wait_for(condition: Callable[[], object]) -> None:
    """Until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def reference(weights: Weights, text: str) -> NDArray[np.float32]:
    """What the plain forward says after each character of a text."""
    ids = weights.tokenizer.encode(text)
    return plain_logits(weights.model, ids[:1], [*ids[1:], 0])


def fetch(url: str, path: str, method: str = "GET") -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body."""
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def post(url: str, path: str, body: bytes | dict[str, Any], content_type: str = "application/json") -> tuple[int, Any]:
    """Status and JSON of what is answered in one piece."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer(url, "POST", path, sent, Content_Type=content_type)


# What was written.


@pytest.fixture(scope="module")
def written(url: str) -> tuple[str, list[str]]:
    """Key and texts of a request with two samples, whose window moved on the way."""
    with Viewer(url) as viewer:
        first = viewer.ask(prompt="x" * 245, samples=2, length=24, seed="11", temperature=0.7, top_k=9)
        return str(first["key"]), texts_of(viewer.rest())


@pytest.mark.parametrize(("since", "first"), [("", 0), ("?since=0", 0), ("?since=9", 9), ("?since=23", 23), ("?since=24", 24)])
def test_logits_are_those_that_each_character_was_drawn_from(url: str, written: tuple[str, list[str]], since: str, first: int) -> None:
    key, texts = written
    for sample, text in enumerate(texts):
        status, headers, body = fetch(url, f"/logits/{key}/{sample}{since}")
        assert status == 200
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Soliloquy-Shape"] == f"{len(text) - first},{V}"
        told = [answer(url, "GET", f"/character/{key}/{sample}/{index}")[1]["logits"] for index in range(first, len(text))]
        assert_array_equal(np.frombuffer(body, "<f4").reshape(-1, V), np.reshape(told, (-1, V)))


def test_logits_of_a_text_under_way_are_those_of_what_is_written(url: str) -> None:
    with Viewer(url) as viewer:
        key = viewer.ask(prompt="ROMEO:", samples=4, length=MAX_NEW_CHARS)["key"]
        lengths = [0]
        while len(lengths) < 5:
            viewer.line()
            _, headers, body = fetch(url, f"/logits/{key}/3?since={lengths[-1]}")
            rows = len(body) // (4 * V)
            assert headers["X-Soliloquy-Shape"] == f"{rows},{V}"
            lengths.append(lengths[-1] + rows)
    assert lengths[-1] > 0
    wait_until(IDLE, url)
    whole = np.frombuffer(fetch(url, f"/logits/{key}/3")[2], "<f4").reshape(-1, V)
    assert len(whole) >= lengths[-1]
    assert whole.any(axis=1).all()
    rows = np.frombuffer(fetch(url, f"/logits/{key}/3?since={lengths[2]}")[2], "<f4").reshape(-1, V)
    assert_array_equal(rows, whole[lengths[2] :])


def test_past_the_end_there_are_no_rows(url: str, written: tuple[str, list[str]]) -> None:
    for since in ("25", "100000", str(2**63), str(10**30)):
        status, headers, body = fetch(url, f"/logits/{written[0]}/1?since={since}")
        assert (status, headers["X-Soliloquy-Shape"], body) == (200, f"0,{V}", b"")


@pytest.mark.parametrize("since", ["abc", "-1", "1.5", "", "NaN", "%D9%A3", "%00", "1e3", "%20", "9" * 5000], ids=lambda since: since[:9])
def test_an_invalid_start_is_refused_by_name(url: str, written: tuple[str, list[str]], since: str) -> None:
    status, refusal = answer(url, "GET", f"/logits/{written[0]}/0?since={since}")
    assert status == 400
    assert refusal.keys() - {"setting"} == {"error"}
    assert refusal["error"].startswith("since must be a whole number from 0, not ")
    assert len(refusal["error"]) < 300


@pytest.mark.parametrize("sample", ["2", "-1", "abc", str(10**30), "9" * 5000, "%00", "1.0"], ids=lambda sample: sample[:9])
def test_an_unknown_sample_is_refused_with_a_message(url: str, written: tuple[str, list[str]], sample: str) -> None:
    for path in (f"/logits/{written[0]}/{sample}", "/logits/no-such-key/0"):
        status, refusal = answer(url, "GET", path)
        assert (status, refusal) == (404, {"error": "There is no such sample, or it is no longer remembered."})


# What comes next.


@pytest.mark.parametrize("prompt", ["ROMEO:", "", "x", "x" * 256, "To be, or " * 40, "“É…”"], ids=lambda prompt: prompt[:9])
def test_next_is_what_a_texts_first_character_is_drawn_from_to_the_last_bit(url: str, prompt: str) -> None:
    with Viewer(url) as viewer:
        first = viewer.ask(prompt=prompt, samples=3, length=2, temperature=1.9, top_p=0.3)
        viewer.rest()
    drawn_from = np.frombuffer(fetch(url, f"/logits/{first['key']}/2")[2], "<f4").reshape(-1, V)[0]
    status, told = post(url, "/next", {"prompt": prompt, "viewer": "me"})
    assert status == 200
    assert told.keys() == {"model", "prompt", "notice", "logits"}
    assert (told["prompt"], told["notice"]) == (first["prompt"], "")
    assert_array_equal(np.array(told["logits"], dtype=np.float32), drawn_from)


def test_next_names_what_it_leaves_out(url: str) -> None:
    status, told = post(url, "/next", {"prompt": "RO中MEO:"})
    assert (status, told["prompt"]) == (200, "ROMEO:")
    assert told["notice"] == "Left out, because the model does not know them: ‘中’."
    assert told["logits"] == post(url, "/next", {"prompt": "ROMEO:"})[1]["logits"]
    assert post(url, "/next", {})[1]["logits"] == post(url, "/next", {"prompt": "\n"})[1]["logits"]


def test_asking_what_comes_next_makes_no_generation_forgotten(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_requests, "MAX_RECENT_REQUESTS", 1)
    request = served.engine.submit("A", params())
    finished(request)
    for _ in range(3):
        assert post(served.url, "/next", {"prompt": "A"})[0] == 200
    served.engine._requests.forget_old()
    assert fetch(served.url, f"/logits/{request.key}/0")[0] == 200


def test_next_waits_for_no_heartbeat(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 10 * PATIENCE_S)
    assert post(served.url, "/next", {"prompt": "A"})[0] == 200


def test_next_stops_when_the_client_hangs_up(served: Served) -> None:
    served.held.clear()
    first = served.engine.submit("A", params(max_new_chars=3))
    wait_for(lambda: served.order)
    with Viewer(served.url, path="/next") as viewer:
        viewer.send(prompt="B")
        wait_for(lambda: served.engine.health()["waiting"] == 1)
    time.sleep(0.3)
    served.held.set()
    finished(first)
    wait_for(lambda: served.engine.health() == IDLE)
    assert served.order == ["step"] * 3


def test_next_reports_a_model_that_fails(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    handle = served.engine.weights.model.register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory")))
    assert post(served.url, "/next", {"prompt": "A"}) == (500, {"error": WENT_WRONG})
    assert "out of memory" in caplog.text
    handle.remove()
    assert post(served.url, "/next", {"prompt": "A"})[0] == 200
    served.engine.stop()
    assert post(served.url, "/next", {"prompt": "A"}) == (503, {"error": "The server is shutting down."})


def test_next_reports_that_the_server_shuts_down(served: Served) -> None:
    served.held.clear()
    served.engine.submit("A", params(max_new_chars=MAX_NEW_CHARS))
    wait_for(lambda: served.order)
    with Viewer(served.url, path="/next") as viewer:
        viewer.send(prompt="B")
        wait_for(lambda: served.engine.health()["waiting"] == 1)
        stopping = threading.Thread(target=served.engine.stop)
        stopping.start()
        wait_for(lambda: served.engine._stopping)
        served.held.set()
        response = viewer._http.getresponse()
        assert (response.status, json.loads(response.read())) == (503, {"error": "The server is shutting down."})
        stopping.join()


# A text that the model did not write.


@pytest.mark.parametrize("chars", [1, 2, 15, 16, 17, 24, 25, 100, 1_000])
def test_a_score_is_what_the_plain_forward_says(served: Served, tiny: Weights, chars: int) -> None:
    text = LONGEST[:chars]
    lines = score(served.url, text)
    assert lines[0] == {"model": tiny.key, "text": text, "notice": "", "vocab_size": V}
    assert all(line.keys() == {"from", "logits"} for line in lines[1:-1])
    assert lines[-1] == {"state": "done"}
    rows = rows_of(lines)
    assert rows.shape == (chars, V)
    assert_allclose(rows, reference(tiny, text), rtol=0, atol=1e-4)


def test_a_score_of_the_shipped_model_is_what_the_plain_forward_says(shipped: Weights) -> None:
    served = Served(shipped)
    try:
        rows = rows_of(score(served.url, LONGEST[:700]))
    finally:
        served.close()
    assert_allclose(rows, reference(shipped, LONGEST[:700]), rtol=0, atol=1e-4)


def test_the_app_scores_in_the_windows_that_it_writes_in(url: str) -> None:
    """In any precision: what it says of a text that it wrote itself is about what it drew from."""
    with Viewer(url) as viewer:
        key = viewer.ask(prompt="ROMEO:", length=600, seed="3", viewer="one")["key"]
        text = texts_of(viewer.rest())[0]
    drawn_from = np.frombuffer(fetch(url, f"/logits/{key}/0")[2], "<f4").reshape(-1, V)
    assert len(drawn_from) == len(text)
    rows = rows_of(score(url, "ROMEO:" + text, viewer="one"))
    assert rows.shape == (606, V)
    assert np.abs(rows[5:-1] - drawn_from).mean() < 0.1
    assert (rows[5:-1].argmax(axis=1) == drawn_from.argmax(axis=1)).mean() > 0.95


@pytest.mark.slow
def test_the_longest_text_is_scored_to_its_end_and_begins_as_a_shorter_one(url: str) -> None:
    assert load_weights(SHIPPED_WEIGHTS).model.config.block_size == 256
    with Viewer(url, path="/score") as viewer:
        first = viewer.ask(text=LONGEST)
        assert viewer.answer
        assert viewer.answer.headers["Content-Type"] == "application/x-ndjson"
        assert viewer.answer.headers["Cache-Control"] == "no-store"
        lines = viewer.rest()
        assert first["text"] == LONGEST
        rows = rows_of(lines)
        assert rows.shape == (MAX_SCORE_CHARS, V)
        viewer.ask(text=LONGEST[:384])  # on the same connection
        assert_array_equal(rows_of(viewer.rest()), rows[:384])


def test_a_score_names_what_it_leaves_out(served: Served) -> None:
    lines = score(served.url, "“ROMEO”:\t中\r\n")
    assert lines[0] == {
        "model": served.engine.default_key,
        "text": "'ROMEO':    \n",
        "notice": "Left out, because the model does not know them: ‘中’.",
        "vocab_size": V,
    }
    assert_array_equal(rows_of(lines), rows_of(score(served.url, "'ROMEO':    \n")))


def test_texts_are_written_between_the_windows_of_a_score(served: Served, tiny: Weights) -> None:
    alone = finished(served.engine.submit("To be", params(samples=2, max_new_chars=MAX_NEW_CHARS), "other")).texts
    served.order.clear()
    with Viewer(served.url, path="/score") as viewer:
        viewer.ask(text=LONGEST)
        wait_for(lambda: served.windows)
        request = served.engine.submit("To be", params(samples=2, max_new_chars=MAX_NEW_CHARS), "other")
        lines = viewer.rest()
        rows = rows_of(lines)
        assert lines[-1] == {"state": "done"}
    assert finished(request).texts == alone
    assert rows.shape == (MAX_SCORE_CHARS, V)
    order = "".join(kind[0] for kind in served.order)
    under_way = order[order.index("s") : order.rindex("s")]
    assert under_way.count("w") > 100
    assert "ww" not in under_way  # a round of writing after every window


def test_many_texts_are_scored_at_once_each_to_its_end(served: Served, tiny: Weights) -> None:
    assert WINDOWS_AT_ONCE < 100
    with contextlib.ExitStack() as stack:
        served.held.clear()
        viewers = [stack.enter_context(Viewer(served.url, path="/score")) for _ in range(100)]
        for number, viewer in enumerate(viewers):
            viewer.ask(text=LONGEST[number : 3 * number + 9], viewer=str(number))
        served.held.set()
        for number, viewer in enumerate(viewers):
            lines = viewer.rest()
            assert lines[-1] == {"state": "done"}
            assert_allclose(rows_of(lines), reference(tiny, LONGEST[number : 3 * number + 9]), rtol=0, atol=1e-4)


def test_scoring_stops_when_the_client_hangs_up(served: Served) -> None:
    for leave in (Viewer.close, Viewer.reset):
        served.order.clear()
        with Viewer(served.url, path="/score") as viewer:
            viewer.ask(text=LONGEST)
            assert viewer.line()["from"] == 0
            served.held.clear()
            leave(viewer)
        time.sleep(0.3)
        before = served.windows
        served.held.set()
        time.sleep(0.3)
        assert served.windows <= before + 1 < MAX_SCORE_CHARS // 8


def test_a_client_that_hangs_up_gives_its_place_back(url: str) -> None:
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            for _ in range(MAX_VIEWER_WAITING):
                stack.enter_context(Viewer(url, path="/score", receive_buffer=1)).ask(text=LONGEST, viewer="hog")
        deadline = time.monotonic() + SOON_S
        while (status := post_and_leave(url)) != 200:
            assert status == 503
            assert time.monotonic() < deadline
        time.sleep(0.2)
    wait_until(IDLE, url)


def post_and_leave(url: str) -> int:
    """The status of a text to score of the same viewer."""
    with Viewer(url, path="/score") as viewer:
        viewer.send(text="To be", viewer="hog")
        return viewer._http.getresponse().status


@pytest.fixture
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that admits two texts more than one viewer may have."""
    monkeypatch.setattr(score_module, "Admission", partial(Admission, total=MAX_VIEWER_WAITING + 2))


def test_a_viewer_with_too_many_texts_is_refused_and_nobody_else(few_places: None, served: Served) -> None:
    served.held.clear()
    with contextlib.ExitStack() as stack:

        def ask(viewer: str) -> dict[str, Any]:
            return stack.enter_context(Viewer(served.url, path="/score")).ask(text=LONGEST, viewer=viewer)

        for _ in range(MAX_VIEWER_WAITING):
            assert ask("hog")["vocab_size"] == V
        error = "16 of your texts are already being read. Try again when they are done."
        assert post(served.url, "/score", {"text": "A", "viewer": "hog"}) == (503, {"error": error})
        for viewer in "AB":
            assert ask(viewer)["vocab_size"] == V
        error = "18 texts are already being read. Try again in a minute."
        assert post(served.url, "/score", {"text": "A", "viewer": "C"}) == (503, {"error": error})
    served.held.set()
    time.sleep(0.3)
    assert score(served.url, "A", viewer="hog")[-1] == {"state": "done"}


@pytest.mark.parametrize("kind", ["raises", "no number"])
def test_a_score_reports_a_model_that_fails(served: Served, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    def trouble(_: GPT, inputs: tuple[Tensor], logits: Tensor) -> Tensor:
        if served.windows < 3:
            return logits
        if kind == "raises":
            raise RuntimeError("out of memory at 0xdeadbeef")
        return logits.clone().fill_(torch.nan)

    handle = served.engine.weights.model.register_forward_hook(trouble)
    with caplog.at_level(logging.ERROR):
        lines = score(served.url, LONGEST[:100])
    assert len(lines) == 4
    assert [line["from"] for line in lines[1:3]] == [0, 16]
    assert lines[3] == {"state": "failed", "error": WENT_WRONG}
    assert ("0xdeadbeef" if kind == "raises" else "not finite") in caplog.text
    handle.remove()
    assert score(served.url, LONGEST[:100])[-1] == {"state": "done"}


def test_a_score_reports_that_the_server_shuts_down(served: Served) -> None:
    served.held.clear()
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(Viewer(served.url, path="/score")) for _ in range(3)]
        for viewer in viewers:
            viewer.ask(text=LONGEST)
        wait_for(lambda: served.windows)
        stopping = threading.Thread(target=served.engine.stop)
        stopping.start()
        wait_for(lambda: served.engine._closing)
        served.held.set()
        for viewer in viewers:
            assert viewer.rest()[-1] == {"state": "failed", "error": "The server is shutting down."}
        stopping.join()


def test_a_text_is_read_to_its_end_by_the_model_that_began(served: Served, tiny: Weights, make_model: Callable[..., GPT]) -> None:
    served.held.clear()
    with Viewer(served.url, path="/score") as viewer:
        viewer.ask(text=LONGEST[:100])
        wait_for(lambda: served.windows)
        served.engine.use(replace(tiny, model=make_model(seed=1)))
        served.held.set()
        assert_allclose(rows_of(viewer.rest()), reference(tiny, LONGEST[:100]), rtol=0, atol=1e-4)
    others = rows_of(score(served.url, LONGEST[:100]))
    assert_allclose(others, reference(served.engine.weights, LONGEST[:100]), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_writing_is_under_way_while_the_longest_text_is_scored(url: str) -> None:
    with Viewer(url) as writing, Viewer(url, path="/score") as reading:
        writing.ask(prompt="ROMEO:", samples=4, length=MAX_NEW_CHARS, viewer="one")
        reading.ask(text=LONGEST, viewer="two")
        news = [writing.line() for _ in range(4)]
        assert all(line["state"] == RUNNING for line in news)
        assert sum(len(text) for line in news for text in line["new"]) > 0
        assert reading.rest()[-1] == {"state": DONE}


# What is refused.

NAMES = {"/next": "prompt", "/score": "text"}
LIMITS = {"/next": MAX_PROMPT_CHARS, "/score": MAX_SCORE_CHARS}


def bodies(path: str) -> dict[str, tuple[bytes, str]]:
    """What is sent, and what the refusal says."""
    name, most = NAMES[path], LIMITS[path]
    wrong = {
        f"{name} {value}": (f'{{"{name}": {value}}}'.encode(), f"The {name} must be a string.")
        for value in ("null", "5", "-1", "1e400", "NaN", "true", "[]", '["A"]', "{}", "9" * 4000)
    }
    too_long = {
        f"{name} of {chars:,} {char}": (json.dumps({name: char * chars}, ensure_ascii=False).encode(), f"The {name} has {chars:,} char")
        for chars, char in ((most + 1, "x"), (most + 1, "中"), (100_000, "x"), (20_000, "中"))
    }
    return wrong | {
        **too_long,
        "nothing": (b"", "The body is not valid JSON."),
        "a form": (name.encode() + b"=A", "The body is not valid JSON."),
        "cut off": (f'{{"{name}": "A'.encode(), "The body is not valid JSON."),
        "bytes that are no text": (f'{{"{name}": "'.encode() + b'\xff\xfe"}', "The body is not valid JSON."),
        "nested lists": (b"[" * 100_000, "The body is not valid JSON."),
        "no object": (b'"A"', "The body must be a JSON object."),
        "a setting of another route": (f'{{"{name}": "A", "length": 1}}'.encode(), "There is no setting 'length'."),
        "a viewer's number": (f'{{"{name}": "A", "viewer": 5}}'.encode(), "The viewer must be a string of at most 64"),
        "a viewer's long name": (json.dumps({name: "A", "viewer": "v" * (MAX_VIEWER_CHARS + 1)}).encode(), "The viewer must be a string"),
    }


BAD = {f"{path} {name}": (path, *bad) for path in NAMES for name, bad in bodies(path).items()} | {
    "no text": ("/score", b"{}", "There is no text to read."),
    "an empty text": ("/score", b'{"text": ""}', "There is no text to read."),
    "nothing to see": ("/score", b'{"text": "\\ufeff"}', "There is no text to read."),
    "nothing known": (
        "/score",
        '{"text": "中文"}'.encode(),
        "There is no text to read. Left out, because the model does not know them: ‘中’, ‘文’.",
    ),
    "a lone surrogate": ("/score", b'{"text": "\\ud800"}', "There is no text to read. Left out, because the model does not know them: "),
    "a text that grows": ("/score", json.dumps({"text": "…" * 9_000}).encode(), "The text has 27,000 characters; the maximum is 12,000."),
}


@pytest.mark.parametrize(("path", "body", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_in_words(url: str, path: str, body: bytes, words: str) -> None:
    status, refusal = post(url, path, body)
    assert status == 400
    assert refusal.keys() - {"setting"} == {"error"}
    assert refusal["error"].startswith(words)
    assert len(refusal["error"]) < 300


@pytest.mark.parametrize("path", NAMES)
def test_only_json_is_taken_and_only_by_post(url: str, path: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        status, refusal = answer(url, method, path)
        assert (status, refusal.keys()) == (405, {"error"})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert post(url, path, {NAMES[path]: "A"}, content_type) == (415, {"error": "The content type must be application/json."})


def test_logits_are_only_read(url: str, written: tuple[str, list[str]]) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert answer(url, method, f"/logits/{written[0]}/0") == (405, {"error": "Send a GET request."})


@pytest.mark.parametrize("path", NAMES)
def test_the_longest_text_is_taken_however_it_is_written(url: str, path: str) -> None:
    longest = "A" + "\N{GRINNING FACE}" * ((MAX_SCORE_CHARS if NAMES[path] == "text" else MAX_PROMPT_CHARS) - 1)
    body = json.dumps({NAMES[path]: longest, "viewer": "v" * MAX_VIEWER_CHARS}).encode()  # each emoji as two escapes
    assert len(body) > 12 * (len(longest) - 1)
    with contextlib.closing(http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)) as connection:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("path", NAMES)
def test_a_body_over_the_limit_is_refused(url: str, path: str) -> None:
    assert post(url, path, b"x" * (MAX_TEXT_BYTES + 1))[0] == 413
    with socket.create_connection(host_and_port(url), PATIENCE_S) as raw:
        raw.sendall(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        with contextlib.suppress(ConnectionError):  # the app hangs up in the middle
            for _ in range(40):
                raw.sendall(b"c350\r\n" + b"x" * 50_000 + b"\r\n")
        head = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in head and (data := raw.recv(65_536)):
                head += data
    assert head.startswith(b"HTTP/1.1 413 ")
