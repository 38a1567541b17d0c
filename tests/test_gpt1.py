"""GPT-1's network beside Hugging Face's, and what it shares with the GPT."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from model.__main__ import main
from model.config import GPT1Config, GPTConfig
from model.errors import ParameterError
from model.network import Capture
from model.network.gpt import GPT
from model.network.gpt1 import GPT1
from model.parts import MLP
from model.tokenizer import CharTokenizer
from model.training.presets import FromParent
from model.training.tasks.fine_tuning import Start
from model.weights import load_weights, save_weights
from tests.support.huggingface import gpt1_to_hugging_face

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = GPT1Config(n_layer=3, n_head=2, n_embd=32, block_size=16, vocab_size=20, bias=True)


@pytest.fixture
def network() -> GPT1:
    """With parameters so large that it is far from uniform, and norms and biases that are not their first ones."""
    generator = torch.Generator().manual_seed(1)
    model = GPT1(SHAPE, generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.empty_like(parameter).normal_(0.0, 0.2, generator=generator))
    return model.eval().requires_grad_(False)


@pytest.fixture
def ids() -> Tensor:
    return torch.randint(SHAPE.vocab_size, (3, 16), generator=torch.Generator().manual_seed(2))


def test_logits_streams_and_attention_equal_hugging_faces(network: GPT1, ids: Tensor) -> None:
    capture = Capture()
    logits = network(ids, capture=capture)
    theirs = gpt1_to_hugging_face(network)(ids, output_hidden_states=True, output_attentions=True)
    assert logits.std() > 0.5  # the comparison has something to compare
    assert_close(logits, theirs.logits, rtol=0, atol=1e-5)
    for ours, expected in zip(capture.stream, theirs.hidden_states, strict=True):
        assert_close(ours, expected, rtol=0, atol=1e-5)
    for ours, expected in zip(capture.attention, theirs.attentions, strict=True):
        assert_close(ours, expected, rtol=0, atol=1e-5)


def test_gradients_equal_hugging_faces(network: GPT1, ids: Tensor) -> None:
    theirs = gpt1_to_hugging_face(network).requires_grad_(True)
    network.requires_grad_(True)
    torch.nn.functional.cross_entropy(network(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).backward()
    theirs(ids, labels=ids).loss.backward()
    mine, other = network.transformer, theirs.transformer
    for ours, expected in ((mine.wte, other.tokens_embed), (mine.h[0].ln_1, other.h[0].ln_1)):
        assert ours.weight.grad.abs().max() > 1e-3
        assert_close(ours.weight.grad, expected.weight.grad, rtol=1e-4, atol=1e-6)


def test_it_has_the_parameters_of_a_gpt_but_the_last_norm() -> None:
    shape = replace(SHAPE, bias=False)
    ours = GPT1(shape, torch.Generator().manual_seed(3)).state_dict()
    gpt = GPT(GPTConfig(**asdict(shape)), torch.Generator().manual_seed(3)).state_dict()
    assert gpt.keys() - ours.keys() == {"transformer.ln_f.weight"}
    assert all(ours[name].equal(gpt[name]) for name in ours)  # the same initial weights, too


def test_it_writes_with_a_cache_what_it_reads_without(network: GPT1, ids: Tensor) -> None:
    cache = network.make_cache(3)
    rows = [network(ids[:, :5], cache=cache), *(network(ids[:, i : i + 1], cache=cache) for i in range(5, 16))]
    assert_close(torch.cat(rows, dim=1), network(ids), rtol=0, atol=1e-5)
    packed = GPT1(SHAPE)
    packed.load_state_dict(network.state_dict())
    assert_close(packed.eval().requires_grad_(False).pack()(ids), network(ids), rtol=0, atol=1e-4)


def test_what_is_off_adds_nothing_and_the_norm_stays(network: GPT1, ids: Tensor) -> None:
    silent = GPT1(SHAPE)
    silent.load_state_dict(network.state_dict())
    with torch.no_grad():
        for parameter in silent.transformer.h[1].mlp.c_proj.parameters():
            parameter.zero_()
        silent.transformer.h[2].attn.c_proj.weight[:, :16] = 0.0  # the first head's
    off = network(ids, off=[(MLP, 1), (2, 0)])
    assert_close(off, silent.eval()(ids).detach(), rtol=0, atol=1e-5)
    assert (off - network(ids)).abs().max() > 0.1


def test_weights_are_read_back_and_refused_where_only_a_gpt_will_do(
    network: GPT1, ids: Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(tmp_path / "first", network, CharTokenizer("\nabcdefghijklmnopqrs"), {})
    weights = load_weights(tmp_path / "first")
    assert (weights.kind, type(weights.model)) == ("gpt-1", GPT1)
    assert_close(weights.model(ids), network(ids), rtol=0, atol=2e-2)  # 16 bits
    with pytest.raises(ParameterError, match=r"^first is not a GPT but a network of the kind gpt-1\."):
        Start.of(weights, FromParent())
    assert main(["export", str(tmp_path / "first"), str(tmp_path / "out"), "--format", "transformers"]) != 0
    assert "first is a network of the kind gpt-1, and transformers knows only the kind gpt." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
