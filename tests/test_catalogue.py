"""The catalogue: what can be used, what cannot and why, and what is read again when files change."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.catalogue import ASSISTANT, LADDER, MEANING, MEANING_WRITERS, RUN, SHIPPED, Catalogue
from model.config import BigramConfig, GPTConfig, LoRAConfig, RewardGPTConfig
from model.errors import CheckpointError, UnknownModelError
from model.network.kinds import make_network
from model.network.lora import with_adapters
from model.tokenizer import CharTokenizer
from model.training.job import Job
from model.weights import Adapter, config_json, load_weights, save_tensors, save_weights

LETTERS = CharTokenizer("\nabcd")


@pytest.fixture
def house(tmp_path: Path, make_model: Callable[..., torch.nn.Module]) -> Path:
    """weights/ with a GPT and a rung, and runs/ with one run that has weights and one that has none."""
    save_weights(tmp_path / "weights" / "play", make_model(vocab_size=5), LETTERS, {"best": {"val_loss": 1.5}})
    bigram = make_network(BigramConfig(vocab_size=5), torch.Generator().manual_seed(1))
    save_weights(tmp_path / "weights" / "ladder" / "bigram", bigram, LETTERS, {})
    write_run(tmp_path / "runs" / "one", seed=1)
    (tmp_path / "runs" / "two").mkdir()
    (tmp_path / "runs" / ".deleted-three").mkdir()
    return tmp_path


def write_run(folder: Path, seed: int, step: int = 20) -> None:
    """A run's folder as a trainer leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    network = make_network(GPTConfig(n_layer=1, n_head=1, n_embd=8, block_size=8, vocab_size=5), torch.Generator().manual_seed(seed))
    (folder / "config.json").write_bytes(config_json(network.config, LETTERS, {}))
    (folder / "job.json").write_text(json.dumps({"name": "my first"}), encoding="utf-8")
    save_tensors(folder / "best.safetensors", network.state_dict(), {"step": step, "val_loss": 2.25})


def catalogue(house: Path) -> Catalogue:
    return Catalogue(house / "weights", house / "runs")


def test_it_lists_what_ships_the_ladder_and_the_runs_that_have_weights(house: Path) -> None:
    entries = catalogue(house).entries()
    assert [(entry.id, entry.name, entry.source, entry.kind) for entry in entries] == [
        ("play", "play", SHIPPED, "gpt"),
        ("ladder/bigram", "bigram", LADDER, "bigram"),
        ("runs/one", "my first", RUN, "gpt"),
    ]
    assert [entry.val_loss for entry in entries] == [1.5, None, 2.25]
    assert [entry.step for entry in entries] == [None, None, 20]
    assert entries[1].n_params == 25
    assert not any(entry.trouble for entry in entries)


def test_a_model_is_loaded_by_its_key(house: Path) -> None:
    models = catalogue(house)
    for entry in models.entries():
        weights = models.load(entry.key)
        assert (weights.key, weights.name, weights.kind, weights.val_loss) == (entry.key, entry.name, entry.kind, entry.val_loss)
        assert weights.sha256 == load_weights(entry.folder).sha256


@pytest.mark.parametrize("key", ["", "deadbeef", "../play", "play", "ladder/bigram", "x" * 10_000, "\0"])
def test_a_key_that_does_not_exist_is_unknown(house: Path, key: str) -> None:
    with pytest.raises(UnknownModelError, match=r"There is no such model, or no longer\. Choose another one\."):
        catalogue(house).load(key)


def test_a_deleted_model_is_unknown_from_then_on(house: Path) -> None:
    models = catalogue(house)
    key = models.entries()[-1].key
    shutil.rmtree(house / "runs" / "one")
    assert [entry.id for entry in models.entries()] == ["play", "ladder/bigram"]
    with pytest.raises(UnknownModelError):
        models.load(key)


def test_a_run_that_has_learned_on_is_another_model(house: Path) -> None:
    models = catalogue(house)
    before = models.entries()[-1]
    write_run(house / "runs" / "one", seed=2, step=40)
    after = models.entries()[-1]
    assert (after.id, after.step) == (before.id, 40)
    assert after.key != before.key
    with pytest.raises(UnknownModelError):
        models.load(before.key)
    assert models.load(after.key).key == after.key


def test_files_are_hashed_once_while_they_do_not_change(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models, hashed = catalogue(house), []
    hash_file = load_weights.__globals__["hash_file"]
    monkeypatch.setattr("model.catalogue.hash_file", lambda path: (hashed.append(path), hash_file(path))[1])
    models.entries()
    assert len(hashed) == 3
    models.entries()
    assert len(hashed) == 3


@pytest.mark.parametrize(
    ("file", "content", "trouble"),
    [
        ("config.json", b"{", "runs/one/config.json is not a valid config.json"),
        ("config.json", b"[]", "runs/one/config.json is not a valid config.json"),
        ("config.json", b'{"kind": "crystal ball"}', "unknown kind of network 'crystal ball'; this version supports gpt, bigram"),
        ("best.safetensors", b"not tensors", "runs/one/best.safetensors is damaged"),
        ("best.safetensors", b"", "runs/one/best.safetensors is damaged"),
    ],
)
def test_a_damaged_folder_is_listed_with_the_reason_and_harms_no_other(house: Path, file: str, content: bytes, trouble: str) -> None:
    (house / "runs" / "one" / file).write_bytes(content)
    models = catalogue(house)
    *others, damaged = models.entries()
    assert trouble in damaged.trouble
    assert str(house) not in damaged.trouble  # everybody may read it
    assert not any(entry.trouble for entry in others)
    with pytest.raises(CheckpointError, match=r"runs/one"):
        models.load(damaged.key)
    assert models.load(others[0].key)


def test_what_only_loading_finds_names_the_model_and_no_place_on_the_machine(house: Path) -> None:
    save_tensors(house / "runs" / "one" / "best.safetensors", {"wrong": torch.zeros(3)}, {"step": 1, "val_loss": 1.0})
    models = catalogue(house)
    with pytest.raises(CheckpointError, match=r"^runs/one/best\.safetensors lacks "):
        models.load(models.entries()[-1].key)


def test_folders_with_the_same_weights_are_one_model(house: Path) -> None:
    shutil.copytree(house / "weights" / "play", house / "weights" / "play-copy")
    assert [entry.id for entry in catalogue(house).entries()] == ["play", "ladder/bigram", "runs/one"]


def test_a_run_is_found_by_its_id_even_if_another_folder_has_the_same_weights(house: Path) -> None:
    shutil.copytree(house / "runs" / "one", house / "runs" / "another")
    models = catalogue(house)
    assert [entry.id for entry in models.entries()][-1] == "runs/another"
    assert [entry.id for name in ("one", "another") if (entry := models.find_run(name))] == ["runs/one", "runs/another"]
    assert models.find_run("two") is None
    assert models.find_run("../weights/play") is None


def test_a_full_disk_names_no_place_on_the_machine(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    models = catalogue(house)
    key = models.entries()[-1].key
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(CheckpointError, match=r"^runs/one/config\.json could not be (read|copied)"):
        models.load(key)


def test_links_and_missing_folders_are_passed_over(house: Path, tmp_path: Path) -> None:
    (house / "runs" / "link").symlink_to(house / "runs" / "one")
    assert [entry.id for entry in catalogue(house).entries()] == ["play", "ladder/bigram", "runs/one"]
    assert Catalogue(tmp_path / "none", tmp_path / "none").entries() == []
    assert [entry.id for entry in Catalogue(house / "weights", None, others=(house / "runs" / "one",)).entries()][-1] == "one"


def test_assistants_come_after_the_shipped_model_and_are_loaded_with_their_base(house: Path) -> None:
    base = load_weights(house / "weights" / "play")
    adapter = Adapter(LoRAConfig(rank=2), base.origin)
    for seed, name in enumerate(("unbound", "supervised", "reward")):
        network = with_adapters(base.model, base.model.config, adapter.shape, torch.Generator().manual_seed(seed))
        save_weights(house / "weights" / "assistant" / name, network, base.tokenizer, adapter.about())
    models = catalogue(house)
    assert [entry.id for entry in models.entries()][:4] == ["play", "assistant/supervised", "assistant/unbound", "ladder/bigram"]
    supervised = models.entries()[1]
    assert (supervised.source, supervised.kind, supervised.n_params) == (ASSISTANT, "gpt", base.model.n_params())
    ids = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(models.load(supervised.key).model(ids), base.model(ids), rtol=1e-2, atol=1e-2)  # B is still 0
    shutil.rmtree(house / "weights" / "play")
    with pytest.raises(
        CheckpointError, match=r"^supervised needs the model that it is fine-tuned from, play \(sha256 .* Put its folder there\.$"
    ):
        models.load(supervised.key)


def test_models_of_meaning_that_write_come_after_the_ladder(house: Path) -> None:
    shape = {"n_layer": 1, "n_head": 1, "n_embd": 8, "block_size": 8, "vocab_size": 5}
    models = catalogue(house)
    for seed, name in enumerate(reversed(MEANING_WRITERS)):
        network = make_network(GPTConfig(**shape), torch.Generator().manual_seed(seed))
        save_weights(models.meaning_folder(name), network, LETTERS, {})
    scores = make_network(RewardGPTConfig(**shape), torch.Generator().manual_seed(9))
    save_weights(models.meaning_folder("embedding"), scores, LETTERS, {})
    expected = ["play", "ladder/bigram", *(f"meaning/{name}" for name in MEANING_WRITERS), "runs/one"]
    assert [entry.id for entry in models.entries()] == expected
    assert {entry.source for entry in models.entries()[2:-1]} == {MEANING}
    assert models.load(models.entries()[2].key).sha256 == load_weights(models.meaning_folder(MEANING_WRITERS[0])).sha256
    assert models.meaning_folder("embedding").parent == models.meaning_folder() == house / "weights" / "meaning"


def test_an_exported_copy_does_not_take_the_place_of_a_rung(house: Path) -> None:
    shutil.copytree(house / "weights" / "ladder" / "bigram", house / "weights" / "a-copy")
    (house / "weights" / "play").rename(house / "weights" / "shakespeare")
    assert [entry.id for entry in Catalogue(house / "weights").entries()] == ["shakespeare", "ladder/bigram"]


@pytest.mark.parametrize("name", ["best.safetensors", "config.json", "heads.json", "job.json"])
def test_a_pipe_is_not_waited_for(house: Path, name: str) -> None:
    path = house / "runs" / "one" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for entry in catalogue(house).entries():
        if not entry.trouble:
            assert catalogue(house).load(entry.key).key == entry.key


@pytest.mark.parametrize("loss", [10**400, "low", None, [1], True])
def test_a_loss_that_is_no_number_is_unknown(house: Path, loss: object) -> None:
    network = make_network(GPTConfig(n_layer=1, n_head=1, n_embd=8, block_size=8, vocab_size=5))
    save_tensors(house / "runs" / "one" / "best.safetensors", network.state_dict(), {"step": loss, "val_loss": loss})
    assert (catalogue(house).entries()[-1].val_loss, catalogue(house).entries()[-1].step) == (None, None)


@pytest.mark.parametrize("vocabulary", ["\n abc\ud800"[-5:], "abcdd", 5, None])
def test_a_vocabulary_that_pages_cannot_show_is_damage(house: Path, vocabulary: object) -> None:
    path = house / "runs" / "one" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vocabulary": vocabulary}))
    assert "runs/one/config.json is not a valid config.json" in catalogue(house).entries()[-1].trouble


def test_weights_of_a_type_that_cannot_be_checked_are_damage(house: Path) -> None:
    network = make_network(GPTConfig(n_layer=1, n_head=1, n_embd=8, block_size=8, vocab_size=5))
    tensors = {key: tensor.to(torch.float8_e4m3fn) for key, tensor in network.state_dict().items()}
    save_tensors(house / "runs" / "one" / "best.safetensors", tensors, {"step": 1, "val_loss": 1.0})
    with pytest.raises(CheckpointError, match=r"has the type float8_e4m3fn"):
        catalogue(house).load(catalogue(house).entries()[-1].key)


def test_names_are_short_and_can_be_shown(house: Path) -> None:
    (house / "runs" / "one" / "job.json").write_text('{"name": "' + "\\ud800x" * 1_000 + '"}')
    name = catalogue(house).entries()[-1].name
    assert name.encode()
    assert len(name) == 60


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\u202eb\0c\x1b", "abc"),
        ("two\n lines ", "two lines"),
        ("\u202e\0\n", "one"),
        ("", "one"),
    ],
)
def test_a_name_that_somebody_wrote_into_the_file_is_cleaned(house: Path, given: str, shown: str) -> None:
    folder = house / "runs" / "one"
    (folder / "job.json").write_text(json.dumps({"name": given}))
    assert (catalogue(house).entries()[-1].name, Job(folder).name) == (shown, shown)
