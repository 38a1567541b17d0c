"""Votes: which of two answers to a request is better? Each member decides once a pair, and may decide otherwise until the votes close."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from model.errors import ParameterError
from model.files import is_whole
from model.limits import MAX_ANSWER_CHARS, MAX_REQUEST_CHARS, MAX_VOTE_PAIRS

A, B = "a", "b"
CLOSED = "These votes are closed. Wait for the next ones."
UNKNOWN_PAIR = "There is no such pair in this round of votes."


class Pair(NamedTuple):
    """Two answers to one request."""

    request: str
    a: str
    b: str


@dataclass
class Votes:
    """A round of votes.

    Attributes:
        number: counts from 1.
        hidden: whether phones see no tally until it is closed.
        last_member: the number of the member who had joined last when it opened; None where that is not known.
        last_round: the number of the round that had been opened last when it closed; None while it is open, or where that is not known.
        ballots: for each member who voted, "a" or "b" for each pair, or None.
    """

    number: int
    pairs: tuple[Pair, ...]
    hidden: bool
    is_open: bool = True
    last_member: int | None = None
    last_round: int | None = None
    ballots: dict[int, list[str | None]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """As addresses and events name it."""
        return f"v{self.number}"

    @property
    def tally(self) -> list[tuple[int, int]]:
        """How many have found a and b better, for each pair."""
        columns = zip(*self.ballots.values(), strict=True) if self.ballots else ([] for _ in self.pairs)
        return [(list(column).count(A), list(column).count(B)) for column in map(list, columns)]

    @property
    def voters(self) -> int:
        """How many have voted on every pair."""
        return sum(None not in ballot for ballot in self.ballots.values())

    @property
    def newcomers(self) -> int:
        """How many of those who voted, on whichever pair, have joined since it opened."""
        return 0 if self.last_member is None else sum(member > self.last_member for member in self.ballots)

    def vote(self, member: int, pair: object, better: object) -> None:
        """A member decides.

        Raises:
            ParameterError: the votes are closed, or there is no such pair or answer.
        """
        if not self.is_open:
            raise ParameterError(CLOSED)
        if not isinstance(pair, int) or isinstance(pair, bool) or not 0 <= pair < len(self.pairs):
            raise ParameterError(UNKNOWN_PAIR, "pair")
        if better not in (A, B):
            raise ParameterError("The better answer must be “a” or “b”.", "better")
        self.ballots.setdefault(member, [None] * len(self.pairs))[pair] = str(better)

    @property
    def comparisons(self) -> str:
        """Every vote as a line of JSON, as a reward model learns from it."""
        lines = []
        for ballot in self.ballots.values():
            for pair, better in zip(self.pairs, ballot, strict=True):
                if better is not None:
                    better_text, worse_text = (pair.a, pair.b) if better == A else (pair.b, pair.a)
                    lines.append(json.dumps({"request": pair.request, "better": better_text, "worse": worse_text}) + "\n")
        return "".join(lines)

    def as_json(self) -> dict[str, Any]:
        """What is saved."""
        return {
            "number": self.number,
            "pairs": [pair._asdict() for pair in self.pairs],
            "hidden": self.hidden,
            "is_open": self.is_open,
            "last_member": self.last_member,
            "last_round": self.last_round,
            "ballots": [[member, list(ballot)] for member, ballot in self.ballots.items()],
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Votes:
        """As it was saved.

        Raises:
            KeyError, TypeError, ValueError: this is nothing that was saved.
        """
        pairs = read_pairs(saved["pairs"])
        ballots = {int(member): list(ballot) for member, ballot in saved["ballots"]}
        if any(len(ballot) != len(pairs) or not set(ballot) <= {A, B, None} for ballot in ballots.values()):
            raise ValueError("a ballot does not fit the pairs")
        last_member, last_round = (None if (last := saved.get(name)) is None else int(last) for name in ("last_member", "last_round"))
        return cls(int(saved["number"]), pairs, bool(saved["hidden"]), bool(saved["is_open"]), last_member, last_round, ballots)


def read_pairs(given: object) -> tuple[Pair, ...]:
    """Pairs as they were sent.

    Raises:
        ParameterError: they are not pairs of different answers, or there are too many, or none.
    """
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_VOTE_PAIRS:
        raise ParameterError(f"A round of votes has 1 to {MAX_VOTE_PAIRS} pairs.", "pairs")
    return tuple(_read_pair(one, number) for number, one in enumerate(given, 1))


def _read_pair(given: object, number: int) -> Pair:
    if not isinstance(given, dict) or given.keys() != {"request", "a", "b"}:
        raise ParameterError(f"Pair {number} must have a request and the answers a and b.", "pairs")
    for name, most in (("request", MAX_REQUEST_CHARS), ("a", MAX_ANSWER_CHARS), ("b", MAX_ANSWER_CHARS)):
        what = f"The {name} of pair {number}" if name == "request" else f"Answer {name.upper()} of pair {number}"
        text = given[name]
        if not isinstance(text, str) or not text.strip():
            raise ParameterError(f"{what} is empty.", "pairs")
        if len(text) > most:
            raise ParameterError(f"{what} has {len(text):,} characters; the maximum is {most}.", "pairs")
        if not is_whole(text):
            raise ParameterError(f"{what} has half of a character, which cannot be shown. Remove it.", "pairs")
    if given["a"] == given["b"]:
        raise ParameterError(f"Both answers of pair {number} are the same. Write one of them again.", "pairs")
    return Pair(given["request"], given["a"], given["b"])


@dataclass(frozen=True)
class Kept:
    """What closed rounds of votes have given.

    Attributes:
        votes: number of decisions.
        pairs: number of pairs with a vote.
        agreement: mean share of the majority, over the pairs with two votes or more; None without any.
    """

    votes: int
    pairs: int
    agreement: float | None


def kept(rounds: Sequence[Votes]) -> Kept:
    """What some rounds of votes have given."""
    totals = [(a, a + b) for votes in rounds for a, b in votes.tally]
    shares = [max(a, n - a) / n for a, n in totals if n >= 2]
    return Kept(sum(n for _, n in totals), sum(n > 0 for _, n in totals), sum(shares) / len(shares) if shares else None)
