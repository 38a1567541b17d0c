"""The lecture's ladder: its networks in order, what each has learned, and the code that each adds.

    GET /learning/ladder
    {"rungs": [{"id": "bigram", "title": "Bigram", "about": "A table of ...", "preset": "bigram", "key": "96e5e20c", "trouble": "",
     "n_params": 4225, "context": 1, "vocab_size": 65, "val_loss": 2.4873, "lecture_loss": 2.5, "note": "",
     "file": "model/network/ladder.py", "lines": [{"number": 31, "text": "class Bigram(WindowNetwork):", "is_new": true}, ...]}, ...]}

"key" is that of a model in GET /models, or "" where the weights cannot be used; "trouble" then says why, and "val_loss" is null. Losses are
in nats per character; "lecture_loss" is null where the lecture does not have this network. "note" says what to know about the loss, and
may be empty. "context" is how many characters the next one can depend on. "preset" is that of POST /train/start. A line is new if no
earlier rung has it.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.catalogue import Catalogue, Entry
from model.config import NetworkConfig
from model.ladder import RUNGS, Rung, lines_of
from model.network.kinds import count_parameters
from model.training.presets import PRESETS
from ui.web.http import Respond
from ui.web.shared_answers import SharedAnswers
from ui.web.stream import for_its_client


def ladder(catalogue: Catalogue) -> Respond:
    """The handler."""
    answers = SharedAnswers()

    @for_its_client
    async def answer(http: HTTPRequest) -> Response:
        return await answers.give(http, ("ladder",), lambda: ladder_json(catalogue))

    return answer


def ladder_json(catalogue: Catalogue) -> dict[str, Any]:
    """All rungs, from the first to the shipped GPT."""
    entries = {entry.id: entry for entry in catalogue.entries()}
    return {"rungs": [_rung_json(rung, entries.get(rung.model)) for rung in RUNGS]}


def _rung_json(rung: Rung, entry: Entry | None) -> dict[str, Any]:
    preset = PRESETS[rung.preset]
    assert isinstance(preset.network, NetworkConfig)
    network = (entry and entry.config) or preset.network
    trouble = entry.trouble if entry else _missing(rung)
    return {
        "id": rung.id,
        "title": rung.title,
        "about": rung.about,
        "preset": rung.preset,
        "key": entry.key if entry and not trouble else "",
        "trouble": trouble,
        "n_params": count_parameters(network),
        "context": network.context,
        "vocab_size": network.vocab_size,
        "val_loss": entry.val_loss if entry and not trouble else None,
        "lecture_loss": rung.lecture_loss,
        "note": rung.note.format(network=preset.network, recipe=preset.recipe),
        "file": rung.file.as_posix(),
        "lines": [line._asdict() for line in lines_of(rung)],
    }


def _missing(rung: Rung) -> str:
    return f"The weights of this network are missing. Restore the folder weights/{rung.model}, or train the preset {rung.preset}."
