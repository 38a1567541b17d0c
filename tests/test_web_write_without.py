"""Texts written with heads switched off, over real HTTP, beside the engine's own and beside the plain forward."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.decode import generate_cached
from model.errors import WENT_WRONG
from model.limits import MAX_ABLATION_CHARS, MAX_PROMPT_CHARS, MAX_VIEWER_WAITING
from model.network.gpt import GPT
from model.parts import Part
from model.sampling import SamplingParams, dice, distribution, draw
from model.serving.engine import Engine
from model.weights import Weights
from tests.support.routes import serving_routes
from tests.support.serving import finished, params
from tests.support.viewing import PATIENCE_S, Viewer, answer, texts_of, write
from ui.web.write_without import CHARS_AT_ONCE, TEXTS_AT_ONCE

PATH = "/write_without"
PROMPT = "ROMEO:\nBut, soft! what light\n"


class Served:
    """The app with an engine at hand, for a small random network in float32.

    Attributes:
        passes: how many passes were done: each writes a character.
        held: as long as it is cleared, a pass stays under way.
    """

    def __init__(self, weights: Weights):
        self.engine, self.passes = Engine(weights), 0
        self.held = threading.Event()
        self.held.set()
        weights.model.register_forward_pre_hook(self._pass)
        self._serving = contextlib.ExitStack()
        self.url = self._serving.enter_context(serving_routes(self.engine))

    def _pass(self, _: GPT, __: tuple[Tensor]) -> None:
        self.passes += 1
        assert self.held.wait(PATIENCE_S)

    def close(self) -> None:
        self.held.set()
        self._serving.close()


@pytest.fixture
def served(tiny: Weights, one_thread: None) -> Iterator[Served]:
    served = Served(tiny)
    yield served
    served.close()


def lines_of(url: str, **asked: Any) -> list[dict[str, Any]]:
    """All that is told of a text."""
    with Viewer(url, path=PATH) as viewer:
        return [viewer.ask(**asked), *viewer.rest()]


def text_of(url: str, **asked: Any) -> str:
    """A text."""
    lines = lines_of(url, **asked)
    assert lines[-1] == {"state": "done", "new": [""]}
    return texts_of(lines)[0]


def wait_for(condition: Callable[[], object]) -> None:
    """Until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@torch.no_grad()
def plainly(model: GPT, prompt: list[int], settings: SamplingParams, off: Collection[Part]) -> list[int]:
    """What the plain forward writes: no cache, the whole window read again for every character."""
    text = list(prompt)
    for throw in dice(settings.seed, 0, settings.max_new_chars):
        logits = model(torch.tensor([text[model.config.window_start(len(text)) :]]), off=off)[:, -1].numpy()
        text.append(int(draw(distribution(logits, settings.temperature, settings.top_k, settings.top_p), [throw]).ids[0]))
    return text[len(prompt) :]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("chars", [1, 15, 16, 40])
@pytest.mark.parametrize(
    "off",
    [(), ((0, 1),), ((0, 0), (0, 1), (1, 0), (1, 1)), (("mlp", 1),), (("positions",),), ((0, 1), ("mlp", 0), ("positions",))],
    ids=str,
)
def test_a_text_is_what_the_plain_forward_writes(tiny: Weights, chars: int, off: tuple[Part, ...]) -> None:
    prompt, settings = tiny.tokenizer.encode("Romeo, Romeo, wherefore art thou Romeo?"[:chars]), params(max_new_chars=60)
    expected = plainly(tiny.model, prompt, settings, off)
    assert [*generate_cached(tiny.model, prompt, settings, off)] == expected
    if off:
        assert expected != plainly(tiny.model, prompt, settings, ())


@pytest.mark.parametrize("prompt", ["", "R", PROMPT, "x" * 245])
def test_with_no_head_off_it_is_the_text_that_the_app_writes(url: str, prompt: str) -> None:
    """In the running precision, to the last character: its window moves on the way."""
    asked: dict[str, Any] = {"prompt": prompt, "seed": 7, "temperature": 0.9, "top_k": 40, "top_p": 0.95, "length": 40}
    assert text_of(url, **asked) == text_of(url, **asked, heads_off=[]) == write(url, **asked)[0]


def test_heads_that_are_off_make_another_text_and_the_same_one_each_time(url: str) -> None:
    asked: dict[str, Any] = {"prompt": PROMPT, "seed": 7, "temperature": 0.5, "length": 40}
    without = text_of(url, **asked, heads_off=[[0, 2], [0, 5], ["mlp", 1]])
    assert len(without) == 40
    assert without == text_of(url, **asked, heads_off=[["mlp", 1], [0, 5], [0, 2], [0, 5]])
    assert without != text_of(url, **asked)


def test_a_shared_text_is_written_once_until_its_last_reader_has_left(served: Served) -> None:
    asked = {"prompt": PROMPT, "seed": 7, "length": 60, "heads_off": [[0, 1]], "shared": True}
    served.held.clear()
    with Viewer(served.url, path=PATH) as first, Viewer(served.url, path=PATH) as second:
        assert first.ask(**asked) == second.ask(**asked)
        first.close()
        served.held.set()
        text = texts_of(second.rest())[0]
    assert len(text) == 60
    assert served.passes < 80  # one text; as many passes as characters, and those of the first that it began
    before = served.passes
    assert text_of(served.url, **asked) == text
    assert served.passes == before  # for those that come a moment later
    assert text_of(served.url, **asked | {"shared": False}) == text
    assert served.passes > before

    served.held.clear()
    with Viewer(served.url, path=PATH) as only:
        only.ask(**asked | {"seed": 8})
    served.held.set()
    assert len(text_of(served.url, **asked | {"seed": 8})) == 60  # begun anew
    assert lines_of(served.url, **asked | {"seed": None})[-1]["state"] == "done"
    assert answer(served.url, "POST", PATH, b'{"prompt": "", "shared": 1}', Content_Type="application/json")[0] == 400


def test_as_many_as_like_read_a_shared_text(served: Served) -> None:
    asked = {"prompt": PROMPT, "seed": 9, "length": 20, "shared": True}
    served.held.clear()
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(Viewer(served.url, path=PATH)) for _ in range(2 * MAX_VIEWER_WAITING)]
        for viewer in viewers:
            viewer.ask(**asked)
        served.held.set()
        assert len({texts_of(viewer.rest())[0] for viewer in viewers}) == 1


def test_the_first_line_says_what_makes_the_text(served: Served) -> None:
    heads_off = [["positions"], [1, 1], ["mlp", 0], [0, 0], [1, 1]]
    lines = lines_of(served.url, prompt="A中“B”", heads_off=heads_off, seed="12", temperature=0, length=20, top_k=3)
    assert lines[0] == {
        "model": served.engine.default_key,
        "prompt": "A'B'",
        "heads_off": [[0, 0], [1, 1], ["mlp", 0], ["positions"]],
        "seed": 12,
        "temperature": 0.0,
        "length": 20,
        "top_k": 3,
        "top_p": 1.0,
        "notice": "Left out, because the model does not know them: ‘中’.",
        "state": "waiting",
    }
    assert [line["state"] for line in lines[1:]] == ["running"] * 3 + ["done"]
    assert [len(line["new"][0]) for line in lines[1:]] == [CHARS_AT_ONCE, CHARS_AT_ONCE, 4, 0]


def test_a_seed_that_is_not_given_is_drawn_and_shown(served: Served) -> None:
    seeds = [lines_of(served.url, prompt="A", length=1)[0]["seed"] for _ in range(3)]
    assert len({*seeds}) > 1
    assert all(0 <= seed < 1_000_000 for seed in seeds)


def test_texts_are_written_between_the_pieces(served: Served) -> None:
    alone = finished(served.engine.submit("To be", params(max_new_chars=30), "other")).texts
    with Viewer(served.url, path=PATH) as viewer:
        served.held.clear()
        viewer.ask(prompt="A", seed=1, length=MAX_ABLATION_CHARS, heads_off=[[0, 0]])
        wait_for(lambda: served.passes > 30)
        request = served.engine.submit("To be", params(max_new_chars=30), "other")
        served.held.set()
        begin = served.passes
        assert finished(request).texts == alone
        assert served.passes - begin <= 30 * (CHARS_AT_ONCE + 2)
        assert viewer.rest()[-1]["state"] == "done"


def test_writing_stops_when_the_client_hangs_up_and_the_place_is_free_again(served: Served) -> None:
    for leave in (Viewer.close, Viewer.reset) * TEXTS_AT_ONCE:
        served.held.clear()
        before = served.passes
        with Viewer(served.url, path=PATH) as viewer:
            viewer.ask(prompt="A", length=MAX_ABLATION_CHARS)
            wait_for(lambda before=before: served.passes > before)
            leave(viewer)
        time.sleep(0.05)
        served.held.set()
    time.sleep(0.3)
    written = served.passes
    assert written <= 2 * TEXTS_AT_ONCE * 2 * CHARS_AT_ONCE
    assert len(text_of(served.url, prompt="A", length=5)) == 5
    assert served.passes == written + 5


def test_a_few_texts_are_written_at_once_and_too_many_of_one_viewer_refused(served: Served) -> None:
    served.held.clear()
    viewers = [Viewer(served.url, path=PATH) for _ in range(MAX_VIEWER_WAITING + 1)]
    for viewer in viewers[:-1]:
        viewer.ask(prompt="A", seed=5, length=12, viewer="one")
    viewers[-1].send(prompt="A", length=1, viewer="one")
    response = viewers[-1]._http.getresponse()
    assert response.status == 503
    assert json.loads(response.read())["error"].startswith(f"{MAX_VIEWER_WAITING} of your texts are already being written.")
    served.held.set()
    texts = [texts_of(viewer.rest()) for viewer in viewers[:-1]]
    assert texts == [[text_of(served.url, prompt="A", seed=5, length=12, viewer="two")]] * MAX_VIEWER_WAITING
    for viewer in viewers:
        viewer.close()


def test_a_network_that_fails_is_reported(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    gain = served.engine.weights.model.transformer.ln_f.weight
    sound = gain[0].item()
    gain[0] = np.nan
    assert lines_of(served.url, prompt="A", length=5)[1:] == [{"state": "failed", "error": WENT_WRONG}]
    assert "the network's output is not finite" in caplog.text
    gain[0] = sound
    served.engine.stop()
    assert lines_of(served.url, prompt="A", length=5)[1:] == [{"state": "failed", "error": "The server is shutting down."}]


# What is refused.

PART = 'A part to switch off must be [layer, head], ["mlp", layer] or ["positions"], not '
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no such layer": ({"heads_off": [[6, 0]]}, "There is no layer 6. Valid layers: 0 to 5."),
    "a negative layer": ({"heads_off": [[-1, 0]]}, "There is no layer -1. Valid layers: 0 to 5."),
    "no such head": ({"heads_off": [[0, 0], [2, 6]]}, "There is no head 6 in layer 2. Valid heads: 0 to 5."),
    "no such MLP": ({"heads_off": [["mlp", 6]]}, "There is no layer 6. Valid layers: 0 to 5."),
    "a head by name": ({"heads_off": [["0", "2"]]}, PART),
    "a head of three": ({"heads_off": [[0, 1, 2]]}, PART),
    "a head that is true": ({"heads_off": [[True, 0]]}, PART),
    "half a head": ({"heads_off": [[0.5, 0]]}, PART),
    "an unknown part": ({"heads_off": [["norm", 0]]}, PART),
    "a huge head": ({"heads_off": [[0, 10**90]]}, "There is no head 1000"),
    "heads as a text": ({"heads_off": "0.2"}, "The parts to switch off must be a list, not '0.2'."),
    "no heads at all": ({"heads_off": None}, "The parts to switch off must be a list, not None."),
    "too long": ({"length": MAX_ABLATION_CHARS + 1}, "length must be between 1 and 300 when heads are switched off, not 301."),
    "far too long": ({"length": 10**9}, "length must be between 1 and 2,000, not 1000000000."),
    "of no length": ({"length": 0}, "length must be between 1 and 2,000, not 0."),
    "too hot": ({"temperature": 2.1}, "temperature must be between 0 and 2, not 2.1."),
    "no temperature": ({"temperature": float("nan")}, "temperature must be between 0 and 2, not nan."),
    "a seed in words": ({"seed": "seven"}, "The seed must be a whole number, or empty for a new one each time, not 'seven'."),
    "no prompt": ({"prompt": 5}, "The prompt must be a string."),
    "a long prompt": ({"prompt": "x" * (MAX_PROMPT_CHARS + 1)}, "The prompt has 10,001 characters; the maximum is 10,000."),
    "samples": ({"samples": 2}, "There is no setting 'samples'."),
    "a viewer's number": ({"viewer": 5}, "The viewer must be a string"),
}


@pytest.mark.parametrize(("wrong", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_in_words(url: str, wrong: dict[str, Any], words: str) -> None:
    body = json.dumps({"prompt": "A"} | wrong).encode()
    status, refusal = answer(url, "POST", PATH, body, Content_Type="application/json")
    assert (status, refusal.keys() - {"setting"}) == (400, {"error"})
    assert refusal["error"].startswith(words)
    assert len(refusal["error"]) < 300


def test_only_json_is_taken_and_only_by_post(url: str) -> None:
    assert answer(url, "GET", PATH)[0] == 405
    assert answer(url, "POST", PATH, b'{"prompt": "A"}', Content_Type="text/plain")[0] == 415
    assert answer(url, "POST", PATH, b'{"prompt": ', Content_Type="application/json") == (400, {"error": "The body is not valid JSON."})
