"""Phones take part: they throw and vote. The lecturer prepares a vote, opens and closes it, and the hall sees the tally."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.browser.conftest import SCREEN, context_at, watched
from tests.support.admin import Admin

TAKE_PART, VOTES = "#run=none&tab=class&class=part", "#run=none&tab=class&class=votes"
PAIRS = [
    {"request": "Insult me.", "a": "Thou art a knave.", "b": "Good day, sir."},
    {"request": "Bid me farewell.", "a": "Adieu.", "b": "Farewell, my lord."},
]
MARKED = [PAIRS[0] | {"b": "<b>Good day</b>, sir."}, PAIRS[1]]
PROMPT = "ROMEO:"


@pytest.fixture(scope="module")
def url(class_app: tuple[str, str]) -> str:
    return class_app[0]


@pytest.fixture
def desk(browser: Browser, admin: Admin) -> Iterator[BrowserContext]:
    with context_at(browser, SCREEN, f"localStorage.setItem('soliloquy-session', '{admin.token}')") as context:
        yield context


def is_lost(message: ConsoleMessage) -> bool:
    """Whether the message only reports what a test wanted: that the connection is lost, or that the class has forgotten a phone, or
    keeps it out."""
    return "ERR_INTERNET_DISCONNECTED" in message.text or (
        "status of 400" in message.text and message.location["url"].endswith(("/class/vote", "/class/join", "/class/throw"))
    )


@contextmanager
def at(context: BrowserContext, address: str) -> Iterator[Page]:
    """A page at an address, whose console stays free of errors."""
    page = context.new_page()
    with watched(page, is_lost):
        page.goto(address)
        page.locator("#class-views [data-ready]").wait_for(state="attached")
        yield page
    page.close()


def open_round(admin: Admin, **settings: Any) -> str:
    """Opens a round and returns its id."""
    return str(admin.do("/class/open", prompt=PROMPT, length=30, **settings)["round"]["id"])


def open_votes(admin: Admin, pairs: list[dict[str, str]] = PAIRS, hidden: bool = False) -> str:
    """Opens votes and returns their id."""
    return str(admin.do("/class/votes/open", pairs=pairs, hidden=hidden)["votes"]["id"])


def vote(admin: Admin, votes: str, *ballot: str) -> None:
    """Another phone votes."""
    member = admin.do("/class/join")["member"]
    for pair, better in enumerate(ballot):
        admin.do("/class/vote", member=member, votes=votes, pair=pair, better=better)


def figures(page: Page) -> list[str]:
    """What stands on the bars of the pair that is shown."""
    return page.locator(".tally-bar:visible .tally-count").all_text_contents()


def test_a_phone_throws_and_votes_and_another_page_sees_the_tally(phones: BrowserContext, admin: Admin, url: str) -> None:
    id = open_round(admin, temperature=0.5)
    with at(phones, f"{url}/{TAKE_PART}") as phone, at(phones, f"{url}/{VOTES}") as hall:
        expect(phone.locator(".part-settings").first).to_contain_text("Temperature 0.5, careful")
        phone.get_by_role("button", name="Throw the dice").click()
        expect(phone.locator(".part-round .part-said")).to_have_text("✓ On the wall.")
        (written,) = admin.get(f"/class/rounds/{id}")[1]["texts"]
        assert phone.locator(".part-text").text_content() == PROMPT + written["text"]
        expect(phone.locator(".part-round .part-place")).to_have_text(f"Sample {written['sample']} of round {id[1:]}")
        expect(phone.get_by_role("button", name="Throw the dice")).to_be_hidden()

        votes = open_votes(admin, MARKED)
        cards, said = phone.locator(".part-card"), phone.locator(".part-votes .part-said")
        expect(cards.locator(".part-answer")).to_have_text([MARKED[0]["a"], MARKED[0]["b"]])
        expect(phone.locator(".tally-bar")).to_have_count(2)
        assert figures(phone) == []  # nobody is swayed by the others
        cards.nth(0).click()
        expect(said).to_contain_text("✓ Saved: A.")
        cards.nth(1).click()
        expect(said).to_contain_text("✓ Saved: B.")
        expect(phone.locator(".tally-bar:visible .tally-count")).to_have_text(["0 votes", "1 vote"])
        vote(admin, votes, "b", "a")
        expect(hall.locator(".votes-voters")).to_have_text("1 of 2 voted on every pair")
        expect(hall.locator(".tally-bar:visible .tally-count")).to_have_text(["0 votes", "2 votes"])
        expect(hall.locator(".votes-outcome")).to_have_text("B is ahead, 2 to 0.")
        expect(hall.get_by_role("button", name="Close the vote")).to_be_hidden()


@pytest.mark.slow
def test_the_lecturer_keeps_new_phones_out_and_lets_them_in(phones: BrowserContext, desk: BrowserContext, admin: Admin, url: str) -> None:
    open_round(admin)
    open_votes(admin)
    with at(desk, f"{url}/{VOTES}") as projector:
        door = projector.get_by_test_id("class-door").locator("visible=true")
        door.click()
        expect(door).to_have_attribute("aria-pressed", "true")
        with at(phones, f"{url}/{TAKE_PART}") as phone:
            expect(phone.locator(".part-notice")).to_contain_text("No new members for now.")
            expect(phone.locator("#class-panel-part").get_by_text("No new members")).to_have_count(1)
            expect(phone.locator(".part-card").first).to_have_attribute("aria-disabled", "true")
            expect(phone.get_by_role("button", name="Throw the dice")).to_be_hidden()
            expect(phone.get_by_label("Short name")).to_be_hidden()
            door.click()
            expect(phone.locator(".part-notice")).to_be_empty()
            expect(phone.get_by_role("button", name="Throw the dice")).to_be_visible()
            phone.locator(".part-card").nth(0).click()
            expect(phone.locator(".part-votes .part-said")).to_contain_text("✓ Saved: A.")
        expect(projector.locator(".votes-voters")).to_have_text("0 of 1 voted on every pair, 1 joined after the vote had opened")


@pytest.mark.slow
def test_a_reload_and_a_lost_connection_lose_nothing(phones: BrowserContext, admin: Admin, url: str) -> None:
    first = open_round(admin)
    with at(phones, f"{url}/{TAKE_PART}") as phone:
        said, cards = phone.locator(".part-votes .part-said"), phone.locator(".part-card")
        phone.get_by_role("button", name="Throw the dice").click()
        expect(phone.locator(".part-round .part-said")).to_contain_text("On the wall")
        own = phone.locator(".part-text").text_content()
        field = phone.get_by_label("Short name")
        field.fill("<i>Ann</i>")
        field.press("Enter")
        expect(phone.locator(".part-name-said")).to_have_text("Saved. The lecturer may show names.")
        open_votes(admin, hidden=True)
        cards.nth(0).click()
        expect(said).to_contain_text("✓ Saved: A.")
        assert figures(phone) == []  # hidden
        phone.reload()
        expect(said).to_contain_text("✓ Saved: A.")
        expect(phone.locator(".part-text")).to_have_text(own or "")
        expect(field).to_have_value("<i>Ann</i>")

        phones.set_offline(True)
        cards.nth(1).click()
        expect(said).to_have_text("Not saved: B.")
        expect(phone.locator(".part-votes .trouble button")).to_have_text("Try again")
        phones.set_offline(False)
        expect(said).to_contain_text("✓ Saved: B.")
        phone.locator(".part-next").click()
        expect(phone.locator(".part-moves .part-place")).to_have_text("pair 2 of 2")
        cards.nth(0).click()
        expect(said).to_contain_text("You have voted on all 2 pairs.")
        expect(said).to_contain_text("The result comes when the vote is closed.")

        admin.do("/class/close", round=first)
        expect(phone.locator(".part-round .part-said")).to_contain_text(f"Round {first[1:]} is closed.")
        open_round(admin, beside=first)
        expect(phone.get_by_role("button", name="Throw the dice")).to_be_visible()
        phone.get_by_text("Your earlier texts").click()
        assert phone.locator(".part-earlier-text").all_text_contents() == [own]

        admin.do("/class/join")
        admin.do("/class/forget")  # a new class, which this phone joins
        expect(phone.locator("#part-round-title")).to_have_text("No round yet")
        expect(phone.locator(".part-who")).to_have_text("You are number 1.")
        expect(field).to_have_value("")
        expect(phone.locator(".part-name-said")).to_have_text("The lecturer may show names.")
        votes = open_votes(admin)
        cards.nth(0).click()
        expect(said).to_contain_text("✓ Saved: A.")
        open_round(admin)
        sections = phone.locator(".part > section:visible h2")
        admin.do("/class/votes/close", votes=votes)
        result = f"Vote {votes[1:]} is closed"
        expect(sections.first).to_have_text(result)
        phone.reload()
        expect(sections.first).to_have_text(result)
        next = open_round(admin)
        expect(sections).to_have_text([f"Round {next[1:]}", result])


@pytest.mark.slow
def test_a_lecturer_who_looks_on_is_no_member_until_a_throw(desk: BrowserContext, admin: Admin, url: str) -> None:
    open_round(admin)
    with at(desk, f"{url}/{TAKE_PART}") as page:
        expect(page.locator(".part-who")).to_contain_text("You have the lecturer’s session")
        page.get_by_role("button", name="Throw the dice").click()
        expect(page.locator(".part-who")).to_have_text("You are number 1.")
        expect(page.locator(".part-round .part-said")).to_contain_text("On the wall")


@pytest.mark.slow
def test_the_lecturer_prepares_opens_and_closes_a_vote(desk: BrowserContext, phones: BrowserContext, admin: Admin, url: str) -> None:
    with at(desk, f"{url}/{VOTES}") as page, at(phones, f"{url}/{TAKE_PART}") as phone:
        page.get_by_label("Pairs", exact=True).select_option("2")
        page.get_by_label("Who answers").select_option("reinforced")
        request = page.get_by_label("Request 2")
        request.fill("Bid me farewell.")
        expect(page.get_by_role("button", name="Open the vote")).to_be_disabled()
        page.get_by_role("button", name="Write the answers").click()
        expect(page.get_by_role("button", name="Open the vote")).to_be_enabled()
        requests = [page.get_by_label(f"Request {number}").input_value() for number in (1, 2)]
        assert requests[1] == "Bid me farewell."
        answers = page.locator(".votes-draft-text").all_text_contents()
        assert len(answers) == 4
        assert all(answers)
        page.reload()
        expect(page.locator(".votes-draft-text")).to_have_text(answers)
        assert [page.get_by_label(f"Request {number}").input_value() for number in (1, 2)] == requests
        expect(page.get_by_label("Who answers")).to_have_value("reinforced")
        page.get_by_role("button", name="Open the vote").click()

        phone.locator(".part-card").nth(1).click()
        expect(phone.locator(".part-votes .part-said")).to_contain_text("✓ Saved: B.")
        id = "v" + page.locator("#votes-poll-title").inner_text().removeprefix("Vote ")
        vote(admin, id, "a", "b")
        vote(admin, id, "b", "b")
        expect(page.locator(".votes-voters")).to_contain_text("2 of 3 voted on every pair")
        expect(page.locator(".votes-outcome")).to_have_text("3 votes on this pair. The tally is hidden until the vote is closed.")
        assert figures(page) == figures(phone) == []
        page.get_by_role("button", name="Close the vote").click()
        expect(page.locator(".tally-bar:visible .tally-count")).to_have_text(["1 vote", "2 votes"])
        expect(phone.locator(".tally-bar:visible .tally-count")).to_have_text(["1 vote", "2 votes"])
        assert {*page.locator(".votes-author").all_text_contents()} == {"Supervised", "Reinforced"}
        page.keyboard.press("ArrowRight")
        expect(page.locator(".votes-outcome")).to_have_text("B wins, 2 to 0.")
        page.wait_for_function("location.hash.includes('vote_pair=2')")
        page.reload()
        expect(page.locator(".votes-outcome")).to_have_text("B wins, 2 to 0.")
        assert {*page.locator(".votes-author").all_text_contents()} == {"Supervised", "Reinforced"}
        page.evaluate("location.hash = location.hash.replace('vote_pair=2', 'vote_pair=1')")
        expect(page.locator(".votes-asked-words")).to_have_text(requests[0])
        expect(page.locator(".votes-kept")).to_have_text("5 votes on 2 pairs. On average 83\N{NO-BREAK SPACE}% voted with the majority.")

        table = [*csv.DictReader(io.StringIO(saved(page, "Tally of vote", f"vote-{id[1:]}.csv"), newline=""))]
        assert [(row["request"], row["a"], row["b"]) for row in table] == list(zip(requests, answers[::2], answers[1::2], strict=True))
        assert [(row["votes_a"], row["votes_b"]) for row in table] == [("1", "2"), ("0", "2")]
        lines = [json.loads(line) for line in saved(page, "All votes", "votes-of-the-class.jsonl").splitlines()]
        assert sum(line == {"request": requests[1], "better": answers[3], "worse": answers[2]} for line in lines) == 2
        assert len(lines) == 5
        page.get_by_role("button", name="Next vote").click()
        expect(page.get_by_role("button", name="Write the answers")).to_be_enabled()


@pytest.mark.slow
def test_a_reward_model_is_trained_on_the_votes_of_the_class(desk: BrowserContext, admin: Admin, url: str) -> None:
    with at(desk, f"{url}/{VOTES}") as page:
        train = page.get_by_role("button", name="Train a reward model on the class’s votes")
        train.click()
        expect(page.locator(".votes .training-here .trouble")).to_contain_text("at least 1 is needed")
        votes = open_votes(admin)
        vote(admin, votes, "b", "a")
        admin.do("/class/votes/close", votes=votes)
        expect(page.locator(".votes-kept")).to_contain_text("2 votes on 2 pairs.")
        with page.expect_request("**/train/corpus?*") as sent, page.expect_response("**/train/start") as started:
            train.click()
        assert [json.loads(line) for line in (sent.value.post_data or "").splitlines()] == [
            {"request": PAIRS[0]["request"], "better": PAIRS[0]["b"], "worse": PAIRS[0]["a"]},
            {"request": PAIRS[1]["request"], "better": PAIRS[1]["a"], "worse": PAIRS[1]["b"]},
        ]
        run = started.value.json()["run"]
        assert (run["preset"], run["corpus"]["name"]) == ("reward", "votes-of-the-class.jsonl")
        admin.do(f"/train/runs/{run['id']}/stop", firmly=True)
        expect(page.locator(".training-here-said")).to_contain_text("The run")


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280, 1920])
def test_nothing_is_cut_off(browser: Browser, admin: Admin, url: str, width: int) -> None:
    open_round(admin)
    votes = open_votes(admin)
    vote(admin, votes, "b", "a")
    admin.do("/class/votes/close", votes=votes)
    with context_at(browser, {"width": width, "height": 740}) as context:
        for address, seen in ((TAKE_PART, ".part-card"), (VOTES, ".votes-answer")):
            with at(context, f"{url}/{address}") as page:
                expect(page.locator(seen).first).to_be_visible()
                expect(page.get_by_role("tab", name="Class", exact=True)).to_be_in_viewport()  # where the tabs have to be scrolled, too
                assert page.evaluate("document.documentElement.scrollWidth") <= width


def saved(page: Page, label: str, name: str) -> str:
    """The file behind an entry of the menu."""
    page.locator("#class-views").get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    assert download.value.suggested_filename == name
    return Path(download.value.path()).read_text(encoding="utf-8")
