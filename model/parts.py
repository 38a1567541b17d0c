"""The parts of a network that can be switched off (ablation): heads, MLPs and the position embedding.

A part is (layer, head), ("mlp", layer) or ("positions",), with layers and heads counted from 0. Its name joins these with a dot: 0.2,
mlp.3, positions.
"""

from __future__ import annotations

from collections.abc import Collection

from model.config import GPTConfig, NetworkConfig, shown
from model.errors import ParameterError

Head = tuple[int, int]  # (layer, head)
Part = Head | tuple[str, int] | tuple[str]

MLP, POSITIONS = "mlp", "positions"
NO_HEADS = "This model has no attention heads."


def check_parts(parts: object, config: NetworkConfig) -> tuple[Part, ...]:
    """Checks a selection of parts and returns it without duplicates: heads first, then MLPs, each in order, then the position embedding.

    Args:
        parts: lists are accepted for tuples, because JSON has none.

    Raises:
        ParameterError: names the value that is not a part, or the layer or head that does not exist.
    """
    if not isinstance(parts, Collection) or isinstance(parts, (str, bytes, dict)):
        raise ParameterError(f"The parts to switch off must be a list, not {shown(parts)}.")
    if not parts:
        return ()
    if not isinstance(config, GPTConfig):
        raise ParameterError(NO_HEADS)
    return tuple(sorted({_check_part(part, config) for part in parts}, key=lambda part: (isinstance(part[0], str), part)))


def _check_part(part: object, config: GPTConfig) -> Part:
    match part:
        case ["positions"]:
            return (POSITIONS,)
        case ["mlp", layer] if type(layer) is int:
            return MLP, _check_layer(layer, config)
        case [layer, head] if type(layer) is int and type(head) is int:
            layer = _check_layer(layer, config)
            if not 0 <= head < config.n_head:
                raise ParameterError(f"There is no head {shown(head)} in layer {layer}. Valid heads: {_numbered(config.n_head)}.")
            return layer, head
    raise ParameterError(f'A part to switch off must be [layer, head], ["mlp", layer] or ["positions"], not {shown(part)}.')


def _check_layer(layer: int, config: GPTConfig) -> int:
    if not 0 <= layer < config.n_layer:
        raise ParameterError(f"There is no layer {shown(layer)}. Valid layers: {_numbered(config.n_layer)}.")
    return layer


def _numbered(n: int) -> str:
    return f"0 to {n - 1}" if n > 1 else "only 0"


def part_name(part: Part) -> str:
    """The name of a part: 0.2, mlp.3 or positions."""
    return ".".join(map(str, part))


def read_part(name: str) -> Part:
    """The part with a name. Whether the network has it is for `check_parts` to say.

    Raises:
        ParameterError: it is not the name of a part.
    """
    first, dot, last = name.partition(".")
    if name == POSITIONS:
        return (POSITIONS,)
    if dot and _is_number(last) and (first == MLP or _is_number(first)):
        return (MLP, int(last)) if first == MLP else (int(first), int(last))
    raise ParameterError(f"A part is LAYER.HEAD, mlp.LAYER or positions, counted from 0, such as 0.2 or mlp.3, not {name[:40]!r}.")


def _is_number(typed: str) -> bool:
    return typed.isascii() and typed.isdigit() and len(typed) < 9
