"""Answers that a network writes to be judged: by the rules of the skills, and by a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from model.assistant.answers import ANSWER_CHARS, write_answers
from model.assistant.pairs import IGNORE, prompt_of
from model.assistant.skills import judge, skill_of
from model.network import Network
from model.tokenizer import CharTokenizer


@dataclass(frozen=True)
class Rollouts:
    """Requests and the answers that a network wrote to them, row by row.

    Attributes:
        answers: without their stop signs.
        has_stopped: whether the answer ended with its stop sign; otherwise it was cut off.
        obeys: whether it stopped, and the rule accepts it.
        inputs, targets: the rows as a network learns them, (B, T): a target is IGNORE in the request and after the end.
    """

    requests: Sequence[str]
    answers: Sequence[str]
    has_stopped: Sequence[bool]
    obeys: Sequence[bool]
    inputs: Tensor
    targets: Tensor

    def measures(self) -> dict[str, float]:
        """Shares of answers that obey, that have stopped and, of those to requests with many good answers, that are different from all
        others; and the mean length in characters, stop signs included."""
        is_open = [(skill := skill_of(request)) is None or not skill.one_answer for request in self.requests]
        free = [answer for answer, can_vary in zip(self.answers, is_open, strict=True) if can_vary]
        return {
            "rule": fmean(self.obeys),
            "distinct": len(set(free)) / len(free) if free else 1.0,
            "stopped": fmean(self.has_stopped),
            "length": float((self.targets != IGNORE).sum()) / len(self.requests),
        }


def roll_out(
    network: Network, tokenizer: CharTokenizer, requests: Sequence[str], seeds: Sequence[int], most: int = ANSWER_CHARS
) -> Rollouts:
    """Lets a network answer requests as it has learned to, at temperature 1.

    Args:
        network: in evaluation mode.
        seeds: of the dice of each answer.
        most: characters of an answer.

    Raises:
        FloatingPointError, ParameterError: as `write_answers`.
    """
    prompts = [tokenizer.encode(prompt_of(request)) for request in requests]
    written = write_answers(network, tokenizer, [prompt_of(request) for request in requests], seeds, temperature=1.0, most=most)
    answers = written.texts(tokenizer)
    rows = [
        torch.cat([torch.tensor(prompt), ids[:length]])
        for prompt, ids, length in zip(prompts, written.ids, written.lengths.tolist(), strict=True)
    ]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    targets = torch.full_like(ids[:, 1:], IGNORE)
    for target, row, prompt in zip(targets, rows, prompts, strict=True):
        target[len(prompt) - 1 : len(row) - 1] = row[len(prompt) :]
    has_stopped = written.has_stopped.tolist()
    verdicts = map(judge, requests, answers)
    obeys = [stopped and verdict is not None and verdict.obeys for stopped, verdict in zip(has_stopped, verdicts, strict=True)]
    return Rollouts(requests, answers, has_stopped, obeys, ids[:, :-1], targets)
