"""Rounds: one prompt, and one text of each member who throws the dice. A member's text is the sample of that member's number."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from model.errors import BusyError, ParameterError
from model.limits import MAX_ROUND_CHARS, MAX_THROWS
from model.sampling import SamplingParams

CLOSED = "This round is closed. Wait for the next one."
FULL = f"{MAX_THROWS:,} texts have been thrown in this round, which is the maximum. Wait for the next one."


@dataclass(frozen=True)
class Round:
    """One prompt that the class samples together.

    Attributes:
        number: counts from 1.
        params: settings of every text; samples and first_sample are those of a single text.
        model, model_name: who writes them.
        beside: number of the earlier round that it stands beside; None if it stands alone.
        opened: seconds since 1970.
        throws: text by member, None until it is there; in the order of the throws.
        finished: members whose texts are there, in the order in which they came.
        writing: members whose texts are under way. Of the others without a text, it could not be written.
    """

    number: int
    prompt: str
    params: SamplingParams
    model: str
    model_name: str
    beside: int | None = None
    opened: float = field(default_factory=time.time)
    throws: dict[int, str | None] = field(default_factory=dict)
    finished: list[int] = field(default_factory=list)
    writing: set[int] = field(default_factory=set, compare=False)

    @property
    def id(self) -> str:
        """As addresses and events name it."""
        return f"r{self.number}"

    def throw(self, member: int, is_open: bool) -> None:
        """A member's throw begins; one that has begun goes on.

        Raises:
            ParameterError: the round is closed.
            BusyError: it has no room for another text.
        """
        if member in self.throws:
            return
        if not is_open:
            raise ParameterError(CLOSED)
        if len(self.throws) >= MAX_THROWS:
            raise BusyError(FULL)
        self.throws[member] = None

    def finish(self, member: int, text: str) -> None:
        """A member's text is there."""
        self.throws[member] = text
        self.finished.append(member)

    @property
    def unwritten(self) -> list[int]:
        """Members who have thrown and have no text yet."""
        return [member for member, text in self.throws.items() if text is None]

    def as_json(self) -> dict[str, Any]:
        """What is saved."""
        settings = {name: getattr(self.params, name) for name in ("temperature", "max_new_chars", "seed", "top_k", "top_p")}
        known = {name: getattr(self, name) for name in ("number", "prompt", "model", "model_name", "beside", "opened", "finished")}
        known["finished"] = list(self.finished)  # it is written in another thread, while others throw
        return known | {"settings": settings, "throws": [[member, text] for member, text in self.throws.items()]}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Round:
        """As it was saved.

        Raises:
            KeyError, TypeError, ValueError: this is nothing that was saved.
        """
        throws = {int(member): None if text is None else _text(text) for member, text in saved["throws"]}
        finished = [int(member) for member in saved["finished"]]
        if sorted(finished) != sorted(member for member, text in throws.items() if text is not None):
            raise ValueError("the texts that came are not those that are there")
        beside = saved["beside"]
        return cls(
            int(saved["number"]),
            _text(saved["prompt"]),
            SamplingParams(**saved["settings"]),
            _text(saved["model"]),
            _text(saved["model_name"]),
            None if beside is None else int(beside),
            float(saved["opened"]),
            throws,
            finished,
        )


def check_round_length(params: SamplingParams) -> None:
    """Checks that every phone of a class may write a text of this length.

    Raises:
        ParameterError: it may not.
    """
    if params.max_new_chars > MAX_ROUND_CHARS:
        raise ParameterError(
            f"The length of a round's texts must be between 1 and {MAX_ROUND_CHARS}, not {params.max_new_chars:,}.", "length"
        )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
