"""What a page needs to know from the server once: defaults, ranges and words that stand in Python alone.

    GET /limits

    {"sampling": {"temperature": {"default": 0.8, "low": 0.0, "high": 2.0, "help": "..."}, ...}, "score_chars": 12000,
     "heads_off_chars": 300, "encoded_chars": 100000, "lead_chars": 8000,
     "chunks": {"batch_size": {"default": 4, "low": 1, "high": 64, "help": "..."}, ...},
     "measures": [{"name": "previous", "words": "previous character", ...}, ...], "lecture": [[2.5, "bigram"], ...]}

"sampling" has prompt (whose range is in characters), temperature, length, samples, seed, top_k and top_p. A seed has no default: the
server draws one. "score_chars", "heads_off_chars" and "encoded_chars" are the longest texts that /score reads, /write_without writes and
/learning/encode encodes; "lead_chars" is the longest address that /class/lead takes. "chunks" has batch_size, block_size and seed.
"measures" are those of `model.attention` and the importance of a head; "lecture" are the lecture's losses in nats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.config import ChunkConfig
from model.head_measures import MEASURE_WORDS
from model.lecture import LECTURE_LOSSES
from model.limits import MAX_ABLATION_CHARS, MAX_ENCODED_CHARS, MAX_LEAD_CHARS, MAX_PROMPT_CHARS, MAX_SCORE_CHARS
from model.sampling import SamplingParams
from ui.web.fields import SAMPLING
from ui.web.first_screen import PARAMS, PROMPT
from ui.web.http import NO_STORE, Respond

PROMPT_HELP = "the text to continue; empty starts from a newline"
CONTROLS = ("temperature", "length", "samples", "seed", "top_k", "top_p")


def limits() -> Respond:
    """The handler."""
    content = limits_json()

    async def answer(http: HTTPRequest) -> Response:
        return JSONResponse(content, headers=NO_STORE)

    return answer


def limits_json() -> dict[str, Any]:
    """Everything, as JSON values."""
    return {
        "sampling": {"prompt": {"default": PROMPT, "low": 0, "high": MAX_PROMPT_CHARS, "help": PROMPT_HELP}, **_controls_json()},
        "score_chars": MAX_SCORE_CHARS,
        "heads_off_chars": MAX_ABLATION_CHARS,
        "encoded_chars": MAX_ENCODED_CHARS,
        "lead_chars": MAX_LEAD_CHARS,
        "chunks": {field.name: {"default": field.default, **_range_json(field.metadata)} for field in fields(ChunkConfig)},
        "measures": [measure._asdict() for measure in MEASURE_WORDS],
        "lecture": LECTURE_LOSSES,
    }


def _controls_json() -> dict[str, Any]:
    metadata = {field.name: field.metadata for field in fields(SamplingParams)}
    return {
        name: {
            "default": None if name == "seed" else getattr(PARAMS, field),
            **_range_json(metadata[field]),
        }
        for name, field in SAMPLING.items()
        if name in CONTROLS
    }


def _range_json(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: metadata[key] for key in ("low", "high", "help")}
