"""Several models at once, over real HTTP: fairness and throughput of two, a change of the default under load, and memory after many.

    python -m benchmarks.models                     two GPTs of the shipped size for 20 viewers each, then 20 models one after the other
    python -m benchmarks.models --viewers 2 --chars 20 --models 3

The second model is a GPT of the shipped shape with another vocabulary and random weights: what it writes makes no sense and costs as much.
Each model is first written with alone. Memory is what the app holds after each model, which one short text is written with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.viewers import Visit, judge_ours, percentile, prompt_of, verdict
from benchmarks.viewers import Work as Texts
from model.config import GPTConfig
from model.network.gpt import GPT
from model.program import run_program
from model.tokenizer import CharTokenizer
from model.weights import SHIPPED_WEIGHTS, load_weights, save_weights
from tests.support.admin import PASSWORD, Admin
from tests.support.client import http_request, read_answer, to_the_end
from tests.support.server import resident_bytes, running_process

TOGETHER_LIMIT = 0.8  # of the mean of both alone: characters a second of both together
FAIR_LIMIT = 1.5  # times: characters a second of one model's viewer beside another's
SWAP_EVERY_S = 0.5
LETTERS = "\n abcdefghijklmnopqrstuvwxyz.,;:'!?"


def write_models(runs: Path, count: int) -> None:
    """Runs with random weights, each a model of its own."""
    for number in range(count):
        config = GPTConfig(vocab_size=len(LETTERS))
        save_weights(runs / f"model-{number:02d}", GPT(config, torch.Generator().manual_seed(number)), CharTokenizer(LETTERS), {})


async def _press(url: str, model: str | None, number: int, texts: Texts) -> Visit:
    asked = {"prompt": prompt_of(number).lower(), "length": texts.chars, "samples": texts.samples, "viewer": f"{model} {number}"}
    asked |= {"model": model} if model else {}
    pressed = time.perf_counter()
    stream = await to_the_end(url, http_request(url, "POST", "/write", json.dumps(asked).encode()))
    visit = judge_ours(read_answer(stream.arrivals), texts)
    return replace(visit, pressed=pressed, first=visit.first - pressed, done=visit.done - pressed)


async def _press_all(url: str, models: Sequence[str | None], viewers: int, texts: Texts) -> list[list[Visit]]:
    visits = await asyncio.gather(*(_press(url, model, number, texts) for number in range(viewers) for model in models))
    return [list(visits[place :: len(models)]) for place in range(len(models))]


def press(url: str, models: Sequence[str | None], viewers: int, texts: Texts) -> list[list[Visit]]:
    """All viewers of each model press at once; the visits of each model. Runs in a process of its own."""
    return asyncio.run(_press_all(url, models, viewers, texts))


def speed(visits: Sequence[Visit]) -> float:
    """Characters a second of all viewers together."""
    return sum(visit.chars for visit in visits) / max(visit.done for visit in visits)


def viewer_speed(visits: Sequence[Visit]) -> float:
    """Characters a second of one viewer, the median."""
    return statistics.median(visit.chars / visit.done for visit in visits)


def keys(url: str) -> list[str]:
    """The keys of all models, the default first."""
    with urllib.request.urlopen(f"{url}/models") as response:
        return [model["key"] for model in json.load(response)["models"]]


def load_model(url: str, key: str) -> float:
    """Loads a model; the seconds that took."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"{url}/models/{key}") as response:
        response.read()
    return time.perf_counter() - began


def compare(url: str, models: list[str], viewers: int, texts: Texts, pool: ProcessPoolExecutor) -> None:
    """Two models alone and together."""
    alone = [pool.submit(press, url, [model], viewers, texts).result()[0] for model in models]
    both = pool.submit(press, url, models, viewers, texts).result()
    print(f"{viewers} viewers a model, {texts.samples} x {texts.chars} characters   chars/s   a viewer   first p95   errors")
    for name, visits in [("default alone", alone[0]), ("other alone", alone[1]), ("default beside", both[0]), ("other beside", both[1])]:
        errors = sum(bool(visit.error) for visit in visits)
        first = percentile([visit.first for visit in visits], 0.95)
        print(f"{name:42} {speed(visits):12,.0f} {viewer_speed(visits):10,.1f} {first:9.2f} s {errors:8}")
    together, mean = speed([*both[0], *both[1]]), statistics.mean(map(speed, alone))
    print(
        f"together: {together:,.0f} chars/s, {together / mean:.2f} x the mean of both alone: {verdict(together / mean >= TOGETHER_LIMIT)}"
    )
    ratio = viewer_speed(both[0]) / viewer_speed(both[1])
    print(f"fairness: a viewer of one gets {ratio:.2f} x a viewer of the other: {verdict(1 / FAIR_LIMIT <= ratio <= FAIR_LIMIT)}")


def swap(url: str, viewers: int, texts: Texts, pool: ProcessPoolExecutor) -> None:
    """The default changes while all viewers have texts written with it."""
    admin, ended, swaps = Admin.logged_in(url), threading.Event(), 0

    def swap_on() -> None:
        nonlocal swaps
        while not ended.wait(SWAP_EVERY_S):
            admin.do("/train/shipped/use" if swaps % 2 else "/train/runs/model-00/use")
            swaps += 1

    thread = threading.Thread(target=swap_on)
    thread.start()
    visits = pool.submit(press, url, [None], viewers, texts).result()[0]
    ended.set()
    thread.join()
    admin.do("/train/shipped/use")
    errors = [visit.error for visit in visits if visit.error]
    print(f"{swaps} changes of the default while {viewers} viewers wrote: {len(errors)} errors: {verdict(not errors)}", *errors[:3])


def fill(url: str, pid: int, models: list[str]) -> None:
    """Loads models one after the other and writes a text with each."""
    held = [resident_bytes(pid)]
    for number, key in enumerate(models, 1):
        seconds = load_model(url, key)
        press(url, [key], 1, Texts(samples=4, chars=20))
        held.append(resident_bytes(pid))
        print(f"after {number:2} more models {held[-1] / 2**20:8,.0f} MB   loaded in {seconds:.2f} s")
    limit = max(held[: len(held) // 2 + 1]) * 1.1
    print(f"bounded, as idle ones are dropped: {verdict(held[-1] <= limit)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=20, help="of each model")
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--chars", type=int, default=300)
    parser.add_argument("--models", type=int, default=20, help="loaded one after the other")
    options = parser.parse_args()
    texts = Texts(options.samples, options.chars)
    os.environ["ADMIN_PASSWORD"] = PASSWORD
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(max_workers=1) as pool:
        write_models(Path(folder), options.models)
        shipped = load_weights(SHIPPED_WEIGHTS).key
        with running_process("--runs", folder) as (url, pid):
            others = [key for key in keys(url) if key != shipped]
            load_model(url, others[-1])
            compare(url, [shipped, others[-1]], options.viewers, texts, pool)
            swap(url, options.viewers, texts, pool)
            fill(url, pid, others)


if __name__ == "__main__":
    run_program(main)
