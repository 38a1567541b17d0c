"""What the page starts a fine-tuning run from, checked before a process is started that would fail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.assistant import comparisons, pairs
from model.assistant.examples import check_can_be_asked
from model.catalogue import Entry
from model.errors import CheckpointError, ParameterError
from model.network.kinds import GPT_KIND
from model.training.presets import EMBED, POLICY, REWARD, SFT

GIVEN_FILE = "given.jsonl"
RULE = "rule"  # the reward that is no model
SOURCE = "The text"  # in error messages
# What a task learns from if nothing is given.
MADE = {SFT: "examples from the plays", REWARD: comparisons.MADE, EMBED: "speeches of the plays"}
OPTIONS = {SFT: "pairs", REWARD: "comparisons"}  # of the command line, for what is given


@dataclass(frozen=True)
class Given:
    """JSON Lines that came through the page."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Beginning:
    """What a fine-tuning run is started from.

    Attributes:
        given: what it learns from; None for what the trainer makes.
        reward: of the task policy: RULE, or the folder of a reward model.
    """

    parent: Entry
    given: Given | None = None
    reward: str | Path | None = None

    def check(self, task: str) -> None:
        """
        Raises:
            CheckpointError: the parent cannot be loaded.
            CorpusError: what is given cannot be learned by the parent.
            ParameterError: the parent is no GPT, or cannot be asked, or the task does not learn from what is given.
        """
        if self.parent.trouble:
            raise CheckpointError(self.parent.trouble)
        if self.parent.kind != GPT_KIND:
            raise ParameterError(f"{self.parent.name} is not a GPT, and only a GPT can be fine-tuned. Choose another parent.", "parent")
        if self.given and task not in OPTIONS:
            raise ParameterError(f"The task {task} does not learn from a text. Leave it out.", "corpus")
        if (self.reward is None) == (task == POLICY):
            raise ParameterError("The task policy needs a reward, and no other task has one.", "reward")
        assert self.parent.tokenizer
        assert self.parent.config
        if self.given:
            _check_given(task, self.given, self.parent)
        elif task != EMBED:
            check_can_be_asked(self.parent.name, self.parent.tokenizer, self.parent.config.block_size)

    def inputs(self, task: str, folder: Path) -> dict[str, str]:
        """The options of the command line, for a run in some folder."""
        given = {OPTIONS[task]: str(folder / GIVEN_FILE)} if self.given else {}
        reward = {"reward": str(self.reward)} if self.reward else {}
        return {"from": str(self.parent.folder.absolute())} | given | reward

    def about(self, task: str) -> dict[str, Any]:
        """What job.json says of it."""
        name = self.given.name if self.given else f"reward: {Path(self.reward).name}" if self.reward else MADE[task]
        parent = {"key": self.parent.key, "name": self.parent.name}
        return {"task": task, "parent": parent, "corpus": {"name": name, "own": self.given is not None}}


def _check_given(task: str, given: Given, parent: Entry) -> None:
    assert parent.config
    assert parent.tokenizer
    tokenizer, block_size = parent.tokenizer, parent.config.block_size
    if task == SFT:
        pairs.make_rows(pairs.read_pairs(given.name, given.content, SOURCE).pairs, tokenizer, block_size, SOURCE)
    else:
        comparisons.make_rows(comparisons.read_comparisons(given.name, given.content, SOURCE), tokenizer, block_size)
