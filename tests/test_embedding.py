"""Embeddings: the network and its loss against plain references, TF-IDF against scikit-learn, pairs, recall, the index, and what ships."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.__main__ import main
from model.assistant.reward import RewardModel
from model.catalogue import Catalogue
from model.config import EmbedConfig, EmbeddingGPTConfig
from model.data import Corpus, load_corpus, train_chars
from model.errors import CheckpointError, CorpusError, ParameterError, UnknownCharacterError
from model.meaning.embedder import Embedder, MeanStates, pad
from model.meaning.halves import HALF_CHARS, TrainingPairs, cut, held_out_halves
from model.meaning.index import Index, one_line
from model.meaning.map import make_map
from model.meaning.recall import measure, ranks, read_recall, save, scores
from model.meaning.speeches import PLAYS, speeches_of
from model.meaning.tfidf import TfIdf
from model.network import Capture
from model.network.embedding import EmbeddingGPT
from model.tokenizer import CharTokenizer
from model.training.presets import FromParent
from model.training.run import Run
from model.training.tasks.embed import Embed, contrastive
from model.training.tasks.fine_tuning import Start
from model.training.trainer import Trainer
from model.weights import WEIGHTS_FOLDER, Weights, hash_file, load_weights, save_weights, weights_path
from tests.conftest import VOCABULARY
from tests.support.killing import kill_and_resume, metrics_of

CPU = torch.device("cpu")
TOKENIZER = CharTokenizer(VOCABULARY)
SHIPPED = WEIGHTS_FOLDER / "meaning" / "embedding"
RECIPE: dict[str, Any] = {
    "steps": 40,
    "batch_size": 12,
    "micro_batch_size": 12,
    "warmup_steps": 2,
    "eval_interval": 20,
    "optimizer": "adamw",
}
RECIPE |= {"learning_rate": 5e-3, "embedding_learning_rate": 5e-3, "average": 0.0, "snapshots": 0}
SENTENCES = ["Now is the winter", "My lord!", "O Romeo, Romeo! wherefore art thou", "I know thee not"]


def plays(n: int = 150) -> str:
    """Speeches about one thing each: its word comes in both halves."""
    rng = random.Random(0)
    things = ["sword", "rose", "crown", "ship", "moon", "horse", "grave", "bell"]
    speeches = []
    for i in range(n):
        thing = things[i % len(things)]
        words = " and ".join(f"the {thing} is {rng.choice(['old', 'fair', 'mine', 'lost', 'dear'])}" for _ in range(6))
        speeches.append(f"{rng.choice(['KING', 'FOOL', 'QUEEN'])}:\nI say {words}.\n{thing.capitalize()}s are all that I see.")
    return "\n\n".join(speeches) + "\n"


@pytest.fixture
def network(make_model: Callable[..., Any]) -> EmbeddingGPT:
    """A small random embedding network in evaluation mode."""
    gpt = make_model(block_size=64)
    network = EmbeddingGPT(EmbeddingGPTConfig(**asdict(gpt.config), width=8), torch.Generator().manual_seed(1))
    network.load_state_dict(gpt.state_dict(), strict=False)
    return network.eval()


@pytest.fixture
def parent(tmp_path: Path, make_model: Callable[..., Any], tiny: Weights) -> Weights:
    """A small random GPT in weights/parent."""
    folder = tmp_path / "weights" / "parent"
    save_weights(folder, make_model(block_size=128, n_layer=1), tiny.tokenizer, {})
    return load_weights(folder, merge=False)


def learn(parent: Weights, text: str | None = None, **settings: Any) -> Embed:
    return Embed.begin(Start.of(parent, FromParent(0.0)), EmbedConfig(**RECIPE | settings), Corpus("plays", text or plays()))


# The network and its loss


def test_a_vector_is_the_mapped_mean_of_the_states_whatever_stands_beside(network: EmbeddingGPT) -> None:
    ids, lengths = pad([torch.tensor(TOKENIZER.encode(text)) for text in SENTENCES])
    with torch.no_grad():
        found = network.embed(ids, lengths)
        for text, vector in zip(SENTENCES, found, strict=True):
            capture = Capture()
            network(torch.tensor([TOKENIZER.encode(text)]), capture=capture)
            states = F.layer_norm(capture.stream[-1][0], (32,), network.get_parameter("transformer.ln_f.weight"))
            plain = states.mean(0) @ network.map.weight.T
            torch.testing.assert_close(vector, plain / plain.norm(), rtol=1e-4, atol=1e-5)
    assert Embedder(network, TOKENIZER, "").embed(SENTENCES).allclose(found, atol=1e-5)


def test_the_loss_is_that_of_choosing_the_other_text_in_both_directions() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (F.normalize(torch.randn(5, 3, generator=generator), dim=-1) for _ in range(2))
    found = contrastive(first, second, torch.tensor(7.0))
    for i in range(5):
        forward = [math.exp(7 * (first[i] @ second[j]).item()) for j in range(5)]
        backward = [math.exp(7 * (first[j] @ second[i]).item()) for j in range(5)]
        plain = -(math.log(forward[i] / sum(forward)) + math.log(backward[i] / sum(backward))) / 2
        assert found[i].item() == pytest.approx(plain, abs=1e-5)


def test_sentences_that_cannot_be_read_are_refused(network: EmbeddingGPT, tiny: Weights) -> None:
    embedder = Embedder(network, TOKENIZER, "")
    for text, error, message in (
        ("", ParameterError, "The sentence is empty"),
        (" \n ", ParameterError, "The sentence is empty"),
        ("a" * 65, ParameterError, "has 65 characters; the maximum is 64"),
        ("naïve", UnknownCharacterError, "‘ï’"),
    ):
        with pytest.raises(error, match=message):
            embedder.embed(["My lord!", text])
    vectors = MeanStates.of(tiny).embed(["My lord!", "thou art"])
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


# Pairs, TF-IDF and recall


def test_texts_are_cut_between_words_and_nothing_is_lost_in_the_middle() -> None:
    words = "Before we proceed any further,\nhear me speak."
    assert cut(words, 0.5, 100) == ("Before we proceed any", "further,\nhear me speak.")
    assert cut(words, 0.5, 12) == ("proceed any", "further,")
    assert cut("Speak speak", 0.5, 3) == ("eak", "spe")


def test_held_out_speeches_are_not_learned_from() -> None:
    text = plays()
    last = text[train_chars(len(text)) :]
    held_out = held_out_halves(text)
    assert len(held_out) == sum(len(speech.words) >= 80 for speech in speeches_of(text, train_chars(len(text))))
    assert all(pair.first in last and pair.second in last for pair in held_out)
    pairs = TrainingPairs(text, windows=0.5)
    drawn = pairs.draw(50, np.random.default_rng(3))
    assert drawn == pairs.draw(50, np.random.default_rng(3))
    assert len({pair.first for pair in drawn}) == 50
    assert max(len(part) for pair in drawn for part in pair) <= HALF_CHARS[-1]
    assert all(len(pair.first) > 1 and len(pair.second) > 1 for pair in drawn)
    for bad in ("no speeches at all", "KING:\nToo short.\n\n" * 9):
        with pytest.raises(CorpusError, match="at least 2 are needed"):
            TrainingPairs(bad, windows=0.5)


def test_pairs_are_drawn_from_odd_texts_or_refused_in_words() -> None:
    rng, words = np.random.default_rng(0), "words that are said, " * 9
    with_long_word = f"KING:\n{words}\n\nQUEEN:\n{'a' * 2000} {words}\n\n" * 9
    assert len(TrainingPairs(with_long_word, windows=1.0).draw(20, rng)) == 20  # though most windows have no space
    two_words = f"KING:\n{'a' * 90} b\n\n" * 20
    with pytest.raises(CorpusError, match="too few different speeches for 8 pairs at a time"):
        TrainingPairs(two_words, windows=0.0).draw(8, rng)


def test_tf_idf_is_that_of_scikit_learn() -> None:
    vectorizer = pytest.importorskip("sklearn.feature_extraction.text").TfidfVectorizer
    texts = [" ".join(speech.words.split()) for speech in speeches_of(plays(24))] + ["ab", "Thou, thou and THOU."]
    asked = [*SENTENCES, "the moon is old", "zzz"]
    theirs = vectorizer(analyzer="char", ngram_range=(3, 5), sublinear_tf=True)
    matrix = theirs.fit_transform(texts)
    ours = TfIdf(texts)
    np.testing.assert_allclose(ours.similarities(asked), (theirs.transform(asked) @ matrix.T).toarray(), atol=1e-6)
    both = theirs.transform(["the old moon", "moon of old"])
    assert ours.similarity("the old moon", "moon of old") == pytest.approx((both @ both.T).toarray()[0, 1], abs=1e-6)
    assert ours.nearest("Thou!", 1)[0][0] == len(texts) - 1


def test_ranks_and_recall_are_counted_as_defined() -> None:
    similarities = torch.tensor([[3.0, 1.0, 2.0], [5.0, 4.0, 1.0], [2.0, 2.0, 2.0]])
    found = ranks(similarities)
    assert found.tolist() == [1, 2, 2]  # of three that are equal, the right one stands in the middle
    table = scores(found)
    assert table["recall"] == {"1": 0.3333, "5": 1.0, "10": 1.0}
    assert table["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3, abs=1e-4)


# A run


def test_a_run_learns_what_belongs_together(tmp_path: Path, parent: Weights, one_thread: None) -> None:
    run = Run(tmp_path / "runs" / "alike")
    trainer = Trainer.start(run, learn(parent), CPU, torch.float32)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    first, *_, last = [line for line in trainer.steps() if "val_loss" in line]
    assert last["val_loss"] < first["val_loss"] - 0.2
    changed = {name for name, tensor in trainer.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == trainer.model.learned().keys()
    assert all("lora_" in name or name in ("map.weight", "log_scale") for name in changed)

    embedder, text = Embedder.load(run.folder), plays()
    table = measure(embedder, MeanStates.of(parent), text)
    assert table["n"] == len(held_out_halves(text))
    assert table["methods"]["embedding"]["recall"]["10"] == pytest.approx(last["recall"], abs=1.01 / table["n"])
    save(run.folder, table)
    assert read_recall(run.folder)["methods"]["tfidf"] == table["methods"]["tfidf"]

    with pytest.raises(CheckpointError, match="alike has an embedding network, which turns texts into vectors and writes none"):
        load_weights(run.folder)
    with pytest.raises(CheckpointError, match="no reward model"):
        RewardModel.load(run.folder)
    with pytest.raises(CheckpointError, match="which gives texts no vectors"):
        Embedder.load(tmp_path / "weights" / "parent")
    assert [entry.id for entry in Catalogue(tmp_path / "weights", tmp_path / "runs").entries()] == ["parent"]


@pytest.mark.parametrize("stop", [3, 6])
def test_a_stopped_run_resumes_to_the_numbers_of_an_uninterrupted_one(tmp_path: Path, parent: Weights, stop: int, one_thread: None) -> None:
    settings: dict[str, Any] = {"steps": 8, "eval_interval": 6}
    whole, run = Run(tmp_path / "runs" / "whole"), Run(tmp_path / "runs" / "parts")
    list(Trainer.start(whole, learn(parent, **settings), CPU, torch.float32).steps())
    first = Trainer.start(run, learn(parent, **settings), CPU, torch.float32)
    for metrics in first.steps():
        if metrics["step"] == stop:
            break
    first.save()
    list(Trainer.resume(run, Embed.resume(run, Corpus("plays", plays())), CPU).steps())
    assert metrics_of(run.folder) == metrics_of(whole.folder)
    assert run.samples() == whole.samples()
    with pytest.raises(CorpusError, match="was started with another text"):
        Embed.resume(run, Corpus("others", plays(140)))


def test_what_cannot_be_learned_is_refused(
    tmp_path: Path, parent: Weights, make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CorpusError, match=r"plays cannot be learned by parent: .*‘é’"):
        learn(parent, plays() + "é")
    short = tmp_path / "weights" / "short"
    save_weights(short, make_model(), TOKENIZER, {})
    with pytest.raises(CorpusError, match="short has a context of 16 characters; the texts have up to 110"):
        learn(load_weights(short, merge=False))
    with pytest.raises(ParameterError, match="bigram is not a GPT"):
        Start.of(load_weights(WEIGHTS_FOLDER / "ladder" / "bigram", merge=False), FromParent(0.0))
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text(plays(), encoding="utf-8")
    for arguments, message in (
        (["--corpus", "corpus.txt"], "Fine-tuning needs a parent model"),
        (["--from", "weights/none"], "There is no folder weights/none"),
        (["--from", "weights/parent", "--pairs", "x.jsonl"], "--pairs is for the task sft, not embed"),
    ):
        assert main(["train", "--task", "embed", "--run", "wrong", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert not Path("runs/wrong").exists()


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_numbers_of_an_uninterrupted_one(tmp_path: Path, parent: Weights) -> None:
    (tmp_path / "corpus.txt").write_text(plays(), encoding="utf-8")
    asked = RECIPE.keys() - {"snapshots", "optimizer", "embedding_learning_rate"}
    recipe = [part for name in sorted(asked) for part in (f"--{name.replace('_', '-')}", str(RECIPE[name]))]
    begin = ("--task", "embed", "--from", "weights/parent", "--corpus", "corpus.txt", "--precision", "float32", *recipe)
    assert kill_and_resume(tmp_path, 3, random.Random(1), begin, ("--corpus", "corpus.txt", "--resume")) == 3
    assert metrics_of(tmp_path / "runs" / "killed") == metrics_of(tmp_path / "runs" / "whole")


# The index and its map


def test_groups_of_vectors_stay_together_on_the_map() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(6)[:3].repeat_interleave(40, 0)  # more than the perplexity
    points = make_map(F.normalize(centres + 0.1 * torch.randn(120, 6, generator=generator), dim=-1))
    assert points.abs().max() == 1
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
    group = torch.arange(120) // 40
    assert (group[distances.argmin(1)] == group).all()


def test_an_index_finds_lines_and_keeps_no_text(tmp_path: Path, network: EmbeddingGPT) -> None:
    save_weights(tmp_path, network, TOKENIZER, {}, torch.float32)
    embedder = Embedder.load(tmp_path)
    speeches = "\n\n".join(f"KING:\n{one}, said the {i}th\nof them. No.".replace(str(i), "abcdefgh"[i]) for i, one in enumerate(SENTENCES))
    text = f"{PLAYS['The Tempest']}, my good fellow, come!\n\n{speeches}\n"
    Index.build(embedder, text).save(tmp_path)
    index = Index.load(tmp_path, text)
    assert len(index) == len(SENTENCES) + 1
    assert b"wherefore" not in (tmp_path / "index.safetensors").read_bytes()
    for i in range(len(index)):
        line = index.line(i)
        assert line.text == text[line.position : line.position + line.length]
        assert (line.play, line.speaker) == ("The Tempest", "KING" if i else "Master")
        (vector,) = embedder.embed([one_line(line.text)])
        (best, cosine), *_ = index.nearest(vector, 3)
        assert best == i
        assert cosine == pytest.approx(1, abs=1e-3)
        assert index.tfidf.nearest(line.text, 1)[0] == (i, pytest.approx(1, abs=1e-5))
        x, y = index.place(vector)
        assert max(abs(x), abs(y)) <= 1

    bare = Index.load(tmp_path)
    assert bare.line(0).text is None
    assert bare.nearest(vector, 2) == index.nearest(vector, 2)
    with pytest.raises(CorpusError, match="cannot be shown without the corpus"):
        _ = bare.tfidf
    with pytest.raises(CorpusError, match="belongs to another text"):
        Index.load(tmp_path, text + "!")
    whole = (tmp_path / "index.safetensors").read_bytes()
    (tmp_path / "index.safetensors").write_bytes(whole[:-9])
    with pytest.raises(CheckpointError, match=r"index\.safetensors is damaged"):
        Index.load(tmp_path)
    columns = {name: getattr(index, name)[:3] for name in ("vectors", "map", "position", "length", "play", "speaker")}
    replace(index, **columns).save(tmp_path)
    with pytest.raises(CheckpointError, match=r"is not a valid index \(it has 3 lines; it must have more than 3\)"):
        Index.load(tmp_path)
    shutil.copy(tmp_path / "model.safetensors", tmp_path / "index.safetensors")
    with pytest.raises(CheckpointError, match="is not a valid index"):
        Index.load(tmp_path)
    (tmp_path / "index.safetensors").write_bytes(whole)
    network.map.weight.data += 1
    save_weights(tmp_path, network, TOKENIZER, {}, torch.float32)
    with pytest.raises(CheckpointError, match="was built with other weights"):
        Index.load(tmp_path)


# What ships


def test_the_shipped_embedding_finds_more_than_its_baselines() -> None:
    about = json.loads((SHIPPED / "config.json").read_text(encoding="utf-8"))["about"]
    assert about["task"] == "embed"
    assert about["parent"]["sha256"] == hash_file(weights_path(WEIGHTS_FOLDER / "shakespeare"))
    table = read_recall(SHIPPED)
    assert table["n"] == 353
    recall = {method: found["recall"]["10"] for method, found in table["methods"].items()}
    low, _ = table["methods"]["embedding"]["interval"]["10"]
    assert recall["chance"] < recall["mean"] < low
    assert max(recall["tfidf"], recall["length"]) < low
    assert table["long"]["n"] == 141
    index = Index.load(SHIPPED)
    assert set(index.plays) == set(PLAYS)
    assert len(index) == 3_000


@pytest.mark.slow
def test_the_shipped_figures_are_reproduced(corpus_path: Path) -> None:
    text = load_corpus(corpus_path).text
    embedder, parent = Embedder.load(SHIPPED), load_weights(WEIGHTS_FOLDER / "shakespeare")
    measured, shipped = measure(embedder, MeanStates.of(parent), text), read_recall(SHIPPED)
    for now, then in ((measured, shipped), (measured["long"], shipped["long"])):
        assert now["n"] == then["n"]
        for method, found in now["methods"].items():
            for k, share in found["recall"].items():
                assert share == pytest.approx(then["methods"][method]["recall"][k], abs=0.01)
    index = Index.load(SHIPPED, text)
    some: list[int] = [0, 1_000, 2_999]
    vectors: Tensor = embedder.embed([one_line(index.line(i).text or "") for i in some])
    assert [index.nearest(vector, 1)[0][0] for vector in vectors] == some
