"""Requests to be answered for a reward. Unlike examples they need no answers, so the requests of open skills come in many more wordings,
and what is learned carries over to wordings that were never seen. Those that are kept back for measuring are not among them."""

from __future__ import annotations

import random

from model.assistant.examples import make_examples
from model.assistant.skills import ASKING, SKILLS, OneAnswerSkill, Skill

# Before a request such as "Mock me.", and sentences that ask for what a skill's name says.
BEFORE = ("Prithee,", "Sir,", "My lord,", "Good friend,", "I beg thee,", "Now,", "Quick,", "Do not wait,", "Gentle sir,", "I command thee,")
MORE_ASKING = ("I long for {}.", "Grant me {}.", "Lend me {}.", "I wait for {}.", "Now speak {} to me.", "Let us have {}.", "I crave {}.")


def make_requests(text: str, seed: int, per_skill: int) -> list[str]:
    """Requests for each skill, the same number of each, skill by skill.

    Args:
        text: a corpus, from whose words the requests of one-answer skills are made, as those of the examples.

    Raises:
        CorpusError: as `make_examples`.
    """
    rng = random.Random(seed)
    made = [example for example in make_examples(text, seed, per_skill) if isinstance(_skill(example.skill), OneAnswerSkill)]
    requests = []
    for skill in SKILLS:
        if isinstance(skill, OneAnswerSkill):
            requests += [example.request for example in made if example.skill == skill.id]
        else:
            wordings = wordings_of(skill)
            requests += [rng.choice(wordings) for _ in range(per_skill)]
    return requests


def wordings_of(skill: Skill) -> list[str]:
    """The ways in which an open skill is asked for."""
    name = skill.phrasings[-1].removeprefix(ASKING[-1].partition("{}")[0]).removesuffix(ASKING[-1].partition("{}")[2])
    plain = [*skill.phrasings, *(form.format(name) for form in MORE_ASKING)]
    return plain + [f"{before} {wording[0].lower()}{wording[1:]}" for before in BEFORE for wording in skill.phrasings]


def _skill(key: str) -> Skill:
    return next(skill for skill in SKILLS if skill.id == key)
