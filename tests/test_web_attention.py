"""What the heads do with a text, over real HTTP, beside what a capture in Python has."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from model.attention import Reading, read
from model.errors import WENT_WRONG
from model.limits import MAX_SCORE_CHARS, MAX_VIEWER_WAITING, MAX_WAITING_REQUESTS
from model.network.gpt import GPT
from model.parts import check_parts
from model.serving.admission import Admission
from model.serving.engine import Engine
from model.weights import SHIPPED_WEIGHTS, Weights, load_weights
from tests.support.client import host_and_port
from tests.support.routes import serving_routes
from tests.support.serving import finished, params
from tests.support.viewing import PATIENCE_S, Viewer, answer
from ui.web import readings
from ui.web.attention import FORGOTTEN
from ui.web.fields import EMPTY
from ui.web.readings import READINGS_AT_ONCE, Kept, Question, Readings

TEXT = "ROMEO:\nBut, soft"  # as many characters as the small network's block has
SCENE = ("First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n" * 200)[:MAX_SCORE_CHARS]


class Served:
    """The app with an engine at hand, for a network in float32.

    Attributes:
        passes: how many texts were read.
        held: as long as it is cleared, a text that is read stays under way.
    """

    def __init__(self, weights: Weights):
        self.engine, self.passes, self.held = Engine(weights), 0, threading.Event()
        self.held.set()
        weights.model.register_forward_pre_hook(self._pass, with_kwargs=True)
        self._serving = contextlib.ExitStack()
        self.url = self._serving.enter_context(serving_routes(self.engine))

    def _pass(self, _: GPT, __: Any, settings: dict[str, Any]) -> None:
        if settings.get("capture"):
            self.passes += 1
            assert self.held.wait(PATIENCE_S)

    def close(self) -> None:
        self.held.set()
        self._serving.close()


@contextlib.contextmanager
def serve(weights: Weights) -> Iterator[Served]:
    """The app, until the end."""
    served = Served(weights)
    try:
        yield served
    finally:
        served.close()


@pytest.fixture
def served(tiny: Weights, one_thread: None) -> Iterator[Served]:
    with serve(tiny) as served:
        yield served


def post(url: str, body: bytes | dict[str, Any]) -> tuple[int, Any]:
    """Status and JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer(url, "POST", "/attention", sent, Content_Type="application/json")


def told(url: str, **asked: Any) -> dict[str, Any]:
    """The answer to a text."""
    status, answered = post(url, asked)
    assert status == 200, answered
    return answered


def fetch(url: str, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body, as they come."""
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def floats(url: str, path: str) -> NDArray[np.float32]:
    """Numbers in the shape that the answer says."""
    status, headers, body = fetch(url, path)
    assert status == 200, body
    assert headers["Content-Type"] == "application/octet-stream"
    return np.frombuffer(body, "<f4").reshape([*map(int, headers["X-Soliloquy-Shape"].split(","))])


def wait_for(condition: Callable[[], object]) -> None:
    """Until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def in_python(weights: Weights, text: str, off: tuple = ()) -> Reading:
    """What a capture has."""
    return read(weights.model, weights.tokenizer.encode(text), text, off)


def assert_as_captured(url: str, told: dict[str, Any], reading: Reading) -> None:
    """Every route gives what the capture has, to the last bit."""
    n, base = len(told["text"]), f"/attention/{told['key']}"
    assert (told["n_layer"], told["n_head"]) == (reading.n_layer, reading.n_head)
    assert told["head_dim"] == reading.queries.shape[-1]
    assert told["precision"] == reading.precision
    assert told["loss"] == reading.loss
    assert told["stats"] == reading.stats
    assert told["uniform"] == reading.uniform
    status, headers, body = fetch(url, f"{base}/weights")
    assert status == 200
    assert headers["X-Soliloquy-Shape"] == f"{reading.n_layer},{reading.n_head},{n * (n + 1) // 2}"
    assert_array_equal(np.frombuffer(body, np.uint8), 5 * np.rint(51 * np.sqrt(reading.weights)).astype(np.uint8).ravel())
    assert len(body) == reading.n_layer * reading.n_head * n * (n + 1) // 2
    for layer in range(reading.n_layer):
        for head in range(reading.n_head):
            assert_array_equal(floats(url, f"{base}/head/{layer}/{head}"), reading.weights[layer, head])
        assert_allclose(floats(url, f"{base}/average/{layer}"), reading.weights[layer].mean(0), rtol=0, atol=1e-7)
    assert_array_equal(floats(url, f"{base}/lens"), reading.lens)
    assert_array_equal(floats(url, f"{base}/logits"), reading.lens[-1])


@pytest.mark.parametrize("heads_off", [[], [[0, 1]], [[1, 0], [0, 0], [1, 0]], [["positions"], ["mlp", 1], [0, 1]]], ids=str)
def test_all_routes_give_what_a_capture_has(served: Served, tiny: Weights, heads_off: list[list]) -> None:
    first = told(served.url, text=TEXT, heads_off=heads_off, viewer="me")
    off = check_parts(heads_off, tiny.model.config)
    assert first["heads_off"] == [[*part] for part in off]
    assert (first["text"], first["from"], first["total"], first["notice"]) == (TEXT, 0, 16, "")
    assert_as_captured(served.url, first, in_python(tiny, TEXT, off))


def test_of_one_layer_with_one_head_likewise(tiny: Weights, make_model: Callable[..., GPT], one_thread: None) -> None:
    small = replace(tiny, model=make_model(n_layer=1, n_head=1))
    with serve(small) as served:
        first = told(served.url, text=TEXT)
        assert_as_captured(served.url, first, in_python(small, TEXT))
        assert post(served.url, {"heads_off": [[0, 1]]})[1] == {"error": "There is no head 1 in layer 0. Valid heads: only 0."}
        assert post(served.url, {"heads_off": [[1, 0]]})[1] == {"error": "There is no layer 1. Valid layers: only 0."}
        off = told(served.url, text=TEXT, heads_off=[[0, 0]])
        assert_array_equal(floats(served.url, f"/attention/{off['key']}/head/0/0"), in_python(small, TEXT).weights[0, 0])
        assert off["loss"] != first["loss"]


def test_one_character_sees_itself(served: Served, tiny: Weights) -> None:
    first = told(served.url, text="x")
    assert_as_captured(served.url, first, in_python(tiny, "x"))
    assert first["loss"] is None
    assert floats(served.url, f"/attention/{first['key']}/head/1/1").tolist() == [1.0]
    assert fetch(served.url, f"/attention/{first['key']}/weights")[2] == b"\xff" * 4


@pytest.mark.parametrize("asked", [{}, {"text": ""}], ids=str)
def test_an_empty_text_is_a_newline(served: Served, asked: dict[str, Any]) -> None:
    first = told(served.url, **asked)
    assert (first["text"], first["from"], first["total"], first["notice"]) == ("\n", 0, 1, EMPTY)
    assert first["key"] == told(served.url, text="\n")["key"]


@pytest.mark.parametrize("chars", [17, 100, MAX_SCORE_CHARS])
def test_of_a_longer_text_the_end_is_shown(served: Served, tiny: Weights, chars: int) -> None:
    first = told(served.url, text=SCENE[:chars])
    assert (first["text"], first["from"], first["total"]) == (SCENE[chars - 16 : chars], chars - 16, chars)
    assert first["notice"] == ""
    assert_as_captured(served.url, first, in_python(tiny, SCENE[chars - 16 : chars]))


def test_what_is_left_out_is_named(served: Served) -> None:
    first = told(served.url, text="“RO中MEO”:")
    assert (first["text"], first["notice"]) == ("'ROMEO':", "Left out, because the model does not know them: ‘中’.")
    first = told(served.url, text="中" + SCENE[:20])
    assert first["notice"] == "Left out, because the model does not know them: ‘中’."


@pytest.mark.parametrize(("layer", "head", "row", "column"), [(0, 0, 0, 0), (0, 1, 9, 4), (1, 0, 15, 15), (1, 1, 15, 0)])
def test_a_cell_shows_how_its_weight_is_computed(served: Served, tiny: Weights, layer: int, head: int, row: int, column: int) -> None:
    key = told(served.url, text=TEXT)["key"]
    status, cell = answer(served.url, "GET", f"/attention/{key}/cell/{layer}/{head}/{row}/{column}")
    assert status == 200
    assert cell.keys() == {
        *("q", "k", "product", "scaled", "row_max", "row_sum", "weight"),
        *("v", "output", "written", "contribution"),
    }
    reading = in_python(tiny, TEXT)
    assert_array_equal(np.float32(cell["q"]), reading.queries[layer, head, row])
    assert_array_equal(np.float32(cell["k"]), reading.keys[layer, head, column])
    assert cell["product"] == pytest.approx(np.dot(cell["q"], cell["k"]), abs=1e-9)
    assert cell["scaled"] == pytest.approx(cell["product"] / math.sqrt(16), abs=1e-9)
    assert cell["weight"] == float(reading.row(layer, head, row)[column])
    assert cell["weight"] == pytest.approx(math.exp(cell["scaled"] - cell["row_max"]) / cell["row_sum"], abs=1e-5)
    assert cell["scaled"] <= cell["row_max"]
    weights, values = reading.row(layer, head, row), reading.values[layer, head, : row + 1]
    assert_array_equal(np.float32(cell["v"]), values[column])
    assert_allclose(cell["output"], weights @ values, rtol=0, atol=1e-6)
    matrix = tiny.model.transformer.h[layer].attn.c_proj.weight[:, 16 * head : 16 * head + 16].numpy()
    assert_allclose(cell["written"], matrix @ (weights @ values), rtol=1e-4, atol=1e-5)
    assert_allclose(cell["contribution"], matrix @ (weights[column] * values[column]), rtol=1e-4, atol=1e-5)


# The shipped model in the app.


def test_the_apps_attention_is_about_that_of_float32_and_its_rows_sum_to_one(url: str, shipped: Weights) -> None:
    text = SCENE[:256]
    first = told(url, text=text)
    exact = in_python(shipped, text)
    assert first["precision"] in ("float32", "bfloat16")
    assert first["loss"] == pytest.approx(exact.loss, abs=0.02)
    assert first["stats"][0][2]["label"] == "previous"
    ends = np.cumsum(np.arange(1, 257))
    for layer in range(6):
        for head in range(6):
            weights = floats(url, f"/attention/{first['key']}/head/{layer}/{head}")
            assert_allclose(np.add.reduceat(weights.astype(np.float64), [0, *ends[:-1]]), 1, rtol=0, atol=1e-5)
            assert np.abs(weights - exact.weights[layer, head]).mean() < 2e-3
    lens = floats(url, f"/attention/{first['key']}/lens")
    assert lens.shape == (7, 256, 65)
    assert (lens[-1].argmax(1) == exact.lens[-1].argmax(1)).mean() > 0.97
    losses = np.log(np.exp(lens[-1, :-1].astype(np.float64)).sum(1)) - lens[-1, np.arange(255), shipped.tokenizer.encode(text)[1:]]
    assert first["loss"] == pytest.approx(losses.mean(), abs=1e-4)
    cell = answer(url, "GET", f"/attention/{first['key']}/cell/3/5/200/190")[1]
    assert cell["weight"] == pytest.approx(math.exp(cell["scaled"] - cell["row_max"]) / cell["row_sum"], abs=1e-5)


@pytest.mark.parametrize(
    ("path", "n_bytes", "most"), [("weights", 36 * 256 * 257 // 2, 0.75), ("lens", 7 * 256 * 65 * 4, 0.97), ("cell/0/2/200/199", None, 0.6)]
)
def test_bytes_are_gzipped_for_clients_that_accept_it(url: str, path: str, n_bytes: int | None, most: float) -> None:
    key = told(url, text=SCENE[:256])["key"]
    _, plain_headers, plain = fetch(url, f"/attention/{key}/{path}")
    _, headers, zipped = fetch(url, f"/attention/{key}/{path}", Accept_Encoding="br, gzip")
    assert "Content-Encoding" not in plain_headers
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Vary"] == plain_headers["Vary"] == "Accept-Encoding"
    assert len(plain) == n_bytes or n_bytes is None
    assert gzip.decompress(zipped) == plain
    assert len(zipped) < most * len(plain)
    assert len(zipped) < 600_000


def test_browsers_keep_what_never_changes(url: str) -> None:
    key = told(url, text="To be")["key"]
    for path in ("weights", "head/0/0", "average/5", "lens", "cell/0/0/4/0"):
        status, headers, _ = fetch(url, f"/attention/{key}/{path}")
        assert status == 200
        assert headers["Cache-Control"] == "private, max-age=86400, immutable"
        status, again, body = fetch(url, f"/attention/{key}/{path}", If_None_Match=headers["ETag"])
        assert (status, again["ETag"], body) == (304, headers["ETag"], b"")
        assert fetch(url, f"/attention/{key}/{path}", If_None_Match='W/"another"')[0] == 200


def test_the_longest_text_is_read_while_others_are_written_for(url: str) -> None:
    with Viewer(url) as writing:
        writing.ask(prompt="ROMEO:", samples=4, length=400)
        first = told(url, text=SCENE)
        assert (first["from"], first["total"]) == (MAX_SCORE_CHARS - load_weights(SHIPPED_WEIGHTS).model.config.block_size, MAX_SCORE_CHARS)
        assert writing.rest()[-1]["state"] == "done"


# What is remembered.


def test_the_same_question_is_read_once(served: Served, tiny: Weights) -> None:
    keys = [
        told(served.url, text=TEXT, heads_off=off)["key"]
        for off in ([], [[0, 0]], [[0, 0], [0, 0]], [[0, 0], ["mlp", 1]], [["mlp", 1], [0, 0]], [["mlp", 1]], [["mlp", 0]], [["positions"]])
    ]
    assert keys[1] == keys[2] != keys[0]
    assert keys[3] == keys[4]
    assert len(set(keys)) == served.passes == 6
    assert told(served.url, text="x" + TEXT)["key"] == keys[0]  # the part that is shown is the same
    assert served.passes == 6


def test_many_who_ask_the_same_at_once_wait_for_one_reading(served: Served) -> None:
    served.held.clear()
    with ThreadPoolExecutor(40) as others:
        answers = [others.submit(post, served.url, {"text": TEXT, "viewer": str(i)}) for i in range(40)]
        wait_for(lambda: served.passes)
        time.sleep(0.3)
        served.held.set()
        assert len({future.result()[1]["key"] for future in answers}) == 1
    assert served.passes == 1


def test_many_texts_at_once_are_each_read(served: Served, tiny: Weights) -> None:
    texts = [SCENE[i : i + 5 + i % 11] for i in range(4 * READINGS_AT_ONCE)]
    with ThreadPoolExecutor(len(texts)) as others:
        answers = [*others.map(lambda i: told(served.url, text=texts[i], viewer=str(i)), range(len(texts)))]
    for text, answered in zip(texts, answers, strict=True):
        assert answered["text"] == text
        assert answered["stats"] == in_python(tiny, text).stats


@pytest.mark.parametrize("bound", ["MAX_CAPTURES", "MAX_CAPTURE_BYTES"])
def test_the_least_recently_used_reading_is_forgotten_first(
    served: Served, tiny: Weights, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    n_bytes = readings.Kept("", in_python(tiny, TEXT), b"").n_bytes
    monkeypatch.setattr(readings, bound, 3 if bound == "MAX_CAPTURES" else int(3.9 * n_bytes))
    keys = [told(served.url, text=char + TEXT[1:])["key"] for char in "abc"]
    assert fetch(served.url, f"/attention/{keys[0]}/lens")[0] == 200  # asked for again
    keys.append(told(served.url, text="d" + TEXT[1:])["key"])
    for path in ("weights", "head/0/0", "average/0", "lens", "cell/0/0/1/0"):
        for i, key in enumerate(keys):
            status, _, body = fetch(served.url, f"/attention/{key}/{path}")
            assert status == (404 if i == 1 else 200)
            assert i != 1 or json.loads(body) == {"error": FORGOTTEN}
    assert told(served.url, text="b" + TEXT[1:])["key"] == keys[1]
    assert fetch(served.url, f"/attention/{keys[1]}/weights")[0] == 200


def test_another_model_has_other_keys_and_earlier_ones_stay(served: Served, tiny: Weights, make_model: Callable[..., GPT]) -> None:
    first = told(served.url, text=TEXT)
    before = fetch(served.url, f"/attention/{first['key']}/weights")[2]
    other = replace(tiny, model=make_model(seed=1), sha256="1")
    served.engine.use(other)
    second = told(served.url, text=TEXT)
    assert second["key"] != first["key"]
    assert_as_captured(served.url, second, in_python(other, TEXT))
    assert fetch(served.url, f"/attention/{first['key']}/weights")[2] == before


# Clients that hang up or ask too much, and what goes wrong.


def test_a_text_is_not_read_once_every_client_has_hung_up(served: Served) -> None:
    served.held.clear()
    with Viewer(served.url, path="/attention") as first:
        first.send(text="a")
        wait_for(lambda: served.passes)
        for leave in (Viewer.close, Viewer.reset):
            with Viewer(served.url, path="/attention") as viewer:
                viewer.send(text="b")
                time.sleep(0.3)
                leave(viewer)
        time.sleep(0.3)
        served.held.set()
        first._http.getresponse().read()
    assert told(served.url, text="c")
    assert served.passes == 2


def test_a_reading_stays_its_viewers_when_the_viewer_leaves_it_to_others(served: Served, tiny: Weights) -> None:
    async def until(condition: Callable[[], object]) -> None:
        while not condition():
            await asyncio.sleep(0.005)

    async def act() -> None:
        kept = Readings(served.engine)

        def ask(text: str, viewer: str) -> asyncio.Task[Kept]:
            return asyncio.create_task(kept.read(Question(text, 0, len(text), "", (), tiny), viewer))

        served.held.clear()
        first = ask("a", "one")
        await until(lambda: served.passes)
        joined = [ask("a", f"other {n}") for n in range(MAX_WAITING_REQUESTS)]  # they wait, but nothing is done for them
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        second = ask("b", "one")
        await until(lambda: kept._admission._admitted["one"] == 2)
        await asyncio.sleep(0.05)
        assert not len(served.engine._work)  # the viewer has one turn at a time
        served.held.set()
        assert len({id(reading) for reading in await asyncio.gather(*joined)}) == 1
        await second
        assert not kept._admission._admitted
        assert not kept._admission._queues

    asyncio.run(asyncio.wait_for(act(), PATIENCE_S))
    assert served.passes == 2


@pytest.fixture
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that admits one text more than one viewer may have."""
    monkeypatch.setattr(readings, "Admission", partial(Admission, total=MAX_VIEWER_WAITING + 1))


def test_a_viewer_with_too_many_texts_is_refused_and_nobody_else(few_places: None, served: Served) -> None:
    served.held.clear()
    with contextlib.ExitStack() as stack:
        for i in range(MAX_VIEWER_WAITING):
            stack.enter_context(Viewer(served.url, path="/attention")).send(text="x" * (i + 1), viewer="hog")
        time.sleep(0.5)
        status, refusal = post(served.url, {"text": "y", "viewer": "hog"})
        assert (status, refusal) == (
            503,
            {"error": f"{MAX_VIEWER_WAITING} of your texts are already being read. Try again when they are done."},
        )
        stack.enter_context(Viewer(served.url, path="/attention")).send(text="y", viewer="other")
        time.sleep(0.3)
        status, refusal = post(served.url, {"text": "z", "viewer": "third"})
        assert (status, refusal) == (503, {"error": f"{MAX_VIEWER_WAITING + 1} texts are already being read. Try again in a minute."})
        served.held.set()
    wait_for(lambda: post(served.url, {"text": "y", "viewer": "hog"})[0] == 200)


@pytest.mark.parametrize("kind", ["raises", "nan"])
def test_a_model_that_fails_is_reported(served: Served, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    def trouble(_: Any, __: Any, logits: torch.Tensor) -> torch.Tensor:
        if kind == "raises":
            raise RuntimeError("out of memory")
        return logits * torch.nan

    handle = served.engine.weights.model.register_forward_hook(trouble)
    assert post(served.url, {"text": TEXT}) == (500, {"error": WENT_WRONG})
    assert ("out of memory" if kind == "raises" else "not finite") in caplog.text
    handle.remove()
    assert post(served.url, {"text": TEXT})[0] == 200
    finished(served.engine.submit("A", params()))
    served.engine.stop()
    assert post(served.url, {"text": TEXT})[0] == 200  # it is remembered
    assert post(served.url, {"text": "x"}) == (503, {"error": "The server is shutting down."})


# What is refused.

NO_PARTS = (
    "null",
    "0",
    "[]",
    "[0]",
    "[0, 1, 2]",
    "[NaN, 0]",
    "[0, 1e400]",
    "[0.0, 1]",
    "[true, 0]",
    '["0", "1"]',
    '"01"',
    "{}",
    "[[0], 1]",
    '["mlp"]',
    '["norm", 1]',
    '"positions"',
)
PART = 'A part to switch off must be [layer, head], ["mlp", layer] or ["positions"], not '
LIST = "The parts to switch off must be a list, not "
BAD = {
    **{f"text {v}": (f'{{"text": {v}}}'.encode(), "The text must be a string.") for v in ("null", "5", "NaN", "1e400", "true", "[]", "{}")},
    "too long": (json.dumps({"text": "x" * (MAX_SCORE_CHARS + 1)}).encode(), "The text has 12,001 characters; the maximum is 12,000."),
    "a text that grows": (json.dumps({"text": "…" * 9_000}).encode(), "The text has 27,000 characters"),
    "nothing known": (
        '{"text": "中文"}'.encode(),
        "There is no text to read. Left out, because the model does not know them: ‘中’, ‘文’.",
    ),
    "nothing to see": (b'{"text": "\\ufeff"}', "There is no text to read."),
    "a lone surrogate": (b'{"text": "\\ud800"}', "There is no text to read. Left out"),
    "a layer": (b'{"heads_off": [[0, 0], [6, 0]]}', "There is no layer 6. Valid layers: 0 to 5."),
    "a head": (b'{"heads_off": [[5, 6]]}', "There is no head 6 in layer 5. Valid heads: 0 to 5."),
    "an MLP": (b'{"heads_off": [["mlp", 6]]}', "There is no layer 6. Valid layers: 0 to 5."),
    "a negative layer": (b'{"heads_off": [[-1, 0]]}', "There is no layer -1. "),
    "a negative head": (b'{"heads_off": [[0, -1]]}', "There is no head -1 in layer 0. "),
    "a huge layer": (b'{"heads_off": [[' + b"9" * 90 + b", 0]]}", "There is no layer 9999"),
    **{f"heads {v[:9]}": (f'{{"heads_off": {v}}}'.encode(), LIST) for v in ("null", "5", "NaN", '"0.1"', '{"0": 1}', "true", "9" * 4000)},
    **{f"head {v}": (f'{{"heads_off": [{v}]}}'.encode(), PART) for v in NO_PARTS},
    "lists within lists": (b'{"heads_off": ' + b"[" * 900 + b"]" * 900 + b"}", PART),
    "no object": (b"[]", "The body must be a JSON object."),
    "no JSON": (b"text=A", "The body is not valid JSON."),
    "a setting of another route": (b'{"text": "A", "length": 5}', "There is no setting 'length'."),
    "a viewer's number": (b'{"text": "A", "viewer": 5}', "The viewer must be a string"),
}


@pytest.mark.parametrize(("body", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_in_words(url: str, body: bytes, words: str) -> None:
    status, refusal = post(url, body)
    assert (status, refusal.keys()) == (400, {"error"})
    assert refusal["error"].startswith(words)
    assert len(refusal["error"]) < 300


NO_INDEX = ["-1", "abc", "1.0", "1e1", "NaN", "%00", "%20", "%D9%A3", "9" * 5000, str(10**30)]


@pytest.mark.parametrize("index", ["2", *NO_INDEX], ids=lambda index: index[:9])
def test_a_layer_or_head_that_does_not_exist_is_refused_by_name(served: Served, index: str) -> None:
    base = f"/attention/{told(served.url, text=TEXT)['key']}"
    for path, what in (
        ("head/{}/0", "layer"),
        ("head/0/{}", "head"),
        ("average/{}", "layer"),
        ("cell/{}/0/1/0", "layer"),
        ("cell/1/{}/1/0", "head"),
    ):
        status, refusal = answer(served.url, "GET", f"{base}/{path.format(index)}")
        assert (status, refusal.keys()) == (400, {"error"})
        assert refusal["error"].startswith(f"There is no {what} ")
        assert refusal["error"].endswith(": there are 2, counted from 0.")
        assert len(refusal["error"]) < 300


@pytest.mark.parametrize("index", ["16", *NO_INDEX], ids=lambda index: index[:9])
def test_a_row_or_column_that_does_not_exist_is_refused_by_name(served: Served, index: str) -> None:
    base = f"/attention/{told(served.url, text=TEXT)['key']}/cell/0/0"
    for path, what in ((f"{index}/0", "row"), (f"15/{index}", "column")):
        status, refusal = answer(served.url, "GET", f"{base}/{path}")
        assert status == 400
        assert refusal["error"].startswith(f"There is no {what} ")
        assert refusal["error"].endswith(": there are 16, counted from 0.")


def test_no_character_attends_to_a_later_one(served: Served) -> None:
    key = told(served.url, text=TEXT)["key"]
    status, refusal = answer(served.url, "GET", f"/attention/{key}/cell/0/0/4/5")
    assert (status, refusal) == (400, {"error": "Row 4 has columns 0 to 4, not 5: no character attends to a later one."})


@pytest.mark.parametrize("path", ["weights", "head/0/0", "head/99/abc", "average/0", "lens", "cell/0/0/0/0"])
@pytest.mark.parametrize("key", ["no-such-key", "0" * 32, "%00", "9" * 5000], ids=lambda key: key[:9])
def test_an_unknown_key_is_answered_as_forgotten(url: str, key: str, path: str) -> None:
    assert answer(url, "GET", f"/attention/{key}/{path}") == (404, {"error": FORGOTTEN})


def test_each_route_takes_its_own_method_and_json_alone(url: str) -> None:
    key = told(url, text="To be")["key"]
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert answer(url, method, "/attention") == (405, {"error": "Send a POST request."})
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("weights", "head/0/0", "average/0", "lens", "cell/0/0/0/0"):
            assert answer(url, method, f"/attention/{key}/{path}") == (405, {"error": "Send a GET request."})
    status, refusal = answer(url, "POST", "/attention", b'{"text": "A"}', Content_Type="text/plain")
    assert (status, refusal) == (415, {"error": "The content type must be application/json."})
