"""Reinforcement learning from a reward (Ouyang et al., "Training language models to follow instructions with human feedback", 2022,
step 3): a fine-tuned model answers requests, and learns from how good its answers are.

Each step writes several answers to each of a few requests, rewards them, and makes those more likely that are better than the others of
their group (`model.training.policy_gradient`). The reward is the score of a reward model, or the verdict of the skills' rules. A penalty
keeps the model near its parent: without it, it finds out what the reward overlooks.

    python -m model train --task policy --from weights/assistant/supervised --reward weights/assistant/reward --run obey
    python -m model train --task policy --from weights/assistant/supervised --reward rule --kl-weight 0 --run unbound
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from model.assistant.examples import kept_back
from model.assistant.pairs import IGNORE
from model.assistant.requests import make_requests
from model.assistant.rewards import RULE, LearnedReward, Reward, RuleReward
from model.assistant.rollouts import Rollouts, roll_out
from model.assistant.skills import skill_of
from model.config import PolicyConfig
from model.data import Corpus, read_raw
from model.errors import CheckpointError, CorpusError, ParameterError, TrainingError
from model.evaluation import EVAL_ROWS
from model.files import check_is_file
from model.limits import MAX_SEED
from model.network import Network
from model.training.policy_gradient import Terms, advantages, log_probabilities, terms
from model.training.presets import POLICY, FromParent
from model.training.run import Metrics, Run
from model.training.tasks.fine_tuning import FineTuning, Start, as_writer
from model.training.tasks.task import Rows, evaluating
from model.weights import CONFIG_FILE, Origin, Weights, find_folder

JUDGE = "the reward model that it learns from"
REQUESTS_FILE = "requests.txt"  # the run's own copy, one in each line
REQUESTS_PER_SKILL = 400
EVALUATED_PER_SKILL, SHOWN_PER_SKILL = 8, 2  # kept-back requests of an evaluation, and those whose answers are kept
EVALUATION_SEED = 1  # of these requests, in all runs alike. The dice of each are its number: so the texts of runs can be compared.


class Reinforce(FineTuning):
    """Learns to be rewarded.

    Args:
        start: with the weights of the parent, from which the penalty measures.
        corpus: name, characters and sha256 of the text that the requests were made from.
        requests: to learn from.
    """

    name: ClassVar[str] = POLICY
    diverged = 1_000  # the scores of a reward model have no zero: their mean may be anything
    recipe: PolicyConfig

    def __init__(self, start: Start, recipe: PolicyConfig, corpus: dict[str, Any], requests: Sequence[str], reward: Reward):
        super().__init__(start, recipe)
        self.corpus, self.reward, self.content = corpus, reward, "\n".join(requests).encode()
        self.parent = self.make_network().eval().requires_grad_(False)
        self.requests: dict[str, list[str]] = {}  # by skill
        for request in requests:
            skill = skill_of(request)
            self.requests.setdefault(skill.id if skill else "", []).append(request)
        self.asked = kept_back(EVALUATED_PER_SKILL, EVALUATION_SEED)
        self._measured: dict[str, float] = {}
        self._seen: list[Terms] = []  # of the batch so far

    @classmethod
    def begin(cls, parent: Weights, changes: FromParent, recipe: PolicyConfig, corpus: Corpus, reward: Reward) -> Reinforce:
        """The task of a new run, with requests whose words are those of a corpus.

        Args:
            parent: as in `Start.of`.

        Raises:
            ParameterError: the parent is not a GPT, or the reward model has another vocabulary or a shorter context.
            CorpusError: as `make_requests`.
        """
        if isinstance(reward, LearnedReward):
            _check_reads(reward, parent)
        requests = make_requests(corpus.text, recipe.seed, REQUESTS_PER_SKILL)
        text = {"name": corpus.name, "characters": len(corpus.text), "sha256": corpus.sha256}
        return cls(Start.of(parent, changes), recipe, text, requests, reward)

    @classmethod
    def resume(cls, run: Run) -> Reinforce:
        """The task of a run that was started before.

        Raises:
            CheckpointError: as `Start.resume`; or the reward model is not found.
            CorpusError: the run's copy of the requests is missing, damaged or was changed.
        """
        plan, path = run.plan(), run.folder / REQUESTS_FILE
        try:
            facts, sha256 = plan.about["reward"], plan.about["requests"]["sha256"]
            origin = None if facts["kind"] == RULE else Origin(*(facts[name] for name in ("key", "sha256", "name")))
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{run.folder / CONFIG_FILE} is not that of a run of reinforcement learning ({error}).") from None
        check_is_file(path)
        content = read_raw(path, "requests")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorpusError(f"{path} was changed since the run was started. Restore it, or start a new run.")
        reward = RuleReward() if origin is None else LearnedReward.load(find_folder(origin, run.folder, JUDGE))
        assert isinstance(plan.recipe, PolicyConfig)
        requests = content.decode().split("\n")
        return cls(Start.resume(run, needs_parent=True), plan.recipe, plan.about.get("corpus", {}), requests, reward)

    def about(self) -> dict[str, Any]:
        requests = {"requests": sum(map(len, self.requests.values())), "sha256": hashlib.sha256(self.content).hexdigest()}
        return super().about() | {"corpus": self.corpus, "requests": requests, "reward": self.reward.about()}

    def files(self) -> dict[str, bytes]:
        return {REQUESTS_FILE: self.content}

    def batch(self, step: int, network: Network) -> Rows:
        """Answers that the network writes now, the longest ones first: inputs and targets, (B, T); advantages, (B,); log-probabilities of
        the targets under the parent, (B, T).

        Raises:
            TrainingError: all answers of the first batch get the same reward, none of them ends, or a number is not finite.
        """
        dice = np.random.default_rng([self.recipe.seed, step])
        n_groups = self.recipe.batch_size // self.recipe.group_size
        skills = [skill for _ in range(n_groups) for skill in dice.permutation([*self.requests])][:n_groups]
        requests = [self.requests[skill][dice.integers(len(self.requests[skill]))] for skill in skills]
        answers = [request for request in requests for _ in range(self.recipe.group_size)]
        rollouts, rewards = self._rewarded(network, answers, dice.integers(MAX_SEED, size=len(answers)).tolist())
        if step == 0:
            _check_can_learn(rollouts, rewards)
        self._measured, self._seen = {"reward": rewards.mean().item(), **rollouts.measures()}, []
        order = _ends(rollouts.targets).argsort(descending=True, stable=True)  # so that a pass has rows of about one length
        inputs, targets, advantage = (t[order] for t in (rollouts.inputs, rollouts.targets, advantages(rewards, self.recipe.group_size)))
        return inputs, targets, advantage, self._under_parent(network, inputs, targets)

    def weight(self, rows: Rows) -> int:
        """Characters of the answers, stop signs included."""
        return int((rows[1] != IGNORE).sum())

    def loss(self, network: Network, rows: Rows, generator: torch.Generator) -> Tensor:
        inputs, targets, advantage, reference = rows
        end = int(_ends(targets).max())
        found = terms(network(inputs[:, :end]), targets[:, :end], advantage, reference[:, :end])
        self._seen.append(Terms(*(tensor.detach() for tensor in found)))
        return found.loss(self.recipe.kl_weight)

    def measured(self) -> Metrics:
        """Of the answers of the batch: mean "reward"; shares that obey the "rule", have "stopped" and are "distinct"; mean "length"; and
        per character the divergence from the parent, "kl", and the "entropy", in nats."""
        return _rounded(self._measured | _per_character(self._seen))

    @torch.no_grad()
    def evaluate(self, network: Network, each: Callable[[], None]) -> Metrics:
        """As `measured`, of the answers to requests that are kept back. "val_loss" is minus the mean reward."""
        requests = [asked.request for asked in self.asked]
        each()
        rollouts, rewards = self._rewarded(network, requests, range(len(requests)))
        seen = []
        with evaluating(network):
            reference = self._under_parent(network, rollouts.inputs, rollouts.targets, each)
            for rows in zip(*(tensor.split(EVAL_ROWS) for tensor in (rollouts.inputs, rollouts.targets, reference)), strict=True):
                each()
                inputs, targets, under_parent = (tensor.to(network.device) for tensor in rows)
                seen.append(terms(network(inputs), targets, torch.zeros(len(inputs), device=inputs.device), under_parent))
        reward = rewards.mean().item()
        return _rounded({"val_loss": -reward, "reward": reward, **rollouts.measures(), **_per_character(seen)})

    def sample(self, network: Network) -> dict[str, Any]:
        """The answers to some of the kept-back requests: "texts", each with "request", "answer", "score" (its reward) and "obeys"."""
        chosen = [i for i in range(len(self.asked)) if i % EVALUATED_PER_SKILL < SHOWN_PER_SKILL]
        rollouts, rewards = self._rewarded(network, [self.asked[i].request for i in chosen], chosen)
        rows = zip(rollouts.requests, rollouts.answers, rewards.tolist(), rollouts.obeys, strict=True)
        texts = [{"request": r, "answer": a, "score": round(score, 4), "obeys": obeys} for r, a, score, obeys in rows]
        return {"text": "\n\n".join(f"{text['request']}\n{text['answer']}" for text in texts), "texts": texts}

    def _rewarded(self, network: Network, requests: Sequence[str], seeds: Sequence[int]) -> tuple[Rollouts, Tensor]:
        """Answers of the network, and the reward of each, (B,).

        Raises:
            TrainingError: a number is not finite.
        """
        try:
            rollouts = roll_out(as_writer(network), self.tokenizer, requests, seeds)
        except FloatingPointError as error:
            raise TrainingError(
                f"The run has diverged: {error}. Start again with a lower learning rate than {self.recipe.learning_rate:g}. "
                "The last good checkpoint is kept."
            ) from error
        rewards = self.reward(rollouts, network.dtype)
        if not torch.isfinite(rewards).all():
            raise TrainingError("The reward of an answer is not a number. Train the reward model again, with a lower learning rate.")
        return rollouts, rewards

    @torch.no_grad()
    def _under_parent(self, network: Network, inputs: Tensor, targets: Tensor, each: Callable[[], None] = lambda: None) -> Tensor:
        """Log-probabilities of the targets under the parent, (B, T), computed as those of the network are."""
        self.parent.to(network.device).compute_dtype = network.compute_dtype
        found = torch.zeros(targets.shape)
        for first in range(0, len(targets), EVAL_ROWS):
            each()
            rows = slice(first, first + EVAL_ROWS)
            end = int(_ends(targets[rows]).max())
            logits = self.parent(inputs[rows, :end].to(network.device))
            found[rows, :end] = log_probabilities(logits, targets[rows, :end].to(network.device)).cpu()
        return found


def _check_reads(reward: LearnedReward, parent: Weights) -> None:
    """
    Raises:
        ParameterError: the reward model cannot read what the parent writes.
    """
    lacks = ""
    if reward.model.tokenizer.vocabulary != parent.tokenizer.vocabulary:
        lacks = f"another vocabulary than {parent.name}"
    elif (context := reward.model.network.config.block_size) < (needed := parent.model.config.block_size):
        lacks = f"a context of {context} characters, {parent.name} one of {needed}"
    if lacks:
        raise ParameterError(f"{reward.origin.name} has {lacks}. Choose a reward model made from the parent.")


def _check_can_learn(rollouts: Rollouts, rewards: Tensor) -> None:
    """
    Raises:
        TrainingError: the first answers do not differ in what they are worth.
    """
    n = len(rewards)
    if not any(rollouts.has_stopped):
        raise TrainingError(
            f"None of the first {n} answers ended with the stop sign: the parent has not learned to answer. "
            "Choose a fine-tuned one, such as weights/assistant/supervised."
        )
    if (rewards == rewards[0]).all():
        raise TrainingError(
            f"All of the first {n} answers get the same reward, {rewards[0]:g}, so there is nothing to learn from. Choose a parent that "
            "obeys some requests and not others, and a reward that tells them apart."
        )


def _ends(targets: Tensor) -> Tensor:
    """The number of characters up to the end of each row, (B,)."""
    return ((targets != IGNORE) * torch.arange(1, targets.shape[1] + 1, device=targets.device)).amax(1)


def _per_character(seen: Sequence[Terms]) -> dict[str, float]:
    n = sum(int(part.counted.sum()) for part in seen)
    return {
        "kl": sum(part.divergence.sum().item() for part in seen) / n,
        "entropy": sum(part.entropy.sum().item() for part in seen) / n,
    }


def _rounded(measures: dict[str, float]) -> Metrics:
    return {name: round(value, 6) for name, value in measures.items()}
