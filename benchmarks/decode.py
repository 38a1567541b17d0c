"""Characters per second while writing: ours beside the plain reference and Hugging Face's `generate`, with the same weights.

    python -m benchmarks.decode                    1, 8 and 64 rows, float32 and bfloat16, best of three rounds

All rows begin from a newline and write 254 characters, so that no window moves. Ours includes everything that a page pays for:
the distribution, the dice, the text. The limit beside it is what this machine's measured memory and matrix speed would allow.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import numpy as np
import torch

from model.checkpoint import SHIPPED_WEIGHTS, load_weights
from model.config import SamplingParams
from model.gpt import GPT
from model.precision import DTYPES, set_up_writing
from model.sampling import dice, distribution, draw
from model.serving.decoder import Decoder
from tests.huggingface import to_hugging_face

NEW_CHARS = 254
PLAIN_CHARS = 32  # of the 254, spread evenly: the plain reference takes minutes for all
PARAMS = SamplingParams(temperature=0.8, max_new_chars=NEW_CHARS)


def throws(rows: int) -> np.ndarray:
    """The dice of all rows, (rows, NEW_CHARS)."""
    return np.stack([dice(0, row, NEW_CHARS) for row in range(rows)])


def ours(model: GPT, rows: int) -> float:
    """Seconds for NEW_CHARS characters with the engine's decoder."""
    set_up_writing(model.dtype)
    began = time.perf_counter()
    decoder = Decoder(model, [0], throws(rows), PARAMS)
    while not decoder.done:
        decoder.step()
    return time.perf_counter() - began


@torch.inference_mode()
def plain(model: GPT, rows: int) -> float:
    """Seconds without a cache, as the lecture writes: every character reads the whole window again. One round: it is slow."""
    texts = torch.zeros(rows, NEW_CHARS, dtype=torch.long)
    some = np.linspace(1, NEW_CHARS, PLAIN_CHARS).astype(int)
    all_throws = throws(rows)
    began = time.perf_counter()
    for length in some:
        logits = model(texts[:, :length], last_only=True)[:, 0]
        ids = draw(distribution(logits.numpy(), PARAMS.temperature), all_throws[:, length - 1]).ids
        texts[:, length - 1] = torch.from_numpy(ids)
    return (time.perf_counter() - began) * NEW_CHARS / len(some)


@torch.inference_mode()
def hugging_face(model: torch.nn.Module, rows: int) -> float:
    """Seconds of `GPT2LMHeadModel.generate` with its cache, sampling at the same temperature."""
    torch.backends.mkldnn.enabled = True  # as it comes
    began = time.perf_counter()
    prompt = torch.zeros(rows, 1, dtype=torch.long)
    model.generate(  # type: ignore[operator]
        prompt,
        attention_mask=torch.ones_like(prompt),
        min_new_tokens=NEW_CHARS,
        max_new_tokens=NEW_CHARS,
        do_sample=True,
        temperature=PARAMS.temperature,
        top_k=0,
        pad_token_id=0,
    )
    return time.perf_counter() - began


def limit(model: GPT, rows: int, bytes_per_s: float, flops: float) -> float:
    """Characters per second if each step took only what reading weights and keys, and multiplying, take here."""
    config, size = model.config, model.dtype.itemsize
    mean_keys = NEW_CHARS / 2
    read = model.n_params() * size + rows * mean_keys * 2 * config.n_layer * config.n_embd * size
    multiply = rows * 2 * (model.n_params() + 2 * config.n_layer * mean_keys * config.n_embd)
    return rows / max(read / bytes_per_s, multiply / flops)


def machine_speed(dtype: torch.dtype) -> tuple[float, float]:
    """Bytes per second of summing a tensor as large as the weights, and operations per second of a large product."""
    data = torch.ones(10_000_000, dtype=dtype)
    a, b = torch.ones(4096, 384, dtype=dtype), torch.ones(384, 1536, dtype=dtype)
    read = best_of(5, lambda: timed(lambda: data.sum()))
    multiply = best_of(5, lambda: timed(lambda: a @ b))
    return data.numel() * data.itemsize / read, 2 * 4096 * 384 * 1536 / multiply


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def best_of(rounds: int, measure: Callable[[], float]) -> float:
    """The smallest of several measurements."""
    return min(measure() for _ in range(rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=3, help="each figure is the best of this many")
    options = parser.parse_args()
    weights = load_weights(SHIPPED_WEIGHTS)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {weights.model.n_params() / 1e6:.1f} M parameters")
    print("characters per second, all rows together; x = ours beside it\n")
    print(f"{'rows':>4} {'precision':>9} {'ours':>8} {'plain':>8} {'x':>6} {'Hugging Face':>13} {'x':>6} {'limit':>9} {'of limit':>9}")
    best: dict[int, list[tuple[float, float]]] = {}
    for rows in options.rows:
        for name, dtype in DTYPES.items():
            model = copy.deepcopy(weights.model).to(dtype)
            peer = to_hugging_face(weights.model).to(dtype)
            rates = {"ours": 0.0, "plain": 0.0, "peer": 0.0}
            for _ in range(options.rounds):  # in turns, so that a slow spell of the machine hits all
                rates["ours"] = max(rates["ours"], rows * NEW_CHARS / ours(model, rows))
                rates["peer"] = max(rates["peer"], rows * NEW_CHARS / hugging_face(peer, rows))
            rates["plain"] = rows * NEW_CHARS / plain(model, rows)
            bound = limit(model, rows, *machine_speed(dtype))
            best.setdefault(rows, []).append((rates["ours"], rates["peer"]))
            print(
                f"{rows:>4} {name:>9} {rates['ours']:>8,.0f} {rates['plain']:>8,.0f} {rates['ours'] / rates['plain']:>6.1f} "
                f"{rates['peer']:>13,.0f} {rates['ours'] / rates['peer']:>6.2f} {bound:>9,.0f} {rates['ours'] / bound:>9.0%}",
                flush=True,
            )
    print("\nbest precision of each side:")
    for rows, pairs in best.items():
        print(f"{rows:>4} rows: {max(p[0] for p in pairs) / max(p[1] for p in pairs):.2f} x Hugging Face")


if __name__ == "__main__":
    main()
