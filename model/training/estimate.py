"""What a training needs of a machine, estimated before it starts: memory, threads and time.

The time comes from how long its parts take on this machine, which `model.training.measure` measures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from model.config import NetworkConfig, TrainConfig
from model.data import TRAIN_SHARE
from model.errors import ParameterError
from model.machine import MAX_THREADS, choose_device, free_bytes
from model.network.kinds import KINDS, count_parameters, kind_of

PROGRAM_BYTES = 400 * 2**20  # Python and PyTorch
CORPUS_BYTES_PER_CHAR = 24  # the text, a temporary list of its ids, and their tensor
BATCH_BYTES_PER_CHAR = 32  # inputs, targets, their places in the text, and input noise
FLOAT_BYTES = 4
SMALL_N_EMBD = 256  # in smaller networks a second thread waits longer than it works

PACE_SETTINGS = ("batch_size", "micro_batch_size", "optimizer")  # those of a recipe that change the time of a step


def training_bytes(network: NetworkConfig, recipe: TrainConfig, corpus_chars: int) -> int:
    """Peak memory of a training in bytes, estimated from above.

    Each parameter has a weight, a gradient, optimizer state and a running average; an evaluation keeps a copy beside the average, and a
    checkpoint is written from a copy of everything but the gradient. For each character of a pass the layers keep their activations for
    the backward pass.
    """
    remembered = 1 if recipe.optimizer == "muon" else 2
    per_parameter = (2 + remembered + 1) + max(1, 2 + remembered)
    chars = min(recipe.micro_batch_size, recipe.batch_size) * network.block_size
    floats = per_parameter * count_parameters(network) + chars * KINDS[kind_of(network)].network.floats_per_char(network)
    batch = BATCH_BYTES_PER_CHAR * recipe.batch_size * network.block_size
    return PROGRAM_BYTES + batch + CORPUS_BYTES_PER_CHAR * corpus_chars + FLOAT_BYTES * floats


def check_memory(network: NetworkConfig, recipe: TrainConfig, corpus_chars: int) -> None:
    """
    Raises:
        ParameterError: a training does not fit into free memory.
    """
    need, free = training_bytes(network, recipe, corpus_chars), free_bytes(choose_device())
    if need > free:
        size = ", ".join(name for name in ("n_embd", "n_layer", "block_size") if hasattr(network, name))
        raise ParameterError(
            f"This training needs about {need / 2**30:.1f} GiB of memory; {max(free, 0) / 2**30:.1f} GiB are free. Choose a smaller {size} "
            "or micro_batch_size."
        )


def training_threads(network: NetworkConfig) -> int:
    """Threads to train with, so that both the training and the writing beside it are quick.

    A small network on two threads beside other work took 0.07 s a step, on one thread 0.04 (two cores, 4 layers of 128 channels). On more
    than two processors one is left to the page.
    """
    if getattr(network, "n_embd", 0) < SMALL_N_EMBD:
        return 1
    return MAX_THREADS if MAX_THREADS <= 2 else MAX_THREADS - 1


@dataclass(frozen=True)
class Pace:
    """How long the parts of a training take.

    Attributes:
        start_s: seconds until the first step.
        step_s: seconds per optimizer step.
        character_s: seconds per character of the validation text in an evaluation.
        checkpoint_s: seconds for the sample and the checkpoint after each evaluation.
    """

    start_s: float
    step_s: float
    character_s: float
    checkpoint_s: float

    def takes_s(self, recipe: TrainConfig, corpus_chars: int) -> float:
        """Seconds for a whole run on a corpus of so many characters."""
        evaluations = 1 + -(-recipe.steps // recipe.eval_interval)
        losses = 2 if recipe.average else 1
        validation_s = losses * (1 - TRAIN_SHARE) * corpus_chars * self.character_s
        return self.start_s + recipe.steps * self.step_s + evaluations * (validation_s + self.checkpoint_s)


def pace_key(network: NetworkConfig, recipe: TrainConfig) -> tuple[object, ...]:
    """Identifies a pace: trainings with the same key take the same time per step and per character."""
    shape = {name: value for name, value in asdict(network).items() if name != "dropout"}
    return kind_of(network), *shape.items(), *(getattr(recipe, name) for name in PACE_SETTINGS)
