"""A class that throws the dice for one prompt, over real HTTP: every phone reads the class's stream and its own text, and the wall shows
all of them. Then as many pages follow the lecturer's.

    python -m benchmarks.wall                     200 and 300 phones, 120 characters each, all pressed within two seconds
    python -m benchmarks.wall --phones 20
    python -m benchmarks.wall --phones --followers 200      the following alone

The app is started anew for each count. The phones live in a process of their own, which keeps what arrives, with the time, and reads it
once all is over. From a text's end, as its phone has it, to the wall is counted from the later line of the two: 0 where the wall was first.
A page follows from the moment at which the lecturer's page tells what it shows to the event in the follower's stream. Memory is the most
that the app has ever held, its start included. Linux only: it is read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.viewers import percentile, verdict
from model.program import run_program
from tests.support.admin import PASSWORD, Admin
from tests.support.client import Stream, connect, http_request, read_answer, read_events, to_the_end
from tests.support.server import cpu_seconds, resident_bytes, running_process

PROMPT, TEMPERATURE = "ROMEO:", 0.8
SPREAD_S = 2.0  # all phones press within it
LIMIT_S = 600  # after which a phone gives up, and that is an error
SETTLED_S = 2.0  # for the last text to reach the wall
FIRST_LIMIT_S, FIRST_PHONES = 2.0, 200
SHOWN_EVERY_S = 2.0  # from one address that the lecturer's page shows to the next
FOLLOW_LIMIT_S = 2.0
WALL_LIMIT_S = 1.0


@dataclass(frozen=True)
class Hour:
    """What a class met, in seconds.

    Attributes:
        first: from each press to the first character.
        done: from each press to the last character.
        to_wall: from each text's end to the wall.
        errors: what went wrong, one for each phone that has no text, and for each text that the wall lacks, has twice or has otherwise.
    """

    first: list[float]
    done: list[float]
    to_wall: list[float]
    errors: list[str]
    server_cpu_s: float


def hold(url: str, pid: int, phones: int, chars: int) -> Hour:
    """Lets a class throw, and waits until all have everything. Runs in a process of its own."""
    admin = Admin.logged_in(url)
    members = [Admin(url).do("/class/join")["member"] for _ in range(phones)]
    round = admin.do("/class/open", prompt=PROMPT, temperature=TEMPERATURE, length=chars)["round"]["id"]
    before = cpu_seconds(pid)
    began, wall, throws = asyncio.run(_throw_all(url, members, round))
    return read(began, wall, throws, round, chars, cpu_seconds(pid) - before)


async def _throw_all(url: str, members: list[str], round: str) -> tuple[float, Stream, list[Stream | BaseException]]:
    """All phones and the wall read the stream of the class; then each phone throws."""
    wall = await connect(url, http_request(url, "GET", "/class/stream?wall=1"))
    readers = await asyncio.gather(*(connect(url, http_request(url, "GET", "/class/stream")) for _ in members))
    while not all(reader.arrivals for reader in (wall, *readers)):
        await asyncio.sleep(0.05)
    began = time.perf_counter() + 0.05

    async def throw(member: str, moment: float) -> Stream:
        await asyncio.sleep(began + moment - time.perf_counter())
        body = json.dumps({"member": member, "round": round}).encode()
        return await asyncio.wait_for(to_the_end(url, http_request(url, "POST", "/class/throw", body)), LIMIT_S)

    throws = await asyncio.gather(*map(throw, members, moments(len(members))), return_exceptions=True)
    await asyncio.sleep(SETTLED_S)
    for reader in (wall, *readers):
        reader.close()
    return began, wall, throws


def lead(url: str, followers: int, addresses: int) -> tuple[list[float], int]:
    """How long each follower took to hear of each address, in seconds, and how many did not come to the last one. Runs in a process of its
    own."""
    told, arrivals = asyncio.run(_lead(url, Admin.logged_in(url), followers, addresses))
    delays, lost = [], 0
    for stream in arrivals:
        seen = {event["address"]: at for at, name, event in read_events(stream) if name == "lead" and event}
        delays += [seen[address] - at for address, at in told.items() if address in seen]
        lost += [*told][-1] not in seen
    return delays, lost


async def _lead(url: str, admin: Admin, followers: int, addresses: int) -> tuple[dict[str, float], list[list[tuple[float, bytes]]]]:
    """When each address was told, and what arrived at each follower."""
    streams = await asyncio.gather(*(connect(url, http_request(url, "GET", "/class/stream")) for _ in range(followers)))
    while not all(stream.arrivals for stream in streams):
        await asyncio.sleep(0.05)
    told = {}
    for n in range(addresses):
        address = f"#tab=attention&head={n}"
        told[address] = time.perf_counter()
        await asyncio.to_thread(admin.do, "/class/lead", lead={"address": address, "title": "Attention", "keys": []}, page="benchmark")
        await asyncio.sleep(told[address] + SHOWN_EVERY_S - time.perf_counter())
    for stream in streams:
        stream.close()
    return told, [stream.arrivals for stream in streams]


def show_lead(followers: int, addresses: int, delays: list[float], lost: int) -> None:
    """The line of one count of followers."""
    median, late = (percentile(delays, share) for share in (0.5, 0.95))
    print(
        f"{followers:4} followers   {addresses} addresses: {median:.2f} s, p95 {late:.2f} s, longest {max(delays):.2f} s   lost {lost}",
        flush=True,
    )
    print(f"     nobody lost: {verdict(not lost)}, p95 <= {FOLLOW_LIMIT_S:g} s: {verdict(late <= FOLLOW_LIMIT_S)}")


def moments(phones: int) -> list[float]:
    """When each phone throws, the same in every run; the first at 0."""
    rng = random.Random(0)
    return [0.0, *sorted(rng.uniform(0, SPREAD_S) for _ in range(phones - 1))]


def read(began: float, wall: Stream, throws: list[Stream | BaseException], round: str, chars: int, server_cpu_s: float) -> Hour:
    """Compares what the phones have with what stands on the wall."""
    hour = Hour([], [], [], [], server_cpu_s)
    shown: dict[int, tuple[float, str]] = {}
    for at, name, told in read_events(wall.arrivals):
        for text in told["texts"] if name == "texts" and told["round"] == round else ():
            if text["sample"] in shown:
                hour.errors.append("a text stands on the wall twice")
            shown[text["sample"]] = at, text["text"]
    for moment, result in zip(moments(len(throws)), throws, strict=True):
        try:
            if isinstance(result, BaseException):
                raise result
            answer = read_answer(result.arrivals)
            lines = [line for _, line in answer.lines]
            text = "".join(line["new"] for line in lines)
            if answer.status != 200 or answer.state != "done" or len(text) != chars:
                raise RuntimeError(f"status {answer.status}, {answer.state or 'no state'}, {len(text)} characters: {answer.error}")
            at, on_wall = shown.pop(lines[0]["sample"], (math.nan, ""))
            if on_wall != text:
                raise RuntimeError("a text is not on the wall" if not on_wall else "a text is another one on the wall")
        except Exception as error:
            hour.errors.append(repr(error))
            continue
        hour.first.append(next(at for at, line in answer.lines if line["new"]) - began - moment)
        hour.done.append(answer.lines[-1][0] - began - moment)
        hour.to_wall.append(max(0.0, at - answer.lines[-1][0]))
    hour.errors.extend("the wall has a text that nobody threw" for _ in shown)
    return hour


def show(phones: int, hour: Hour, memory: int) -> None:
    """The line of one count, and what it must reach."""
    first, done, to_wall = ([percentile(times, share) for share in (0.5, 0.95)] for times in (hour.first, hour.done, hour.to_wall))
    print(
        f"{phones:4} phones   first character {first[0]:.2f} s, p95 {first[1]:.2f} s   all {done[0]:.1f} s, p95 {done[1]:.1f} s   "
        f"to the wall {to_wall[0]:.2f} s, p95 {to_wall[1]:.2f} s   errors {len(hour.errors)}   {memory / 1e6:,.0f} MB   "
        f"server CPU {hour.server_cpu_s:.1f} s",
        flush=True,
    )
    reached = [f"no errors: {verdict(not hour.errors)}", f"to the wall p95 <= {WALL_LIMIT_S:g} s: {verdict(to_wall[1] <= WALL_LIMIT_S)}"]
    if phones == FIRST_PHONES:
        reached.append(f"first character p95 <= {FIRST_LIMIT_S:g} s: {verdict(first[1] <= FIRST_LIMIT_S)}")
    print(f"     {', '.join(reached)}")
    for error, count in Counter(hour.errors).most_common(5):
        print(f"     {count} x {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phones", type=int, nargs="*", default=[200, 300])
    parser.add_argument("--followers", type=int, default=200, help="pages that follow the lecturer's")
    parser.add_argument("--addresses", type=int, default=10, help="that the lecturer's page shows, one after the other")
    parser.add_argument("--chars", type=int, default=120, help="characters of each text")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args()
    print(f"{options.chars} characters each, all pressed within {SPREAD_S:g} s; {os.cpu_count()} processors\n")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADMIN_PASSWORD", PASSWORD)
        for phones in options.phones:
            with (
                tempfile.TemporaryDirectory() as folder,
                running_process("--device", options.device, "--runs", str(Path(folder) / "runs")) as (url, pid),
            ):
                process.submit(hold, url, pid, 1, 10).result()  # warms both sides up
                hour = process.submit(hold, url, pid, phones, options.chars).result()
                show(phones, hour, resident_bytes(pid, most=True))
        with (
            tempfile.TemporaryDirectory() as folder,
            running_process("--device", options.device, "--runs", str(Path(folder) / "runs")) as (url, _),
        ):
            followers, addresses = options.followers, options.addresses
            show_lead(followers, addresses, *process.submit(lead, url, followers, addresses).result())


if __name__ == "__main__":
    run_program(main)
