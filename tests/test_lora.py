"""Low-rank adapters: what they compute, what they learn, and their merging."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from model.config import LoRAConfig
from model.errors import CheckpointError
from model.network.gpt import GPT
from model.network.lora import add_adapters, merged, with_adapters
from model.weights import Adapter, Weights, hash_file, load_weights, save_weights

IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]])
SHAPE = LoRAConfig(rank=3, alpha=6.0)


def adapted(model: GPT, is_trained: bool = True) -> GPT:
    """The model with adapters: those at the beginning of a training, or others."""
    add_adapters(model, SHAPE, torch.Generator().manual_seed(1))
    if is_trained:
        generator = torch.Generator().manual_seed(2)
        for tensor in model.learned().values():
            tensor.normal_(0.0, 0.2, generator=generator)
    return model


def test_new_adapters_change_nothing(make_model: Callable[..., GPT]) -> None:
    torch.testing.assert_close(adapted(make_model(), is_trained=False)(IDS), make_model()(IDS), rtol=0, atol=0)


def test_adapters_add_their_product_to_each_matrix_of_the_blocks(make_model: Callable[..., GPT]) -> None:
    network, reference = adapted(make_model(bias=True)), make_model(bias=True)
    low = network.learned()
    for name, matrix in reference.named_parameters():
        if name.endswith(".weight") and ".h." in name and matrix.dim() == 2:
            place = name.removesuffix("weight")
            matrix += SHAPE.alpha / SHAPE.rank * low.pop(f"{place}lora_B") @ low.pop(f"{place}lora_A")
    assert not low
    torch.testing.assert_close(network(IDS), reference(IDS), rtol=1e-4, atol=1e-4)


def test_a_merged_network_is_a_plain_one_that_computes_the_same(make_model: Callable[..., GPT]) -> None:
    network = adapted(make_model())
    plain = merged(network)
    assert plain.state_dict().keys() == make_model().state_dict().keys()
    assert not (plain(IDS) - make_model()(IDS)).abs().max() < 0.1
    torch.testing.assert_close(plain(IDS), network(IDS), rtol=1e-2, atol=1e-2)  # its matrices are rounded to float16
    matrix = plain.transformer.h[0].mlp.c_fc.weight
    assert matrix.half().float().equal(matrix)


def test_only_the_adapters_are_learned_and_their_gradients_are_those_of_the_product(make_model: Callable[..., GPT]) -> None:
    network, plain = adapted(make_model()), make_model().requires_grad_(True)
    assert network.learned().keys() == {name for name in network.state_dict() if "lora_" in name}
    with torch.no_grad():
        for name, matrix in plain.named_parameters():
            place = name.removesuffix("weight")
            if f"{place}lora_A" in network.learned():
                matrix += 2.0 * network.learned()[f"{place}lora_B"] @ network.learned()[f"{place}lora_A"]
    for model in (network, plain):
        F.cross_entropy(model(IDS)[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()).backward()
    for name, matrix in plain.named_parameters():
        place = name.removesuffix("weight")
        if f"{place}lora_A" in network.learned():
            low, high = network.get_parameter(f"{place}lora_A"), network.get_parameter(f"{place}lora_B")
            assert low.grad is not None
            assert high.grad is not None
            assert matrix.grad is not None
            torch.testing.assert_close(low.grad, 2.0 * high.detach().T @ matrix.grad, rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(high.grad, 2.0 * matrix.grad @ low.detach().T, rtol=1e-3, atol=1e-5)
    assert all(parameter.grad is None for name, parameter in network.named_parameters() if "lora" not in name)


# Folders


def save_base(folder: Path, tiny: Weights) -> Weights:
    save_weights(folder, tiny.model, tiny.tokenizer, {"corpus": {"name": "plays", "characters": 5, "sha256": "ab" * 32}})
    return load_weights(folder)


def save_adapter(folder: Path, base: Weights) -> Weights:
    """A fine-tuned model's folder, and what was saved in it."""
    adapter = Adapter(SHAPE, base.origin)
    weights = replace(base, model=adapted(GPT(base.model.config)), adapter=adapter)
    save_weights(folder, weights.model, weights.tokenizer, adapter.about())
    return weights


def test_a_folder_of_adapters_is_loaded_merged_or_with_them(tmp_path: Path, tiny: Weights) -> None:
    base = save_base(tmp_path / "weights" / "base", tiny)
    expected = save_adapter(tmp_path / "runs" / "mine", base).model.learned()
    plain, network = load_weights(tmp_path / "runs" / "mine"), load_weights(tmp_path / "runs" / "mine", merge=False)
    assert plain.key == network.key == hash_file(tmp_path / "runs" / "mine" / "model.safetensors")[:8]
    assert plain.adapter == network.adapter == Adapter(SHAPE, base.origin)
    assert plain.about["corpus"]["name"] == "plays"
    assert plain.model.state_dict().keys() == base.model.state_dict().keys()
    assert not plain.model.learned()
    for name, tensor in network.model.learned().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(plain.model(IDS), network.model(IDS), rtol=1e-2, atol=1e-2)
    assert not (plain.model(IDS) - base.model(IDS)).abs().max() < 0.1


@pytest.mark.parametrize("place", ["runs/base", "base", "weights/base"])
def test_the_base_is_found_near_the_folder_whatever_it_is_called_now(tmp_path: Path, tiny: Weights, place: str) -> None:
    base = save_base(tmp_path / "original", tiny)
    save_adapter(tmp_path / "runs" / "mine", base)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / "original").rename(tmp_path / place)
    save_base(tmp_path / place / ".." / "original", replace(tiny, model=GPT(tiny.model.config)))  # another, under its name
    assert load_weights(tmp_path / "runs" / "mine").adapter == Adapter(SHAPE, base.origin)


def test_a_missing_base_is_named(tmp_path: Path, tiny: Weights) -> None:
    base = save_base(tmp_path / "base", tiny)
    save_adapter(tmp_path / "runs" / "mine", base)
    shutil.rmtree(tmp_path / "base")
    words = (
        rf"mine needs the model that it is fine-tuned from, base \(sha256 {base.sha256[:12]}\.\.\.\): it is neither in weights/ nor beside"
    )
    with pytest.raises(CheckpointError, match=words):
        load_weights(tmp_path / "runs" / "mine")


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (5, "has no valid adapter"),
        ({"rank": 3, "alpha": 6.0}, "has no valid adapter .it lacks 'base'"),
        ({"rank": 0, "alpha": 6.0, "base": {"key": "", "sha256": "", "name": ""}}, "rank must be between 1 and"),
        ({"rank": 3, "alpha": 6.0, "base": {"key": 5, "sha256": "", "name": ""}}, "its base is not named by strings"),
        ({"rank": 4}, r"lora_A has shape \(3, 32\), but config.json requires \(4, 32\)"),
    ],
)
def test_a_damaged_description_of_adapters_is_refused(tmp_path: Path, tiny: Weights, adapter: Any, message: str) -> None:
    base = save_base(tmp_path / "base", tiny)
    save_adapter(tmp_path / "mine", base)
    path = tmp_path / "mine" / "config.json"
    content = json.loads(path.read_text())
    content["about"]["adapter"] = content["about"]["adapter"] | adapter if adapter == {"rank": 4} else adapter
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=message):
        load_weights(tmp_path / "mine")


def test_a_base_with_adapters_is_refused_even_if_two_name_each_other(tmp_path: Path, tiny: Weights) -> None:
    base = save_base(tmp_path / "base", tiny)
    save_adapter(tmp_path / "one", base)
    one = load_weights(tmp_path / "one")
    save_adapter(tmp_path / "two", one)
    assert (tmp_path / "two" / "model.safetensors").read_bytes() == (tmp_path / "one" / "model.safetensors").read_bytes()
    shutil.copy(tmp_path / "two" / "config.json", tmp_path / "one")  # each has the other as its base
    for name, other in (("one", "two"), ("two", "one")):
        with pytest.raises(CheckpointError, match=f"{name} names {other} as its base, which has adapters itself"):
            load_weights(tmp_path / name)


def test_a_base_of_another_shape_or_vocabulary_is_refused(tmp_path: Path, tiny: Weights) -> None:
    save_adapter(tmp_path / "mine", save_base(tmp_path / "base", tiny))
    path = tmp_path / "mine" / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"vocabulary": content["vocabulary"][::-1]}))
    with pytest.raises(CheckpointError, match="has another vocabulary than its base, base"):
        load_weights(tmp_path / "mine")
    content["network"]["n_layer"] = 3
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="describes another network than that of its base, base"):
        load_weights(tmp_path / "mine")


def test_a_network_to_fine_tune_is_a_copy_that_begins_where_its_parent_is(make_model: Callable[..., GPT]) -> None:
    dropout, dice = replace(make_model().config, dropout=0.1), torch.Generator().manual_seed(0)
    for parent in (make_model(), adapted(make_model())):
        before = parent(IDS)
        child = with_adapters(parent, dropout, SHAPE, dice)
        assert child.config.dropout == 0.1
        torch.testing.assert_close(child.eval()(IDS), before, rtol=0, atol=0)
        for tensor in child.learned().values():
            tensor.add_(0.1)
        assert not torch.equal(child(IDS), before)
        torch.testing.assert_close(parent(IDS), before, rtol=0, atol=0)
