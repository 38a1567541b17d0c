"""What the page knows of the model in use: asked for when the page is loaded, for another one may come while the app runs.

    GET /model
    {"facts": ["shakespeare", "10.7 M parameters", "CPU", "bfloat16"], "vocabulary": ["\\n", " ", ...], "start": "\\n",
     "most_to_score": 12000,
     "weights": {"name": "shakespeare", "hash": "e63aab5d", "precision": "bfloat16", "block_size": 256, "val_loss": 1.4131},
     "stored": {...} or null, "heads": {...} or null}

"start" begins a text without a prompt, "stored" are the samples of the first screen, "heads" what each head does on held-out text.
Every answer of the server names the hash in its header X-Soliloquy-Model, so that a page hears of another model.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse

from model.checkpoint import Weights
from model.config import MAX_SCORE_CHARS
from model.serving.engine import Engine
from ui.first_screen import first_screen

HASH_CHARS = 8


def add_model(server: FastAPI, engine: Engine) -> None:
    """Adds the route."""

    @server.get("/model")
    async def model() -> JSONResponse:
        return JSONResponse(describe_model(engine.weights), headers={"Cache-Control": "no-store"})


def short_hash(weights: Weights) -> str:
    """What tells one model from another."""
    return weights.sha256[:HASH_CHARS]


def describe_model(weights: Weights) -> dict[str, Any]:
    """What the scripts are told."""
    tokenizer, precision = weights.tokenizer, str(weights.model.dtype).removeprefix("torch.")
    device = "GPU" if weights.model.device.type == "cuda" else "CPU"
    return {
        "facts": [weights.name, f"{weights.model.n_params() / 1e6:.1f} M parameters", device, precision],
        "vocabulary": list(tokenizer.vocabulary),
        "start": tokenizer.decode(tokenizer.encode_prompt("")),
        "most_to_score": MAX_SCORE_CHARS,
        "weights": {
            "name": weights.name,
            "hash": short_hash(weights),
            "precision": precision,
            "block_size": weights.model.config.block_size,
            "val_loss": weights.val_loss,
        },
        "stored": first_screen(weights),
        "heads": weights.heads,
    }
