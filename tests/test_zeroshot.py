"""Likelihood: log-probabilities of characters, the n-gram model, minimal pairs, and who said it."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.__main__ import main
from model.data import TINY_SHAKESPEARE_ALPHABET, load_corpus, train_chars
from model.errors import CheckpointError, CorpusError
from model.meaning import ngram
from model.meaning.likelihood import Read, log_probs
from model.meaning.minimal_pairs import KINDS, PAIRS, Pair, digest, make_pairs
from model.meaning.ngram import NGram
from model.meaning.speakers import NAMES, by_name, by_speaker, held_out, with_examples
from model.meaning.zeroshot import NGRAM, ZEROSHOT_FILE, about, measure_ngram, read_zeroshot, results, save
from model.tokenizer import CharTokenizer
from model.weights import MEANING_FOLDER, WEIGHTS_FOLDER, Weights

RULES = [kind for kind in KINDS if kind.rule]


@pytest.fixture(scope="module")
def plays(corpus_path: Path) -> str:
    return load_corpus(corpus_path).text


# Likelihood


def test_log_probs_are_those_that_each_character_would_be_drawn_with(tiny: Weights) -> None:
    block = tiny.model.config.block_size
    rng = random.Random(0)
    ids = [rng.randrange(tiny.model.config.vocab_size) for _ in range(3 * block)]
    reads = [Read(ids[:2], ids[2:9]), Read(ids[: block + 3], ids[block + 3 :]), Read(ids[:1], ids[1:block]), Read(ids[:1], ids[1:])]
    for read, found in zip(reads, log_probs(tiny.model, reads), strict=True):
        whole = [*read.context, *read.text]
        assert len(found) == len(read.text)
        for i, got in enumerate(found):
            end = len(read.context) + i
            seen = whole[tiny.model.config.window_start(end) : end]
            with torch.no_grad():
                expected = tiny.model(torch.tensor([seen]))[0, -1].log_softmax(0)[read.text[i]]
            assert got == pytest.approx(float(expected), abs=1e-4)


def test_a_network_that_is_not_finite_is_not_believed(make_model: Any) -> None:
    network = make_model()
    network.transformer.ln_f.weight.data[0] = torch.nan
    with pytest.raises(FloatingPointError):
        log_probs(network, [Read([0], [1, 2])])


# The n-gram model


def test_an_n_gram_models_probabilities_sum_to_one_whatever_came_before() -> None:
    model = NGram("abracadabra, abracadabra! a cab, a crab.", 4)
    for before in ("", "a", "br", "abra", "zz".replace("z", "!"), "cada", ", a", "...."):
        total = sum(np.exp(model.log_probs(before + char)[-1]) for char in model.tokenizer.vocabulary)
        assert total == pytest.approx(1, abs=1e-12)


def test_kneser_and_ney_count_what_comes_before_a_character_and_not_how_often_it_comes() -> None:
    """As in “San Francisco”: f is frequent, but one character alone comes before it."""
    text = "sf" * 50 + "abcdbdacbadc"
    unigrams = np.exp([NGram(text, 2).log_probs(char)[0] for char in "fb"])
    followed = {char: len({text[i - 1] for i in range(1, len(text)) if text[i] == char}) for char in "fb"}
    assert followed["f"] < followed["b"]
    assert unigrams[0] < unigrams[1]


def test_an_n_gram_model_needs_room_for_its_n_grams() -> None:
    with pytest.raises(CorpusError, match="longer text"):
        NGram("ab", 3)
    with pytest.raises(CorpusError, match="fewer different characters"):
        NGram("".join(map(chr, range(100, 1_000))) * 2, 7)


@pytest.mark.slow
def test_the_order_is_the_one_that_predicts_the_training_text_best(plays: str) -> None:
    text = plays[: train_chars(len(plays))]
    cut = train_chars(len(text))
    losses = {order: -NGram(text[:cut], order).log_probs(text[cut:]).mean() for order in (5, 6, 7)}
    assert min(losses, key=losses.__getitem__) == ngram.ORDER
    assert losses == {5: pytest.approx(1.547, abs=2e-3), 6: pytest.approx(1.527, abs=2e-3), 7: pytest.approx(1.538, abs=2e-3)}


# Minimal pairs


def test_pairs_by_rule_need_no_corpus_and_come_again_with_their_seed() -> None:
    pairs = make_pairs(None)
    assert Counter(pair.kind for pair in pairs) == {kind.id: PAIRS for kind in RULES}
    assert len({*pairs}) == len(pairs)
    assert {*"".join(part for pair in pairs for part in pair[1:])} <= {*TINY_SHAKESPEARE_ALPHABET}
    assert all(pair.right != pair.wrong and pair.context for pair in pairs)
    assert make_pairs(None) == pairs
    assert digest(make_pairs(None, seed=1)) != digest(pairs)


def test_pairs_from_plays_are_right_as_they_stand_in_the_last_tenth(plays: str) -> None:
    pairs = make_pairs(plays)
    last = plays[train_chars(len(plays)) :]
    assert Counter(pair.kind for pair in pairs) == {kind.id: PAIRS for kind in KINDS}
    sources = {kind.id: kind.source for kind in KINDS}
    for pair in pairs:
        if sources[pair.kind] == "plays":
            assert pair.right.strip("\n") in last
            assert pair.wrong not in last
    assert len({*pairs}) == len(pairs)


@pytest.mark.parametrize("kind", ["thou", "thy", "thee", "than", "number", "question", "article", "oneself"])
def test_a_liking_for_one_word_gains_nothing(kind: str) -> None:
    """What is right in one pair is wrong in another: about half of the pairs have the earlier of the two in the alphabet right."""
    pairs = [pair for pair in make_pairs(None) if pair.kind == kind]
    share = sum(pair.right < pair.wrong for pair in pairs) / len(pairs)
    assert 0.35 < share < 0.65


def test_a_text_with_too_few_pairs_is_refused() -> None:
    with pytest.raises(CorpusError, match="0 pairs of the kind “Two letters swapped”; 100 are needed"):
        make_pairs("To be.\n" * 20)


def test_results_count_pairs_and_take_the_mean_of_the_kinds_that_count() -> None:
    kinds = ["letters"] * 4 + ["thou"] * 2 + ["rhyme"]
    pairs = [Pair(kind, "r", "w", "\n") for kind in kinds]
    sums = [x for right in (1, 1, 1, 0, 1, 0, 0) for x in ((-1.0, -2.0) if right else (-2.0, -1.0))]
    found = results(pairs, sums)
    assert {kind: (share["n"], share["right"]) for kind, share in found["kinds"].items()} == {
        "letters": (4, 0.75),
        "thou": (2, 0.5),
        "rhyme": (1, 0.0),
    }
    assert found["mean"]["right"] == 0.625
    assert found["mean"]["low"] < 0.625 < found["mean"]["high"]


# Results


def test_what_ships_was_measured_on_these_pairs_and_reaches_its_aim(plays: str) -> None:
    measured = read_zeroshot(WEIGHTS_FOLDER / MEANING_FOLDER)
    assert measured["pairs"] == digest(make_pairs(plays))
    models = {model["id"]: model for model in measured["models"]}
    shipped, baseline = models["shakespeare"], models[NGRAM]
    assert shipped["mean"]["right"] >= 0.95
    counted = [kind.id for kind in KINDS if kind.is_counted]
    above = [kind for kind in counted if shipped["kinds"][kind]["right"] > baseline["kinds"][kind]["right"]]
    assert len(above) >= 9  # of 13; the n-gram model is as good or better where a few characters decide
    assert {model["group"] for model in measured["models"]} >= {"chance", NGRAM, "ladder", "shipped", "snapshot"}
    assert all(model["key"] for model in measured["models"][2:])


@pytest.mark.slow
def test_the_n_gram_models_results_come_again(plays: str) -> None:
    pairs = make_pairs(plays)
    again = measure_ngram(NGram(plays[: train_chars(len(plays))]), pairs)
    kept = next(model for model in read_zeroshot(WEIGHTS_FOLDER / MEANING_FOLDER)["models"] if model["id"] == NGRAM)
    assert again["kinds"] == kept["kinds"]


def test_results_are_read_back_and_damage_is_named(tmp_path: Path) -> None:
    found = results([Pair("thou", "r", "w", "\n")], [-1.0, -2.0])
    content = {"pairs": "a", "corpus": "b", "precision": "float32", "models": [about("one", key="ab") | found], "speakers": {}}
    save(tmp_path, content)
    assert read_zeroshot(tmp_path) == content
    for damage in ("", "[]", '{"models": 1}', (tmp_path / ZEROSHOT_FILE).read_text().replace("1.0", '"x"')):
        (tmp_path / ZEROSHOT_FILE).write_text(damage)
        with pytest.raises(CheckpointError, match="Measure again"):
            read_zeroshot(tmp_path)


def test_one_model_is_not_saved_as_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zeroshot", "--save"]) == 2
    assert "add --all" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_prints_a_table(corpus_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zeroshot", "--weights", str(WEIGHTS_FOLDER / "ladder" / "bigram"), "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert all(kind.title in told for kind in KINDS)
    kept = {model["id"]: model for model in read_zeroshot(WEIGHTS_FOLDER / MEANING_FOLDER)["models"]}
    assert f"{kept[NGRAM]['mean']['right']:.1%}" in told
    assert "ladder/bigram" in told


# Who said it?


def test_the_ten_are_those_who_speak_most_in_the_training_text(plays: str) -> None:
    assert [*by_speaker(plays[: train_chars(len(plays))])][: len(NAMES)] == [*NAMES]


def test_four_of_the_five_held_out_speakers_were_met_in_training(plays: str) -> None:
    cut = train_chars(len(plays))
    before, names = by_speaker(plays[:cut]), held_out(by_speaker(plays[cut:]))
    assert (len(names), sum(name in before for name in names)) == (5, 4)  # MET in ui/meaning/zeroshot/speakers.js and the model card say so


def test_questions_have_each_answer_as_often_and_never_show_their_own_speech(plays: str) -> None:
    cut = train_chars(len(plays))
    before, last = by_speaker(plays[:cut]), by_speaker(plays[cut:])
    named = by_name(before, NAMES, random.Random(0))
    assert len({*Counter(question.right for question in named).values()}) == 1
    for question in named:
        assert question.speech in before[NAMES[question.right]]
        assert question.contexts[question.right].endswith(f"\n\n{NAMES[question.right]}:\n")
    shown = with_examples(last, random.Random(0))
    assert 0.35 < sum(question.right for question in shown) / len(shown) < 0.65
    for question in shown:
        assert all(f"\n{question.speech}\n" not in context for context in question.contexts)
        assert max(len(context) + len(question.speech) for context in question.contexts) <= 256  # the shipped model's block
    with pytest.raises(CorpusError, match="NOBODY has 0 speeches"):
        by_name(before, ["NOBODY"], random.Random(0))


def test_a_tokenizer_of_the_plays_has_every_name() -> None:
    assert CharTokenizer(TINY_SHAKESPEARE_ALPHABET).encode("".join(NAMES))
