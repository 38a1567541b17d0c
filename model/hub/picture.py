"""The picture in a model card: how the loss fell while the model trained."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from model.errors import CheckpointError
from model.files import read_file

WIDTH, HEIGHT = 1200, 640
LEFT, RIGHT, TOP, BOTTOM = 110, 60, 40, 90
SCALE = 2  # drawn larger and made smaller, which smooths the lines
MAX_METRICS_BYTES = 2**26
BINS = 400  # of the training loss: thousands of steps become one line
PAPER, INK, SOFT, RULE, ACCENT = "#f8f3ea", "#1f1b16", "#6b6257", "#ddd5c7", "#8c1c28"  # the page's
TICKS = (1, 2, 2.5, 5)

Points = list[tuple[float, float]]  # step, loss


def loss_curve(metrics: Path) -> bytes | None:
    """The curve of a metrics.jsonl as a PNG; None where there is none."""
    try:
        lines = read_file(metrics, MAX_METRICS_BYTES).splitlines()
    except CheckpointError:
        return None
    found = [line for line in map(_read, lines) if line]
    training, validation = _thinned(_points(found, "loss")), _points(found, "val_loss")
    return _draw(training, validation) if len(validation) > 1 else None


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # the end of a run that was killed
        return None
    return value if isinstance(value, dict) else None


def _points(lines: Sequence[dict[str, Any]], name: str) -> Points:
    points = [(line.get("step"), line.get(name)) for line in lines]
    return [(step, loss) for step, loss in points if type(step) is int and isinstance(loss, float) and math.isfinite(loss)]


def _thinned(points: Points) -> Points:
    """Means over equally many points each."""
    size = max(1, math.ceil(len(points) / BINS))
    parts = [points[first : first + size] for first in range(0, len(points), size)]
    return [(sum(step for step, _ in part) / len(part), sum(loss for _, loss in part) / len(part)) for part in parts]


def _draw(training: Points, validation: Points) -> bytes:
    picture = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAPER)
    pen = ImageDraw.Draw(picture)
    steps, losses = [step for step, _ in training + validation], [loss for _, loss in training + validation]
    last, low, high = max(steps), min(losses), max(losses)

    def at(step: float, loss: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / last
        y = TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / ((high - low) or 1)
        return x * SCALE, y * SCALE

    def write(x: float, y: float, words: str, anchor: str, fill: str = SOFT) -> None:
        pen.text((x, y), words, fill, ImageFont.load_default(24 * SCALE), anchor)

    for loss in _ticks(low, high):
        pen.line([at(0, loss), at(last, loss)], RULE, SCALE)
        write((LEFT - 14) * SCALE, at(0, loss)[1], f"{loss:g}", "rm")
    for step in _ticks(0, last):
        x = at(step, low)[0]
        pen.line([(x, (HEIGHT - BOTTOM) * SCALE), (x, (HEIGHT - BOTTOM + 8) * SCALE)], SOFT, SCALE)
        write(x, (HEIGHT - BOTTOM + 14) * SCALE, f"{step:,.0f}", "mt")
    write((WIDTH - RIGHT) * SCALE, (HEIGHT - 12) * SCALE, "steps", "rb")
    pen.line([at(*point) for point in training], SOFT, 2 * SCALE, joint="curve")
    pen.line([at(*point) for point in validation], ACCENT, 5 * SCALE, joint="curve")
    lowest = min(loss for _, loss in validation)
    write((WIDTH - RIGHT) * SCALE, (TOP + 12) * SCALE, f"validation loss, nats per character: {lowest:.4f} at its lowest", "rt", ACCENT)
    write((WIDTH - RIGHT) * SCALE, (TOP + 48) * SCALE, "training loss", "rt")
    content = io.BytesIO()
    picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(content, "PNG")
    return content.getvalue()


def _ticks(low: float, high: float) -> list[float]:
    """Some round numbers in a range."""
    rough = (high - low) / 5 or 1
    power = 10 ** math.floor(math.log10(rough))
    size = next((tick * power for tick in TICKS if tick * power >= rough), 10 * power)
    return [size * i for i in range(math.ceil(low / size), math.floor(high / size) + 1)]
