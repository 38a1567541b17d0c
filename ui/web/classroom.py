r"""The class: a wall that everybody writes on, votes, and what the lecturer shows.

    GET /class/stream[?wall=1]

Server-sent events, for as long as the client reads them. Each carries the whole state of its topic, first all of them, then those that
change. "?wall=1" adds the texts. Sent with an admin's session, it has what only the lecturer may see.

    room     {"members": 23, "names_shown": false, "admin": true, "boot": "k3"}; boot differs each time the app starts
    round    null, or the newest: {"id": "r3", "number": 3, "prompt": "ROMEO:", "temperature": 0.8, "length": 120, "top_k": 0, "top_p": 1.0,
             "seed": 7, "model": "e63aab5d", "model_name": "Shakespeare", "open": true, "writing": 5, "thrown": 23, "beside": null}
    rounds   the earlier ones
    texts    {"round": "r3", "from": 0, "texts": [{"sample": 17, "text": "...", "name": ""}]}: of the newest round and the one beside it,
             those from number "from" on, in the order in which they came
    votes    null, or the newest: {"id": "v1", "number": 1, "pairs": [{"request": "...", "a": "...", "b": "..."}], "open": true,
             "hidden": true, "voters": 12, "tally": [[3, 9]]}; tally is null for phones while the votes are open and hidden
    kept     {"votes": 120, "pairs": 10, "agreement": 0.81}: what all closed votes have given
    lead     null, or {"address": "#tab=...", "title": "...", "keys": ["x3fV..."], "page": "..."}: what the lecturer's page shows

A phone joins once, and keeps its token:

    POST /class/join     {"member": "...", "name": "Ann"}         {"member": "...", "number": 17, "name": "Ann",
                         "texts": {"r3": {"sample": 17, "text": "..."}}, "votes": {"v1": ["a", null]}}; both fields are optional
    POST /class/throw    {"member": "...", "round": "r3"}         its text, line by line: {"sample": 17, "state": "running", "new": "I ha"};
                         the last state is done or failed (with "error"). It is written once, whether the phone stays or not
    POST /class/vote     {"member": "...", "votes": "v1", "pair": 0, "better": "a"}     {}
    GET  /class/rounds/{round}                                    a round with its texts

Sample k of a round is the text of sample k of its seed: member k's. The admin alone:

    POST /class/open     {"prompt": "ROMEO:", "temperature": 0.8, "length": 120, "top_k": 0, "top_p": 1, "model": null, "beside": "r2"}
                         {"round": {...}, "notice": ""}; "beside" gives it the dice of that round
    POST /class/close    {"round": "r3"}
    POST /class/votes/open    {"pairs": [...], "hidden": true}    {"votes": {...}}
    POST /class/votes/close   {"votes": "v1"}
    POST /class/names    {"shown": true}
    POST /class/lead     {"lead": {"address": "#tab=attention", "title": "Attention", "keys": []}, "page": "..."}; a lead of null ends it
    POST /class/forget   {}                                       begins a new class
    GET  /class/comparisons                                       the closed votes as a reward model learns from them (JSON Lines)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.assistant.pairs import is_text
from model.classroom.classroom import KEPT, NAMES, ROOM, ROUND, ROUNDS, TEXTS, TOPICS, VOTES, Classroom
from model.classroom.members import Member
from model.classroom.rounds import Round
from model.classroom.votes import Votes, read_pairs
from model.config import check_prompt
from model.errors import WENT_WRONG, CheckpointError, ParameterError, SoliloquyError
from model.limits import MAX_CLIENT_WAITING
from model.sampling import SamplingParams
from model.serving.engine import Engine
from model.serving.request import DONE, FAILED, RUNNING, WAITING, Progress, Request
from model.serving.viewer import Viewer
from model.weights import Weights
from ui.web.admin import Lock
from ui.web.fields import left_out_notice, read_model_key, read_params
from ui.web.http import NO_STORE, Body, download_header, takes_json
from ui.web.loading import load, start
from ui.web.progress import sampling_json
from ui.web.stream import COMMENT, HEARTBEAT_S, LOOK_S, EventStream, LineStream, event

log = logging.getLogger(__name__)

WALL_S, PHONE_S = 0.25, 1.0  # between two events of a stream: a class has one wall and hundreds of phones
QUIET_S = 15.0  # after which a comment is sent
SAVE_S = 0.2  # changes that are written together
RETRY_S = 10.0  # after a failure to write them
SETTINGS = ("temperature", "length", "top_k", "top_p")
CLIENT = "class"  # whom the texts are written for, as the engine counts them

NO_FLAG = "{name} must be true or false."
NO_TEXT = "{what} of pair {number} begins or ends with a newline or has an empty line, which is the stop sign. Remove it."
STOPPED = "The text was stopped. Throw again."


class ClassRoutes:
    """The handlers. For the event loop's thread."""

    def __init__(self, engine: Engine, classroom: Classroom, lock: Lock):
        self._engine, self._classroom, self._lock = engine, classroom, lock
        self._writing: dict[tuple[int, int], Writing] = {}
        self._turns = asyncio.Semaphore(MAX_CLIENT_WAITING)  # texts that wait in the engine; the others wait here
        self._saving: asyncio.Task[None] | None = None
        self._views: dict[tuple[str, bool], tuple[int, bytes]] = {}  # the last event of each topic, and its version
        classroom.listen(self._save_soon)
        self.join = takes_json({"member", "name"}, self._join)
        self.throw = takes_json({"member", "round"}, self._throw)
        self.vote = takes_json({"member", "votes", "pair", "better"}, self._vote)
        self.open = takes_json({"prompt", "model", "beside", *SETTINGS}, self._open)
        self.close = takes_json({"round"}, self._close)
        self.open_votes = takes_json({"pairs", "hidden"}, self._open_votes)
        self.close_votes = takes_json({"votes"}, self._close_votes)
        self.names = takes_json({"shown"}, self._names)
        self.lead = takes_json({"lead", "page"}, self._lead)
        self.forget = takes_json((), self._forget)

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
        return _answer(round_json(self._classroom, round) | {"texts": texts_json(self._classroom, round)})

    async def _join(self, body: Body, http: HTTPRequest) -> Response:
        room = self._classroom
        member, token = room.join(body.get("member"), body.get("name"))
        texts = {
            each.id: {"sample": member.number, "text": text} for each in room.rounds.values() if (text := each.throws.get(member.number))
        }
        ballots = {each.id: each.ballots[member.number] for each in room.votes.values() if member.number in each.ballots}
        return _answer({"member": token, "number": member.number, "name": member.name, "texts": texts, "votes": ballots})

    async def _throw(self, body: Body, http: HTTPRequest) -> Response:
        member = self._classroom.member(body.get("member"))
        round = self._classroom.throw(member, body.get("round"))
        return LineStream(self._text_of(round, member), lambda: None)

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

    async def _lead(self, body: Body, http: HTTPRequest) -> Response:
        self._classroom.follow(body.get("lead"), body.get("page", ""))
        return _answer({})

    async def _forget(self, body: Body, http: HTTPRequest) -> Response:
        self._classroom.forget()
        return _answer({})

    async def comparisons(self, http: HTTPRequest) -> Response:
        """Answers GET /class/comparisons."""
        lines = "".join(votes.comparisons for votes in self._classroom.closed_votes)
        return Response(lines, headers=NO_STORE | download_header("votes-of-the-class.jsonl"), media_type="application/jsonl")

    # Texts

    async def _text_of(self, round: Round, member: Member) -> AsyncGenerator[dict[str, Any]]:
        """A member's text while it is written, or as it was written."""
        sample = {"sample": member.number}
        if text := round.throws.get(member.number):
            yield sample | {"state": DONE, "new": text}
            return
        key = round.number, member.number
        writing = self._writing.get(key) or self._begin(round, member)
        sent = 0
        while True:
            is_over = writing.over.is_set()
            new = writing.text[sent:]
            sent += len(new)
            if is_over:
                yield sample | writing.last | {"new": new}
                return
            yield sample | {"state": RUNNING if sent else WAITING, "new": new}
            await writing.pause()

    def _begin(self, round: Round, member: Member) -> Writing:
        writing = self._writing[round.number, member.number] = Writing()
        writing.task = asyncio.ensure_future(self._write(writing, round, member))
        return writing

    async def _write(self, writing: Writing, round: Round, member: Member) -> None:
        """Writes a member's text to its end, whether its phone stays or not."""

        def begin(weights: Weights) -> Request:
            settings = vars(round.params) | {"samples": 1, "first_sample": member.number}
            viewer = Viewer(CLIENT, str(member.number))
            return self._engine.submit(round.prompt, SamplingParams(**settings), viewer, remember=False, model=weights.key)

        writing.last = {"state": FAILED, "error": WENT_WRONG}
        try:
            async with self._turns:
                await writing.follow(await start(self._engine, round.model, begin))
            progress = await writing.whole()
            if progress.state == DONE:
                writing.last = {"state": DONE}
                self._classroom.finish(round, member, progress.texts[0])
            else:
                writing.last = {"state": FAILED, "error": progress.error or STOPPED}
        except SoliloquyError as error:
            writing.last = {"state": FAILED, "error": str(error)}
        except Exception:
            log.exception("A text of the class could not be written")
        finally:
            del self._writing[round.number, member.number]
            writing.end()

    # Events

    async def _events(self, http: HTTPRequest, wall: bool) -> AsyncGenerator[bytes]:
        """What a page is sent: everything, then what changes."""
        room, changed = self._classroom, asyncio.Event()
        seen: dict[str, bytes] = {}
        texts = SentTexts(room)
        room.listen(changed.set)
        try:
            while True:
                changed.clear()
                is_admin = self._lock.admits(http)
                for topic in TOPICS:
                    if (view := self._view(topic, is_admin)) is not seen.get(topic):
                        seen[topic] = view
                        yield view
                if wall:
                    for news in texts.news():
                        yield news
                await asyncio.sleep(WALL_S if wall else PHONE_S)
                while not changed.is_set():
                    try:
                        await asyncio.wait_for(changed.wait(), QUIET_S)
                    except asyncio.TimeoutError:
                        yield COMMENT
                        if self._lock.admits(http) != is_admin:
                            break
        finally:
            room.unlisten(changed.set)

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
            await asyncio.sleep(SAVE_S)
            while documents := room.unsaved():
                try:
                    await asyncio.to_thread(room.saved.write, documents)
                    await asyncio.sleep(SAVE_S)
                except CheckpointError as error:
                    log.warning("The class is not kept: %s", error)
                    room.still_unsaved(documents)
                    await asyncio.sleep(RETRY_S)
        finally:
            self._saving = None


class Writing:
    """A text under way.

    Attributes:
        last: the last line that is sent of it, apart from its text.
        begun, over: set when it has its first character, and when nothing more comes.
    """

    def __init__(self) -> None:
        self.begun, self.over, self._rung = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.last: dict[str, Any] = {}
        self.task: asyncio.Future[None] | None = None
        self._request: Request | None = None

    @property
    def progress(self) -> Progress | None:
        """Of the request that writes it; None while it waits for its turn."""
        return self._request.progress() if self._request else None

    @property
    def text(self) -> str:
        """As far as it is written."""
        return progress.texts[0] if (progress := self.progress) else ""

    async def follow(self, request: Request) -> None:
        """Waits for the first character of the request that writes it, or for its end."""
        self._request, loop = request, asyncio.get_running_loop()
        request.listen(lambda: loop.call_soon_threadsafe(self._rung.set))
        await self._rung.wait()
        self.begun.set()

    async def whole(self) -> Progress:
        """Waits for its end."""
        assert self._request
        while not self._request.finished:
            self._rung.clear()
            await self._rung.wait()
        self._request.forget()
        return self._request.progress()

    def end(self) -> None:
        """Nothing more comes."""
        self.begun.set()
        self.over.set()

    async def pause(self) -> None:
        """Waits until it is time to look again: for the first character, then for more."""
        waiting, seconds = (self.over, LOOK_S) if self.begun.is_set() else (self.begun, HEARTBEAT_S)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(waiting.wait(), seconds)


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
        return {"members": len(room.members), "names_shown": room.names_shown, "admin": is_admin, "boot": room.boot}
    if topic == ROUND:
        return newest and round_json(room, newest)
    if topic == ROUNDS:
        return [round_json(room, round) for round in room.rounds.values() if round is not newest]
    if topic == VOTES:
        return room.newest_votes and votes_json(room.newest_votes, is_admin)
    return vars(room.kept) if topic == KEPT else room.lead


def round_json(room: Classroom, round: Round) -> dict[str, Any]:
    """A round without its texts."""
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
        "writing": len(round.throws) - len(round.finished),
        "thrown": len(round.finished),
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
        "voters": len(votes.ballots),
        "tally": None if is_secret else votes.tally,
    }


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
