"""The samples that the page shows before anyone presses Generate. The shipped model wrote them, from a seed that is shown.

python -m ui.first_screen     writes them again, after the shipped weights have changed
"""

from __future__ import annotations

import json
from pathlib import Path

from model.sampling import SamplingParams
from model.serving.engine import Engine
from model.weights import SHIPPED_WEIGHTS, Weights, load_weights
from ui.web.loading import precision_of
from ui.web.progress import View, view_json

STORED_IN = "float32"  # every machine can reproduce it
PATH = Path(__file__).with_name("first_screen.json")

# What the page's controls begin with. The seed is only that of the stored samples; for new ones a seed is drawn.
PROMPT = "ROMEO:"
PARAMS = SamplingParams(samples=4, seed=1597)


def first_screen(weights: Weights) -> View | None:
    """The stored samples; None for a model that did not write them."""
    stored = json.loads(PATH.read_text(encoding="utf-8"))
    if stored["weights"] != weights.sha256:
        return None
    precision = precision_of(weights)
    return stored | {"seed_repeats": precision == STORED_IN, "precision": precision}


def write_first_screen(weights: Weights) -> View:
    """The samples, written in float32."""
    engine = Engine(weights)
    request = engine.submit(PROMPT, PARAMS)
    engine.close()
    stored = {"generation": 0, "key": "", "state": "stored", "elapsed_s": 0, "chars_per_s": 0, "weights": weights.sha256}
    return view_json(request, STORED_IN) | stored


if __name__ == "__main__":
    PATH.write_text(json.dumps(write_first_screen(load_weights(SHIPPED_WEIGHTS)), indent=2) + "\n", encoding="utf-8")
