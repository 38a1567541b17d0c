"""Optimizers, schedule and running average.

Muon (K. Jordan et al., 2024; `torch.optim.Muon`) turns each matrix's momentum into the nearest orthogonal matrix before the step.
It is for the matrices inside the blocks; embeddings and norms are AdamW's. On Tiny Shakespeare it needs less than half the
steps of AdamW alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.config import TrainConfig
from model.errors import CheckpointError
from model.network.gpt import GPT


def make_optimizers(model: GPT, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """The optimizers of a recipe. Every parameter group keeps its highest learning rate as `peak`."""
    in_blocks = {name: p.dim() == 2 and ".h." in name for name, p in model.named_parameters()}
    matrices = [p for name, p in model.named_parameters() if in_blocks[name]]
    others = [p for name, p in model.named_parameters() if not in_blocks[name]]
    betas = (0.9, config.beta2)
    if config.optimizer == "muon":
        optimizers = [
            torch.optim.Muon(matrices, lr=config.learning_rate, weight_decay=config.weight_decay, momentum=0.95),
            torch.optim.AdamW(others, lr=config.embedding_learning_rate, betas=betas, weight_decay=0.0),
        ]
    else:
        groups = [
            {"params": matrices, "lr": config.learning_rate, "weight_decay": config.weight_decay},
            {"params": others, "lr": config.embedding_learning_rate, "weight_decay": 0.0},
        ]
        optimizers = [torch.optim.AdamW(groups, betas=betas)]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def schedule(step: int, config: TrainConfig) -> float:
    """Share of the highest learning rate at a step: a rise, a plateau, and a straight fall to zero at the end."""
    rise = (step + 1) / config.warmup_steps if config.warmup_steps else 1.0
    fall = (config.steps - step) / (config.decay_share * config.steps) if config.decay_share else 1.0
    return min(1.0, rise, fall)


def set_learning_rate(optimizers: list[torch.optim.Optimizer], share: float) -> None:
    """Sets every group to a share of its own highest rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: GPT, keep: float, step: int) -> None:
    """Moves a running average of the weights on; it forgets faster at the start, where the first weights would linger."""
    keep = min(keep, (step + 1) / (step + 10))
    torch._foreach_lerp_(list(average.values()), [model.state_dict()[key] for key in average], 1 - keep)


def flatten_state(optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Everything the optimizers remember, by name, for a checkpoint."""
    return {
        f"optimizer.{n}.{index}.{key}": value
        for n, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def restore_state(optimizers: list[torch.optim.Optimizer], tensors: dict[str, Tensor]) -> None:
    """The reverse of `flatten_state`.

    Raises:
        CheckpointError: a parameter has no state.
    """
    for n, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"optimizer.{n}."):
                index, key = name.split(".", 3)[2:]
                state.setdefault(int(index), {})[key] = tensor
        if len(state) != sum(len(group["params"]) for group in optimizer.param_groups):
            raise CheckpointError("The checkpoint lacks a part of the optimizer's state.")
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
