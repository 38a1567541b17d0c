"""The state of a class: who takes part, rounds, votes, what the lecturer shows, and the files that keep it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.classroom.classroom import CLASS, COUNTS, LEAD, NAMES, ROOM, ROUND, VOTES, Classroom
from model.classroom.members import Members
from model.classroom.saved import Saved
from model.classroom.votes import Pair, kept, read_pairs
from model.errors import BusyError, CheckpointError, NotFoundError, ParameterError
from model.limits import (
    MAX_ANSWER_CHARS,
    MAX_LEAD_CHARS,
    MAX_LEAD_KEY_CHARS,
    MAX_LEAD_KEYS,
    MAX_LEAD_TITLE_CHARS,
    MAX_MEMBER_NAME_CHARS,
    MAX_MEMBERS,
    MAX_REQUEST_CHARS,
    MAX_ROUND_CHARS,
    MAX_ROUNDS,
    MAX_THROWS,
    MAX_VOTE_PAIRS,
    MAX_VOTES,
)
from model.sampling import SamplingParams

PAIR = Pair("Insult me.", "Thou art a traitor.", "I thank you.")
SHORT = SamplingParams(max_new_chars=20, seed=7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs-class"


@pytest.fixture
def room(folder: Path) -> Classroom:
    return Classroom(Saved(folder))


def again(room: Classroom) -> Classroom:
    """The class after a restart."""
    room.saved.write(room.unsaved())
    return Classroom(room.saved)


def with_texts(room: Classroom, n: int, **names: str) -> list[str]:
    """Opens a round in which n members throw; returns their tokens."""
    round = room.open("ROMEO:", SHORT, "e63aab5d", "shakespeare")
    tokens = []
    for _ in range(n):
        member, token = room.join(None)
        room.finish(room.throw(member, round.id), member.number, f"text of {member.number}")
        tokens.append(token)
    return tokens


def test_a_phone_joins_once(room: Classroom) -> None:
    member, token = room.join(None, "Ann")
    assert (member.number, member.name) == (1, "Ann")
    assert room.join(token) == (member, token)
    assert room.join(token, "Bea")[0].name == "Bea"
    assert [room.join(other)[0].number for other in ("", None, token + "x", 7, [token])] == [2, 3, 4, 5, 6]
    assert len(room.members) == 6


@pytest.mark.parametrize(
    ("typed", "name"),
    [("  Ann\n\t Lee ", "Ann Lee"), ("", ""), ("\x00\x07\u202e", ""), ("<b>&amp;", "<b>&amp;"), ("é" * MAX_MEMBER_NAME_CHARS, "é" * 24)],
)
def test_a_name_is_one_line_without_what_cannot_be_seen(room: Classroom, typed: str, name: str) -> None:
    assert room.join(None, typed)[0].name == name


@pytest.mark.parametrize("name", ["x" * (MAX_MEMBER_NAME_CHARS + 1), "x" * 10_000, 7, ["Ann"], {"name": "Ann"}])
def test_a_name_that_is_none_is_refused_and_nobody_joins(room: Classroom, name: object) -> None:
    with pytest.raises(ParameterError):
        room.join(None, name)
    assert len(room.members) == 0


def test_of_thousands_who_join_those_stay_who_took_part(room: Classroom) -> None:
    (token,) = with_texts(room, 1)
    for _ in range(5_000):
        room.join(None)
    assert len(room.members) == MAX_MEMBERS
    assert room.member(token).number == 1
    assert room.join(None)[0].number == 5_002


def test_a_class_in_which_all_took_part_takes_nobody_more() -> None:
    members = Members()
    for _ in range(MAX_MEMBERS):
        members.add()[0].took_part = True
    with pytest.raises(BusyError, match=r"The class is full: 2,000 phones have taken part\."):
        members.add()


def test_a_member_throws_once_a_round(room: Classroom) -> None:
    round = room.open("ROMEO:", SHORT, "e63aab5d", "shakespeare")
    (ann, _), (bea, _) = room.join(None), room.join(None)
    assert room.throw(ann, round.id) is room.throw(ann, round.id) is round
    room.throw(bea, round.id)
    room.finish(round, bea.number, "second")
    room.finish(round, ann.number, "first")
    room.finish(round, ann.number, "another")
    assert (round.throws, round.finished) == ({1: "first", 2: "second"}, [2, 1])


def test_only_texts_that_are_being_written_are_under_way(room: Classroom) -> None:
    round = room.open("ROMEO:", SHORT, "e63aab5d", "shakespeare")
    members = [room.join(None)[0] for _ in range(3)]
    for member in members:
        room.begin(room.throw(member, round.id), member.number)
    before = room.versions[ROUND]
    room.finish(round, 1, "written")
    room.finish(round, 2, None)
    assert (round.finished, round.writing, round.unwritten) == ([1], {3}, [2, 3])
    assert (room.versions[ROUND], room.versions[COUNTS]) == (before, 6)  # the prompt is not sent again
    later = again(room).rounds[1]
    assert (later.writing, later.unwritten) == (set(), [2, 3])


def test_nobody_new_joins_a_class_that_is_shut(room: Classroom) -> None:
    member, token = room.join(None)
    room.shut_out(True)
    with pytest.raises(ParameterError, match="No new members"):
        room.join("x")
    assert room.join(token, "Ann") == (member, token)
    later = again(room)
    assert (later.shut, later.is_new(token), later.is_new("x")) == (True, False, True)
    later.forget()
    assert later.join("x")[0].number == 1


def test_a_closed_round_takes_no_throw_and_ends_those_that_began(room: Classroom) -> None:
    round = room.open("ROMEO:", SHORT, "e63aab5d", "shakespeare")
    (ann, _), (bea, _) = room.join(None), room.join(None)
    room.throw(ann, round.id)
    room.close_round(round.id)
    with pytest.raises(ParameterError, match="This round is closed"):
        room.throw(bea, round.id)
    room.finish(room.throw(ann, round.id), ann.number, "written")
    assert round.throws == {1: "written"}
    with pytest.raises(NotFoundError, match="There is no such round"):
        room.throw(ann, "r99")


def test_another_round_takes_the_place_of_the_open_one(room: Classroom) -> None:
    first = room.open("ROMEO:", SHORT, "e63aab5d", "shakespeare")
    second = room.open("ROMEO:", SamplingParams(max_new_chars=20, seed=8, temperature=1.5), "e63aab5d", "shakespeare", first.id)
    assert (second.beside, second.params.seed, second.params.temperature) == (first.number, 7, 1.5)  # the same dice
    with pytest.raises(ParameterError):
        room.throw(room.join(None)[0], first.id)
    assert room.newest_round is second


def test_rounds_texts_and_their_length_are_bounded(room: Classroom) -> None:
    with pytest.raises(ParameterError, match="between 1 and 500, not 501"):
        room.open("", SamplingParams(max_new_chars=MAX_ROUND_CHARS + 1), "e63aab5d", "shakespeare")
    round = room.open("", SHORT, "e63aab5d", "shakespeare")
    round.throws.update(dict.fromkeys(range(-MAX_THROWS, 0)))
    with pytest.raises(BusyError, match="1,000 texts have been thrown"):
        room.throw(room.join(None)[0], round.id)
    for _ in range(MAX_ROUNDS):
        room.open("", SHORT, "e63aab5d", "shakespeare")
    assert [*room.rounds] == [*range(2, MAX_ROUNDS + 2)]


def test_a_text_of_a_round_that_is_gone_is_dropped(room: Classroom) -> None:
    round = room.open("ROMEO:", SHORT, "e63aab5d", "shakespeare")
    ann, _ = room.join(None)
    room.throw(ann, round.id)
    room.forget()
    room.finish(round, ann.number, "late")
    assert not room.rounds
    assert round.throws == {1: None}


def test_a_vote_can_be_changed_until_the_votes_close(room: Classroom) -> None:
    votes = room.open_votes((PAIR, PAIR), hidden=True)
    (ann, _), (bea, _) = room.join(None), room.join(None)
    room.vote(ann, votes.id, 0, "a")
    room.vote(ann, votes.id, 0, "b")
    room.vote(bea, votes.id, 0, "a")
    room.vote(bea, votes.id, 1, "a")
    assert votes.tally == [(1, 1), (1, 0)]
    room.close_votes(votes.id)
    with pytest.raises(ParameterError, match="These votes are closed"):
        room.vote(ann, votes.id, 0, "a")
    assert votes.tally == [(1, 1), (1, 0)]


@pytest.mark.parametrize(
    ("pair", "better"), [(2, "a"), (-1, "a"), (True, "a"), (0.0, "a"), ("0", "a"), (None, "a"), (0, "c"), (0, "A"), (0, None), (0, ["a"])]
)
def test_a_vote_that_cannot_be_meant_is_refused(room: Classroom, pair: object, better: object) -> None:
    votes = room.open_votes((PAIR, PAIR), hidden=False)
    with pytest.raises(ParameterError):
        room.vote(room.join(None)[0], votes.id, pair, better)
    assert votes.tally == [(0, 0), (0, 0)]


def test_closed_votes_are_comparisons_with_their_agreement(room: Classroom) -> None:
    votes = room.open_votes((PAIR,), hidden=False)
    for better in "aab":
        room.vote(room.join(None)[0], votes.id, 0, better)
    assert kept([]).agreement is room.kept.agreement is None
    room.open_votes((PAIR,), hidden=False)  # closes the one before
    assert vars(room.kept) == {"votes": 3, "pairs": 1, "agreement": pytest.approx(2 / 3)}
    lines = [json.loads(line) for line in votes.comparisons.splitlines()]
    assert [line["better"] for line in lines] == [PAIR.a, PAIR.a, PAIR.b]
    assert all({line["better"], line["worse"]} == {PAIR.a, PAIR.b} and line["request"] == PAIR.request for line in lines)
    for _ in range(MAX_VOTES):
        room.open_votes((PAIR,), hidden=False)
    assert len(room.votes) == MAX_VOTES


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (None, "A round of votes has 1 to 10 pairs"),
        ([], "A round of votes has 1 to 10 pairs"),
        ([PAIR._asdict()] * (MAX_VOTE_PAIRS + 1), "A round of votes has 1 to 10 pairs"),
        (["x"], "Pair 1 must have a request"),
        ([{"request": "x", "a": "y"}], "Pair 1 must have a request"),
        ([PAIR._asdict(), PAIR._asdict() | {"a": " "}], "Answer A of pair 2 is empty"),
        ([PAIR._asdict() | {"b": 7}], "Answer B of pair 1 is empty"),
        ([PAIR._asdict() | {"request": "x" * (MAX_REQUEST_CHARS + 1)}], "The request of pair 1 has 151 characters"),
        ([PAIR._asdict() | {"a": "x" * (MAX_ANSWER_CHARS + 1)}], "Answer A of pair 1 has 501 characters"),
        ([PAIR._asdict() | {"a": PAIR.b}], "Both answers of pair 1 are the same"),
    ],
)
def test_pairs_that_cannot_be_voted_on_are_refused(pairs: object, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        read_pairs(pairs)


LEADING = {"address": "#tab=attention&head=2.3", "title": "Attention", "keys": ["x3fV"]}


@pytest.mark.parametrize(("address", "title", "page"), [("#\ud800", "x", "x"), ("#", "x", "\ud800"), ("#", "x\ud83d", "x")])
def test_what_is_shown_has_whole_characters(room: Classroom, address: str, title: str, page: str) -> None:
    with contextlib.suppress(ParameterError):
        room.follow({"address": address, "title": title}, page)
    assert not room.lead or room.lead["title"] == "x?"
    assert again(room).lead == room.lead


def test_the_lecturers_page_leads_until_it_ends(room: Classroom) -> None:
    room.follow(LEADING, "page-1")
    assert room.lead == LEADING | {"page": "page-1"}
    room.follow(None)
    assert room.lead is None


@pytest.mark.parametrize(
    "lead",
    [
        7,
        {},
        {"address": 7},
        {"address": "https://example.org/#tab=train"},
        {"address": "javascript:alert(1)"},
        {"address": "#" + "x" * MAX_LEAD_CHARS},
        {"address": "#", "title": "x" * (MAX_LEAD_TITLE_CHARS + 1)},
        {"address": "#", "keys": "abc"},
        {"address": "#", "keys": ["x"] * (MAX_LEAD_KEYS + 1)},
        {"address": "#", "keys": ["x" * (MAX_LEAD_KEY_CHARS + 1)]},
        {"address": "#", "more": 1},
    ],
)
def test_a_lead_that_is_none_is_refused(room: Classroom, lead: object) -> None:
    room.follow(LEADING)
    with pytest.raises(ParameterError):
        room.follow(lead)
    assert room.lead == LEADING | {"page": ""}


CHANGES: list[tuple[str, Callable[[Classroom], Any]]] = [
    (ROOM, lambda room: room.join(None)),
    (NAMES, lambda room: room.show_names(True)),
    (ROUND, lambda room: room.open("", SHORT, "e63aab5d", "shakespeare")),
    (VOTES, lambda room: room.open_votes((PAIR,), True)),
    (LEAD, lambda room: room.follow(LEADING)),
    (ROOM, lambda room: room.forget()),
]


@pytest.mark.parametrize(("topic", "change"), CHANGES)
def test_a_change_counts_up_its_topic_and_is_heard(room: Classroom, topic: str, change: Callable[[Classroom], Any]) -> None:
    heard: list[int] = []
    room.listen(lambda: heard.append(room.versions[topic]))
    change(room)
    assert heard[-1] == 1


def test_everything_is_there_after_a_restart(room: Classroom) -> None:
    ann, bea = with_texts(room, 2)
    room.join(ann, "Ann")
    cat, shy = room.join(None, "Cat")[1], room.join(None)[1]
    beside = room.open("ROMEO:", SHORT, "e63aab5d", "shakespeare", "r1")
    room.throw(room.member(bea), beside.id)
    votes = room.open_votes((PAIR,), hidden=True)
    room.vote(room.member(ann), votes.id, 0, "b")
    room.follow(LEADING, "page-1")
    room.close_votes(votes.id)
    room.show_names(True)
    later = again(room)
    assert later.rounds == room.rounds
    assert later.votes == room.votes
    assert (later.lead, later.names_shown, later.open_round) == (room.lead, True, beside.number)
    assert (later.votes[1].last_round, later.number) == (beside.number, 0)
    assert later.member(ann).name == later.members.name_of(1) == "Ann"
    later.finish(later.throw(later.member(bea), beside.id), later.member(bea).number, "again")  # its dice are the same
    assert later.open("", SHORT, "e63aab5d", "shakespeare").id == "r3"
    assert later.join(None)[0].number == 5
    later.shut_out(True)
    assert later.join(cat)[0].name == "Cat"
    assert later.join(shy)[0].number == 4  # who has done nothing but to join
    assert again(later).rounds == later.rounds
    later.forget()
    assert again(later).number == 1


def test_only_what_has_changed_is_written(room: Classroom, folder: Path) -> None:
    assert room.unsaved() == {}
    token = room.join(None)[1]
    assert room.unsaved().keys() == {CLASS}
    room.join(token)
    assert room.unsaved() == {}
    with_texts(room, 1)
    assert again(room).rounds
    assert sorted(path.name for path in folder.iterdir()) == ["class.json", "r1.json"]
    (token,) = with_texts(room, 1)
    room.join(token, "Ann")
    assert room.unsaved().keys() == {CLASS, "r2"}
    room.forget()
    documents = room.unsaved()
    assert documents["r1"] is documents["r2"] is None
    room.saved.write(documents)
    assert [path.name for path in folder.iterdir()] == ["class.json"]
    room.still_unsaved(documents)
    assert room.unsaved() == documents


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"number": 1}', "\x80\x02", '{"number": "one", "throws": []}', "[" * 99_999],
)
@pytest.mark.parametrize("name", ["class", "r1", "v1"])
def test_a_damaged_file_is_set_aside_and_the_rest_is_kept(room: Classroom, folder: Path, name: str, damage: str) -> None:
    with_texts(room, 1)
    room.open_votes((PAIR,), hidden=True)
    again(room)
    (folder / f"{name}.json").write_text(damage, encoding="utf-8")
    later = Classroom(Saved(folder))
    assert (1 in later.rounds, 1 in later.votes, len(later.members)) == (name != "r1", name != "v1", 0 if name == "class" else 1)
    assert (folder / f"damaged-{name}.json").read_text(encoding="utf-8") == damage
    assert later.open("", SHORT, "e63aab5d", "shakespeare").number == 2 or name == "r1"
    assert later.join(None)[0].number == 2 or name == "class"


def test_nobody_gets_the_text_of_another_where_the_list_of_members_is_lost(room: Classroom, folder: Path) -> None:
    with_texts(room, 3)
    again(room)
    (folder / "class.json").unlink()
    assert Classroom(Saved(folder)).join(None)[0].number == 4


def test_walls_are_told_of_a_name_that_stands_on_them_alone(room: Classroom) -> None:
    (token,) = with_texts(room, 1)
    room.join(token, "Ann")
    assert room.versions[NAMES] == 0
    room.show_names(True)
    room.join(None, "Bea")  # who has no text
    assert room.versions[NAMES] == 1
    room.join(token, "Anna")
    assert room.versions[NAMES] == 2


@pytest.mark.parametrize(
    "change", [{"settings": {"temperature": 99}}, {"finished": [1, 1]}, {"finished": [2]}, {"number": 5}, {"prompt": 7}]
)
def test_a_round_that_contradicts_itself_is_set_aside(room: Classroom, folder: Path, change: dict[str, Any]) -> None:
    with_texts(room, 1)
    again(room)
    path = folder / "r1.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    assert not Classroom(Saved(folder)).rounds
    assert not path.exists()


def test_what_cannot_be_written_is_told(room: Classroom, folder: Path) -> None:
    folder.write_text("a file in the folder's place", encoding="utf-8")
    with_texts(room, 1)
    with pytest.raises(CheckpointError):
        room.saved.write(room.unsaved())
    assert not Classroom(Saved(folder)).rounds


def test_what_is_being_written_does_not_change_with_the_class(room: Classroom) -> None:
    with_texts(room, 1)
    room.join(None)
    votes = room.open_votes((PAIR,), hidden=True)
    member, _ = room.join(None)
    room.vote(member, votes.id, 0, "a")
    documents = room.unsaved()
    before = json.dumps(documents)
    round = room.round("r1")
    room.finish(room.throw(member, round.id), member.number, "later")
    room.vote(member, votes.id, 0, "b")
    assert json.dumps(documents) == before
