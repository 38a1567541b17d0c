"""Figures of the lecture that the app follows: A. Karpathy, "Let's build GPT: from scratch, in code, spelled out", 2023."""

# Validation loss of each model that the lecture builds on Tiny Shakespeare, in nats per character.
LECTURE_LOSSES = (
    (2.5, "bigram"),
    (2.4, "one head"),
    (2.28, "many heads"),
    (2.08, "+ residual"),
    (1.48, "scaled up"),
)
