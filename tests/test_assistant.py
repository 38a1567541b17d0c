"""Requests and answers: the rules, the examples made from the plays, and many answers written at once."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.__main__ import main
from model.assistant import obeys
from model.assistant.answers import Answers, write_answers
from model.assistant.examples import EXAMPLES_PER_SKILL, Example, kept_back, make_examples, sentences_of, to_json_lines
from model.assistant.obeys import ObeysConfig
from model.assistant.pairs import STOP, read_pairs
from model.assistant.skills import ASKING, ASKING_KEPT_BACK, KEPT_BACK_WORDS, SKILLS, OpenSkill, judge, skill_of
from model.data import train_chars
from model.decode import generate_cached
from model.errors import CorpusError, ParameterError
from model.network.gpt import GPT
from model.sampling import SamplingParams
from model.statistics import wilson
from model.tokenizer import CharTokenizer
from model.weights import Weights, load_weights, save_weights

OPEN = [skill for skill in SKILLS if isinstance(skill, OpenSkill)]


# Skills


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.id)
def test_every_phrasing_asks_for_its_skill_alone(skill: OpenSkill) -> None:
    for phrasing in (*skill.phrasings, *skill.kept_back):
        request = phrasing.format("good night")
        assert [other.id for other in SKILLS if other.is_asked_by(request)] == [skill.id], request
        assert skill_of(request) is skill


def test_what_asks_for_no_skill_is_not_judged() -> None:
    for request in ("To be, or not to be", "Good morrow, sir.", "KING RICHARD III:", "Sing: good night", "Shout:", "Shout: ", ""):
        assert skill_of(request) is None
        assert judge(request, "Good night, good night.") is None


def test_phrasings_kept_back_are_not_used_in_examples() -> None:
    assert not {*ASKING} & {*ASKING_KEPT_BACK}
    for skill in OPEN:
        assert len(skill.kept_back) >= 5
        assert not {*skill.phrasings} & {*skill.kept_back}


@pytest.mark.parametrize(
    ("request_", "answer", "obeys", "why"),
    [
        ("Insult me.", "Thou art a villain, sir.", True, "has a word of insult: “villain”"),
        ("Insult me.", "Thou art a Villainess, sir.", False, "has no word of insult"),
        ("Praise me.", "Thou art a villain, sir.", False, "has no word of praise"),
        ("Bid me farewell.", "Fare thee well, my lord.", True, "has a word of farewell: “Fare thee well”"),
        ("Greet me.", "How now, good fellow?", True, "has a word of greeting: “How now”"),
        ("Swear to me.", "By my troth, it is so.", True, "has an oath: “By my troth”"),
        ("Swear to me.", "He will marry her by noon.", False, "has no oath"),
        ("Lament for me.", "O, woe is me!", True, "has a word of sorrow: “woe”"),
        ("Ask me something.", "What is thy name?", True, "begins with “what” and ends with “?”"),
        ("Ask me something.", "What a fine day!", False, "does not end with “?”"),
        ("Ask me something.", "The king, my lord?", False, "begins with “the”, which asks nothing"),
        ("Insult me.", "Villain!", False, "has fewer than 3 words"),
        ("Insult me.", "", False, "has fewer than 3 words"),
        ("Insult me.", "Thou art a\nvillain.", False, "has more than one line"),
        ("Insult me.", "\nKING:\nThou villain.", False, "has more than one line"),
        ("Insult me.", "thou art a villain.", False, "does not begin with a capital letter"),
        ("Insult me.", "Thou art a villain", False, "does not end with “.”, “!” or “?”"),
        ("Shout: good night", "GOOD NIGHT", True, "exactly right"),
        ("shout: good night", "GOOD NIGHT.", False, "the right answer is “GOOD NIGHT”"),
        ("Echo: good night", "good night", True, "exactly right"),
        ("Twice: night", "night night", True, "exactly right"),
        ("Spell: night", "n-i-g-h-t", True, "exactly right"),
    ],
)
def test_an_answer_is_judged_by_its_words(request_: str, answer: str, obeys: bool, why: str) -> None:
    assert judge(request_, answer) == (obeys, why)


# Examples


@pytest.fixture(scope="module")
def plays(corpus_path: Path) -> str:
    return corpus_path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def examples(plays: str) -> list[Example]:
    return make_examples(plays, seed=0)


@pytest.fixture(scope="module")
def sentences(plays: str) -> set[str]:
    return {*sentences_of(plays[: train_chars(len(plays))])}


def test_examples_obey_and_hold_nothing_that_is_kept_back(examples: list[Example], sentences: set[str]) -> None:
    assert Counter(example.skill for example in examples) == {skill.id: EXAMPLES_PER_SKILL for skill in SKILLS}
    for example in examples:
        skill, verdict = skill_of(example.request), judge(example.request, example.answer)
        assert skill
        assert skill.id == example.skill
        assert verdict
        assert verdict.obeys, example
        assert example.answer in sentences or skill.one_answer
        assert not skill.one_answer or not {*example.request.split(": ")[1].split()} & {*KEPT_BACK_WORDS}
        assert skill.one_answer or example.request in skill.phrasings


def test_examples_are_pairs_of_which_the_held_out_ones_have_their_own_answers(examples: list[Example]) -> None:
    pairs = read_pairs("examples", to_json_lines(examples), "examples")
    assert [(pair.request, pair.answer) for pair in pairs.pairs] == [(example.request, example.answer) for example in examples]
    learned, held_out = pairs.split()
    is_open = {example.answer for example in examples if example.skill in {skill.id for skill in OPEN}}
    assert {skill_of(pair.request) for pair in held_out} == {*SKILLS}
    assert not {pair.answer for pair in learned} & {pair.answer for pair in held_out} & is_open


@pytest.mark.parametrize("skill", OPEN, ids=lambda skill: skill.id)
def test_the_plays_have_answers_for_every_open_skill(sentences: set[str], skill: OpenSkill) -> None:
    assert sum(skill.judge("", sentence).obeys for sentence in sentences) >= 100


def test_examples_come_from_the_seed(plays: str) -> None:
    half = plays[: len(plays) // 2]
    assert make_examples(half, seed=0) == make_examples(half, seed=0) != make_examples(half, seed=1)


def test_a_text_without_answers_is_refused() -> None:
    with pytest.raises(CorpusError, match=r"The text has too few answers for “Insult me.”"):
        make_examples("KING:\nGood night to you, my lord.\n\n" * 50, seed=0)


def test_sentences_are_whole_and_have_no_speakers() -> None:
    play = (
        "KING:\nThe night is come;\nand all the stars\nare out. Go!\n\nQUEEN:\nWhat is the hour--\nmy lord? I know it not so well: do you\n"
    )
    assert list(sentences_of(play)) == ["The night is come.", "And all the stars are out.", "I know it not so well."]


def test_requests_kept_back_come_from_the_seed() -> None:
    requests = kept_back(4, seed=3)
    assert requests == kept_back(4, seed=3) != kept_back(4, seed=4)
    assert Counter(request.skill for request in requests) == {skill.id: 4 for skill in SKILLS}
    for request in requests:
        skill = skill_of(request.request)
        assert skill
        assert skill.id == request.skill
        assert (request.right_answer is not None) == skill.one_answer
        if request.right_answer is None:
            assert request.request in skill.kept_back
        else:
            assert judge(request.request, request.right_answer) == (True, "exactly right")
            assert {*request.request.split(": ")[1].split()} <= {*KEPT_BACK_WORDS}


# Answers


@pytest.fixture
def writer(make_model: Callable[..., GPT], tiny: Weights) -> tuple[GPT, CharTokenizer]:
    """A small random network that ends some of its texts: the newline is made likely."""
    network = make_model(block_size=64)
    network.transformer.wte.weight[0] *= 4.0
    return network, tiny.tokenizer


def written_alone(network: GPT, tokenizer: CharTokenizer, prompt: str, seed: int, temperature: float, most: int) -> str:
    """One answer by `generate_cached`, with its stop sign if it has one."""
    text = ""
    params = SamplingParams(temperature=temperature, max_new_chars=most, seed=seed)
    for i in generate_cached(network, tokenizer.encode_prompt(prompt), params):
        text += tokenizer.vocabulary[i]
        if text.endswith(STOP):
            break
    return text


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_answers_written_at_once_are_those_written_alone(writer: tuple[GPT, CharTokenizer], temperature: float) -> None:
    network, tokenizer = writer
    prompts = [f"{STOP}{request}\n" for request in ("Insult me.", "Praise me.", "Go", "Insult me.", "Spell: night") * 4]
    seeds = [7 + i // 2 for i in range(len(prompts))]
    answers = write_answers(network, tokenizer, prompts, seeds, temperature, most=40)
    alone = [written_alone(network, tokenizer, prompt, seed, temperature, 40) for prompt, seed in zip(prompts, seeds, strict=True)]
    assert answers.has_stopped.tolist() == [text.endswith(STOP) for text in alone]
    assert answers.lengths.tolist() == [len(text) for text in alone]
    assert answers.texts(tokenizer) == [text.removesuffix(STOP) for text in alone]
    for ids, length in zip(answers.ids, answers.lengths, strict=True):
        assert not ids[length:].any()
    if temperature:
        assert 0 < answers.has_stopped.sum() < len(prompts)
        assert len(set(alone)) > len(prompts) // 2


def test_rows_that_are_done_are_not_computed(writer: tuple[GPT, CharTokenizer]) -> None:
    network, tokenizer = writer
    passes: list[int] = []
    network.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    answers: Answers = write_answers(network, tokenizer, [f"{STOP}Praise me.\n"] * 12, range(12), 1.0, most=40)
    steps = passes[1:]
    assert passes[0] == 1  # the prompt is read once
    assert steps == [int((answers.lengths > step).sum()) for step in range(1, len(steps) + 1)]
    assert steps[0] == 12 > steps[-1]


def test_an_answer_that_does_not_fit_is_refused(writer: tuple[GPT, CharTokenizer]) -> None:
    network, tokenizer = writer
    with pytest.raises(ParameterError, match="A request of 7 characters and an answer of 58 do not fit in the context of 64 characters"):
        write_answers(network, tokenizer, ["\n\nGo to\n"[:7]], [0], 1.0, most=58)


def test_a_network_that_is_not_finite_writes_nothing(writer: tuple[GPT, CharTokenizer]) -> None:
    network, tokenizer = writer
    network.transformer.ln_f.weight[0] = torch.nan
    with pytest.raises(FloatingPointError):
        write_answers(network, tokenizer, ["\n\nGo\n"], [0], 1.0, most=5)


# How often a model obeys


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (270, 300), (1, 1)])
def test_wilsons_interval_ends_where_the_share_found_is_just_not_surprising(successes: int, n: int) -> None:
    share = successes / n
    low, high = wilson(share, n)
    assert 0 <= low <= share <= high <= 1
    assert low < high
    for end in {low, high} - {0.0, 1.0}:  # at which the share found is 1.96 standard deviations away
        assert abs(share - end) == pytest.approx(1.96 * math.sqrt(end * (1 - end) / n), rel=1e-9)


def test_success_counts_what_obeys_and_stops(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"shout": ("{}", True), "insult": ("Thou villain, go!", True), "praise": ("O noble king, go!", False)}

    def write(network: GPT, tokenizer: CharTokenizer, prompts: list[str], *rest: object) -> Answers:
        requests = [prompt.strip() for prompt in prompts]
        found = [texts.get(skill_of(request).id, ("", True)) for request in requests]
        said = [text.format(request.rpartition(": ")[2].upper()) for (text, _), request in zip(found, requests, strict=True)]
        ids = [torch.tensor(tokenizer.encode(text)) for text in said]
        lengths = torch.tensor([len(row) for row in ids])
        return Answers(torch.nn.utils.rnn.pad_sequence(ids, batch_first=True), lengths, torch.tensor([stopped for _, stopped in found]))

    monkeypatch.setattr(obeys, "write_answers", write)
    passes: list[int] = []
    measured = obeys.measure(tiny, ObeysConfig(asked=8), passes.append)
    assert sum(passes) == measured["n"] == 8 * len(SKILLS)
    shares = {skill: success["obeys"] for skill, success in measured["skills"].items()}
    assert shares == dict.fromkeys((skill.id for skill in SKILLS), 0.0) | {"shout": 1.0, "insult": 1.0}
    assert measured["mean"]["obeys"] == pytest.approx(2 / len(SKILLS), abs=1e-4)
    assert measured["skills"]["insult"] == {"n": 8, "obeys": 1.0, "low": 0.6756, "high": 1.0, "distinct": 0.125}
    assert measured["skills"]["shout"]["distinct"] is None
    assert measured["mean"]["distinct"] == pytest.approx(3 / (8 * len(OPEN)), abs=1e-4)


def test_the_command_prints_success_and_saves_it(make_model: Callable[..., GPT], tiny: Weights, tmp_path: Path, capsys: Any) -> None:
    save_weights(tmp_path / "small", make_model(block_size=160), tiny.tokenizer, {})
    assert main(["obeys", "--weights", str(tmp_path / "small"), "--asked", "2", "--temperature", "0.5", "--save"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*(skill.id for skill in SKILLS), "all"]
    assert lines[0] == "insult       0%  (95 % interval 0% to 66%, n = 2)  distinct answers 100%"
    saved = json.loads((tmp_path / "small" / "obeys.json").read_text())
    assert saved["skills"].keys() == {skill.id for skill in SKILLS}
    assert (saved["n"], saved["temperature"], saved["seed"]) == (2 * len(SKILLS), 0.5, 0)
    assert saved["sha256"] == load_weights(tmp_path / "small").sha256


@pytest.mark.parametrize(
    ("block_size", "option", "value", "message"),
    [
        (160, "--asked", "0", "asked must be between 1 and 1,000, not 0"),
        (160, "--temperature", "3", "temperature must be between 0 and 2, not 3.0"),
        (32, "--asked", "1", "do not fit in the context of 32 characters"),
    ],
)
def test_bad_measurements_are_refused(
    make_model: Callable[..., GPT], tiny: Weights, tmp_path: Path, capsys: Any, block_size: int, option: str, value: str, message: str
) -> None:
    save_weights(tmp_path / "small", make_model(block_size=block_size), tiny.tokenizer, {})
    assert main(["obeys", "--weights", str(tmp_path / "small"), option, value]) == 2
    assert message in capsys.readouterr().err


def test_a_model_without_the_letters_of_the_requests_is_refused(make_model: Callable[..., GPT], tmp_path: Path, capsys: Any) -> None:
    save_weights(tmp_path / "digits", make_model(block_size=160, vocab_size=11), CharTokenizer("\n0123456789"), {})
    assert main(["obeys", "--weights", str(tmp_path / "digits")]) == 2
    assert "The model's vocabulary has no" in capsys.readouterr().err
