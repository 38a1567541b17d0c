"""Translation by rule: the rules, what is kept back, the rows, a run, the translator and what ships."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.__main__ import main
from model.config import EncoderDecoderConfig, GPTConfig, NetworkConfig, TrainConfig, TranslateConfig
from model.data import Corpus, load_corpus
from model.errors import CheckpointError, CorpusError, ParameterError, UnknownCharacterError
from model.limits import MAX_BEAMS
from model.meaning.early_modern import early_modern, modern
from model.meaning.rows import IGNORE, make_rows, target_logits
from model.meaning.rules import CHARS, RULES, SIGN, VOCABULARY, is_kept_back, kept_back, modern_lines, training_sources
from model.meaning.translates import TranslatesConfig, exact, measure, ranges, read_translates, save
from model.meaning.translator import Translator
from model.network.kinds import make_network
from model.tokenizer import CharTokenizer
from model.training.job import Job
from model.training.jobs import Jobs
from model.training.presets import PRESETS
from model.training.run import Run
from model.training.tasks.translate import Translate
from model.training.trainer import Trainer
from model.weights import save_weights
from tests.conftest import ROOT
from tests.support.killing import kill_and_resume, metrics_of

CPU = torch.device("cpu")
TOKENIZER = CharTokenizer(VOCABULARY)
PAIR = EncoderDecoderConfig(block_size=12, n_layer=1, n_head=2, n_embd=32)
ALONE = GPTConfig(block_size=24, n_layer=1, n_head=2, n_embd=32)
RECIPE: dict[str, Any] = {"steps": 12, "batch_size": 8, "micro_batch_size": 4, "optimizer": "adamw", "learning_rate": 3e-3}
RECIPE |= {"embedding_learning_rate": 3e-3, "weight_decay": 0.0, "beta2": 0.98, "warmup_steps": 4, "eval_interval": 6, "snapshots": 0}
SHIPPED = ROOT / "weights" / "meaning"
NAMES = ("reversal", "reversal-gpt", "early-modern", "early-modern-gpt")
BOTH = pytest.mark.parametrize("network", [PAIR, ALONE], ids=["encoder-decoder", "gpt"])


def english() -> Corpus:
    """A text with lines that the rules change and lines that they do not, the last tenth included."""
    rng = random.Random(0)
    lines = [
        f"{rng.choice(['You are', 'He has', 'My lord is', 'We were'])} {rng.choice('abcdefgh')}{rng.choice('xyz')}." for _ in range(400)
    ]
    return Corpus("english", "\n".join([*lines, "You see no new one.", "The end of it all."]))


def translator(config: NetworkConfig, seed: int = 0) -> Translator:
    """A random network that translates nothing."""
    network = make_network(replace(config, vocab_size=len(TOKENIZER)), torch.Generator().manual_seed(seed)).eval()
    return Translator(network, TOKENIZER, RULES["reversal"], 8, "no file")


# Rules


@pytest.mark.parametrize(
    ("modern_text", "early"),
    [
        ("Are you sure that your friend has it?", "Art thou sure that thy friend hath it?"),
        ("You are my friend.", "Thou art my friend."),
        ("Do you know what your brother has?", "Dost thou know what thy brother hath?"),
        ("It is nothing; he never speaks.", "'Tis naught; he ne'er speaketh."),
        ("If you love me, give me your eye.", "If thou lovest me, give me thine eye."),
        ("Perhaps she knows it before you.", "Perchance she knoweth it ere thee."),
        ("I had you; it was yours.", "I had thee; 'twas thine."),
        ("Youth, youre and doest stay.", "Youth, youre and doest stay."),
    ],
)
def test_modern_english_becomes_early_modern_by_rule(modern_text: str, early: str) -> None:
    assert early_modern(modern_text) == early
    assert early_modern(modern(early)).lower() == early.lower()


def test_the_other_rule_reverses() -> None:
    assert RULES["reversal"].answer("To be") == "eb oT"


def test_every_example_can_be_read_and_no_text_is_changed_twice() -> None:
    for rule in RULES.values():
        for example in rule.examples:
            assert not set(example) - set(CHARS)
    assert all(early_modern(example) != example for example in RULES["early-modern"].examples)
    for example in RULES["early-modern"].examples:
        assert early_modern(early_modern(example)) == early_modern(example)


def test_strings_that_are_kept_back_are_never_drawn() -> None:
    drawn = training_sources(RULES["reversal"], 3, None).draw(3_000, random.Random(0))
    assert {len(string) for string in drawn} == {1, 2, 3}
    assert not any(map(is_kept_back, drawn))
    held_out = kept_back(RULES["reversal"], range(1, 4), 100, 0, None)
    assert all(map(is_kept_back, held_out))
    assert len({*held_out}) == 100
    assert {*kept_back(RULES["reversal"], range(1, 2), 100, 0, None)} == {*filter(is_kept_back, CHARS)}


def test_lines_that_are_kept_back_are_those_of_the_last_tenth_alone() -> None:
    corpus = english()
    sources = training_sources(RULES["early-modern"], 20, corpus)
    assert {early_modern(line) == line for line in sources.changed} == {False}
    assert {early_modern(line) == line for line in sources.unchanged} == {True}
    drawn = sources.draw(200, random.Random(0))
    assert {early_modern(line) == line for line in drawn} == {True, False}
    assert kept_back(RULES["early-modern"], range(8, 21), 100, 0, corpus) == ["The end of it all.", "You see no new one."]
    with pytest.raises(CorpusError, match="english has 0 lines of 8 to 20 characters that the rules change"):
        training_sources(RULES["early-modern"], 20, Corpus("english", "We say so.\n" * 50))


def test_names_of_speakers_and_other_alphabets_are_no_sources() -> None:
    assert modern_lines("ROMEO:\nThou art here.\nThou art here.\nNo.\nÉtes-vous là?\nHe hath 7 of it.") == ["You are here."]


# Rows


@BOTH
def test_only_the_target_counts_and_is_predicted_from_what_was_before_it(network: NetworkConfig) -> None:
    one = translator(network)
    pairs = [("abc", "cba"), ("a", "a"), ("abcdefgh", "hgfedcba")]
    logits, targets = target_logits(one.network, make_rows(one.network, TOKENIZER, pairs))
    for (source, target), row, wanted in zip(pairs, logits, targets, strict=True):
        counted = wanted != IGNORE
        assert TOKENIZER.decode(wanted[counted].tolist()) == target + SIGN
        torch.testing.assert_close(row[counted], one.look(source, target)[0], rtol=1e-4, atol=1e-5)


# A run


def learn(network: NetworkConfig, corpus: Corpus | None = None, **settings: Any) -> Translate:
    return Translate(network, TranslateConfig(**RECIPE | {"longest": 8} | settings), corpus)


def test_the_schedule_is_that_of_the_paper() -> None:
    task = learn(PAIR, warmup_steps=100)
    for step in (1, 50, 100, 400, 10_000):
        wanted = 100**0.5 * min(step**-0.5, step * 100**-1.5)  # section 5.3, as a share of its peak
        assert task.rate(step - 1) == pytest.approx(wanted)


@BOTH
def test_the_loss_is_smoothed_as_defined(network: NetworkConfig) -> None:
    task = learn(network)
    made = task.make_network().eval()
    rows = task.batch(0, made)
    logits, targets = target_logits(made, rows)
    logs = logits[targets != IGNORE].log_softmax(-1)
    wanted = -(0.9 * logs.gather(1, targets[targets != IGNORE][:, None]).mean() + 0.1 * logs.mean())
    torch.testing.assert_close(task.loss(made, rows, torch.Generator()), wanted)
    assert task.weight(rows) == len(logs)


@pytest.mark.slow
def test_a_run_learns_to_reverse_two_characters(tmp_path: Path, one_thread: None) -> None:
    run = Run(tmp_path / "runs" / "short")
    settings = {"steps": 120, "batch_size": 64, "micro_batch_size": 64, "longest": 2, "eval_interval": 120, "learning_rate": 1e-2}
    before, *_, last = Trainer.start(run, learn(PAIR, average=0.0, **settings), CPU, torch.float32).steps()
    one = Translator.load(run.folder)
    found = exact(one, kept_back(one.rule, range(1, 3), 256, 1337, None))
    assert last["exact"] == pytest.approx(sum(found) / len(found), abs=1e-6)
    assert last["exact"] > 0.2 > before["exact"] + 0.1
    about = Job(run.folder).about()
    assert (about["task"], about["kind"], about["corpus"]) == ("translate", "encoder-decoder", {"name": "random strings"})
    source, answer = run.samples()[-1]["text"].split("\n\n")[0].split("\n")
    assert answer == one.translate(source).text


@pytest.mark.parametrize(("network", "rule"), [(PAIR, "reversal"), (ALONE, "early-modern")], ids=["encoder-decoder", "gpt"])
def test_a_stopped_run_resumes_to_the_numbers_of_an_uninterrupted_one(
    tmp_path: Path, network: NetworkConfig, rule: str, one_thread: None
) -> None:
    corpus = english() if rule == "early-modern" else None
    shape, settings = replace(network, block_size=2 * network.block_size), {"rule": rule, "longest": 20, "average": 0.9}
    whole, run = Run(tmp_path / "whole"), Run(tmp_path / "parts")
    list(Trainer.start(whole, learn(shape, corpus, **settings), CPU, torch.float32).steps())
    first = Trainer.start(run, learn(shape, corpus, **settings), CPU, torch.float32)
    for metrics in first.steps():
        if metrics["step"] == 5:
            break
    first.save()
    list(Trainer.resume(run, Translate.resume(run, corpus), CPU).steps())
    assert metrics_of(run.folder) == metrics_of(whole.folder)
    assert run.samples() == whole.samples()
    if corpus:
        for other, message in ((Corpus("other", "You are.\n" * 99), r"with another text \(english\)"), (None, "is not that of a run that")):
            with pytest.raises((CorpusError, CheckpointError), match=message):
                Translate.resume(run, other)


def test_a_source_that_does_not_fit_is_refused_before_anything_is_trained() -> None:
    for network, most in ((PAIR, 10), (ALONE, 10)):
        learn(network, longest=most)
        with pytest.raises(ParameterError, match=f"a source has {most} characters at most; longest is {most + 1}"):
            learn(network, longest=most + 1)
    with pytest.raises(CorpusError, match="The last tenth of the text has no line to evaluate on"):
        learn(replace(PAIR, block_size=32), Corpus("same", "You are here.\nWe say so.\n" * 90), rule="early-modern", longest=20)


@pytest.mark.slow
def test_a_run_that_is_killed_with_9_gives_the_same_numbers(tmp_path: Path) -> None:
    settings = ["--n-layer", "1", "--n-embd", "32", "--steps", "40", "--eval-interval", "10", "--batch-size", "8", "--precision", "float32"]
    assert kill_and_resume(tmp_path, 3, random.Random(0), ("--preset", "reversal", *settings), ("--resume",)) == 3
    assert metrics_of(tmp_path / "runs" / "killed") == metrics_of(tmp_path / "runs" / "whole")


def test_the_command_line_says_what_does_not_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, message in (
        (["--task", "translate", "--from", "weights/x"], "--from is for the task sft, not translate"),
        (["--preset", "reversal", "--rule", "early-modern"], "This preset has no setting 'rule'"),
        (["--preset", "reversal", "--longest", "65"], "a source has 64 characters at most; longest is 65"),
    ):
        assert main(["train", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert not [*tmp_path.glob("runs/*")]


def test_the_page_starts_one_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[list[str]] = []
    monkeypatch.setattr(Jobs, "_launch", lambda self, job, resume: launched.append(job.arguments(resume)))
    job = Jobs(tmp_path / "runs").translate("reversal", {"steps": 5}, "mine")
    assert launched == [["train", "--preset", "reversal", "--run", job.id, "--steps", "5"]]
    about = job.about()
    wanted = ("translate", "encoder-decoder", "mine", {"name": "random strings", "own": False}, len(VOCABULARY))
    assert (about["task"], about["kind"], about["name"], about["corpus"], about["network"]["vocab_size"]) == wanted
    with pytest.raises(ParameterError, match="longest is 65"):
        Jobs(tmp_path / "runs").translate("reversal", {"longest": 65})


# The translator


@BOTH
def test_a_translation_is_what_the_network_gives_one_character_at_a_time(network: NetworkConfig) -> None:
    one = translator(network, seed=3)
    found = one.translate("abcd")
    written: list[int] = []
    for step in found.steps:
        logits = one.look("abcd", TOKENIZER.decode(written))[0]
        chances = torch.softmax(logits[len(written)].double(), -1)
        assert step.top[0] == (TOKENIZER.vocabulary[int(chances.argmax())], pytest.approx(float(chances.max()), abs=1e-5))
        assert sum(chance for _, chance in step.top) <= 1 + 1e-6
        written.append(int(chances.argmax()))
    assert found.target == TOKENIZER.decode(written)
    assert found.source == "abcd" + SIGN
    assert found.ended == found.target.endswith(SIGN) == (found.text != found.target)
    S, T = len(found.source), len(found.target)
    if one.is_pair:
        assert found.attention.encoder is not None
        assert found.attention.cross is not None
        shapes = [weights.shape for weights in (found.attention.encoder, found.attention.decoder, found.attention.cross)]
        assert shapes == [(1, 2, S, S), (1, 2, T, T), (1, 2, T, S)]
    else:
        assert (found.attention.encoder, found.attention.cross) == (None, None)
        assert found.attention.decoder.shape == (1, 2, S + T - 1, S + T - 1)
    np.testing.assert_allclose(found.attention.decoder.sum(-1), 1, rtol=1e-5)


@BOTH
def test_beams_are_told_step_by_step(network: NetworkConfig) -> None:
    one = translator(network, seed=5)
    greedy, wide = one.translate("abc", 1), one.translate("abc", 4)
    assert [len(step.beams) for step in greedy.steps] == [1] * len(greedy.target)
    assert wide.steps[-1].beams[0].log_probability >= -100
    assert any(beam.text == wide.text and beam.ended == wide.ended for beam in wide.steps[-1].beams)
    total = F.cross_entropy(one.look("abc", wide.text)[0][: len(wide.target)], torch.tensor(TOKENIZER.encode(wide.target)), reduction="sum")
    assert next(beam.log_probability for beam in wide.steps[-1].beams if beam.text == wide.text) == pytest.approx(-total.item(), abs=1e-3)


@BOTH
def test_what_cannot_be_translated_is_refused(network: NetworkConfig) -> None:
    one = translator(network)
    assert one.most == 10
    one.translate("a" * 10)
    for text, beams, message in (
        ("", 1, "There is no text to translate"),
        ("a" * 11, 1, "The text has 11 characters; this network learned texts of up to 8, and its positions end at 10"),
        ("a\nb", 1, "Translate one line at a time"),
        ("a", 0, f"beams must be a whole number from 1 to {MAX_BEAMS}"),
        ("a", MAX_BEAMS + 1, "beams must be a whole number"),
        ("a", True, "beams must be a whole number"),
    ):
        with pytest.raises(ParameterError, match=message):
            one.translate(text, beams)
    with pytest.raises(UnknownCharacterError, match="‘7’"):
        one.translate("7")


def test_a_network_that_learned_something_else_is_no_translator(tmp_path: Path) -> None:
    network = make_network(replace(ALONE, vocab_size=len(TOKENIZER)), torch.Generator().manual_seed(0))
    save_weights(tmp_path, network, TOKENIZER, {"recipe": asdict(TrainConfig())})
    with pytest.raises(CheckpointError, match=r"is not that of a network that translates \(its recipe has no rule\)"):
        Translator.load(tmp_path)


# Measurements


def test_a_measurement_counts_right_answers_and_is_bound_to_its_weights(tmp_path: Path, make_model: Callable[..., Any]) -> None:
    one = translator(PAIR)
    assert [(lengths[0], lengths[-1]) for lengths in ranges(one)] == [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10)]
    measured = measure(one, None, TranslatesConfig(asked=5))
    assert (measured["trained"]["n"], measured["longer"]["n"], measured["trained"]["right"]) == (20, 5, 0.0)
    assert [row["trained"] for row in measured["lengths"]] == [True] * 4 + [False]
    assert len(measured["diagonal"]["heads"][0]) == PAIR.n_head
    assert measure(translator(ALONE), None, TranslatesConfig(asked=2))["diagonal"] is None
    with pytest.raises(CorpusError, match="has no lines of up to 8 characters"):
        measure(replace(one, rule=RULES["early-modern"]), Corpus("repeated", "Hello there, you.\n" * 40), TranslatesConfig(asked=5))
    save(tmp_path, measured)
    (tmp_path / "model.safetensors").write_bytes(b"others")
    with pytest.raises(CheckpointError, match=r"translates\.json cannot be used: it was measured on other weights"):
        read_translates(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_was_measured_and_translates_its_examples(name: str) -> None:
    measured = read_translates(SHIPPED / name)
    one = Translator.load(SHIPPED / name)
    assert (measured["kind"], measured["rule"], measured["longest"]) == (one.kind, one.rule.id, one.longest)
    assert f"{name.removesuffix('-gpt')}" == one.rule.id
    assert replace(PRESETS[name].network, vocab_size=len(VOCABULARY)) == one.network.config
    right = exact(one, one.rule.examples)
    assert sum(right) >= len(right) - 1
    assert one.translate(one.rule.examples[0]).text == one.rule.answer(one.rule.examples[0])
    assert measured["trained"]["right"] >= 0.95
    card = (SHIPPED / "README.md").read_text(encoding="utf-8")
    row = next(line for line in card.splitlines() if line.startswith(f"| `{name}` |"))
    assert one.sha256[:12] in row
    for part in ("trained", "changed", "longer"):
        assert f"{100 * measured[part]['right']:.1f} % (" in row


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_new_measurement_gives_what_ships(name: str, corpus_path: Path) -> None:
    known = read_translates(SHIPPED / name)
    one = Translator.load(SHIPPED / name)
    found = measure(one, load_corpus() if one.rule.reads_lines else None, TranslatesConfig())
    for part in ("trained", "longer", "changed"):
        assert found[part]["n"] == known[part]["n"]
        assert found[part]["right"] == pytest.approx(known[part]["right"], abs=0.01)
    if found["diagonal"]:
        assert found["diagonal"]["mean"] == pytest.approx(known["diagonal"]["mean"], abs=0.02)
