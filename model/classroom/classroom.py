"""A class: who takes part, its rounds and votes, and what the lecturer shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from model.classroom.members import Member, Members, check_name
from model.classroom.rounds import Round, check_round_length
from model.classroom.saved import Saved
from model.classroom.votes import Kept, Pair, Votes, kept
from model.errors import NotFoundError, ParameterError
from model.files import is_whole
from model.limits import MAX_LEAD_CHARS, MAX_LEAD_KEY_CHARS, MAX_LEAD_KEYS, MAX_LEAD_TITLE_CHARS, MAX_ROUNDS, MAX_VOTES
from model.sampling import SamplingParams

ROOM, COUNTS, ROUND, ROUNDS = "room", "counts", "round", "rounds"
VOTES, KEPT, LEAD = "votes", "kept", "lead"
TEXTS, NAMES = "texts", "names"  # of the wall: more texts, and other names
TOPICS = (ROOM, COUNTS, ROUND, ROUNDS, VOTES, KEPT, LEAD)
CLASS = "class"  # the document with all that is not a round

UNKNOWN_ROUND = "There is no such round any more."
UNKNOWN_VOTES = "There is no such round of votes any more."
NOT_HERE = "Join the class first."
SHUT = "No new members for now. This page joins by itself as soon as that changes."

Kind = TypeVar("Kind", Round, Votes)


class Classroom:
    """The state of a class. For the event loop's thread.

    Attributes:
        saved: where it is kept.
        names_shown: whether names stand on the wall.
        shut: whether nobody new may join.
        open_round: the number of the round that takes texts; None if none does.
        lead: what the lecturer shows: address, title, keys of texts, and the page; None if nobody leads.
        versions: by topic; a topic's is counted up when it changes.
    """

    def __init__(self, saved: Saved):
        self.saved = saved
        self.members, self.names_shown, self.shut = Members(), False, False
        self.rounds: dict[int, Round] = {}
        self.votes: dict[int, Votes] = {}
        self.open_round: int | None = None
        self.lead: dict[str, Any] | None = None
        self.versions: Counter[str] = Counter()
        self._last: Counter[str] = Counter()  # the number that was given last, to a round, to votes, and to a class
        self._listeners: set[Callable[[], object]] = set()
        self._unsaved: set[str] = set()
        self._restore(saved.read())

    # What happens

    def listen(self, listener: Callable[[], object]) -> None:
        """Registers what is called at every change."""
        self._listeners.add(listener)

    def _change(self, *topics: str, documents: tuple[str, ...] = ()) -> None:
        self.versions.update(topics)
        self._unsaved.update(documents)
        for listener in tuple(self._listeners):
            listener()

    @property
    def number(self) -> int:
        """Of the class that takes part: counts up when a new one begins."""
        return self._last[CLASS]

    # Members

    def join(self, token: object, name: object = None) -> tuple[Member, str]:
        """The member of a token, or a new one, and the token; with another name, if one is given.

        Raises:
            ParameterError: the name is not a text, or too long; or nobody new may join.
            BusyError: the class is full.
        """
        checked = None if name is None else check_name(name)
        member, known = self.members.find(token), str(token)
        if member is None:
            if self.shut:
                raise ParameterError(SHUT, "shut")
            member, known = self.members.add()
            self._change(ROOM, documents=(CLASS,))
        if checked is not None and checked != member.name:
            member.name = checked
            is_seen = self.names_shown and any(member.number in round.throws for round in self.rounds.values())
            self._change(*((NAMES,) if is_seen else ()), documents=(CLASS,))
        return member, known

    def is_new(self, token: object) -> bool:
        """Whether whoever joins with this token becomes a new member."""
        return self.members.find(token) is None

    def member(self, token: object) -> Member:
        """The member of a token.

        Raises:
            ParameterError: it is nobody's.
        """
        if (member := self.members.find(token)) is None:
            raise ParameterError(NOT_HERE, "member")
        return member

    def show_names(self, shown: bool) -> None:
        """Whether names stand on the wall."""
        self.names_shown = shown
        self._change(ROOM, NAMES, documents=(CLASS,))

    def shut_out(self, shut: bool) -> None:
        """Whether nobody new may join."""
        self.shut = shut
        self._change(ROOM, documents=(CLASS,))

    # Rounds

    def open(self, prompt: str, params: SamplingParams, model: str, model_name: str, beside: object = None) -> Round:
        """Opens a round, in place of the one that is open.

        Args:
            params: with the seed of new dice.
            beside: id of the round that it stands beside, whose dice it has.

        Raises:
            ParameterError: the texts would be too long.
            NotFoundError: there is no round to stand beside.
        """
        check_round_length(params)
        other = self.round(beside) if beside is not None else None
        seed = other.params.seed if other else params.seed
        settings = {name: getattr(params, name) for name in ("temperature", "max_new_chars", "top_k", "top_p")}
        self._last[ROUND] += 1
        opened = Round(self._last[ROUND], prompt, SamplingParams(seed=seed, **settings), model, model_name, other.number if other else None)
        self.rounds[opened.number] = opened
        self.open_round = opened.number
        self._forget_oldest(self.rounds, MAX_ROUNDS)
        self._change(COUNTS, ROUND, ROUNDS, TEXTS, documents=(opened.id, CLASS))
        return opened

    def close_round(self, id: object) -> None:
        """No more throws; texts that are being written still come.

        Raises:
            NotFoundError: there is no such round.
        """
        if self.round(id).number == self.open_round:
            self.open_round = None
            self._change(ROUND, documents=(CLASS,))

    def round(self, id: object) -> Round:
        """The round of an id.

        Raises:
            NotFoundError: there is none.
        """
        return _find(self.rounds, id, UNKNOWN_ROUND)

    @property
    def newest_round(self) -> Round | None:
        """The one that was opened last."""
        return next(reversed(self.rounds.values()), None)

    def throw(self, member: Member, id: object) -> Round:
        """A member throws; a throw that has begun goes on.

        Raises:
            NotFoundError: there is no such round.
            ParameterError: it is closed.
            BusyError: it is full.
        """
        round = self.round(id)
        round.throw(member.number, round.number == self.open_round)
        self._take_part(member)
        self._change(documents=(round.id,))
        return round

    def has(self, round: Round) -> bool:
        """Whether a round is still kept."""
        return self.rounds.get(round.number) is round

    def begin(self, round: Round, member: int) -> None:
        """A member's text is being written from now on."""
        round.writing.add(member)
        self._change(COUNTS)

    def finish(self, round: Round, member: int, text: str | None) -> None:
        """A member's text is there; None: it could not be written, and may be tried again."""
        round.writing.discard(member)
        if not self.has(round):
            return
        is_new = text is not None and round.throws.get(member, "") is None
        if is_new:
            round.finish(member, str(text))
        self._change(COUNTS, *((TEXTS,) if is_new else ()), documents=(round.id,) if is_new else ())

    def _take_part(self, member: Member) -> None:
        if not member.took_part:
            member.took_part = True
            self._unsaved.add(CLASS)

    # Votes

    def open_votes(self, pairs: tuple[Pair, ...], hidden: bool) -> Votes:
        """Opens a round of votes, and closes the one before."""
        if (newest := self.newest_votes) and newest.is_open:
            self.close_votes(newest.id)
        self._last[VOTES] += 1
        votes = Votes(self._last[VOTES], pairs, hidden, last_member=self.members.last)
        self.votes[votes.number] = votes
        self._forget_oldest(self.votes, MAX_VOTES)
        self._change(VOTES, KEPT, documents=(votes.id, CLASS))
        return votes

    def close_votes(self, id: object) -> None:
        """No more votes.

        Raises:
            NotFoundError: there is no such round of votes.
        """
        votes = _find(self.votes, id, UNKNOWN_VOTES)
        if votes.is_open:
            votes.is_open, votes.last_round = False, self._last[ROUND]
        self._change(VOTES, KEPT, documents=(votes.id,))

    def vote(self, member: Member, id: object, pair: object, better: object) -> None:
        """A member decides.

        Raises:
            NotFoundError: there is no such round of votes.
            ParameterError: it is closed, or there is no such pair or answer.
        """
        votes = _find(self.votes, id, UNKNOWN_VOTES)
        votes.vote(member.number, pair, better)
        self._take_part(member)
        self._change(VOTES, documents=(votes.id,))

    @property
    def newest_votes(self) -> Votes | None:
        """The round of votes that was opened last."""
        return next(reversed(self.votes.values()), None)

    @property
    def closed_votes(self) -> list[Votes]:
        """Those that count as comparisons."""
        return [votes for votes in self.votes.values() if not votes.is_open]

    @property
    def kept(self) -> Kept:
        """What the closed ones have given."""
        return kept(self.closed_votes)

    # The lecturer's page

    def follow(self, lead: object, page: object = "") -> None:
        """What phones show from now on; None ends it.

        Args:
            lead: {"address", "title", "keys"}.
            page: whatever names the page that leads.

        Raises:
            ParameterError: it is not such an object, or too large.
        """
        self.lead = None if lead is None else read_lead(lead, page)
        self._change(LEAD, documents=(CLASS,))

    def forget(self) -> None:
        """Begins a new class: without members, rounds, votes and lead."""
        gone = [*(round.id for round in self.rounds.values()), *(votes.id for votes in self.votes.values())]
        self.members, self.names_shown, self.shut, self.open_round, self.lead = Members(), False, False, None, None
        self.rounds.clear()
        self.votes.clear()
        self._last[CLASS] += 1
        self._change(*TOPICS, TEXTS, NAMES, documents=(*gone, CLASS))

    # Files

    def unsaved(self) -> dict[str, dict[str, Any] | None]:
        """The documents that have changed since this was asked; None: to be deleted."""
        rounds: list[Round | Votes] = [*self.rounds.values(), *self.votes.values()]
        known: dict[str, Classroom | Round | Votes] = {CLASS: self, **{each.id: each for each in rounds}}
        names, self._unsaved = self._unsaved, set()
        return {name: known[name].as_json() if name in known else None for name in sorted(names)}

    def as_json(self) -> dict[str, Any]:
        """What is saved, apart from rounds and votes."""
        return {
            "names_shown": self.names_shown,
            "shut": self.shut,
            "open_round": self.open_round,
            "lead": self.lead,
            "last": dict(self._last),
            "members": self.members.as_json(),
        }

    def still_unsaved(self, names: Iterable[str]) -> None:
        """These documents could not be written: they are among those of the next time."""
        self._unsaved.update(names)

    def _restore(self, documents: dict[str, dict[str, Any]]) -> None:
        for name, content in sorted(documents.items(), key=lambda item: int(item[0][1:]) if item[0] != CLASS else -1):
            try:
                if name == CLASS:
                    self._restore_class(content)
                elif name.startswith("r"):
                    self._restore_one(self.rounds, Round.from_json(content), name)
                else:
                    self._restore_one(self.votes, Votes.from_json(content), name)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                self.saved.refuse(name, error)
        if self.open_round not in self.rounds:
            self.open_round = None
        self._last[ROUND] = max([self._last[ROUND], *self.rounds])
        self._last[VOTES] = max([self._last[VOTES], *self.votes])
        known = [number for round in self.rounds.values() for number in round.throws]
        known += [number for votes in self.votes.values() for number in votes.ballots]
        self.members.go_on_after(max(known, default=0))  # where the document of the class is damaged, nobody gets another one's text

    def _restore_class(self, content: dict[str, Any]) -> None:
        members = Members.from_json(content["members"])
        last = {topic: int(content["last"].get(topic, 0)) for topic in (ROUND, VOTES, CLASS)}
        lead = None if content["lead"] is None else read_lead(content["lead"], content["lead"].get("page", ""))
        open_round = content["open_round"]
        self.members, self.names_shown, self.lead = members, bool(content["names_shown"]), lead
        self.shut = bool(content.get("shut", False))
        self.open_round = None if open_round is None else int(open_round)
        self._last.update(last)

    def _restore_one(self, all: dict[int, Kind], one: Kind, name: str) -> None:
        if one.id != name:
            raise ValueError("it is another one's")
        all[one.number] = one

    def _forget_oldest(self, all: dict[int, Kind], most: int) -> None:
        while len(all) > most:
            oldest = all.pop(next(iter(all)))
            self._unsaved.add(oldest.id)


def _find(all: dict[int, Kind], id: object, unknown: str) -> Kind:
    found = next((each for each in all.values() if each.id == id), None)
    if found is None:
        raise NotFoundError(unknown)
    return found


def read_lead(given: object, page: object) -> dict[str, Any]:
    """What a lecturer's page says that it shows.

    Raises:
        ParameterError: it is not such an object, or too large.
    """
    if not isinstance(given, dict) or not given.keys() <= {"address", "title", "keys", "page"}:
        raise ParameterError("The lead must have an address, a title and keys.", "lead")
    address, title, keys = given.get("address"), given.get("title", ""), given.get("keys", [])
    if not isinstance(address, str) or not isinstance(title, str) or not isinstance(page, str):
        raise ParameterError("Address and title of the lead must be texts.", "lead")
    if address and not address.startswith("#"):
        raise ParameterError("The address of the lead must be the part from # on.", "lead")
    if not is_whole(address) or not is_whole(page):
        raise ParameterError("The address of the lead has half of a character. Remove it.", "lead")
    for what, text, most in (
        ("address", address, MAX_LEAD_CHARS),
        ("title", title, MAX_LEAD_TITLE_CHARS),
        ("page's name", page, MAX_LEAD_KEY_CHARS),
    ):
        if len(text) > most:
            raise ParameterError(f"The {what} of the lead may have at most {most:,} characters.", "lead")
    if not isinstance(keys, list) or len(keys) > MAX_LEAD_KEYS or not all(map(_is_key, keys)):
        raise ParameterError(f"The lead may name at most {MAX_LEAD_KEYS} texts, each by its key.", "lead")
    whole = title.encode(errors="replace").decode()  # a page cuts a long title off, which may halve its last character
    return {"address": address, "title": whole, "keys": keys, "page": page}


def _is_key(key: object) -> bool:
    return isinstance(key, str) and len(key) <= MAX_LEAD_KEY_CHARS and is_whole(key)
