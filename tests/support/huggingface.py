"""Our networks as Hugging Face's GPT-2 and GPT-1, the references for their numbers and for the speed."""

from __future__ import annotations

import torch
from transformers import GPT2Config, GPT2LMHeadModel, OpenAIGPTConfig, OpenAIGPTLMHeadModel

from model.network.gpt import GPT
from model.network.gpt1 import GPT1

# Conv1D, from the original GPT-2, holds the transposed matrix.
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


@torch.no_grad()
def to_hugging_face(model: GPT, dropout: float = 0.0) -> GPT2LMHeadModel:
    """Converts a network: zero biases, in evaluation mode, in the model's precision and on its device.

    Args:
        dropout: on embeddings, attention weights and both branches of every block, should it be trained.
    """
    config = GPT2Config(
        vocab_size=model.config.vocab_size,
        n_positions=model.config.block_size,
        n_embd=model.config.n_embd,
        n_layer=model.config.n_layer,
        n_head=model.config.n_head,
        activation_function="gelu",
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        layer_norm_epsilon=1e-5,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )
    reference = GPT2LMHeadModel(config).to(model.device, model.transformer.wte.weight.dtype).eval().requires_grad_(False)
    ours = model.state_dict()
    for name, parameter in reference.named_parameters():  # the tied head is listed once, as the embedding
        if name.endswith(".bias"):
            parameter.zero_()
        else:
            parameter.copy_(ours.pop(name).T if name.endswith(TRANSPOSED) else ours.pop(name))
    if ours:
        raise ValueError(f"GPT-2 has no place for {', '.join(ours)}")
    return reference


@torch.no_grad()
def gpt1_to_hugging_face(model: GPT1) -> OpenAIGPTLMHeadModel:
    """Converts a network with biases to Hugging Face's GPT-1, in evaluation mode and in float32."""
    shape = model.config
    config = OpenAIGPTConfig(
        vocab_size=shape.vocab_size,
        n_positions=shape.block_size,
        n_embd=shape.n_embd,
        n_layer=shape.n_layer,
        n_head=shape.n_head,
        afn="gelu",  # its own, in the tanh form
        attn_implementation="eager",
    )
    reference = OpenAIGPTLMHeadModel(config).eval().requires_grad_(False)
    ours = {name.replace("wte", "tokens_embed").replace("wpe", "positions_embed"): tensor for name, tensor in model.state_dict().items()}
    for name, parameter in reference.named_parameters():
        parameter.copy_(ours.pop(name).T if name.endswith(TRANSPOSED) else ours.pop(name))
    if ours:
        raise ValueError(f"GPT-1 has no place for {', '.join(ours)}")
    return reference
