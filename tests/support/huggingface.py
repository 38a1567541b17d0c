"""Our network as Hugging Face's GPT-2, the reference for its numbers and its speed."""

from __future__ import annotations

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from model.network.gpt import GPT

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
