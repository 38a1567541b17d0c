"""How long the Meaning tab's questions take over HTTP, each asked with a text of its own. The first of each kind, which loads what it
needs, is shown apart.

    python -m benchmarks.meaning
    python -m benchmarks.meaning --questions 2
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from benchmarks.page import show
from model.program import run_program
from tests.support.server import running_app
from tests.support.viewing import answer

ANSWER_MS = 1_000  # from a press to the answer
WORDS = ("king", "queen", "duke", "lord", "lady", "father", "mother", "brother")
LINES = [f"The {one} is with the {other} now" for one, other in product(WORDS, WORDS) if one != other]  # of 30 to 36 characters
ENDINGS = [" and so farewell.", " but not for long.", ", my lord."]

Question = Callable[[str], tuple[str, dict[str, Any]]]

# By what it is called: the route, and the body for a line.
QUESTIONS: dict[str, Question] = {
    "three endings": lambda line: ("/meaning/choices", {"beginning": line, "endings": ENDINGS}),
    "nearest lines": lambda line: ("/meaning/nearest", {"text": line}),
    "similarity of two sentences": lambda line: ("/meaning/similarity", {"a": line, "b": line[::-1]}),
    "reversal, 19 characters": lambda line: ("/meaning/translate", {"task": "reversal", "text": line[4:23], "beams": 1}),
    "early modern English": lambda line: ("/meaning/translate", {"task": "early-modern", "text": line, "beams": 1}),
    "early modern English, 4 beams": lambda line: ("/meaning/translate", {"task": "early-modern", "text": line, "beams": 4}),
}


def times(url: str, question: Question, lines: list[str]) -> Iterator[float]:
    """Milliseconds of each answer."""
    for line in lines:
        path, body = question(line)
        began = time.perf_counter()
        status, told = answer(url, "POST", path, json.dumps(body).encode(), Content_Type="application/json")
        if status != 200:
            raise RuntimeError(f"{path}: {status} {told}")
        yield 1_000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=10, help=f"of each kind, at most {len(LINES) - 1}")
    options = parser.parse_args()
    with running_app() as url:
        for name, question in QUESTIONS.items():
            first, *others = times(url, question, LINES[: options.questions + 1])
            show(name, others, ANSWER_MS, f"from the question to the answer; the first {first:.0f}")


if __name__ == "__main__":
    run_program(main)
