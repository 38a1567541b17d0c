"""The class over real HTTP: one stream for each page, texts that are written once, votes, and who may do what."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model.classroom.classroom import SHUT, TOPICS, UNKNOWN_ROUND, Classroom
from model.classroom.saved import Saved
from model.limits import MAX_LEAD_CHARS, NEW_MEMBERS_AT_ONCE
from model.sampling import SamplingParams
from model.serving.engine import Engine
from model.weights import Weights
from tests.support.admin import Admin, wait_for
from tests.support.client import connect, host_and_port, http_request, read_events
from tests.support.routes import serving_routes
from tests.support.server import health
from tests.support.viewing import IDLE, PATIENCE_S, Viewer
from ui.web import classroom

PAIR = {"request": "Insult me.", "a": "Thou art a traitor.", "b": "I thank you."}
SHORT = {"prompt": "ROMEO:", "length": 12}
N_JOIN = 2_000  # of one who joins again and again
ADMINS_ALONE = ("open", "close", "votes/open", "votes/close", "names", "shut", "lead", "forget")


class Events:
    """The stream of a page: `until` reads it as far as an event for which something holds."""

    def __init__(self, url: str, query: str = "", token: str = ""):
        self._http = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
        self._http.request("GET", f"/class/stream{query}", headers={"Authorization": f"Bearer {token}"} if token else {})
        self.answer = self._http.getresponse()
        self.state: dict[str, Any] = {}  # the last of each topic
        self.texts: dict[str, list[dict[str, Any]]] = {}

    def next(self) -> tuple[str, Any]:
        """The next event: its topic and its content."""
        name, content = "", ""
        while line := self.answer.readline().decode().rstrip("\n"):
            field, _, value = line.partition(": ")
            name, content = (value, content) if field == "event" else (name, value)
        if not name:  # a comment
            return self.next()
        told = json.loads(content)
        if name == "texts":
            kept = self.texts.setdefault(told["round"], [])
            kept[told["from"] :] = told["texts"]
        self.state[name] = told
        return name, told

    def until(self, topic: str, holds: Callable[[Any], Any] = lambda _: True) -> Any:
        """Reads on until a topic's event for which this holds."""
        while True:
            name, told = self.next()
            if name == topic and holds(told):
                return told

    def first(self) -> dict[str, Any]:
        """All topics, as they are sent first."""
        return dict(self.next() for _ in TOPICS)

    def close(self) -> None:
        self.answer.close()
        self._http.close()


class Class:
    """An app with a lecturer, and everything that a test opens."""

    def __init__(self, url: str, runs: Path):
        self.url, self.runs = url, runs
        self.admin, self.anyone = Admin.logged_in(url), Admin(url)
        self._streams: list[Events] = []

    def stream(self, query: str = "", token: str = "") -> Events:
        self._streams.append(Events(self.url, query, token))
        return self._streams[-1]

    def join(self, **asked: Any) -> str:
        return self.anyone.do("/class/join", **asked)["member"]

    def open(self, **asked: Any) -> str:
        return self.admin.do("/class/open", **SHORT | asked)["round"]["id"]

    def throw(self, member: str, round: str) -> list[dict[str, Any]]:
        """All lines of a throw."""
        with Viewer(self.url, path="/class/throw") as viewer:
            return [viewer.ask(member=member, round=round), *viewer.rest()]

    def text(self, member: str, round: str) -> str:
        """The text of a throw that succeeds."""
        lines = self.throw(member, round)
        assert lines[-1]["state"] == "done", lines
        return "".join(line["new"] for line in lines)

    def close(self) -> None:
        for stream in self._streams:
            stream.close()


@pytest.fixture(scope="module")
def served(shipped: Weights, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, Engine]]:
    runs = tmp_path_factory.mktemp("class") / "runs"
    engine = Engine(shipped)
    with pytest.MonkeyPatch.context() as patch, serving_routes(engine, runs=runs) as url:
        patch.setattr(classroom, "PHONE_S", 0.05)  # a test need not wait as long as a phone
        yield url, runs, engine


@pytest.fixture
def room(served: tuple[str, Path, Engine]) -> Iterator[Class]:
    made = Class(served[0], served[1])
    made.admin.do("/class/forget")
    yield made
    made.close()


def test_a_page_is_sent_everything_first_and_then_what_changes(room: Class) -> None:
    joined = room.anyone.do("/class/join", name="Ann")
    member = joined["member"]
    stream = room.stream()
    first = stream.first()
    assert first == {
        "room": {"class": joined["class"], "members": 1, "names_shown": False, "shut": False, "admin": False},
        "counts": {},
        "round": None,
        "rounds": [],
        "votes": None,
        "kept": {"votes": 0, "pairs": 0, "agreement": None},
        "lead": None,
    }
    assert stream.answer.headers["Content-Type"].startswith("text/event-stream")
    opened = room.open()
    told = stream.until("round")
    assert (told["id"], told["prompt"], told["length"], told["open"], stream.state["counts"]) == (
        opened,
        "ROMEO:",
        12,
        True,
        {opened: [0, 0]},
    )
    room.text(member, opened)
    stream.until("counts", lambda told: told[opened] == [1, 0])
    late = room.stream()
    assert late.first() == stream.state
    assert "texts" not in stream.state


def test_the_wall_has_every_text_once_whenever_it_comes(room: Class, served: tuple[str, Path, Engine]) -> None:
    before = room.stream("?wall=1")
    members = [room.join() for _ in range(12)]
    opened = room.open()
    with ThreadPoolExecutor(12) as pool:
        texts = [*pool.map(lambda member: room.text(member, opened), members)]
    for stream in (before, room.stream("?wall=1")):
        stream.until("texts", lambda _, stream=stream: len(stream.texts.get(opened, ())) == 12)
        assert sorted(told["text"] for told in stream.texts[opened]) == sorted(texts)
        assert sorted(told["sample"] for told in stream.texts[opened]) == [*range(1, 13)]
    status, told = room.anyone.get(f"/class/rounds/{opened}")
    assert (status, told["thrown"]) == (200, 12)
    assert told["texts"] == before.texts[opened]


def test_a_text_is_the_members_sample_of_the_rounds_seed(room: Class, served: tuple[str, Path, Engine]) -> None:
    room.join()
    member = room.join()
    text = room.text(member, opened := room.open(temperature=1.2, top_k=20))
    told = room.anyone.get(f"/class/rounds/{opened}")[1]
    asked = {name: told[name] for name in ("prompt", "temperature", "length", "top_k", "top_p", "seed", "model")}
    with Viewer(room.url) as viewer:
        assert viewer.write(**asked, first_sample=1 + 1) == [text]
    beside = room.open(temperature=0.0, beside=opened)
    assert room.anyone.get(f"/class/rounds/{beside}")[1]["seed"] == told["seed"]


def test_a_second_throw_gives_the_same_text(room: Class) -> None:
    member, opened = room.join(), room.open()
    text = room.text(member, opened)
    assert room.throw(member, opened) == [{"sample": 1, "state": "done", "new": text}]
    assert room.anyone.do("/class/join", member=member)["texts"] == {opened: {"sample": 1, "text": text}}


def test_a_phone_that_leaves_in_the_middle_finds_its_text(room: Class) -> None:
    member, opened = room.join(), room.open(length=150)
    with Viewer(room.url, path="/class/throw") as viewer:
        viewer.ask(member=member, round=opened)
    wait_for(lambda: room.anyone.get(f"/class/rounds/{opened}")[1]["thrown"])
    (text,) = room.anyone.get(f"/class/rounds/{opened}")[1]["texts"]
    assert len(text["text"]) == 150
    assert room.text(member, opened) == text["text"]


def test_two_phones_of_one_member_read_one_text(room: Class) -> None:
    member, opened = room.join(), room.open(length=80)
    with ThreadPoolExecutor(4) as pool:
        texts = {*pool.map(lambda _: room.text(member, opened), range(4))}
    assert len(texts) == 1
    assert room.anyone.get(f"/class/rounds/{opened}")[1]["thrown"] == 1


def test_names_are_sent_only_while_the_lecturer_shows_them(room: Class) -> None:
    member, opened = room.join(name="  <b>Ann\n"), room.open()
    wall = room.stream("?wall=1")
    room.text(member, opened)
    assert wall.until("texts", lambda told: told["texts"])["texts"][0]["name"] == ""
    assert room.anyone.get(f"/class/rounds/{opened}")[1]["texts"][0]["name"] == ""
    for shown, name in ((True, "<b>Ann"), (False, "")):
        room.admin.do("/class/names", shown=shown)
        told = wall.until("texts")
        assert (told["from"], [text["name"] for text in told["texts"]]) == (0, [name])


def test_a_hidden_tally_is_the_lecturers_alone_until_the_votes_close(room: Class) -> None:
    member = room.join()
    phone, lecturer = room.stream(), room.stream(token=room.admin.token)
    assert lecturer.first()["room"]["admin"] is True
    votes = room.admin.do("/class/votes/open", pairs=[PAIR], hidden=True)["votes"]["id"]
    room.anyone.do("/class/vote", member=member, votes=votes, pair=0, better="a")
    room.anyone.do("/class/vote", member=member, votes=votes, pair=0, better="b")
    lecturer.until("votes", lambda told: told and told["tally"] == [[0, 1]])
    assert phone.until("votes", lambda told: told and told["voters"])["tally"] is None
    status, told = room.anyone.get("/class/comparisons")
    assert (status, "error" in told) == (401, True)
    room.admin.do("/class/votes/close", votes=votes)
    assert phone.until("votes", lambda told: not told["open"])["tally"] == [[0, 1]]
    assert phone.until("kept")["votes"] == 1
    assert room.anyone.post("/class/vote", member=member, votes=votes, pair=0, better="a")[0] == 400
    assert room.admin.get("/class/comparisons")[1] == {"request": PAIR["request"], "better": PAIR["b"], "worse": PAIR["a"]}
    assert room.anyone.do("/class/join", member=member)["votes"] == {votes: ["b"]}


def test_phones_are_told_what_the_lecturer_shows(room: Class) -> None:
    stream = room.stream()
    lead = {"address": "#tab=attention", "title": "Attention", "keys": ["x3fV"]}
    room.admin.do("/class/lead", lead=lead, page="page-1")
    assert stream.until("lead", bool) == lead | {"page": "page-1"}
    room.admin.do("/class/lead", lead=None)
    assert stream.until("lead") is None


@pytest.mark.slow
def test_every_one_of_200_followers_comes_to_what_was_shown_last(room: Class) -> None:
    shown = [f"#tab=attention&head={n}.1" for n in range(12)]

    async def lead() -> list[list[str]]:
        followers = await asyncio.gather(*(connect(room.url, http_request(room.url, "GET", "/class/stream")) for _ in range(200)))
        try:
            for address in shown:
                await asyncio.to_thread(room.admin.do, "/class/lead", lead={"address": address, "title": "Attention"}, page="page-1")
            for follower in followers:
                while shown[-1].encode() not in b"".join(data for _, data in follower.arrivals):
                    assert not follower.ended.done()
                    await asyncio.sleep(0.05)
            events = [read_events(follower.arrivals) for follower in followers]
        finally:
            for follower in followers:
                follower.close()
        return [[told["address"] for _, name, told in each if name == "lead" and told] for each in events]

    with ThreadPoolExecutor(1) as thread:  # this one may have an event loop, of a browser
        all_seen = thread.submit(asyncio.run, lead()).result()
    for seen in all_seen:
        assert seen[-1] == shown[-1]
        assert seen == sorted({*seen}, key=shown.index)  # each once, in order


@pytest.mark.parametrize("path", ADMINS_ALONE)
def test_the_lecturer_alone_acts(room: Class, path: str) -> None:
    member, opened = room.join(), room.open()
    votes = room.admin.do("/class/votes/open", pairs=[PAIR], hidden=True)["votes"]["id"]
    before = room.stream().first()
    for client in (room.anyone, Admin(room.url, "x" * 43), Admin(room.url, member)):
        for asked in (
            {},
            SHORT,
            {"round": opened},
            {"votes": votes},
            {"pairs": [PAIR]},
            {"shown": True},
            {"lead": None},
            {"member": member},
        ):
            status, told = client.post(f"/class/{path}", **asked)
            assert (status, told["error"]) == (401, "Unlock the Train tab first.")
    assert room.stream().first() == before


@pytest.mark.parametrize(
    ("path", "asked", "status", "words", "setting"),
    [
        ("join", {"name": "x" * 10_000}, 400, "A name may have at most 24 characters, not 10,000.", "name"),
        ("join", {"name": 7}, 400, "The name must be a text.", "name"),
        ("join", {"number": 1}, 400, "There is no setting 'number'.", ""),
        ("throw", {"round": "r1"}, 400, "Join the class first.", "member"),
        ("throw", {"member": "x", "round": "r1"}, 400, "Join the class first.", "member"),
        ("vote", {"member": None, "votes": "v1", "pair": 0, "better": "a"}, 400, "Join the class first.", "member"),
    ],
)
def test_what_a_phone_cannot_mean_is_refused(room: Class, path: str, asked: dict[str, Any], status: int, words: str, setting: str) -> None:
    assert room.anyone.post(f"/class/{path}", **asked) == (status, {"error": words} | ({"setting": setting} if setting else {}))


@pytest.mark.parametrize(
    ("path", "asked", "status", "words"),
    [
        ("open", {"prompt": "x", "length": 501}, 400, "The length of a round's texts must be between 1 and 500, not 501."),
        ("open", {"prompt": 7}, 400, "The prompt must be"),
        ("open", {"prompt": "x", "temperature": 9}, 400, "temperature must be between 0 and 2, not 9.0."),
        ("open", {"prompt": "x", "model": "nobody"}, 404, ""),
        ("open", {"prompt": "x", "beside": "r99"}, 404, "There is no such round any more."),
        ("open", {"prompt": "x" * 10_001}, 400, "10,001"),
        ("close", {"round": "r99"}, 404, "There is no such round any more."),
        ("votes/open", {"pairs": []}, 400, "A round of votes has 1 to 10 pairs."),
        ("votes/open", {"pairs": [PAIR], "hidden": 1}, 400, "hidden must be true or false."),
        ("votes/open", {"pairs": [PAIR | {"a": "x\n\ny"}]}, 400, "Answer A of pair 1 begins or ends with a newline or has an empty line"),
        ("votes/close", {"votes": "v99"}, 404, "There is no such round of votes any more."),
        ("votes/open", {"pairs": [PAIR | {"a": "x\ud800"}]}, 400, "Answer A of pair 1 has half of a character"),
        ("names", {"shown": "yes"}, 400, "shown must be true or false."),
        ("shut", {"shut": 1}, 400, "shut must be true or false."),
        ("lead", {"lead": {"address": "#\ud800"}}, 400, "The address of the lead has half of a character."),
        ("lead", {"lead": {"address": "#" + "x" * MAX_LEAD_CHARS}}, 400, "The address of the lead may have at most 8,000 characters."),
    ],
)
def test_what_the_lecturer_cannot_mean_is_refused(room: Class, path: str, asked: dict[str, Any], status: int, words: str) -> None:
    told = room.admin.post(f"/class/{path}", **asked)
    assert told[0] == status
    assert words in told[1]["error"]


def test_a_closed_round_refuses_throws_in_words(room: Class) -> None:
    member, opened = room.join(), room.open()
    room.admin.do("/class/close", round=opened)
    assert room.anyone.post("/class/throw", member=member, round=opened) == (400, {"error": "This round is closed. Wait for the next one."})
    assert room.anyone.post("/class/throw", member=member, round="r99")[0] == 404


def test_a_prompt_is_read_in_the_models_vocabulary(room: Class) -> None:
    told = room.admin.do("/class/open", prompt="“Röméo” 7:", length=5)
    assert "Romeo" in told["round"]["prompt"]
    assert "7" not in told["round"]["prompt"]
    assert "Left out, because the model does not know them" in told["notice"]


def test_the_class_is_in_files_soon_after_each_change(room: Class) -> None:
    member, opened = room.join(name="Ann"), room.open()
    text = room.text(member, opened)

    def saved() -> bool:
        found = Classroom(Saved(room.runs.with_name("runs-class"))).rounds
        return any(text in round.throws.values() for round in found.values())

    wait_for(saved)


def test_thousands_who_join_keep_nobody_out(room: Class) -> None:
    member, opened = room.join(), room.open()
    text = room.text(member, opened)
    request = b"POST /class/join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection(host_and_port(room.url), timeout=PATIENCE_S) as connection, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(connection.sendall, request * N_JOIN)
        answers = b""
        while answers.count(b"HTTP/1.1 ") < N_JOIN:
            answers += connection.recv(2**20)
        sending.result()
    joined, refused = answers.count(b"HTTP/1.1 200 "), answers.count(b"HTTP/1.1 503 ")
    assert joined + refused == N_JOIN
    assert NEW_MEMBERS_AT_ONCE - 1 <= joined < NEW_MEMBERS_AT_ONCE + 200  # one more now and then; the rest are refused
    assert room.text(member, opened) == text
    status, told = room.anyone.post("/class/join")
    assert (status, told) == (503, {"error": classroom.CROWDED}) or status == 200
    assert room.anyone.do("/class/join", member=member, name="Ann")["number"] == 1
    room.admin.do("/class/forget")
    assert len(room.text(room.join(), room.open())) == 12


def test_nobody_new_joins_while_the_lecturer_keeps_the_class_shut(room: Class) -> None:
    member, opened = room.join(), room.open()
    phone = room.stream()
    assert phone.first()["room"]["shut"] is False
    room.admin.do("/class/shut", shut=True)
    assert phone.until("room")["shut"] is True
    assert room.anyone.post("/class/join") == (400, {"error": SHUT, "setting": "shut"})
    assert room.anyone.post("/class/join", member="x" * 24) == (400, {"error": SHUT, "setting": "shut"})
    assert room.anyone.do("/class/join", member=member)["number"] == 1
    assert len(room.text(member, opened)) == 12
    room.admin.do("/class/shut", shut=False)
    assert phone.until("room")["shut"] is False
    assert room.anyone.do("/class/join")["number"] == 2


def test_phones_are_told_that_a_new_class_has_begun(room: Class) -> None:
    before, phone = room.anyone.do("/class/join", name="Ann"), room.stream()
    phone.first()
    room.admin.do("/class/forget")
    told = phone.until("room")
    assert (told["class"], told["members"]) == (before["class"] + 1, 0)
    after = room.anyone.do("/class/join", member=before["member"])
    assert (after["class"], after["number"], after["name"]) == (told["class"], 1, "")


def test_voters_have_voted_on_every_pair(room: Class) -> None:
    opened, members = room.open(), [room.join() for _ in range(3)]
    votes = room.admin.do("/class/votes/open", pairs=[PAIR, PAIR], hidden=True)["votes"]["id"]
    for member, pairs in zip(members, [(0,), (0, 1), (1, 0)], strict=True):
        for pair in pairs:
            room.anyone.do("/class/vote", member=member, votes=votes, pair=pair, better="a")
    told = room.stream().first()["votes"]
    assert (told["voters"], told["voted"], told["tally"], told["last_round"]) == (2, [3, 2], None, None)
    room.admin.do("/class/votes/close", votes=votes)
    told = room.stream().first()["votes"]
    assert (told["tally"], told["last_round"]) == ([[3, 0], [2, 0]], int(opened[1:]))


def test_the_lecturer_is_told_how_many_voters_joined_after_the_votes_opened(room: Class) -> None:
    early = room.join()
    votes = room.admin.do("/class/votes/open", pairs=[PAIR], hidden=False)["votes"]["id"]
    for member in (early, room.join(), room.join()):
        room.anyone.do("/class/vote", member=member, votes=votes, pair=0, better="a")
    lecturer, phone = (room.stream(token=token).first()["votes"] for token in (room.admin.token, ""))
    assert (lecturer["voters"], lecturer["newcomers"]) == (3, 2)
    assert (phone["voters"], phone["newcomers"]) == (3, None)


def test_a_prompt_is_sent_once_however_many_texts_come(room: Class) -> None:
    opened = room.open(prompt="ROMEO:" + "x" * 9_000, length=5)
    phone = room.stream()
    phone.first()
    topics = []
    for n in range(1, 4):
        room.text(room.join(), opened)
        while phone.state["counts"] != {opened: [n, 0]}:
            topics.append(phone.next()[0])
    assert {*topics} == {"room", "counts"}


def test_a_new_class_stops_the_texts_of_the_one_before(room: Class) -> None:
    members, opened = [room.join() for _ in range(20)], room.open(length=500)
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(Viewer(room.url, path="/class/throw")) for _ in members]
        for viewer, member in zip(viewers, members, strict=True):
            viewer.ask(member=member, round=opened)
        room.admin.do("/class/forget")
        lasts = [viewer.rest()[-1] for viewer in viewers]
    assert {(last["state"], last["error"]) for last in lasts} == {("failed", UNKNOWN_ROUND)}
    wait_for(lambda: health(room.url) == IDLE)


@pytest.mark.parametrize("path", ["open", "close", "votes/open", "votes/close", "names", "lead", "join", "throw", "vote"])
def test_half_of_a_character_is_no_fault(room: Class, path: str) -> None:
    member, half = room.join(), "x\ud83d"
    votes = room.admin.do("/class/votes/open", pairs=[PAIR], hidden=True)["votes"]["id"]
    bodies: list[dict[str, Any]] = [
        {name: half}
        for name in ("prompt", "model", "beside", "temperature", "round", "pairs", "votes", "shown", "lead", "name", "member", "page", half)
    ]
    bodies += [{"pairs": [PAIR | {name: half}]} for name in PAIR] + [
        {"pairs": [{half: half}]},
        {"prompt": "x", "model": half},
        {"prompt": "x", "beside": half},
        {"member": member, "round": half},
    ]
    bodies += [
        {"member": member, "votes": half, "pair": 0, "better": "a"},
        {"member": member, "votes": votes, "pair": half, "better": half},
    ]
    bodies += [{"lead": {"address": f"#{half}"}}, {"lead": {"address": "#", "title": half}}, {"lead": {"address": "#", "keys": [half]}}]
    bodies += [{"lead": None, "page": half}, {"lead": {"address": "#"}, "page": half}]
    for body in bodies:
        status, told = room.admin.post(f"/class/{path}", **body)
        assert status in (200, 400, 404), (body, told)
    room.stream().first()


def test_texts_under_way_at_a_restart_are_written_without_their_phones(tiny: Weights, tmp_path: Path) -> None:
    runs, before = tmp_path / "runs", Classroom(Saved(tmp_path / "runs-class"))
    params = SamplingParams(max_new_chars=30, seed=7)
    gone, kept = before.open("ROMEO:", params, "nobody", "gone"), before.open("ROMEO:", params, tiny.key, tiny.name)
    member, token = before.join(None)
    for round in (gone, kept):
        before.open_round = round.number
        before.begin(before.throw(member, round.id), member.number)
    before.saved.write(before.unsaved())
    with serving_routes(Engine(tiny), runs=runs) as url:
        stream = Events(url)
        stream.until("counts", lambda counts: counts == {gone.id: [0, 0], kept.id: [1, 0]})  # what failed is not under way
        stream.close()
        (text,) = Admin(url).get(f"/class/rounds/{kept.id}")[1]["texts"]
        with Viewer(url) as viewer:
            assert viewer.write(prompt="ROMEO:", length=30, seed=7, first_sample=member.number, temperature=params.temperature) == [
                text["text"]
            ]
        with Viewer(url, path="/class/throw") as phone:
            assert phone.ask(member=token, round=gone.id)["state"] == "waiting"
            assert phone.rest()[-1]["state"] == "failed"


def test_what_changed_last_is_saved_when_the_app_stops(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classroom, "SAVE_S", 600.0)
    with serving_routes(Engine(tiny), runs=tmp_path / "runs") as url:
        Admin(url).do("/class/join", name="Ann")
        assert not (tmp_path / "runs-class").exists()
    assert Classroom(Saved(tmp_path / "runs-class")).members.name_of(1) == "Ann"


def test_a_phone_that_never_reads_holds_up_nobody(room: Class) -> None:
    member, opened = room.join(), room.open(length=150)
    with Viewer(room.url, receive_buffer=1, path="/class/throw") as deaf, Viewer(room.url, receive_buffer=1, path="/class/throw") as other:
        deaf.send(member=member, round=opened)
        other.send(member=room.join(), round=opened)
        assert len(room.text(room.join(), opened)) == 150
    wait_for(lambda: room.anyone.get(f"/class/rounds/{opened}")[1]["thrown"] == 3)
