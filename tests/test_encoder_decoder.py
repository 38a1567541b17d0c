"""The encoder-decoder: PyTorch's own Transformer with the same weights gives the same outputs and gradients; nothing hidden is seen."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.config import EncoderDecoderConfig
from model.errors import CheckpointError, ParameterError
from model.meaning.translator import Translator
from model.network.encoder_decoder import Attention, DecoderBlock, EncoderBlock, EncoderDecoder, Seen, sinusoids
from model.network.kinds import count_parameters
from model.tokenizer import CharTokenizer
from model.weights import load_weights, save_weights
from tests.conftest import VOCABULARY

SHAPE = EncoderDecoderConfig(block_size=16, vocab_size=len(VOCABULARY), n_layer=2, n_head=2, n_embd=32)
LENGTHS = torch.tensor([9, 4, 7])


@pytest.fixture
def network() -> EncoderDecoder:
    """A small random network with biases and gains that matter."""
    generator = torch.Generator().manual_seed(0)
    network = EncoderDecoder(SHAPE, generator).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5, generator=generator)
    return network


@pytest.fixture
def source() -> Tensor:
    return torch.randint(len(VOCABULARY), (3, 9), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def target() -> Tensor:
    return torch.randint(len(VOCABULARY), (3, 11), generator=torch.Generator().manual_seed(2))


def pytorchs(network: EncoderDecoder) -> nn.Transformer:
    """PyTorch's Transformer with the parameters of ours: without the last norms that it adds, which the paper does not have."""
    shape = (SHAPE.n_embd, SHAPE.n_head, 4 * SHAPE.n_embd, 0.0)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(*shape, batch_first=True), SHAPE.n_layer, enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(*shape, batch_first=True), SHAPE.n_layer)
    theirs = nn.Transformer(SHAPE.n_embd, SHAPE.n_head, batch_first=True, dropout=0.0, custom_encoder=encoder, custom_decoder=decoder)

    def give(attention: nn.MultiheadAttention, ours: Attention) -> None:
        attention.in_proj_weight = nn.Parameter(torch.cat([ours.query.weight, ours.key_value.weight]).detach())
        attention.in_proj_bias = nn.Parameter(torch.cat([ours.query.bias, ours.key_value.bias]).detach())
        attention.out_proj.load_state_dict(ours.project.state_dict())

    for layer, block in [*zip(encoder.layers, network.encoder, strict=True), *zip(decoder.layers, network.decoder, strict=True)]:
        assert isinstance(block, (EncoderBlock, DecoderBlock))
        give(layer.self_attn, block.attention)
        norms = [(layer.norm1, block.ln_1), (layer.norm2, block.ln_2)]
        if isinstance(block, DecoderBlock):
            give(layer.multihead_attn, block.cross)
            norms.append((layer.norm3, block.ln_3))
        for norm, own in norms:
            norm.load_state_dict(own.state_dict())
        layer.linear1.load_state_dict(block.mlp.expand.state_dict())
        layer.linear2.load_state_dict(block.mlp.project.state_dict())
    return theirs.train()  # in eval mode it takes kernels without gradients


def reference(theirs: nn.Transformer, embedding: Tensor, source: Tensor, target: Tensor, lengths: Tensor) -> Tensor:
    """Logits of PyTorch's Transformer between our embedding and our head."""
    padding = torch.arange(source.shape[1]) >= lengths[:, None]
    causal = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
    scale = math.sqrt(SHAPE.n_embd)
    read, written = (embedding[ids] * scale + sinusoids(ids.shape[1], SHAPE.n_embd, ids.device) for ids in (source, target))
    out = theirs(read, written, tgt_mask=causal, src_key_padding_mask=padding, memory_key_padding_mask=padding)
    return out @ embedding.T


def test_outputs_and_gradients_are_those_of_pytorchs_transformer(network: EncoderDecoder, source: Tensor, target: Tensor) -> None:
    theirs, embedding = pytorchs(network), network.embedding.weight.detach().clone().requires_grad_()
    weight = torch.randn(3, 11, len(VOCABULARY), generator=torch.Generator().manual_seed(3))
    found = network(source, target, LENGTHS)
    wanted = reference(theirs, embedding, source, target, LENGTHS)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    (found * weight).mean().backward()
    (wanted * weight).mean().backward()
    pairs = [(network.embedding.weight.grad, embedding.grad)]
    for ours, layer in [
        *zip(network.encoder, theirs.encoder.layers, strict=True),
        *zip(network.decoder, theirs.decoder.layers, strict=True),
    ]:
        attentions = [(ours.attention, layer.self_attn)] + ([(ours.cross, layer.multihead_attn)] if isinstance(ours, DecoderBlock) else [])
        for own, other in attentions:
            pairs.append((torch.cat([own.query.weight.grad, own.key_value.weight.grad]), other.in_proj_weight.grad))
            pairs.append((own.project.bias.grad, other.out_proj.bias.grad))
        pairs += [(ours.mlp.expand.weight.grad, layer.linear1.weight.grad), (ours.ln_1.weight.grad, layer.norm1.weight.grad)]
    assert len(pairs) == 1 + 2 * (2 + 2) + 2 * (4 + 2)
    for ours, other in pairs:
        assert other is not None
        assert other.abs().max() > 1e-4
        torch.testing.assert_close(ours, other, rtol=1e-5, atol=1e-5)


def test_a_step_sees_the_whole_source_and_of_the_target_what_is_written(network: EncoderDecoder, source: Tensor, target: Tensor) -> None:
    seen = Seen()
    with torch.no_grad():
        network.decode(target, network.encode(source, LENGTHS, seen=seen), seen=seen)
    shapes = [[tuple(weights.shape) for weights in some] for some in (seen.encoder, seen.decoder, seen.cross)]
    assert shapes == [[(3, 2, 9, 9)] * 2, [(3, 2, 11, 11)] * 2, [(3, 2, 11, 9)] * 2]
    padding = torch.arange(9) >= LENGTHS[:, None]  # (B, S)
    for weights in (*seen.encoder, *seen.cross):
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        is_padding = padding[:, None, None].expand_as(weights)
        assert not weights[is_padding].any()
        assert (weights[~is_padding] > 0).all()
    for weights in seen.decoder:
        may_see = torch.ones(11, 11, dtype=torch.bool).tril()
        assert not weights[..., ~may_see].any()
        assert (weights[..., may_see] > 0).all()


def test_padding_and_later_characters_change_nothing(network: EncoderDecoder, source: Tensor, target: Tensor) -> None:
    with torch.no_grad():
        together = network(source, target, LENGTHS)
        for row, length in enumerate(LENGTHS.tolist()):
            alone = network(source[row : row + 1, :length], target[row : row + 1, :5])
            torch.testing.assert_close(together[row : row + 1, :5], alone, rtol=1e-5, atol=1e-5)


def test_positions_are_the_papers_sinusoids() -> None:
    found = sinusoids(50, 6, torch.device("cpu"))
    for position in (0, 1, 49):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            assert found[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-4)
            assert found[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-4)


def test_what_does_not_fit_is_refused(network: EncoderDecoder, target: Tensor) -> None:
    for source, written in ((torch.zeros(1, 17).long(), target), (target, torch.zeros(3, 17).long())):
        with pytest.raises(ValueError, match="17 characters do not fit in a block of 16"):
            network(source, written)
    with pytest.raises(ParameterError, match="n_embd"):
        EncoderDecoderConfig(n_embd=30, n_head=4)


def test_weights_are_stored_and_a_writer_is_told_apart(tmp_path: Path, network: EncoderDecoder, source: Tensor, target: Tensor) -> None:
    save_weights(tmp_path / "pair", network, CharTokenizer(VOCABULARY), {}, torch.float32)
    loaded = load_weights(tmp_path / "pair", writes=None).model
    assert isinstance(loaded, EncoderDecoder)
    torch.testing.assert_close(loaded(source, target), network(source, target), rtol=0, atol=0)
    assert network.n_params() == count_parameters(SHAPE) == sum(tensor.numel() for tensor in network.state_dict().values())
    for writes, message in (
        (True, "pair has an encoder and decoder, which translates texts and continues none"),
        (False, "no reward model"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load_weights(tmp_path / "pair", writes=writes)
    with pytest.raises(CheckpointError, match=r"pair/config\.json is not that of a network that translates"):
        Translator.load(tmp_path / "pair")
