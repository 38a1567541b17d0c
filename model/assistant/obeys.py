"""How often a model obeys: its answers to requests kept back from training, judged by the rules of the skills."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from model.assistant.answers import write_answers
from model.assistant.examples import kept_back
from model.assistant.pairs import prompt_of
from model.assistant.skills import SKILLS, judge
from model.config import Checked, setting
from model.files import write_atomically
from model.limits import MAX_ASKED, MAX_SEED, MAX_TEMPERATURE
from model.network import Network
from model.statistics import wilson
from model.tokenizer import CharTokenizer
from model.weights import Weights

OBEYS_FILE = "obeys.json"
Each = Callable[[int], object]

ROWS = 64  # answers written at a time


@dataclass(frozen=True)
class ObeysConfig(Checked):
    """How a model is asked."""

    asked: int = setting(30, "requests of each skill", 1, MAX_ASKED)
    temperature: float = setting(0.8, "of the answers", 0.0, MAX_TEMPERATURE)
    seed: int = setting(0, "of the requests and of the dice", 0, MAX_SEED)


class Answered(NamedTuple):
    """An answer to a request that was kept back."""

    skill: str
    request: str
    answer: str
    obeys: bool  # the rule accepts it, and it ended with its stop sign


def answer_kept_back(network: Network, tokenizer: CharTokenizer, config: ObeysConfig, each: Each = lambda n: None) -> list[Answered]:
    """Answers to requests kept back, skill by skill.

    Args:
        network: as `write_answers`.
        each: called before some requests are answered, with their number; an exception from it ends the measurement.

    Raises:
        FloatingPointError, ParameterError: as `write_answers`.
        UnknownCharacterError: the model's vocabulary lacks characters of the requests.
    """
    requests = kept_back(config.asked, config.seed)
    rng = random.Random(config.seed)
    seeds = [rng.randint(0, MAX_SEED) for _ in requests]
    answered = []
    for first in range(0, len(requests), ROWS):
        asked = requests[first : first + ROWS]
        each(len(asked))
        prompts = [prompt_of(one.request) for one in asked]
        answers = write_answers(network, tokenizer, prompts, seeds[first : first + ROWS], config.temperature)
        for one, text, has_stopped in zip(asked, answers.texts(tokenizer), answers.has_stopped.tolist(), strict=True):
            verdict = judge(one.request, text)
            answered.append(Answered(one.skill, one.request, text, bool(verdict and verdict.obeys and has_stopped)))
    return answered


def summary(answered: Sequence[Answered]) -> dict[str, Any]:
    """Success by skill and in the mean: {"skills": {id: {"n", "obeys", "low", "high", "distinct"}}, "mean": {...}}.

    "obeys" is a share with its interval from "low" to "high". "distinct" is the share of different answers among those of open skills;
    null for a skill with one right answer.
    """
    skills = {skill.id: [one for one in answered if one.skill == skill.id] for skill in SKILLS}
    one_answer = {skill.id for skill in SKILLS if skill.one_answer}
    open_ones = [one for one in answered if one.skill not in one_answer]
    by_skill = {skill: _success(some, [] if skill in one_answer else some) for skill, some in skills.items() if some}
    return {"skills": by_skill, "mean": _success(answered, open_ones)}


def _success(answered: Sequence[Answered], open_ones: Sequence[Answered]) -> dict[str, Any]:
    obeys = sum(one.obeys for one in answered) / len(answered)
    low, high = wilson(obeys, len(answered))
    distinct = len({one.answer for one in open_ones}) / len(open_ones) if open_ones else None
    return {
        "n": len(answered),
        "obeys": round(obeys, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "distinct": None if distinct is None else round(distinct, 4),
    }


def measure(weights: Weights, config: ObeysConfig, each: Each = lambda n: None) -> dict[str, Any]:
    """The content of obeys.json: what was measured and how, and `summary`. Arguments and errors are those of `answer_kept_back`."""
    answered = answer_kept_back(weights.model, weights.tokenizer, config, each)
    how = {"sha256": weights.sha256, "n": len(answered), "temperature": config.temperature, "seed": config.seed}
    return how | summary(answered)


def save(folder: Path, obeys: dict[str, Any]) -> None:
    """Writes obeys.json, with a line for each skill.

    Raises:
        CheckpointError: it cannot be written.
    """
    skills = ",\n".join(f"  {json.dumps(skill)}: {json.dumps(success)}" for skill, success in obeys["skills"].items())
    rest = {name: value for name, value in obeys.items() if name not in ("skills", "mean")}
    lines = [json.dumps(rest)[:-1] + ', "skills": {', skills, f'}}, "mean": {json.dumps(obeys["mean"])}}}']
    write_atomically(folder / OBEYS_FILE, ("\n".join(lines) + "\n").encode())
