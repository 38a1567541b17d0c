"""Arrays as binary answers: the values in C order, little-endian, and their shape in the header X-Soliloquy-Shape ("6,6,136")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from starlette.responses import Response


def floats_response(values: NDArray[Any], headers: Mapping[str, str] | None = None) -> Response:
    """An array as float32."""
    return bytes_response(float_bytes(values), values.shape, headers)


def bytes_response(content: bytes, shape: Sequence[int], headers: Mapping[str, str] | None = None) -> Response:
    """The bytes of an array of this shape."""
    named = {"X-Soliloquy-Shape": ",".join(map(str, shape)), **(headers or {})}
    return Response(content, headers=named, media_type="application/octet-stream")


def float_bytes(values: NDArray[Any]) -> bytes:
    """The bytes of an array as float32."""
    return values.astype("<f4", copy=False).tobytes()
