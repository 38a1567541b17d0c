"""Weights on disk: what is written comes back, and what is broken is refused by name."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.testing import assert_close

from model.catalogue import Catalogue
from model.errors import CheckpointError
from model.weights import MEANING_FOLDER, WEIGHTS_FOLDER, Weights, find_folder, load_tensors, load_weights, save_tensors, save_weights
from tests.conftest import ROOT, VOCABULARY

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tiny: Weights, tmp_path: Path) -> Path:
    """A folder of weights."""
    save_weights(tmp_path / "mine", tiny.model, tiny.tokenizer, {"recipe": {"steps": 3}})
    return tmp_path / "mine"


def change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    """Writes a folder's weights again with a change."""
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    change(tensors)
    safetensors.torch.save_file(tensors, folder / "model.safetensors")


def change_config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Writes a folder's config.json again with a change."""
    content = json.loads((folder / "config.json").read_text())
    change(content)
    (folder / "config.json").write_text(json.dumps(content))


def test_weights_come_back_rounded_to_16_bits(tiny: Weights, folder: Path, make_ids: Callable[..., Tensor]) -> None:
    loaded = load_weights(folder)
    assert loaded.name == "mine"
    assert loaded.about == {"recipe": {"steps": 3}}
    assert loaded.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert loaded.tokenizer.vocabulary == tiny.tokenizer.vocabulary
    assert loaded.model.config == tiny.model.config
    before, after = tiny.model.state_dict(), loaded.model.state_dict()
    assert before.keys() == after.keys()
    for key, tensor in before.items():
        assert_close(after[key], tensor.half().float(), rtol=0, atol=0)
    ids = make_ids(3, 16)
    logits = tiny.model(ids)
    difference = loaded.model(ids) - logits
    assert difference.abs().max() < 0.02
    assert_close((difference.square().mean() / logits.square().mean()).sqrt(), torch.tensor(0.0), rtol=0, atol=1e-3)


def test_16_bits_of_the_shipped_model_come_back_as_they_were(shipped: Weights, tmp_path: Path) -> None:
    save_weights(tmp_path, shipped.model, shipped.tokenizer, shipped.about)
    loaded = load_weights(tmp_path)
    assert loaded.about == shipped.about
    for key, tensor in shipped.model.state_dict().items():
        assert_close(loaded.model.state_dict()[key], tensor, rtol=0, atol=0)


def test_32_bits_come_back_as_they_were(tiny: Weights, tmp_path: Path) -> None:
    save_weights(tmp_path, tiny.model, tiny.tokenizer, {}, torch.float32)
    for key, tensor in load_weights(tmp_path).model.state_dict().items():
        assert_close(tensor, tiny.model.state_dict()[key], rtol=0, atol=0)


def test_loaded_weights_are_ready_to_write(folder: Path) -> None:
    model = load_weights(str(folder)).model
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_runs_folder_loads_its_best_weights(folder: Path) -> None:
    expected = load_weights(folder)
    (folder / "model.safetensors").rename(folder / "best.safetensors")
    loaded = load_weights(folder)
    for key, tensor in expected.model.state_dict().items():
        assert_close(loaded.model.state_dict()[key], tensor, rtol=0, atol=0)


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    tensors = {"a.b": torch.arange(6).view(2, 3), "c": torch.tensor(0.1, dtype=torch.bfloat16), "view": torch.eye(3)[:, 1]}
    metadata = {"step": 7, "best": 1.25, "note": "‘quoted’\n", "nothing": None}
    save_tensors(tmp_path / "deep" / "er" / "x.safetensors", tensors, metadata)
    loaded, told = load_tensors(tmp_path / "deep" / "er" / "x.safetensors")
    assert told == metadata
    assert loaded.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert loaded[key].dtype == tensor.dtype
        assert_close(loaded[key], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: f"_orig_mod.{name}",  # torch.compile
        lambda name: f"module.{name}",  # DistributedDataParallel
        lambda name: f"module._orig_mod.{name}",
        lambda name: f"_orig_mod.module.{name}",
        lambda name: name.replace("transformer.h.1.", "transformer.h.1._orig_mod."),  # one block that was compiled by itself
    ],
)
def test_weights_that_were_saved_within_another_module_load(folder: Path, wrap: Callable[[str], str]) -> None:
    expected = load_weights(folder)
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    safetensors.torch.save_file({wrap(name): tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
    loaded = load_weights(folder)
    for key, tensor in expected.model.state_dict().items():
        assert_close(loaded.model.state_dict()[key], tensor, rtol=0, atol=0)


def test_a_tensor_with_and_without_a_wrapper_is_refused(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.update({"module.transformer.wte.weight": tensors["transformer.wte.weight"].clone()}))
    with pytest.raises(CheckpointError, match=r"has module\.transformer\.wte\.weight, which the network does not have"):
        load_weights(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "best.safetensors"])
def test_metadata_of_other_programs_are_plain_texts(folder: Path, name: str) -> None:
    metadata = {"format": "pt", "author": "A. N. Other", "step": "10", "notes": "[unfinished", "deep": "[" * 100_000, "empty": ""}
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    safetensors.torch.save_file(tensors, folder / name, metadata)
    load_weights(folder)
    told = load_tensors(folder / name)[1]
    assert told == {"author": "A. N. Other", "step": 10, "notes": "[unfinished", "deep": "[" * 100_000, "empty": ""}


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 21509248\n"
WEB_PAGE = b"\n<!DOCTYPE html>\n<html><body>Please log in.</body></html>"


@pytest.mark.parametrize("name", ["model.safetensors", "best.safetensors", "config.json"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (POINTER, "it is a Git LFS pointer, not the file itself; fetch that with: git lfs pull"),
        (WEB_PAGE, "it is a web page; download the file itself"),
        (b"<HTML>", "it is a web page"),
        (b"", "it is empty"),
        (pickle.dumps({"a": 1}), "it is a pickle, as torch.save writes it, which is never loaded because it can run any code; save the"),
    ],
    ids=["pointer", "page", "old page", "nothing", "pickle"],
)
def test_what_lies_in_a_files_place_is_said_in_words(folder: Path, name: str, content: bytes, words: str) -> None:
    if name == "best.safetensors":
        (folder / "model.safetensors").rename(folder / name)
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{re.escape(name)} is (damaged or )?not .*{re.escape(words)}"):
        load_weights(folder)
    (entry,) = Catalogue(folder.parent).entries()  # the menu says so too, before anybody chooses the model
    assert words in entry.trouble


def test_a_pickle_of_torch_is_recognised(folder: Path) -> None:
    torch.save({"weight": torch.ones(3)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"it is a pickle, as torch\.save writes it"):
        load_weights(folder)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_no_page_can_be_sent_are_damage(folder: Path, caplog: pytest.LogCaptureFixture, number: str) -> None:
    table = json.dumps(heads_table(load_weights(folder).sha256)).replace('"layer": 0', f'"entropy": {number}, "layer": 0')
    (folder / "heads.json").write_text(table)
    assert load_weights(folder).heads is None
    assert "it has a number that is not finite" in caplog.text
    (folder / "config.json").write_text((folder / "config.json").read_text().replace('"steps": 3', f'"steps": {number}'))
    with pytest.raises(CheckpointError, match=r"config\.json is not a valid config\.json \(it has a number that is not finite\)"):
        load_weights(folder)


@pytest.mark.parametrize("name", ["config.json", "heads.json"])
def test_a_huge_file_is_not_read(folder: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.truncate(2**40)  # a hole: takes no space
    if name == "heads.json":
        assert load_weights(folder).heads is None
        assert "is larger than 8 MiB" in caplog.text
        return
    with pytest.raises(CheckpointError, match=r"config\.json is larger than 8 MiB"):
        load_weights(folder)


def heads_table(sha256: str) -> dict[str, Any]:
    """A table of the tiny network's heads."""
    rows = [{"layer": layer, "head": head, "loss": 2.5, "worth": 0.5, "label": "mixed"} for layer in (0, 1) for head in (0, 1)]
    return {"sha256": sha256, "loss": 2.0, "heads": rows}


def test_weights_know_the_table_of_their_heads(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = load_weights(folder)
    assert weights.heads is None
    (folder / "heads.json").write_text(json.dumps(heads_table(weights.sha256)))
    assert load_weights(folder).heads == heads_table(weights.sha256)
    assert not caplog.records


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table.update(sha256="0" * 64), "it was measured on other weights"),
        (lambda table: table.pop("sha256"), "it lacks 'sha256'"),
        (lambda table: table.pop("heads"), "it lacks 'heads'"),
        (lambda table: table.update(heads=3), ""),
        (lambda table: table.update(heads=[3]), ""),
        (lambda table: table["heads"].pop(), "it does not list each head of the network once, in order"),
        (lambda table: table["heads"].reverse(), "it does not list each head of the network once, in order"),
        (lambda table: table["heads"][2].pop("worth"), "it lacks 'worth'"),
        (lambda table: table["heads"][2].update(worth="0.5"), "it contains a loss that is not a finite number"),
        (lambda table: table["heads"][2].update(loss=float("nan")), "it has a number that is not finite"),
        (lambda table: table.update(loss=None), "it contains a loss that is not a finite number"),
        (lambda table: table["heads"][0].update(label=None), "it contains a label that is not a string"),
    ],
)
def test_a_table_of_heads_that_is_none_of_theirs_is_left_out_with_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture, change: Callable[[dict[str, Any]], Any], reason: str
) -> None:
    table = heads_table(load_weights(folder).sha256)
    change(table)
    (folder / "heads.json").write_text(json.dumps(table))
    assert load_weights(folder).heads is None
    (record,) = caplog.records
    assert re.search(
        rf"heads\.json is ignored: {re.escape(reason)}.*\. Measure again with: python -m model heads --weights ", record.message
    )


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 100_000], ids=lambda content: repr(content[:9]))
def test_a_damaged_table_of_heads_is_left_out_with_a_warning(folder: Path, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    (folder / "heads.json").write_bytes(content)
    assert load_weights(folder).heads is None
    assert len(caplog.records) == 1
    assert "heads.json is ignored: " in caplog.text


def test_a_missing_folder_is_named_with_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"There is no folder .*nowhere\. Use one with model\.safetensors and config\.json"):
        load_weights(tmp_path / "nowhere")


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"x\.safetensors is missing"):
        load_tensors(folder / "x.safetensors")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"mine has no model\.safetensors or best\.safetensors"):
        load_weights(folder)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read: No such file"):
        load_weights(folder)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.9999])
def test_a_truncated_file_is_refused(folder: Path, share: float) -> None:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged or not a safetensors file"):
        load_weights(folder)


@pytest.mark.parametrize("content", [b"\x00" * 100, b"\xff" * 100, b"not weights at all", b"{}"], ids=["zeros", "ones", "text", "json"])
def test_a_file_of_another_kind_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged or not a safetensors file"):
        load_weights(folder)


def test_a_folder_in_the_files_place_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not a file"):
        load_weights(folder)


def rename(tensors: dict[str, Tensor]) -> None:
    tensors["lm_head.weight"] = tensors.pop("transformer.wte.weight")


def drop(tensors: dict[str, Tensor]) -> None:
    del tensors["transformer.h.1.mlp.c_fc.weight"]


def add(tensors: dict[str, Tensor]) -> None:
    tensors["transformer.h.2.ln_1.weight"] = torch.ones(32)


def reshape(tensors: dict[str, Tensor]) -> None:
    tensors["transformer.wpe.weight"] = torch.zeros(8, 32)


def transpose(tensors: dict[str, Tensor]) -> None:
    tensors["transformer.h.0.attn.c_attn.weight"] = tensors["transformer.h.0.attn.c_attn.weight"].T.contiguous()


def put_nan(tensors: dict[str, Tensor]) -> None:
    tensors["transformer.h.0.mlp.c_fc.weight"][3, 4] = torch.nan


def put_inf(tensors: dict[str, Tensor]) -> None:
    tensors["transformer.ln_f.weight"][-1] = -torch.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename, "lacks transformer.wte.weight (1 tensors missing, 1 unexpected)"),
        (drop, "lacks transformer.h.1.mlp.c_fc.weight (1 tensors missing, 0 unexpected)"),
        (add, "has transformer.h.2.ln_1.weight, which the network does not have"),
        (reshape, "transformer.wpe.weight has shape (8, 32), but config.json requires (16, 32)"),
        (transpose, "transformer.h.0.attn.c_attn.weight has shape (32, 96), but config.json requires (96, 32)"),
        (put_nan, "transformer.h.0.mlp.c_fc.weight has values that are not finite"),
        (put_inf, "transformer.ln_f.weight has values that are not finite"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_wrong_tensors_are_refused_by_name(folder: Path, change: Callable[[dict[str, Tensor]], None], message: str) -> None:
    change_tensors(folder, change)
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*" + re.escape(message)):
        load_weights(folder)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '"text"', '{"network": {}}', '{"network": 3, "vocabulary": "ab", "about": {}}', "\ufffe{}"],
    ids=repr,
)
def test_a_broken_config_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text, encoding="utf-16" if text.startswith("\ufffe") else "utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json is not a valid config\.json"):
        load_weights(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["network"].update(n_layer=0), "n_layer must be between"),
        (lambda content: content["network"].update(n_embd="32"), "n_embd must be a whole number"),
        (lambda content: content["network"].update(n_head=5), "must be a multiple of n_head"),
        (lambda content: content["network"].update(biased=True), "biased"),
        (lambda content: content.pop("vocabulary"), "vocabulary"),
        (lambda content: content.pop("about"), "about"),
        (lambda content: content.update(vocabulary=VOCABULARY[:-1] + "a"), "single characters, each once"),
        (lambda content: content.update(vocabulary=list(range(65))), ""),
        (lambda content: content.update(about=3), ""),
    ],
)
def test_a_config_that_does_not_say_what_it_must_is_refused(folder: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    change_config(folder, change)
    with pytest.raises(CheckpointError, match=rf"config\.json is not a valid config\.json \(.*{message}"):
        load_weights(folder)


def test_a_vocabulary_of_another_size_is_refused(folder: Path) -> None:
    change_config(folder, lambda content: content.update(vocabulary=VOCABULARY + "é"))
    with pytest.raises(CheckpointError, match=r"config\.json: vocab_size is 65, but the vocabulary has 66 characters"):
        load_weights(folder)


class Bait:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [False, True], ids=["pickle", "torch.save"])
def test_a_pickle_posing_as_weights_is_refused_and_never_executed(folder: Path, tmp_path: Path, zipped: bool) -> None:
    path, sprung = folder / "model.safetensors", tmp_path / "sprung"
    if zipped:
        torch.save({"transformer.wte.weight": Bait(sprung)}, path)
    else:
        path.write_bytes(pickle.dumps(Bait(sprung)))
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged or not a safetensors file"):
        load_weights(folder)
    assert not sprung.exists()
    with path.open("rb") as file:
        torch.load(file, weights_only=False) if zipped else pickle.load(file)
    assert sprung.exists()  # the trap was a live one


def test_a_full_disk_leaves_the_old_file_whole(small_disk: Path) -> None:
    path = small_disk / "model.safetensors"
    tensors = {"wte": torch.arange(20_000, dtype=torch.int16)}  # 40 kB: the disk holds one copy, not two
    save_tensors(path, tensors)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"model\.safetensors could not be written\. The disk is full.*unchanged"):
        save_tensors(path, {"wte": tensors["wte"] + 1})
    assert path.read_bytes() == before
    assert list(small_disk.iterdir()) == [path]


def test_a_parent_is_found_among_the_networks_of_meaning(tmp_path: Path) -> None:
    folder = WEIGHTS_FOLDER / MEANING_FOLDER / "pre-norm"
    assert find_folder(load_weights(folder, merge=False).origin, tmp_path / "runs" / "mine") == folder


def test_loading_does_not_import_pytorchs_compiler() -> None:
    """It would take more than a second of every start."""
    lines = [
        "import sys",
        "from model.weights import WEIGHTS_FOLDER, load_weights",
        "folders = [path.parent for path in WEIGHTS_FOLDER.rglob('model.safetensors')]",
        "for folder in folders: load_weights(folder, writes=None)",
        "print(len(folders), *(name for name in ('torch._dynamo', 'sympy') if name in sys.modules))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len([*WEIGHTS_FOLDER.rglob("model.safetensors")]))]
