"""Characters per second while writing: ours beside the plain reference and Hugging Face's `generate`, with the same weights.

    python -m benchmarks.decode                    1, 8 and 64 rows, float32 and bfloat16, best of three rounds
    python -m benchmarks.decode --rows 1 --ragged 16 --chars 20 --rounds 1

All rows begin from a newline and write 254 characters by default, so that no window moves. Ours is the engine's own loop with
everything that a page pays for: the scheduler, the distribution, the dice, the text, the logits that are kept. The limit beside it is
what this machine's measured memory and matrix speed would allow. Rows of all lengths are then compared with rows in step, and a
profile shows where the time of a step goes. (benchmarks/viewers.py measures what streaming to pages costs.)
"""

from __future__ import annotations

import argparse
import copy
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

from model.limits import MAX_SAMPLES
from model.network.gpt import GPT
from model.network.step_attention import StepAttention, compiler
from model.precision import DTYPES, guesses_agree, packed_to_agree, set_up_writing, windows_agree
from model.program import run_program
from model.sampling import SamplingParams, dice, distribution, draw
from model.serving.request import DONE, Request
from model.serving.writer import Writer
from model.weights import SHIPPED_WEIGHTS, Weights, load_weights
from tests.support.huggingface import to_hugging_face

NEW_CHARS = 254
PLAIN_CHARS = 32  # of these, spread evenly: the plain reference takes minutes for all
PARAMS = SamplingParams(temperature=0.8)
TARGETS = {1: 4.0, 8: 2.5, 64: 2.5}  # times Hugging Face
RAGGED_CHARS = 120
RAGGED_TARGET = 0.85  # of rows in step
COMPILED = "step_attention"  # how the profile names what Numba compiled
PARTS = {"attention": ("scaled_dot_product", COMPILED), "products": ("linear", "mm", "addmm")}  # names of kernels


def new_writer(weights: Weights, seats: int) -> Writer:
    """As the engine makes one, once; its seats are taken by one request after the other."""
    writer = Writer(weights, max(seats, 2 * MAX_SAMPLES), threading.Condition(threading.RLock()))
    writer.wait()
    return writer


def ours(writer: Writer, rows: int, chars: int) -> float:
    """Seconds for so many characters of every row, all in step."""
    sizes = [min(MAX_SAMPLES, rows - first) for first in range(0, rows, MAX_SAMPLES)]
    requests = [ask(writer, "\n", replace(PARAMS, max_new_chars=chars, samples=size, seed=number)) for number, size in enumerate(sizes)]
    began = time.perf_counter()
    while not writer.idle:
        writer.round()
    seconds = time.perf_counter() - began
    assert all(request.progress().state == DONE for request in requests)
    return seconds


def ask(writer: Writer, prompt: str, params: SamplingParams) -> Request:
    """A request of a viewer of its own."""
    request = Request(prompt, (), params, writer.weights.tokenizer.vocabulary, f"viewer {params.seed}")
    writer.submit(request)
    return request


def round_ms(weights: Weights, prompts: list[str], chars: int, samples: int) -> float:
    """Milliseconds of a round that writes one character for each row, once all prompts are read: the mean of the middle half."""
    rows = len(prompts) * samples
    writer = new_writer(weights, rows)
    for seed, prompt in enumerate(prompts):
        ask(writer, prompt, replace(PARAMS, max_new_chars=chars, samples=samples, seed=seed))
    seconds = []
    while not writer.idle:
        all_go_on = writer.n_ready == rows
        took = timed(writer.round)
        if all_go_on:
            seconds.append(took)
    quarter = len(seconds) // 4
    return 1e3 * float(np.mean(sorted(seconds)[quarter:-quarter]))


@torch.inference_mode()
def plain(model: GPT, rows: int, chars: int) -> float:
    """Seconds without a cache, as the lecture writes: every character reads the whole window again. One round: it is slow."""
    texts = torch.zeros(rows, chars, dtype=torch.long)
    some = np.linspace(1, chars, min(chars, PLAIN_CHARS)).astype(int)
    throws = np.stack([dice(0, row, chars) for row in range(rows)])
    began = time.perf_counter()
    for length in some:
        logits = model(texts[:, :length], last_only=True)[:, 0]
        ids = draw(distribution(logits.numpy(), PARAMS.temperature), throws[:, length - 1]).ids
        texts[:, length - 1] = torch.from_numpy(ids)
    return (time.perf_counter() - began) * chars / len(some)


@torch.inference_mode()
def hugging_face(model: torch.nn.Module, rows: int, chars: int) -> float:
    """Seconds of `GPT2LMHeadModel.generate` with its cache, sampling at the same temperature."""
    torch.backends.mkldnn.enabled = True  # as it comes
    began = time.perf_counter()
    prompt = torch.zeros(rows, 1, dtype=torch.long)
    model.generate(  # type: ignore[operator]
        prompt,
        attention_mask=torch.ones_like(prompt),
        min_new_tokens=chars,
        max_new_tokens=chars,
        do_sample=True,
        temperature=PARAMS.temperature,
        top_k=0,
        pad_token_id=0,
    )
    return time.perf_counter() - began


def limit(model: GPT, rows: int, chars: int, weight_bytes: int, bytes_per_s: float, flops: float) -> float:
    """Characters per second if each step took only what reading weights and keys, and multiplying, take here."""
    config, size = model.config, model.dtype.itemsize
    mean_keys = chars / 2
    read = model.n_params() * weight_bytes + rows * mean_keys * 2 * config.n_layer * config.n_embd * size
    multiply = rows * 2 * (model.n_params() + 2 * config.n_layer * mean_keys * config.n_embd)
    return rows / max(read / bytes_per_s, multiply / flops)


def machine_speed(dtype: torch.dtype) -> tuple[float, float]:
    """Bytes per second of summing a tensor as large as the weights, and operations per second of a large product."""
    torch.backends.mkldnn.enabled = True
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


def in_precision(weights: Weights, dtype: torch.dtype) -> Weights:
    """The weights ready for writing in a precision, as the app packs them."""
    model, _, agree = packed_to_agree(weights.model, dtype)
    model.guesses_agree, model.windows_agree = agree and guesses_agree(model), agree and windows_agree(model)
    return replace(weights, model=model)


def compare_with_peers(weights: Weights, row_counts: list[int], rounds: int, chars: int) -> None:
    print("characters per second, all rows together; x = ours beside it\n")
    print(f"{'rows':>4} {'precision':>9} {'ours':>8} {'plain':>8} {'x':>6} {'Hugging Face':>13} {'x':>6} {'limit':>9} {'of limit':>9}")
    best: dict[int, list[tuple[float, float]]] = {}
    for rows in row_counts:
        for name, dtype in DTYPES.items():
            mine = in_precision(weights, dtype)
            peer = to_hugging_face(weights.model).to(dtype)
            writer = new_writer(mine, rows)
            rates = {"ours": 0.0, "plain": 0.0, "peer": 0.0}
            for _ in range(rounds):  # in turns, so that a slow spell of the machine hits all
                set_up_writing(dtype)
                rates["ours"] = max(rates["ours"], rows * chars / ours(writer, rows, chars))
                rates["peer"] = max(rates["peer"], rows * chars / hugging_face(peer, rows, chars))
            rates["plain"] = rows * chars / plain(copy.deepcopy(weights.model).to(dtype), rows, chars)
            bound = limit(mine.model, rows, chars, 2, *machine_speed(dtype))  # packed matrices have 16 bits in either precision
            best.setdefault(rows, []).append((rates["ours"], rates["peer"]))
            print(
                f"{rows:>4} {name:>9} {rates['ours']:>8,.0f} {rates['plain']:>8,.0f} {rates['ours'] / rates['plain']:>6.1f} "
                f"{rates['peer']:>13,.0f} {rates['ours'] / rates['peer']:>6.2f} {bound:>9,.0f} {rates['ours'] / bound:>9.0%}",
                flush=True,
            )
    print("\nbest precision of each side:")
    for rows, pairs in best.items():
        target = f"(target {TARGETS[rows]} x)" if rows in TARGETS else ""
        print(f"{rows:>4} rows: {max(p[0] for p in pairs) / max(p[1] for p in pairs):.2f} x Hugging Face {target}")


def compare_ragged(weights: Weights, dtype: torch.dtype, rounds: int, rows: int, chars: int) -> None:
    """Rows whose lengths differ, each of a viewer of its own, beside as many in step at the same mean length; 64 rows: 1 to 247."""
    mine = in_precision(weights, dtype)
    text = "But soft, what light through yonder window breaks? " * 3
    ragged_prompts = [text[: 1 + 2 * row] for row in range(rows)]
    in_step, ragged = float("inf"), float("inf")
    for _ in range(rounds):
        in_step = min(in_step, round_ms(mine, [text[:rows]] * (rows // MAX_SAMPLES), chars, MAX_SAMPLES))
        ragged = min(ragged, round_ms(mine, ragged_prompts, chars, 1))
    print(
        f"\n{rows} rows, {str(dtype).removeprefix('torch.')}: {in_step:.2f} ms a step when all are in step, {ragged:.2f} ms when each "
        f"has a length of its own: {in_step / ragged:.0%} of the speed (target {RAGGED_TARGET:.0%})"
    )


def recorded(self: StepAttention, *arguments: Any, attend: Callable[..., Tensor] = StepAttention.__call__) -> Tensor:
    """The compiled attention, in the profile."""
    with record_function(COMPILED):
        return attend(self, *arguments)


def show_profile(weights: Weights, dtype: torch.dtype, rows: int, chars: int) -> None:
    """Where the time of a step goes, by kernels."""
    writer = new_writer(in_precision(weights, dtype), rows)
    ours(writer, rows, chars)
    with patch.object(StepAttention, "__call__", recorded), profile(activities=[ProfilerActivity.CPU]) as profiled:
        seconds = ours(writer, rows, chars)
    kernels = {event.key: event.self_cpu_time_total / 1e6 for event in profiled.key_averages()}
    shares = {part: sum(t for key, t in kernels.items() if any(n in key for n in names)) for part, names in PARTS.items()}
    shares["other kernels"] = sum(kernels.values()) - sum(shares.values())
    shares["Python, sampling, launches"] = seconds - sum(kernels.values())
    told = ", ".join(f"{part} {share / seconds:.0%}" for part, share in shares.items())
    print(f"{rows:>4} rows, {str(dtype).removeprefix('torch.')}: {told} (under the profiler, which slows small kernels)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--chars", type=int, default=NEW_CHARS, help="characters of each row")
    parser.add_argument("--ragged", type=int, default=64, help=f"rows of all lengths, a multiple of {MAX_SAMPLES}")
    parser.add_argument("--rounds", type=int, default=3, help="each figure is the best of this many")
    options = parser.parse_args()
    weights = load_weights(SHIPPED_WEIGHTS)
    versions = f"torch {torch.__version__}, {compiler() or 'no numba'}"
    print(f"{versions}, {torch.get_num_threads()} threads, {weights.model.n_params() / 1e6:.1f} M parameters")
    compare_with_peers(weights, options.rows, options.rounds, options.chars)
    for dtype in DTYPES.values():
        compare_ragged(weights, dtype, options.rounds, options.ragged, min(options.chars, RAGGED_CHARS))
    print("\nwhere the time of a step goes:")
    for rows in options.rows:
        for dtype in DTYPES.values():
            show_profile(weights, dtype, rows, options.chars)


if __name__ == "__main__":
    run_program(main)
