r"""Writes a text with some parts of the network switched off (ablation), to show what they contribute.

    POST /write_without
    {"model": "e63aab5d", "prompt": "ROMEO:", "heads_off": [[0, 2], ["mlp", 3]], "seed": 7, "temperature": 0.8, "length": 120, "top_k": 0,
     "top_p": 1}

Everything but the prompt is optional; "length" is at most 300, and "heads_off" lists parts as in /attention. The answer has one JSON
object per line, as /write gives for one sample:

    {"model": "e63aab5d", "prompt": "ROMEO:", "heads_off": [[0, 2], ["mlp", 3]], "seed": 7, "temperature": 0.8, "length": 120, "top_k": 0,
     "top_p": 1, "notice": "", "state": "waiting"}
    {"state": "running", "new": ["\nI ha"]}
    {"state": "done", "new": [""]}

The last state is done or failed (with "error"). Such a text is written on its own, in pieces between two rounds of the engine's writing.
With nothing off it is the text that /write gives for the same seed, on a CPU whose rows agree (see `model.precision`). Closing the
connection stops it. "viewer" and "shared" are optional, as in /write.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.config import check_prompt
from model.decode import generate_cached
from model.errors import WENT_WRONG, SoliloquyError
from model.parts import Part, check_parts
from model.sampling import SamplingParams, check_ablation_length
from model.serving.admission import Admission, Ticket
from model.serving.engine import Engine
from model.serving.request import DONE, FAILED, RUNNING, WAITING
from model.weights import Weights
from ui.web.client_log import log_fault
from ui.web.fields import left_out_notice, read_model_key, read_params, read_shared, read_viewer
from ui.web.http import Body, Respond, model_header, takes_json
from ui.web.loading import load, run
from ui.web.progress import sampling_json
from ui.web.shared_lines import SharedLines
from ui.web.stream import Line, LineStream, for_its_client

TEXTS_AT_ONCE = 8  # of all viewers; each has a cache of its own
CHARS_AT_ONCE = 8  # between two rounds of writing: takes about as long as one step of a full engine
SETTINGS = ("seed", "temperature", "length", "top_k", "top_p")


@dataclass(frozen=True)
class Ablation:
    """A text to write with parts of the network off.

    Attributes:
        prompt: in the model's vocabulary.
    """

    prompt: str
    notice: str
    params: SamplingParams
    off: tuple[Part, ...]
    weights: Weights


def write_without(engine: Engine) -> Respond:
    """The handler."""
    admission, shared = Admission(TEXTS_AT_ONCE, "written"), SharedLines()

    @for_its_client
    async def answer(body: Body, http: HTTPRequest) -> Response:
        viewer, is_shared = read_viewer(body, http), read_shared(body)
        ablation = _read(body, await load(engine, read_model_key(body)))
        header = model_header(ablation.weights.key)

        def begin() -> tuple[AsyncGenerator[Line], Callable[[], None]]:
            ticket = admission.admit(viewer)
            return _lines(engine, ablation, ticket, http), ticket.leave

        if not is_shared:
            return LineStream(*begin(), header)
        text = shared.join((ablation.weights.key, ablation.prompt, ablation.notice, ablation.params, ablation.off), begin)
        return LineStream(text.read(), text.leave, header)

    return takes_json({"model", "prompt", "heads_off", "shared", *SETTINGS}, answer)


def _read(body: Body, weights: Weights) -> Ablation:
    """
    Raises:
        ParameterError: the prompt is not a text or too long, a setting is out of range, or a part does not exist.
    """
    params = read_params(body, SETTINGS)
    check_ablation_length(params)
    off = check_parts(body.get("heads_off", []), weights.model.config)
    check_prompt(prompt := body.get("prompt", ""))
    text, left_out = weights.tokenizer.normalise(prompt)
    return Ablation(text, left_out_notice(left_out), params, off, weights)


async def _lines(engine: Engine, ablation: Ablation, ticket: Ticket, http: HTTPRequest) -> AsyncGenerator[Line]:
    yield _first_line(ablation)
    weights, tokenizer = ablation.weights, ablation.weights.tokenizer
    characters = generate_cached(weights.model, tokenizer.encode_prompt(ablation.prompt), ablation.params, ablation.off)
    try:
        async with ticket.turn():
            while piece := await run(engine, weights, lambda _: [*itertools.islice(characters, CHARS_AT_ONCE)]):
                yield {"state": RUNNING, "new": [tokenizer.decode(piece)]}
    except SoliloquyError as error:
        yield {"state": FAILED, "error": str(error)}
    except Exception as error:
        log_fault(http, error)
        yield {"state": FAILED, "error": WENT_WRONG}
    else:
        yield {"state": DONE, "new": [""]}


def _first_line(ablation: Ablation) -> Line:
    """What determines the text, and what was left out of the prompt."""
    sampling = sampling_json(ablation.params)
    return {
        "model": ablation.weights.key,
        "prompt": ablation.prompt,
        "heads_off": ablation.off,
        **{name: sampling[name] for name in SETTINGS},
        "notice": ablation.notice,
        "state": WAITING,
    }
