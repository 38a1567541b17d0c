r"""The class: a wall that everybody writes on, votes, and what the lecturer shows.

    GET /class/stream[?wall=1]

Server-sent events, for as long as the client reads them. Each carries the whole state of its topic, first all of them, then those that
change. "?wall=1" adds the texts. Sent with an admin's session, it has what only the lecturer may see.

    room     {"class": 2, "members": 23, "names_shown": false, "shut": false, "admin": true}; class: another one has another number, and
             none of the members before; shut: nobody new may join
    counts   {"r3": [23, 5]}: for each round, how many texts are written, and how many are being written
    round    null, or the newest: {"id": "r3", "number": 3, "prompt": "ROMEO:", "temperature": 0.8, "length": 120, "top_k": 0, "top_p": 1.0,
             "seed": 7, "model": "e63aab5d", "model_name": "Shakespeare", "open": true, "opened": 1795810000.0, "beside": null}
    rounds   the earlier ones
    texts    {"round": "r3", "from": 0, "texts": [{"sample": 17, "text": "...", "name": ""}]}: of the newest round and the one beside it,
             those from number "from" on, in the order in which they came
    votes    null, or the newest: {"id": "v1", "number": 1, "pairs": [{"request": "...", "a": "...", "b": "..."}], "open": true,
             "hidden": true, "voters": 12, "voted": [13], "newcomers": 0, "tally": [[4, 9]], "last_round": null}; voters: those who have
             voted on every pair; voted: how many on each; tally is null for phones while the votes are open and hidden; last_round: the
             number of the newest round when the votes closed. Only the admin is told newcomers: how many of all who voted have joined
             since the votes opened; others have null
    kept     {"votes": 120, "pairs": 10, "agreement": 0.81}: what all closed votes have given
    lead     null, or {"address": "#tab=...", "title": "...", "keys": ["x3fV..."], "page": "..."}: what the lecturer's page shows

A phone joins once, and keeps its token:

    POST /class/join     {"member": "...", "name": "Ann"}         {"member": "...", "class": 2, "number": 17, "name": "Ann",
                         "texts": {"r3": {"sample": 17, "text": "..."}}, "votes": {"v1": ["a", null]}}; both fields are optional
    POST /class/throw    {"member": "...", "round": "r3"}         its text, line by line: {"sample": 17, "state": "running", "new": "I ha"};
                         the last state is done or failed (with "error"). It is written once, whether the phone stays or not
    POST /class/vote     {"member": "...", "votes": "v1", "pair": 0, "better": "a"}     {}
    GET  /class/rounds/{round}                                    a round with its texts, and the numbers of them: "thrown", "writing"

Sample k of a round is the text of sample k of its seed: member k's. From one address, which a whole class may share, a bounded number of
phones joins at once, and after that one every few seconds. The admin alone:

    POST /class/open     {"prompt": "ROMEO:", "temperature": 0.8, "length": 120, "top_k": 0, "top_p": 1, "model": null, "beside": "r2"}
                         {"round": {...}, "notice": ""}; "beside" gives it the dice of that round
    POST /class/close    {"round": "r3"}
    POST /class/votes/open    {"pairs": [...], "hidden": true}    {"votes": {...}}
    POST /class/votes/close   {"votes": "v1"}
    POST /class/names    {"shown": true}
    POST /class/shut     {"shut": true}                           whoever is no member yet is kept out
    POST /class/lead     {"lead": {"address": "#tab=attention", "title": "Attention", "keys": []}, "page": "..."}; a lead of null ends it
    POST /class/forget   {}                                       begins a new class
    GET  /class/comparisons                                       the closed votes as a reward model learns from them (JSON Lines)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.assistant.pairs import is_text
from model.classroom.classroom import COUNTS, KEPT, NAMES, ROOM, ROUND, ROUNDS, TEXTS, TOPICS, VOTES, Classroom
from model.classroom.members import check_name
from model.classroom.rounds import Round
from model.classroom.votes import Votes, read_pairs
from model.config import check_prompt
from model.errors import BusyError, CheckpointError, ParameterError
from model.limits import NEW_MEMBER_EVERY_S, NEW_MEMBERS_AT_ONCE
from model.serving.engine import Engine
from ui.web.admin import Lock
from ui.web.allowance import Allowance
from ui.web.class_texts import Texts
from ui.web.clients import client_of
from ui.web.fields import left_out_notice, read_model_key, read_params
from ui.web.http import NO_STORE, Body, download_header, takes_json
from ui.web.loading import load
from ui.web.progress import sampling_json
from ui.web.stream import COMMENT, EventStream, LineStream, event

log = logging.getLogger(__name__)

WALL_S, PHONE_S = 0.25, 1.0  # between two events of a stream: a class has one wall and hundreds of phones
QUIET_S = 15.0  # after which a comment is sent
SAVE_S = 0.2  # changes that are written together
RETRY_S = 10.0  # after a failure to write them
SETTINGS = ("temperature", "length", "top_k", "top_p")

NO_FLAG = "{name} must be true or false."
NO_TEXT = "{what} of pair {number} begins or ends with a newline or has an empty line, which is the stop sign. Remove it."
CROWDED = "So many phones have joined from your network that the next ones have to wait. Try again in a minute."


class ClassRoutes:
    """The handlers. For the event loop's thread."""

    def __init__(self, engine: Engine, classroom: Classroom, lock: Lock):
        self._engine, self._classroom, self._lock = engine, classroom, lock
        self._texts = Texts(engine, classroom)
        self._new_members = _new_members()
        self._streams: set[asyncio.Event] = set()  # each is set when there may be something to send
        self._over = asyncio.Event()  # the app stops
        self._saving: asyncio.Task[None] | None = None
        self._views: dict[tuple[str, bool], tuple[int, bytes]] = {}  # the last event of each topic, and its version
        classroom.listen(self._changed)
        self.join = takes_json({"member", "name"}, self._join)
        self.throw = takes_json({"member", "round"}, self._throw)
        self.vote = takes_json({"member", "votes", "pair", "better"}, self._vote)
        self.open = takes_json({"prompt", "model", "beside", *SETTINGS}, self._open)
        self.close = takes_json({"round"}, self._close)
        self.open_votes = takes_json({"pairs", "hidden"}, self._open_votes)
        self.close_votes = takes_json({"votes"}, self._close_votes)
        self.names = takes_json({"shown"}, self._names)
        self.shut = takes_json({"shut"}, self._shut)
        self.lead = takes_json({"lead", "page"}, self._lead)
        self.forget = takes_json((), self._forget)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """What the class does when the app starts and when it has stopped."""
        self._texts.begin_again()
        yield
        self.end_streams()
        self._texts.stop()
        if self._saving:
            await self._saving

    def end_streams(self) -> None:
        """Ends all streams in order, when the app is about to stop."""
        self._over.set()
        for changed in self._streams:
            changed.set()

    def _changed(self) -> None:
        for changed in self._streams:
            changed.set()
        self._save_soon()

    async def _pause(self, seconds: float) -> None:
        """Waits, unless the app stops."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    # Anyone

    async def stream(self, http: HTTPRequest) -> Response:
        """Answers GET /class/stream."""
        return EventStream(self._events(http, http.query_params.get("wall") == "1"), lambda: None)

    async def round(self, http: HTTPRequest) -> Response:
        """Answers GET /class/rounds/{round}.

        Raises:
            NotFoundError: there is no such round.
        """
        round = self._classroom.round(http.path_params["round"])
        counts = {"thrown": len(round.finished), "writing": len(round.writing)}
        return _answer(round_json(self._classroom, round) | counts | {"texts": texts_json(self._classroom, round)})

    async def _join(self, body: Body, http: HTTPRequest) -> Response:
        room = self._classroom
        if (name := body.get("name")) is not None:
            check_name(name)  # before it counts as one who joins
        if room.is_new(body.get("member")) and not room.shut and not self._new_members.take(client_of(http)):
            raise BusyError(CROWDED)
        member, token = room.join(body.get("member"), name)
        texts = {
            each.id: {"sample": member.number, "text": text} for each in room.rounds.values() if (text := each.throws.get(member.number))
        }
        ballots = {each.id: each.ballots[member.number] for each in room.votes.values() if member.number in each.ballots}
        return _answer(
            {"member": token, "class": room.number, "number": member.number, "name": member.name, "texts": texts, "votes": ballots}
        )

    async def _throw(self, body: Body, http: HTTPRequest) -> Response:
        member = self._classroom.member(body.get("member"))
        round = self._classroom.throw(member, body.get("round"))
        return LineStream(self._texts.lines(round, member.number), lambda: None)

    async def _vote(self, body: Body, http: HTTPRequest) -> Response:
        member = self._classroom.member(body.get("member"))
        self._classroom.vote(member, body.get("votes"), body.get("pair"), body.get("better"))
        return _answer({})

    # The admin

    async def _open(self, body: Body, http: HTTPRequest) -> Response:
        params = read_params({"length": 120} | body, SETTINGS)
        weights = await load(self._engine, read_model_key(body))
        check_prompt(typed := body.get("prompt", ""))
        prompt, left_out = weights.tokenizer.normalise(typed)
        round = self._classroom.open(prompt, params, weights.key, weights.name, body.get("beside"))
        self._texts.stop_forgotten()
        return _answer({"round": round_json(self._classroom, round), "notice": left_out_notice(left_out)})

    async def _close(self, body: Body, http: HTTPRequest) -> Response:
        self._classroom.close_round(body.get("round"))
        return _answer({})

    async def _open_votes(self, body: Body, http: HTTPRequest) -> Response:
        pairs = read_pairs(body.get("pairs"))
        for number, pair in enumerate(pairs, 1):
            for what, text in zip(("The request", "Answer A", "Answer B"), pair, strict=True):
                if not is_text(text):
                    raise ParameterError(NO_TEXT.format(what=what, number=number), "pairs")
        votes = self._classroom.open_votes(pairs, _flag(body, "hidden"))
        return _answer({"votes": votes_json(votes, True)})

    async def _close_votes(self, body: Body, http: HTTPRequest) -> Response:
        self._classroom.close_votes(body.get("votes"))
        return _answer({})

    async def _names(self, body: Body, http: HTTPRequest) -> Response:
        self._classroom.show_names(_flag(body, "shown"))
        return _answer({})

    async def _shut(self, body: Body, http: HTTPRequest) -> Response:
        self._classroom.shut_out(_flag(body, "shut"))
        return _answer({})

    async def _lead(self, body: Body, http: HTTPRequest) -> Response:
        self._classroom.follow(body.get("lead"), body.get("page", ""))
        return _answer({})

    async def _forget(self, body: Body, http: HTTPRequest) -> Response:
        self._classroom.forget()
        self._texts.stop_forgotten()
        self._new_members = _new_members()
        return _answer({})

    async def comparisons(self, http: HTTPRequest) -> Response:
        """Answers GET /class/comparisons."""
        lines = "".join(votes.comparisons for votes in self._classroom.closed_votes)
        return Response(lines, headers=NO_STORE | download_header("votes-of-the-class.jsonl"), media_type="application/jsonl")

    # Events

    async def _events(self, http: HTTPRequest, wall: bool) -> AsyncGenerator[bytes]:
        """What a page is sent: everything, then what changes."""
        room, changed = self._classroom, asyncio.Event()
        seen: dict[str, bytes] = {}
        texts = SentTexts(room)
        self._streams.add(changed)
        try:
            while not self._over.is_set():
                changed.clear()
                is_admin = self._lock.admits(http)
                news = []
                for topic in TOPICS:
                    if (view := self._view(topic, is_admin)) is not seen.get(topic):
                        seen[topic] = view
                        news.append(view)
                if wall:
                    news += texts.news()
                if news:
                    yield b"".join(news)  # at once: several in a row to somebody who has gone would each be a line in asyncio's log
                await self._pause(WALL_S if wall else PHONE_S)
                while not changed.is_set() and not self._over.is_set():
                    try:
                        await asyncio.wait_for(changed.wait(), QUIET_S)
                    except asyncio.TimeoutError:
                        yield COMMENT
                        if self._lock.admits(http) != is_admin:
                            break
        finally:
            self._streams.discard(changed)

    def _view(self, topic: str, is_admin: bool) -> bytes:
        """The event of a topic: the same bytes for everyone until it changes."""
        version, (made, view) = self._classroom.versions[topic], self._views.get((topic, is_admin), (-1, b""))
        if made != version:
            view = event(topic, topic_json(self._classroom, topic, is_admin))
            self._views[topic, is_admin] = version, view
        return view

    # Files

    def _save_soon(self) -> None:
        if self._saving is None:
            with contextlib.suppress(RuntimeError):  # no event loop: a test of the state alone
                self._saving = asyncio.get_running_loop().create_task(self._save())

    async def _save(self) -> None:
        room = self._classroom
        try:
            await self._pause(SAVE_S)
            while documents := room.unsaved():
                try:
                    await asyncio.to_thread(room.saved.write, documents)
                    await self._pause(SAVE_S)
                except CheckpointError as error:
                    log.warning("The class is not kept: %s", error)
                    room.still_unsaved(documents)
                    if self._over.is_set():
                        return
                    await self._pause(RETRY_S)
        finally:
            self._saving = None


class SentTexts:
    """Which texts of the rounds on the wall a page has been sent."""

    def __init__(self, classroom: Classroom):
        self._classroom = classroom
        self._sent: dict[int, int] = {}  # how many, by round
        self._names = -1  # the version of the names that they were sent with

    def news(self) -> list[bytes]:
        """The events with what is new. All texts are sent again when names have changed."""
        room = self._classroom
        names = room.versions[NAMES]
        if names != self._names:
            self._sent, self._names = {}, names
        found = []
        for round in _on_the_wall(room):
            sent = self._sent.get(round.number, -1)
            if sent < len(round.finished):
                first = max(sent, 0)
                found.append(event(TEXTS, {"round": round.id, "from": first, "texts": texts_json(room, round, first)}))
                self._sent[round.number] = len(round.finished)
        return found


def _on_the_wall(room: Classroom) -> list[Round]:
    """The newest round, and the one that it stands beside."""
    newest = room.newest_round
    return [round for round in (newest, newest and room.rounds.get(newest.beside or 0)) if round]


def topic_json(room: Classroom, topic: str, is_admin: bool) -> Any:
    """The state of a topic, as the admin or as anyone sees it."""
    newest = room.newest_round
    if topic == ROOM:
        return {"class": room.number, "members": len(room.members), "names_shown": room.names_shown, "shut": room.shut, "admin": is_admin}
    if topic == COUNTS:
        return {round.id: [len(round.finished), len(round.writing)] for round in room.rounds.values()}
    if topic == ROUND:
        return newest and round_json(room, newest)
    if topic == ROUNDS:
        return [round_json(room, round) for round in room.rounds.values() if round is not newest]
    if topic == VOTES:
        return room.newest_votes and votes_json(room.newest_votes, is_admin)
    return vars(room.kept) if topic == KEPT else room.lead


def round_json(room: Classroom, round: Round) -> dict[str, Any]:
    """A round without its texts and their numbers."""
    beside = room.rounds.get(round.beside or 0)
    return {
        "id": round.id,
        "number": round.number,
        "prompt": round.prompt,
        **{name: value for name, value in sampling_json(round.params).items() if name in ("seed", *SETTINGS)},
        "model": round.model,
        "model_name": round.model_name,
        "open": round.number == room.open_round,
        "opened": round.opened,
        "beside": beside and beside.id,
    }


def texts_json(room: Classroom, round: Round, first: int = 0) -> list[dict[str, Any]]:
    """The texts of a round in the order in which they came, with names where they are shown."""
    name_of: Callable[[int], str] = room.members.name_of if room.names_shown else lambda _: ""
    return [{"sample": member, "text": round.throws[member], "name": name_of(member)} for member in round.finished[first:]]


def votes_json(votes: Votes, is_admin: bool) -> dict[str, Any]:
    """A round of votes. While a hidden one is open, the admin alone sees the tally."""
    is_secret = votes.hidden and votes.is_open and not is_admin
    return {
        "id": votes.id,
        "number": votes.number,
        "pairs": [pair._asdict() for pair in votes.pairs],
        "open": votes.is_open,
        "hidden": votes.hidden,
        "voters": votes.voters,
        "voted": [a + b for a, b in votes.tally],
        "newcomers": votes.newcomers if is_admin else None,
        "tally": None if is_secret else votes.tally,
        "last_round": votes.last_round,
    }


def _new_members() -> Allowance:
    return Allowance(NEW_MEMBERS_AT_ONCE, NEW_MEMBER_EVERY_S)


def _answer(content: dict[str, Any]) -> Response:
    return JSONResponse(content, headers=NO_STORE)


def _flag(body: Body, name: str) -> bool:
    """
    Raises:
        ParameterError: it is neither true nor false.
    """
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise ParameterError(NO_FLAG.format(name=name), name)
    return value
