"""What a training needs of a machine, known before it starts."""

from __future__ import annotations

import os

import torch

from model.config import GPTConfig, TrainConfig
from model.errors import ParameterError
from model.machine import choose_device, free_bytes
from model.network.gpt import GPT

PROGRAM_BYTES = 400 * 2**20  # Python and PyTorch
CORPUS_BYTES_PER_CHAR = 24  # the text, a list of its ids on the way, and their tensor
BATCH_BYTES_PER_CHAR = 32  # inputs, targets, where they lie in the text, and what is made noise
FLOAT_BYTES = 4
SMALL_N_EMBD = 256  # below, a second thread waits longer than it works


def count_parameters(network: GPTConfig) -> int:
    """Parameters of a network, without making it."""
    with torch.device("meta"):
        return GPT(network).n_params()


def training_bytes(network: GPTConfig, recipe: TrainConfig, corpus_chars: int) -> int:
    """Memory that a training takes at its peak, estimated from above.

    Of each parameter there are the weight, its gradient, the optimizer's memory and the running average; an evaluation keeps a copy
    beside the average, and a checkpoint is written from a copy of all but the gradient. Of each character of a pass the layers keep
    what they computed, for the way back.
    """
    remembered = 1 if recipe.optimizer == "muon" else 2
    per_parameter = (2 + remembered + 1) + max(1, 2 + remembered)
    per_char = network.n_layer * (18 * network.n_embd + 3 * network.n_head * network.block_size) + 3 * network.vocab_size
    chars = min(recipe.micro_batch_size, recipe.batch_size) * network.block_size
    floats = per_parameter * count_parameters(network) + chars * per_char
    batch = BATCH_BYTES_PER_CHAR * recipe.batch_size * network.block_size
    return PROGRAM_BYTES + batch + CORPUS_BYTES_PER_CHAR * corpus_chars + FLOAT_BYTES * floats


def check_memory(network: GPTConfig, recipe: TrainConfig, corpus_chars: int) -> None:
    """
    Raises:
        ParameterError: a training does not fit into the memory that is free.
    """
    need, free = training_bytes(network, recipe, corpus_chars), free_bytes(choose_device())
    if need > free:
        raise ParameterError(
            f"This would take about {need / 2**30:.1f} GiB of memory, and {max(free, 0) / 2**30:.1f} GiB are free. Take a smaller n_embd, "
            "n_layer, block_size or micro_batch_size."
        )


def training_threads(network: GPTConfig) -> int:
    """Threads to train with, so that training is quick and what is written beside it too.

    A small network on two threads beside other work took 0.07 s a step where one thread took 0.04 (two cores, 4 layers of 128
    channels). Of more than two processors one is left to the page.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if network.n_embd < SMALL_N_EMBD:
        return 1
    return processors if processors <= 2 else processors - 1
