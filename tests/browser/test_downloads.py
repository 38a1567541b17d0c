"""What the page saves as files: the very texts and numbers that it shows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from model.sampling import distribution
from tests.browser.conftest import open_page
from tests.browser.tab import groups, set_up, start_long


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page with three runs: one cut by top-k, the next of its samples, and one that goes on with a character chosen by hand."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    runs = ["0.8,14,2,7,0,0,12,0.9", "1.2,14,1,7,2,0,0,1", "0.8,9,1,7,1,5,0,1,f,ROMEO:\nI wx"]
    open_page(page, f"{url}/?prompt=ROMEO:&{'&'.join(f'run={run}'.replace(chr(10), '%0A') for run in runs)}")
    page.wait_for_function(
        "[...document.querySelectorAll('.status')].filter((node) => node.textContent.includes('characters in')).length === 3"
    )
    yield page
    page.close()
    assert not problems


def saved(page: Page, label: str, name: str) -> Path:
    """The file behind an entry of the menu."""
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    assert download.value.suggested_filename == name
    return download.value.path()


def show(page: Page, view: str) -> None:
    page.get_by_role("tab", name=view, exact=True).click()


def read_json(page: Page) -> dict[str, Any]:
    return json.loads(saved(page, "Texts with probabilities (JSON)", "soliloquy.json").read_text(encoding="utf-8"))


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def texts_in(saved_texts: str) -> list[str]:
    """The texts of a file, each below a line that tells how it was written, with an empty line between two."""
    return [part.partition("\n")[2].removesuffix("\n") for part in re.split(r"^--- |\n--- ", saved_texts)[1:]]


def test_texts_are_those_of_the_cards(page: Page) -> None:
    show(page, "Texts")
    text = saved(page, "Texts (TXT)", "soliloquy.txt").read_text(encoding="utf-8")
    heads = re.findall(r"^--- (.*)$", text, re.MULTILINE)
    assert heads[0] == 'sample 1: prompt "ROMEO:", temperature 0.8, top-k 12, top-p 0.9, seed 7, model shakespeare (e63aab5d)'
    assert heads[2] == 'sample 3: prompt "ROMEO:", temperature 1.2, top-k 0, top-p 1, seed 7, model shakespeare (e63aab5d)'
    assert heads[3].endswith("seed 7, dice continue from throw 6, the prompt's last character chosen by hand, model shakespeare (e63aab5d)")
    assert texts_in(text) == [text for group in groups(page)[::-1] for text in group]


def test_probabilities_are_those_that_were_drawn_from(page: Page, url: str) -> None:
    """Held against the server's own record of each character, and against model/sampling.py."""
    asked: list[str] = []
    page.on("request", note := lambda request: asked.append(request.url))
    data = read_json(page)
    page.remove_listener("request", note)
    recorded = [match.groups() for address in asked if (match := re.search(r"/logits/([^/]+)/(\d+)", address))]
    assert {run["model"]["name"] for run in data["generations"]} == {"shakespeare"}
    told = [
        [run[name] for name in ("prompt", "seed", "temperature", "top_k", "top_p", "first_sample", "first_step")]
        for run in data["generations"]
    ]
    assert told == [["ROMEO:", 7, 0.8, 12, 0.9, 0, 0], ["ROMEO:", 7, 1.2, 0, 1, 2, 0], ["ROMEO:\nI wx", 7, 0.8, 0, 1, 1, 5]]
    assert [run["forced"] for run in data["generations"]] == [None, None, "x"]
    samples = [(run, sample) for run in data["generations"] for sample in run["samples"]]
    assert [run["prompt"] + sample["text"] for run, sample in samples] == [text for group in groups(page)[::-1] for text in group]
    assert [sample["sample"] for _, sample in samples] == [0, 1, 2, 1]
    for (run, sample), (key, number) in zip(samples, recorded, strict=True):
        assert not run["recomputed"]
        assert "".join(each["char"] for each in sample["characters"]) == sample["text"]
        for i, ours in enumerate(sample["characters"]):
            theirs = page.request.get(f"{url}/character/{key}/{number}/{i}").json()
            assert theirs["char"] == ours["char"]
            assert ours["die"] == theirs["die"]
            assert [ours["low"], ours["high"]] == pytest.approx([theirs["low"], theirs["high"]], abs=1e-9)
            logits = np.array([theirs["logits"]])
            drawn, raw = distribution(logits, run["temperature"], run["top_k"], run["top_p"])[0], distribution(logits)[0]
            assert ours["probability"] == pytest.approx(ours["high"] - ours["low"], abs=1e-9)
            assert min(abs(drawn - ours["probability"])) < 1e-9
            assert raw[abs(drawn - ours["probability"]).argmin()] == pytest.approx(ours["raw"], abs=1e-9)


@pytest.mark.parametrize(
    ("view", "label", "name"),
    [("Tree", "Picture of the tree (PNG)", "soliloquy-tree.png"), ("Next character", "Bars (PNG)", "next-character.png")],
)
def test_pictures(page: Page, view: str, label: str, name: str) -> None:
    show(page, view)
    expect(page.locator(".panel:not([hidden]) canvas").first).to_be_visible()
    if view == "Next character":
        expect(page.get_by_test_id("next-entropy")).to_contain_text(re.compile(r"\d bits"))
    picture = Image.open(saved(page, label, name))
    assert picture.format == "PNG"
    assert 2000 < picture.width < 16_384
    assert 400 < picture.height < 16_384
    colours = picture.convert("RGB").getcolors(2**20)
    assert colours
    assert len(colours) > 20  # something is drawn, on paper
    assert max(colours)[1] == (248, 244, 235)


def test_tables(page: Page) -> None:
    show(page, "Next character")
    expect(page.get_by_test_id("next-entropy")).to_contain_text(re.compile(r"\d bits"))
    page.get_by_role("button", name="Draw 1,000").click()
    expect(page.get_by_test_id("next-counted")).to_contain_text("1,000")
    rows = read_csv(saved(page, "Distribution (CSV)", "next-character.csv"))
    assert len(rows) == 65
    logits = np.array([[float(row["logit"]) for row in rows]])
    assert [float(row["sampled"]) for row in rows] == pytest.approx(distribution(logits, 0.8)[0], abs=1e-9)
    assert [float(row["raw"]) for row in rows] == pytest.approx(distribution(logits)[0], abs=1e-9)
    assert sum(int(row["count"]) for row in rows) == 1000
    show(page, "Score")
    text = 'Say:\n"Never", he said'
    page.get_by_label("Your text").fill(text)
    page.get_by_role("button", name="Score", exact=True).click()
    scored = page.get_by_label("The scored text")
    expect(scored).to_contain_text("Never")  # no longer the example
    expect(page.locator(".score-status")).to_have_text(re.compile("only context$"))
    shown = scored.text_content()
    rows = read_csv(saved(page, "Scored text (CSV)", "score.csv"))
    assert "".join(row["character"] for row in rows) == shown
    bits = [float(row["surprisal_bits"]) for row in rows[1:]]
    assert [float(row["probability"]) for row in rows[1:]] == pytest.approx([2**-each for each in bits])
    figure = float(page.locator("[data-figure=bits] b").inner_text())
    assert np.mean(bits) == pytest.approx(figure, abs=0.006)


def test_what_is_still_written_is_saved_as_far_as_it_goes(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    open_page(page, url)
    set_up(page, prompt="ROMEO:")
    start_long(page)
    text = saved(page, "Texts (TXT)", "soliloquy.txt").read_text(encoding="utf-8")
    data = read_json(page)
    expect(page.get_by_test_id("status").first).to_have_text("writing")
    page.get_by_role("button", name="Stop").click()
    cards = groups(page)[0]
    for card, early, sample in zip(cards, texts_in(text), data["generations"][0]["samples"], strict=True):
        assert card.startswith(early)
        assert card.startswith("ROMEO:" + sample["text"])
        assert len(sample["text"]) == len(sample["characters"]) > 0
        assert all("die" in each for each in sample["characters"])
    page.close()


def test_the_first_screen_and_an_empty_page(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    open_page(page, url)
    stored = groups(page)[0]
    (run,) = read_json(page)["generations"]
    assert not run["recomputed"]
    assert [run["prompt"] + sample["text"] for sample in run["samples"]] == stored
    set_up(page, prompt="KING:")
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Download").click()
    page.get_by_role("button", name="Nothing to download yet").click()
    expect(page.locator(".menu-list")).to_be_hidden()
    page.close()
