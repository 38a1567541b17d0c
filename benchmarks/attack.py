"""Attackers beside a viewer: whatever they send, the viewer is served, and the app keeps its memory and its disk.

    python -m benchmarks.attack                   half a minute of each attack
    python -m benchmarks.attack --seconds 2

The attackers come from 127.0.0.2 and repeat what once brought the app down: pictures of any size, uploads, events that nobody listens to,
malformed calls, connections that send nothing or half a request, requests from other sites. Each attack runs alone, then all run at once.
Meanwhile a viewer at 127.0.0.1 asks for a short text, again and again. Shown are the time to the text's first character, the largest
memory of the app, and what it left on disk. Exit status 1 if an attack was not refused, a text did not come, the memory grew or files were
left.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import math
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.viewers import prompt_of
from model.program import run_program
from tests.support.client import connect, host_and_port, http_request, read_answer
from tests.support.server import resident_bytes, running_process

ATTACKER = "127.0.0.2"
AT_ONCE = 20  # requests of an attack in progress
CONNECTIONS = 9_000  # of the attack that only connects
CONNECTIONS_OPEN_S = 8.0  # or as long as an attack lasts
ANSWER_LIMIT_S = 20.0
REFUSED = frozenset({400, 403, 404, 405, 413, 415, 421, 422})
PAUSE_S = 0.25  # of the viewer, from a text's end to the next press
TARGET_S = 1.0  # to the viewer's first character, at the 95th percentile
MEMORY_LIMIT = 2**30  # beside what the app takes with one viewer: mostly for keys and values of a client's 64 rows, in whichever seats

Attack = Callable[["Target"], Awaitable[None]]


@dataclass
class Target:
    """The app under attack, and what came back.

    Attributes:
        seconds: for which it is attacked.
        statuses: how often an attack was answered with a status; 0 is no answer.
        served: requests that should have been refused, with the answer's status.
    """

    url: str
    rng: random.Random
    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def ask(self, request: bytes, hang_up_s: float = ANSWER_LIMIT_S, allowed: Collection[int] = REFUSED) -> bytes:
        """Sends a request and returns the answer, if it came before hanging up."""
        writer = None
        status, answer = 0, b""
        try:
            reader, writer = await asyncio.open_connection(*host_and_port(self.url), local_addr=(ATTACKER, 0))
            writer.write(request)
            answer = await asyncio.wait_for(reader.read(), hang_up_s)
            status = int(answer.split()[1]) if answer else 0
        except (OSError, asyncio.TimeoutError, ValueError, IndexError):
            pass
        finally:
            if writer:
                writer.transport.abort()
        self.statuses[status] += 1
        if status not in (0, 503, *allowed):
            self.served[f"{request.splitlines()[0].decode()}: {status}"] += 1
        return answer

    async def post(self, path: str, body: object, allowed: Collection[int] = REFUSED) -> bytes:
        """Posts JSON."""
        return await self.ask(http_request(self.url, "POST", path, json.dumps(body).encode()), allowed=allowed)

    async def get(self, path: str, *headers: str, method: str = "GET", allowed: Collection[int] = REFUSED) -> bytes:
        """Asks for a path with more headers."""
        request = http_request(self.url, method, path)
        with_headers = request.replace(b"\r\n\r\n", "".join(f"\r\n{header}" for header in headers).encode() + b"\r\n\r\n")
        return await self.ask(with_headers, allowed=allowed)


async def pictures(target: Target) -> None:
    """Pictures of any size."""
    await target.get(f"/pwa_icon/{target.rng.choice(('4000', '8000', '999999999', '-1'))}")


async def uploads(target: Target) -> None:
    """A thousand files a request, sometimes only half of them."""
    files = [
        f'--x\r\nContent-Disposition: form-data; name="files"; filename="{n}.txt"\r\n\r\n{"a" * 500}\r\n'.encode() for n in range(1000)
    ]
    body = b"".join(files) + b"--x--\r\n"
    head = http_request(target.url, "POST", "/gradio_api/upload").replace(
        b"\r\n\r\n", f"\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    await target.ask(head + body[: target.rng.choice((len(body), len(body) // 2))], 2.0)


async def unheard(target: Target) -> None:
    """Long texts, asked for through Gradio's queue, that nobody listens to."""
    settings = ["ROMEO:", 1.0, 1000, 4, None, 0, 1.0, None]
    session = f"nobody{next(target.numbers)}"
    if target.rng.random() < 0.5:
        await target.post("/gradio_api/queue/join", {"data": settings, "fn_index": 0, "session_hash": session}, allowed=(200,))
    else:
        await target.post("/gradio_api/call/generate", {"data": settings}, allowed=(200,))


async def malformed(target: Target) -> None:
    """Calls that Gradio does not expect."""
    paths: tuple[tuple[str, object], ...] = (
        ("/gradio_api/call/nope", {"data": []}),
        ("/gradio_api/queue/join", {"data": [], "fn_index": 77, "session_hash": "a"}),
        ("/gradio_api/queue/join", {"data": [], "fn_index": -1, "session_hash": "a"}),
        ("/gradio_api/queue/join", {"data": "x", "fn_index": [], "session_hash": {}}),
        ("/gradio_api/run/predict", {"data": []}),
        ("/gradio_api/component_server", {"data": [], "component_id": 10**9, "session_hash": "a", "fn_name": "x"}),
    )
    await target.post(*target.rng.choice(paths))
    await target.get("/static/img/logo.svg", "Range: bytes=0-1,3-4,-1")


async def other_sites(target: Target) -> None:
    """What a page of another site has a browser send, and names that are not the app's."""
    await target.get("/gradio_api/run/generate", "Origin: https://evil.example", "Access-Control-Request-Method: POST", method="OPTIONS")
    await target.get("/config", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
    page = await target.get("/", "X-Forwarded-Host: evil.example", "X-Gradio-Server: http://evil.example", allowed=(200,))
    if b"evil.example" in page:
        target.served["a page that names another host"] += 1
    await target.ask(b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")


async def connections(target: Target) -> None:
    """As many connections as the app has open files: silent, with half a header, or with a header and no body."""
    beginnings = (b"", b"GET / HTTP/1.1\r\nHost: 127", b"POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    writers = []
    try:
        for number in range(CONNECTIONS):
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                opening = asyncio.open_connection(*host_and_port(target.url), local_addr=(ATTACKER, 0))
                _, writer = await asyncio.wait_for(opening, 1.0)
                writer.write(beginnings[number % len(beginnings)])
                writers.append(writer)
        await asyncio.sleep(min(CONNECTIONS_OPEN_S, target.seconds))
    finally:
        for writer in writers:
            writer.transport.abort()


ATTACKS: dict[str, tuple[tuple[Attack, int], ...]] = {
    "none": (),
    "pictures": ((pictures, AT_ONCE),),
    "uploads": ((uploads, AT_ONCE),),
    "unheard events": ((unheard, AT_ONCE),),
    "malformed calls": ((malformed, AT_ONCE),),
    "other sites": ((other_sites, AT_ONCE),),
    "idle connections": ((connections, 1),),
}
ATTACKS["all at once"] = tuple(itertools.chain.from_iterable(ATTACKS.values()))


async def repeat(attack: Attack, target: Target, until: float) -> None:
    """One attacker."""
    while time.monotonic() < until:
        await attack(target)


async def view(url: str, seconds: float) -> list[float]:
    """Seconds from each press to the first character; infinite where none came."""
    until, waits = time.monotonic() + seconds, []
    for number in itertools.count():
        if time.monotonic() > until:
            break
        body = {"prompt": prompt_of(number), "length": 20, "viewer": "the viewer"}
        pressed, first_at = time.perf_counter(), None
        with contextlib.suppress(OSError):
            stream = await connect(url, http_request(url, "POST", "/write", json.dumps(body).encode()))
            await asyncio.wait([stream.ended], timeout=ANSWER_LIMIT_S)
            stream.close()
            first_at = read_answer(stream.arrivals).first_at
        waits.append(first_at - pressed if first_at else math.inf)
        await asyncio.sleep(PAUSE_S)
    return waits


def waits_of_a_viewer(url: str, seconds: float) -> list[float]:
    """As `view`, for a process of its own: attackers in the same one would hold the viewer up."""
    return asyncio.run(view(url, seconds))


async def under(
    attacks: tuple[tuple[Attack, int], ...], url: str, pid: int, seconds: float, viewers: Executor
) -> tuple[list[float], int, Target]:
    """The viewer's waits, the largest memory in bytes, and what the attackers got."""
    target, until, largest = Target(url, random.Random(0), seconds), time.monotonic() + seconds, 0
    work = [asyncio.create_task(repeat(attack, target, until)) for attack, at_once in attacks for _ in range(at_once)]
    viewer = asyncio.get_running_loop().run_in_executor(viewers, waits_of_a_viewer, url, seconds)
    while not viewer.done():
        largest = max(largest, resident_bytes(pid))
        await asyncio.sleep(0.1)
    await asyncio.gather(*work)
    return viewer.result(), largest, target


def files_in(folder: str) -> int:
    """Number of files in a folder and below."""
    return sum(path.is_file() for path in Path(folder).rglob("*"))


def attack_all(seconds: float) -> list[str]:
    """Attacks an app of its own in each way; prints what happens.

    Returns:
        What was found wrong, a sentence each.
    """
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = os.environ["GRADIO_TEMP_DIR"] = folder  # the app's, too
        with running_process() as (url, pid), ProcessPoolExecutor(1, get_context("spawn")) as viewers:
            viewers.submit(waits_of_a_viewer, url, min(seconds, 3.0)).result()
            before, files = resident_bytes(pid), files_in(folder)
            print(f"{'attack':<18} {'first character: median':>24} {'p95':>7} {'':>6} {'texts':>6} {'memory':>9} {'files':>6}  answers")
            for name, attacks in ATTACKS.items():
                waits, largest, target = asyncio.run(under(attacks, url, pid, seconds, viewers))
                left = files_in(folder) - files
                median, p95 = np.percentile(waits, (50, 95))
                counts = ", ".join(f"{count:,} x {status or 'none'}" for status, count in sorted(target.statuses.items()))
                met = "met" if p95 <= TARGET_S else "missed"
                print(
                    f"{name:<18} {median:>22.3f} s {p95:>5.2f} s {met:>6} {len(waits):>6} {largest / 1e6:>6,.0f} MB {left:>6}  {counts}",
                    flush=True,
                )
                if math.inf in waits:
                    faults.append(f"{name}: {waits.count(math.inf)} of {len(waits)} texts did not begin")
                if left > 0:
                    faults.append(f"{name}: {left} files are left on disk")
                if largest - before > MEMORY_LIMIT:
                    faults.append(f"{name}: the memory grew from {before / 1e6:,.0f} to {largest / 1e6:,.0f} MB")
                faults += [f"{name}: {request} ({count} times)" for request, count in target.served.items()]
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="for each attack")
    options = parser.parse_args()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 1_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    with ThreadPoolExecutor(max_workers=1) as thread:  # the caller's may have an event loop of its own
        faults = thread.submit(attack_all, options.seconds).result()
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    print(f"{len(faults)} faults" if faults else "no fault", f"(the target for the first character is {TARGET_S:g} s at p95)")
    return 1 if faults else 0


if __name__ == "__main__":
    run_program(main)
