"""Figures of the lecture that the app follows: A. Karpathy, "Let's build GPT: from scratch, in code, spelled out", 2023."""

# Validation loss of each network that the lecture builds on Tiny Shakespeare, in nats per character, by rung (`model.ladder`). The lecture
# measures on 200 random batches. The small GPT at the end of its notebook is as readers of the notebook report it.
LOSSES = {
    "bigram": 2.5,
    "one-head": 2.4,
    "four-heads": 2.28,
    "feed-forward": 2.24,
    "residual": 2.08,
    "layer-norm": 2.06,
    "small-gpt": 1.82,
    "gpt": 1.48,
}

# Those that a chart of losses names.
LECTURE_LOSSES = (
    (LOSSES["bigram"], "bigram"),
    (LOSSES["one-head"], "one head"),
    (LOSSES["four-heads"], "many heads"),
    (LOSSES["residual"], "+ residual"),
    (LOSSES["gpt"], "scaled up"),
)
