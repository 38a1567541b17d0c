"""Measures of each head on the validation text and the importance of every part: the table `heads.json` next to the weights.

The importance ("worth" in the file) of a head, an MLP or the position embedding is the increase in validation loss when only that part
is switched off. Parts compensate for each other, so importances do not add up.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.config import GPTConfig
from model.errors import CheckpointError, ParameterError
from model.evaluation import mean_loss
from model.files import parse_json, read_file, write_atomically
from model.head_measures import Measured, describe, measure, rounded
from model.network import Capture
from model.parts import MLP, NO_HEADS, POSITIONS, Head, Part, part_name
from model.weights import HEADS_FILE, Weights

CAPTURED_ROWS = 4  # windows per pass; the attention weights of one take 9 MB

Step = Callable[[], object]


def measure_heads(folder: Path, weights: Weights, ids: Tensor, about: dict[str, Any], step: Step) -> dict[str, Any]:
    """Measures all parts and writes `heads.json`. After an interruption it resumes from a file of partial results next to it.

    Args:
        folder: the weights folder.
        ids: the validation text, (n,).
        about: what is measured and how; stored in the table. Partial results are used only if theirs is equal.
        step: called after each of `n_steps` losses.

    Raises:
        CheckpointError: the table cannot be written.
    """
    under_way = folder / f"{HEADS_FILE}.part"
    about = {"sha256": weights.sha256} | about | {"characters": len(ids) - 1}
    losses = _read_losses(under_way, about)
    heads, others = heads_of(weights), others_of(weights)
    for name, off in {"all": (), **{part_name(part): (part,) for part in (*heads, *others)}}.items():
        if name not in losses:
            losses[name] = mean_loss(weights.model, ids, off)
            write_atomically(under_way, json.dumps({"about": about, "losses": losses}).encode())
        step()
    worth = {name: {"loss": round(loss, 6), "worth": round(loss - losses["all"], 6)} for name, loss in losses.items()}
    measured = measure_text(weights, ids)
    table = about | {
        "loss": round(losses["all"], 6),
        "uniform": rounded(measured.uniform_means()),
        "heads": [
            {"layer": layer, "head": head, **worth[part_name((layer, head))], **does}
            for (layer, head), does in zip(heads, describe(measured), strict=True)
        ],
        "others": [{"part": (name := part_name(part)), **worth[name]} for part in others],
    }
    write_atomically(folder / HEADS_FILE, _one_row_a_line(table))
    under_way.unlink()
    return table


def heads_of(weights: Weights) -> list[Head]:
    """All heads of a network, layer by layer.

    Raises:
        ParameterError: the network has no heads.
    """
    config = weights.model.config
    if not isinstance(config, GPTConfig):
        raise ParameterError(NO_HEADS)
    return [(layer, head) for layer in range(config.n_layer) for head in range(config.n_head)]


def others_of(weights: Weights) -> list[Part]:
    """The other parts that can be switched off: the MLP of each layer and the position embedding.

    Raises:
        ParameterError: the network has no such parts.
    """
    n_layer = heads_of(weights)[-1][0] + 1
    return [*((MLP, layer) for layer in range(n_layer)), (POSITIONS,)]


def n_steps(weights: Weights) -> int:
    """Number of losses to measure: one with everything on, and one for each part off."""
    return 1 + len(heads_of(weights)) + len(others_of(weights))


@torch.inference_mode()
def measure_text(weights: Weights, ids: Tensor) -> Measured:
    """Measures the heads on a text, in windows of block_size at a stride of block_size. A shorter last window is left out unless it is
    the only one."""
    model, decode = weights.model, weights.tokenizer.decode
    whole = len(ids) // model.config.block_size
    windows = ids[: whole * model.config.block_size].view(whole, -1) if whole else ids[None]
    total: Measured | None = None
    for rows in windows.split(CAPTURED_ROWS):
        capture = Capture()
        model(rows.to(model.device), capture=capture)
        attention = torch.stack(capture.attention, 1)  # (rows, n_layer, n_head, T, T)
        for row, one in zip(rows.tolist(), attention, strict=True):
            measured = measure(one, decode(row))
            total = measured if total is None else total + measured
    assert total is not None
    return total


def _read_losses(path: Path, about: dict[str, Any]) -> dict[str, float]:
    """Losses from an interrupted measurement, if its `about` is equal."""
    try:
        content = parse_json(read_file(path))
        losses = content["losses"] if content["about"] == about else {}
        return losses if all(type(loss) is float for loss in losses.values()) else {}
    except (CheckpointError, AttributeError, ValueError, KeyError, TypeError):
        return {}


def _one_row_a_line(table: dict[str, Any]) -> bytes:
    """JSON with one part of the network per line, so that people can read it and compare it line by line."""

    def lines(value: object) -> str:
        return "[\n" + ",\n".join(f"    {json.dumps(row)}" for row in value) + "\n  ]" if isinstance(value, list) else json.dumps(value)

    return ("{\n" + ",\n".join(f"  {json.dumps(name)}: {lines(value)}" for name, value in table.items()) + "\n}\n").encode()
