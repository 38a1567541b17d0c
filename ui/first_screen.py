"""What the page shows before anybody has pressed a button: samples that the shipped model wrote, from a seed that is named.

python -m ui.first_screen     writes them again, after the shipped weights have changed
"""

from __future__ import annotations

import json
from pathlib import Path

from model.config import SamplingParams
from model.serving.engine import Engine
from model.weights import SHIPPED_WEIGHTS, Weights, load_weights
from ui.web.progress import View, make_view

STORED_IN = "float32"
PATH = Path(__file__).with_name("first_screen.json")
PROMPT = "ROMEO:"
PARAMS = SamplingParams(temperature=0.8, max_new_chars=300, samples=4, seed=1597)


def first_screen(weights: Weights) -> View | None:
    """The stored samples, or None where other weights are in use than those that wrote them."""
    stored = json.loads(PATH.read_text(encoding="utf-8"))
    if stored["weights"] != weights.sha256:
        return None
    precision = str(weights.model.dtype).removeprefix("torch.")
    return stored | {"seed_repeats": precision == STORED_IN, "precision": precision}


def write_first_screen(weights: Weights) -> View:
    """The samples, in float32, which all machines can."""
    engine = Engine(weights)
    request = engine.submit(PROMPT, PARAMS)
    engine.close()
    stored = {"run": 0, "key": "", "state": "stored", "elapsed_s": 0, "chars_per_s": 0, "weights": weights.sha256}
    return make_view(request) | stored


if __name__ == "__main__":
    PATH.write_text(json.dumps(write_first_screen(load_weights(SHIPPED_WEIGHTS)), indent=2) + "\n", encoding="utf-8")
