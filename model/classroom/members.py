"""Those who take part: a phone joins once and is known by a token from then on."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from model.errors import BusyError, ParameterError
from model.files import clean_name
from model.limits import MAX_MEMBER_NAME_CHARS, MAX_MEMBERS

FULL = f"The class is full: {MAX_MEMBERS:,} phones have taken part. The lecturer can begin a new class."


@dataclass
class Member:
    """Somebody who takes part.

    Attributes:
        number: counts from 1, and is not given again.
        digest: of the token, which only its phone has.
        name: "" without one.
        took_part: whether it has thrown or voted: such a member is not forgotten while the class lasts.
    """

    number: int
    digest: str
    name: str = ""
    took_part: bool = False


class Members:
    """All members, by number, in the order in which they joined."""

    def __init__(self) -> None:
        self._by_number: dict[int, Member] = {}
        self._by_digest: dict[str, Member] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._by_number)

    @property
    def last(self) -> int:
        """The number that was given last; 0 if nobody has joined."""
        return self._last

    def find(self, token: object) -> Member | None:
        """The member that a token stands for; None if it is nobody's."""
        return self._by_digest.get(_digest(token)) if isinstance(token, str) else None

    def add(self) -> tuple[Member, str]:
        """A new member, and its token. The first of those who have not taken part makes room for it.

        Raises:
            BusyError: all members have taken part, and there is no room for another.
        """
        if len(self._by_number) >= MAX_MEMBERS:
            idle = next((member for member in self._by_number.values() if not member.took_part), None)
            if idle is None:
                raise BusyError(FULL)
            del self._by_number[idle.number], self._by_digest[idle.digest]
        token = secrets.token_urlsafe(18)
        self._last += 1
        member = Member(self._last, _digest(token))
        self._keep(member)
        return member, token

    def go_on_after(self, number: int) -> None:
        """Gives out no number up to this one any more."""
        self._last = max(self._last, number)

    def name_of(self, number: int) -> str:
        """The name of a member; "" for one without, or that is gone."""
        member = self._by_number.get(number)
        return member.name if member else ""

    def _keep(self, member: Member) -> None:
        self._by_number[member.number] = member
        self._by_digest[member.digest] = member

    def as_json(self) -> dict[str, Any]:
        """What is saved."""
        return {"last": self._last, "members": [dict(vars(member)) for member in self._by_number.values()]}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Members:
        """As they were saved.

        Raises:
            KeyError, TypeError, ValueError: this is nothing that was saved.
        """
        members = cls()
        for one in saved["members"]:
            members._keep(Member(int(one["number"]), str(one["digest"]), check_name(one["name"]), bool(one["took_part"])))
        members._last = max([int(saved["last"]), *members._by_number])
        return members


def check_name(name: object) -> str:
    """A name as it is shown.

    Raises:
        ParameterError: it is not a text, or too long.
    """
    if not isinstance(name, str):
        raise ParameterError("The name must be a text.", "name")
    cleaned = clean_name(name)
    if len(cleaned) > MAX_MEMBER_NAME_CHARS:
        raise ParameterError(f"A name may have at most {MAX_MEMBER_NAME_CHARS} characters, not {len(cleaned):,}.", "name")
    return cleaned


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
