"""Optimizers, schedule and running average.

Muon (K. Jordan et al., 2024; `torch.optim.Muon`) turns each matrix's momentum into the nearest orthogonal matrix before the step.
It updates the matrices inside the blocks; AdamW updates embeddings and norms. On Tiny Shakespeare it needs less than half the
steps of AdamW alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.config import TrainConfig
from model.network import Network

# What each optimizer keeps of a parameter.
STATE: dict[type[torch.optim.Optimizer], tuple[str, ...]] = {
    torch.optim.Muon: ("momentum_buffer",),
    torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"),
}


def make_optimizers(model: Network, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """The optimizers of a recipe. Every parameter group keeps its highest learning rate as `peak`.

    In the networks of the lecture's ladder all parameters count as matrices, so learning rate and weight decay apply to them alike.
    """
    learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
    is_gpt = any(".h." in name for name in learned)
    is_matrix = {name: not is_gpt or (p.dim() == 2 and ".h." in name) for name, p in learned.items()}
    matrices = [p for name, p in learned.items() if is_matrix[name]]
    others = [p for name, p in learned.items() if not is_matrix[name]]
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
    """Learning rate at a step as a share of the highest: a linear rise, a plateau, and a linear fall to zero at the end."""
    rise = (step + 1) / config.warmup_steps if config.warmup_steps else 1.0
    fall = (config.steps - step) / (config.decay_share * config.steps) if config.decay_share else 1.0
    return min(1.0, rise, fall)


def set_learning_rate(optimizers: list[torch.optim.Optimizer], share: float) -> None:
    """Sets every group's learning rate to a share of its own highest."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: Network, keep: float, step: int) -> None:
    """Updates a running average of the weights. It forgets faster at the start, when the first weights would linger."""
    keep = min(keep, (step + 1) / (step + 10))
    learned = model.learned()
    torch._foreach_lerp_(list(average.values()), [learned[key] for key in average], 1 - keep)


def flatten_state(optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The state of all optimizers as tensors by name, for a checkpoint."""
    return {
        f"optimizer.{n}.{index}.{key}": value
        for n, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def state_like(optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Tensors with the names and the shapes that `flatten_state` gives once a step is done."""
    return {
        f"optimizer.{n}.{index}.{key}": torch.zeros(()) if key == "step" else parameter
        for n, optimizer in enumerate(optimizers)
        for index, parameter in enumerate(parameter for group in optimizer.param_groups for parameter in group["params"])
        for key in STATE[type(optimizer)]
    }


def restore_state(optimizers: list[torch.optim.Optimizer], tensors: dict[str, Tensor]) -> None:
    """The reverse of `flatten_state`.

    Args:
        tensors: at least those of `state_like`.
    """
    for n, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"optimizer.{n}."):
                index, key = name.split(".", 3)[2:]
                state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
