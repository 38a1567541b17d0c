"""A rough crowd: viewers write, score, look at attention, stop, reload, vanish and send nonsense at random moments, and after them the app
must be as before.

    python -m benchmarks.soak                    ten minutes
    python -m benchmarks.soak --minutes 1

First the house is filled to the last seat, a few times, so that the memory that the app may take for its rows is taken. Then between
20 and 40 viewers are there at once. Faults are looked for in every answer (its status, its length, the same text for the same
seed, alone and in the crowd), in the memory as time goes by, and in what the app says of itself once all have gone. Exit status 1 if
there are any.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from benchmarks.viewers import prompt_of
from model.limits import (
    MAX_CAPTURE_BYTES,
    MAX_NEW_CHARS,
    MAX_PROMPT_CHARS,
    MAX_RECORD_BYTES,
    MAX_ROWS,
    MAX_SAMPLES,
    MAX_SEED,
    MAX_TEMPERATURE,
)
from model.program import run_program
from tests.support.client import Answer, Stream, connect, host_and_port, http_request, read_answer
from tests.support.server import health, resident_bytes, running_process

CROWD = (20, 40)  # at once, drawn anew every CROWD_S
CROWD_S = 10.0
FILLINGS = 4  # of the house, after which the memory for its rows stays as it is
PAUSE_S = 0.2  # the longest between two who come
PATIENCE_S = 6.0  # the longest that somebody stays who does not read to the end
SILENCE_S = 30.0  # nobody who is waiting may hear nothing for so long
GRACE_S = 15.0  # for those who still read when the time is over; then they leave too
IDLE_LIMIT_S = 30.0  # for the app to notice that all have gone
GROWTH_MB, GROWTH_MB_PER_MINUTE = 40, 2  # of memory in the second half, whose first part is for caches, besides ...
RECORD_BYTES = 4 * 65 + 16 + 8  # ... what is remembered of each character: its logits, its throw and where it fell
FAULTS_SHOWN = 20

Body = dict[str, Any]

# Asked again and again; each text of theirs must always be the same. Short and long, past the window of 256, sharp and flat.
SCENES: tuple[Body, ...] = (
    {"prompt": "ROMEO:", "temperature": 0.8, "length": 60, "seed": "1597"},
    {"prompt": "", "temperature": 1.0, "length": 300, "seed": "7"},
    {"prompt": prompt_of(7) * 6, "temperature": 1.3, "length": 120, "seed": str(MAX_SEED), "top_k": 20},
    {"prompt": prompt_of(42), "temperature": 0.5, "length": 200, "seed": "0", "top_p": 0.9},
)
SCENE_SAMPLES = 4

# Each must be refused with status 400.
WRONG_SETTINGS: tuple[Body, ...] = (
    {"prompt": "x" * (MAX_PROMPT_CHARS + 1)},
    {"prompt": 5},
    {"prompt": None},
    {"temperature": math.nan},
    {"temperature": math.inf},
    {"temperature": MAX_TEMPERATURE + 0.01},
    {"temperature": "hot"},
    {"length": 0},
    {"length": MAX_NEW_CHARS + 1},
    {"length": 10**30},
    {"length": 1.5},
    {"length": [300]},
    {"samples": MAX_SAMPLES + 1},
    {"samples": -1},
    {"samples": {}},
    {"seed": "seven"},
    {"seed": "-1"},
    {"seed": "9" * 5_000},
    {"seed": [1]},
    {"first_sample": -1},
    {"top_k": -1},
    {"top_p": 1.5},
    {"top_p": math.nan},
    {"viewer": ["a"]},
)
NONSENSE: tuple[bytes, ...] = (
    *(json.dumps({"prompt": "ROMEO:"} | settings).encode() for settings in WRONG_SETTINGS),
    b'{"prompt": "ROMEO:", "colour": "red"}',
    b'{"prompt": "ROMEO:", ',
    b'{"prompt": "\xff\xfe"}',
    b'["ROMEO:"]',
    b"null",
    b"7",
)


def soak(url: str, pid: int, minutes: float, seed: int = 0) -> list[str]:
    """Lets the crowd in for some minutes; prints what happens.

    Args:
        url, pid: of an app that nobody else visits.
        seed: of all that is drawn.

    Returns:
        What was found wrong, a sentence each.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:  # the caller's may have an event loop of its own
        return thread.submit(lambda: asyncio.run(Crowd(url, pid, seed).stay(minutes * 60))).result()


class Viewer(NamedTuple):
    """Somebody who comes, with dice of their own: what a viewer does hangs on no other."""

    name: str
    rng: random.Random


Visit = Callable[[Viewer], Coroutine[Any, Any, None]]


@dataclass
class Tally:
    """What happened so far."""

    done: int = 0
    stopped: int = 0
    refused: int = 0
    nonsense: int = 0
    chars: int = 0
    faults: Counter[str] = field(default_factory=Counter)


def random_body(viewer: Viewer) -> Body:
    """Mostly little, now and then as much as is allowed."""
    rng = viewer.rng
    line = prompt_of(rng.randrange(100))
    prompts = ("", line, line * rng.randint(2, 40), "Wherefore – “art” thou Äneas? 你好", "\r\n\t\x00 {}<b>")
    return {
        "prompt": rng.choices(prompts, (1, 6, 2, 1, 1))[0],
        "temperature": rng.choice((0, 0.8, 1, 2, rng.uniform(0, 2))),
        "length": round(MAX_NEW_CHARS ** rng.uniform(0, 1)),
        "samples": round(MAX_SAMPLES ** rng.uniform(0, 1)),
        "seed": rng.choice(("", str(rng.randint(0, MAX_SEED)))),
        "first_sample": rng.choice((0, 4, rng.randrange(2**31 - MAX_SAMPLES))),
        "top_k": rng.choice((0, 0, 1, 10, 1_000)),
        "top_p": rng.choice((1, 1, 0.9, 0)),
        "viewer": viewer.name,
    }


def capture_bytes(text: str) -> int:
    """What is kept of the attention of the shipped model: weights of 36 heads, also as gzipped bytes, queries, keys, the logit lens."""
    chars = min(256, len(text))
    return round(36 * chars * (chars + 1) / 2 * 4.6 + chars * (2 * 6 * 384 * 4 + 7 * 65 * 4))


def shown(body: Body) -> Body:
    """A request as a message names it: of a long prompt only the beginning."""
    return body | {"prompt": body["prompt"][:40]}


class Crowd:
    """Viewers of one app."""

    def __init__(self, url: str, pid: int, seed: int):
        self._url, self._pid, self._seed = url, pid, seed
        self._tally, self._over = Tally(), False
        self._reading: set[Stream] = set()
        self._memory: list[tuple[float, int, int]] = []  # time, bytes, and how many of them are for what is remembered
        self._looked_at: set[str] = set()  # texts whose attention was read
        self._texts: dict[tuple[int, int], str] = {}  # by scene and number of the sample

    async def stay(self, seconds: float) -> list[str]:
        """The scenes alone, a full house, the crowd, the scenes alone again; then looks at what is left."""
        await self._play_scenes()
        for _ in range(FILLINGS):
            await self._guarded(self._fill())
        watching = asyncio.create_task(self._watch())
        began, alone = time.monotonic(), self._tally.chars
        await self._come_and_go(began + seconds)
        watching.cancel()
        self._tell("all", (self._tally.chars - alone) / (time.monotonic() - began))
        await self._check_idle()
        await self._play_scenes()
        await self._check_idle()
        self._check_memory(began, began + seconds)
        if not self._tally.done:
            self._fault("no text was read to the end")
        return [f"{fault} ({count} times)" if count > 1 else fault for fault, count in self._tally.faults.items()]

    def _fault(self, sentence: str) -> None:
        self._tally.faults[sentence] += 1

    async def _come_and_go(self, until: float) -> None:
        """Keeps a crowd there, of a size that changes, until a moment; then waits for those who read to the end."""
        kinds: dict[Visit, int] = {
            self._read_random: 25,
            self._read_scene: 15,
            self._stop: 15,
            self._reload: 10,
            self._vanish: 5,
            self._send_nonsense: 5,
            self._score: 10,
            self._look: 10,
            self._write_without: 5,
        }
        present: set[asyncio.Task[None]] = set()
        rng, number, wanted, change_at = random.Random(self._seed), 0, 0, 0.0
        while time.monotonic() < until:
            if time.monotonic() > change_at:
                wanted, change_at = rng.randint(*CROWD), time.monotonic() + CROWD_S
            if len(present) < wanted:
                (visit,) = rng.choices(list(kinds), list(kinds.values()))
                viewer = Viewer(f"viewer {number}", random.Random(f"{self._seed} {number}"))
                task = asyncio.create_task(self._guarded(visit(viewer)))
                present.add(task)
                task.add_done_callback(present.discard)
                number += 1
            await asyncio.sleep(rng.uniform(0, PAUSE_S))
        if present:
            await asyncio.wait(present, timeout=GRACE_S)
        self._over = True
        for stream in list(self._reading):  # they leave in the middle
            stream.close()
        await asyncio.gather(*present)

    async def _fill(self) -> None:
        """As many texts at once as the app writes, past their prompts; then all hang up together."""
        prompt = (prompt_of(0) * 16)[:255]  # one less than a full window, so that a step of all rows follows it
        body = {"prompt": prompt, "length": MAX_NEW_CHARS, "samples": MAX_SAMPLES}
        requests = [self._request(body | {"viewer": f"one of many {number}"}) for number in range(MAX_ROWS // MAX_SAMPLES)]
        streams = [await connect(self._url, request) for request in requests]
        deadline = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline and not all(read_answer(stream.arrivals).first_at for stream in streams):
            await asyncio.sleep(0.5)
        for stream in streams:
            stream.close()
        await self._check_idle()

    async def _guarded(self, visit: Coroutine[Any, Any, None]) -> None:
        """One viewer, whose failure is a fault and ends nothing else."""
        try:
            await visit
        except Exception as error:  # the connection failed, or the answer is none
            self._fault(f"a viewer met {error!r}")

    async def _read_random(self, viewer: Viewer) -> None:
        await self._read(random_body(viewer))

    async def _read_scene(self, viewer: Viewer) -> None:
        first = viewer.rng.randrange(SCENE_SAMPLES)
        samples = viewer.rng.randint(1, SCENE_SAMPLES - first)
        await self._play(viewer.name, viewer.rng.randrange(len(SCENES)), first, samples)

    async def _stop(self, viewer: Viewer) -> None:
        """Hangs up some time after pressing."""
        await self._read_a_while(viewer)

    async def _reload(self, viewer: Viewer) -> None:
        """Hangs up and is there again at once, once or more, then reads to the end."""
        for _ in range(viewer.rng.randint(1, 3)):
            await self._read_a_while(viewer)
        await self._read(random_body(viewer))

    async def _vanish(self, viewer: Viewer) -> None:
        """Presses and never reads, or sends half a request, or nothing; some time later, or at once, the connection breaks."""
        request = self._request(random_body(viewer))
        request = request[: viewer.rng.choice((len(request), len(request), len(request) // 2, 0))]
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, host_and_port(self._url))
            await asyncio.get_running_loop().sock_sendall(connection, request)
            await asyncio.sleep(viewer.rng.choice((0.0, viewer.rng.uniform(0, PATIENCE_S))))
            if viewer.rng.random() < 0.5:  # broken off, with no goodbye
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._tally.stopped += 1

    async def _send_nonsense(self, viewer: Viewer) -> None:
        body = viewer.rng.choice(NONSENSE)
        answer = await self._ask(http_request(self._url, "POST", "/write", body))
        self._tally.nonsense += 1
        if answer.status != 400 or not answer.error:
            self._fault(f"status {answer.status} with {answer.error!r} for {body[:80]!r}")

    async def _score(self, viewer: Viewer) -> None:
        """Has a text scored, and hangs up in the middle now and then."""
        text = prompt_of(viewer.rng.randrange(100)) * viewer.rng.randint(1, 100)
        await self._read_or_hang_up(viewer, "/score", {"text": text})

    async def _write_without(self, viewer: Viewer) -> None:
        """Has a text written with a head off, and hangs up in the middle now and then."""
        body = {
            "prompt": prompt_of(viewer.rng.randrange(100)),
            "heads_off": [[viewer.rng.randrange(6), viewer.rng.randrange(6)]],
            "length": 60,
        }
        await self._read_or_hang_up(viewer, "/write_without", body)

    async def _look(self, viewer: Viewer) -> None:
        """Has the attention of a text read, and looks at a few of its parts."""
        text = prompt_of(viewer.rng.randrange(1_000)) * viewer.rng.randint(1, 16)
        answer = await self._post("/attention", {"text": text, "viewer": viewer.name})
        if answer.status == 200 and answer.lines:
            self._looked_at.add(text)
            key = answer.lines[0][1]["key"]
            for part in viewer.rng.sample(("weights", "head/0/1", "average/5", "lens", "cell/1/1/0/0"), 3):
                stream = await self._hear(http_request(self._url, "GET", f"/attention/{key}/{part}"))
                status = stream.arrivals[0][1].split()[1] if stream.arrivals else b""
                if status not in (b"200", b"404") and not self._over:  # 404: forgotten already
                    self._fault(f"status {status!r} for GET {part}")

    async def _read_or_hang_up(self, viewer: Viewer, path: str, body: Body) -> None:
        patience_s = viewer.rng.choice((None, None, viewer.rng.uniform(0, PATIENCE_S)))
        try:
            answer = await asyncio.wait_for(self._post(path, body | {"viewer": viewer.name}), patience_s)
        except asyncio.TimeoutError:
            self._tally.stopped += 1
            return
        if answer.status == 200 and answer.state != "done" and not self._over:
            self._fault(f"{path} ends as {answer.state!r} with {answer.error!r}")

    async def _post(self, path: str, body: Body) -> Answer:
        """An answer that must be of status 200, or say that too much is asked at once."""
        answer = await self._ask(http_request(self._url, "POST", path, json.dumps(body).encode()))
        self._tally.done += answer.status == 200
        self._tally.refused += answer.status == 503
        if answer.status not in (200, 503) and not self._over:
            self._fault(f"status {answer.status} with {answer.error!r} for {path}")
        return answer

    async def _play_scenes(self) -> None:
        """Each scene whole, with nobody else there."""
        for scene in range(len(SCENES)):
            await self._guarded(self._play("alone", scene, 0, SCENE_SAMPLES))

    async def _play(self, viewer: str, scene: int, first: int, samples: int) -> None:
        """Some samples of a scene, compared with the first time."""
        answer = await self._read(SCENES[scene] | {"first_sample": first, "samples": samples, "viewer": viewer})
        for sample, text in enumerate(answer.texts if answer else (), start=first):
            known = self._texts.setdefault((scene, sample), text)
            if text != known:
                place = next((i for i, (a, b) in enumerate(zip(text, known, strict=False)) if a != b), min(len(text), len(known)))
                self._fault(f"sample {sample} of scene {scene} is another text than the first time, from character {place}")

    async def _read(self, body: Body) -> Answer | None:
        """Reads a text to its end and checks it; None if it was refused, is not whole, or was not there when time was over."""
        answer = await self._ask(self._request(body))
        if answer.status == 503:
            self._tally.refused += 1
            return None
        if self._over and answer.state in ("", "waiting", "running"):
            self._tally.stopped += 1
            return None
        lengths, wanted = [len(text) for text in answer.texts], [body["length"]] * body["samples"]
        self._tally.done += answer.state == "done"
        self._tally.chars += sum(lengths)
        if answer.status != 200 or answer.state != "done":
            self._fault(f"status {answer.status}, state {answer.state!r} with {answer.error!r} for {shown(body)}")
        elif lengths != wanted:
            self._fault(f"samples of {lengths} characters for {shown(body)}")
        else:
            return answer
        return None

    async def _ask(self, request: bytes) -> Answer:
        """Reads all that comes, line by line."""
        return read_answer((await self._hear(request)).arrivals)

    async def _hear(self, request: bytes) -> Stream:
        """Reads all that comes."""
        stream = await connect(self._url, request)
        self._reading.add(stream)
        heard = 0
        try:
            while not (await asyncio.wait([stream.ended], timeout=SILENCE_S))[0]:
                if len(stream.arrivals) == heard:
                    raise TimeoutError(f"{SILENCE_S:g} s of silence after {request[-300:]!r}")
                heard = len(stream.arrivals)
        finally:
            self._reading.discard(stream)
            stream.close()
        return stream

    async def _read_a_while(self, viewer: Viewer) -> None:
        """Reads, and hangs up in the middle, or at once."""
        body = random_body(viewer)
        stream = await connect(self._url, self._request(body))
        self._reading.add(stream)
        await asyncio.wait([stream.ended], timeout=viewer.rng.choice((0.0, viewer.rng.uniform(0, PATIENCE_S))))
        self._reading.discard(stream)
        stream.close()
        answer = read_answer(stream.arrivals)
        self._tally.done += answer.state == "done"
        self._tally.stopped += answer.state != "done" and answer.status != 503
        self._tally.refused += answer.status == 503
        self._tally.chars += sum(map(len, answer.texts))
        if answer.status not in (0, 200, 503) or (answer.error and answer.status != 503):
            self._fault(f"status {answer.status} with {answer.error!r} for {shown(body)}")

    def _request(self, body: Body) -> bytes:
        return http_request(self._url, "POST", "/write", json.dumps(body).encode())

    async def _watch(self) -> None:
        """Notes the memory every second, and tells every minute how it goes."""
        print(
            f"{'minute':>6} {'done':>7} {'stopped':>8} {'refused':>8} {'nonsense':>9} {'chars/s':>8} {'memory':>8} {'faults':>7}",
            flush=True,
        )
        began, told, chars_before = time.monotonic(), 0, self._tally.chars
        while True:
            with suppress(OSError):  # the app has ended: every viewer says so
                self._memory.append((time.monotonic(), resident_bytes(self._pid), self._remembered()))
            minute = int((time.monotonic() - began) / 60)
            if minute > told:
                chars = self._tally.chars + sum(sum(map(len, read_answer(stream.arrivals).texts)) for stream in self._reading)
                self._tell(str(minute), (chars - chars_before) / 60)
                told, chars_before = minute, chars
            await asyncio.sleep(1)

    def _tell(self, minute: str, chars_per_s: float) -> None:
        tally = self._tally
        print(
            f"{minute:>6} {tally.done:>7,} {tally.stopped:>8,} {tally.refused:>8,} {tally.nonsense:>9,} {chars_per_s:>8,.0f} "
            f"{self._memory[-1][1] / 1e6 if self._memory else math.nan:>5,.0f} MB {tally.faults.total():>7,}",
            flush=True,
        )

    async def _check_idle(self) -> None:
        """All have gone: no row may be written, and no request wait."""
        state: dict[str, Any] = {}
        deadline = time.monotonic() + IDLE_LIMIT_S
        while time.monotonic() < deadline:
            try:
                state = await asyncio.to_thread(health, self._url)
            except OSError as error:
                self._fault(f"the app does not say that it is healthy: {error!r}")
                return
            if state["healthy"] and not state["writing"] and not state["waiting"]:
                return
            await asyncio.sleep(0.2)
        self._fault(f"{IDLE_LIMIT_S:g} s after all have gone the app says {state}")

    def _remembered(self) -> int:
        """Bytes that the app keeps for looking up: of characters written, and of texts whose attention was read. Both are bounded."""
        return min(MAX_RECORD_BYTES, RECORD_BYTES * self._tally.chars) + min(MAX_CAPTURE_BYTES, sum(map(capture_bytes, self._looked_at)))

    def _check_memory(self, began: float, ended: float) -> None:
        """The memory may grow by what is remembered of the texts, which is bounded, and otherwise by little. A straight line through the
        second half shows by how much."""
        minutes = (ended - began) / 60
        half = [look for look in self._memory if look[0] >= (began + ended) / 2]
        if len(half) < 2:
            self._fault("too short to see how the memory goes")
            return
        slope, known = (
            np.polyfit([(at - began) / 60 for at, _, _ in half], np.array(values) / 1e6, 1)[0]
            for values in ([held - remembered for _, held, remembered in half], [remembered for _, _, remembered in half])
        )
        grew = f"{slope:+.1f} MB a minute in the last {minutes / 2:.1f} minutes, besides {known:+.1f} MB for what it remembers of texts"
        print(f"memory: {grew}")
        if slope * minutes / 2 > GROWTH_MB + GROWTH_MB_PER_MINUTE * minutes / 2:
            self._fault(f"the memory grew by {grew}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of all that the crowd does")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args()
    with running_process("--device", options.device) as (url, pid):
        faults = soak(url, pid, options.minutes, options.seed)
    for fault in faults[:FAULTS_SHOWN]:
        print(f"fault: {fault}", file=sys.stderr)
    print(
        f"{len(faults)} kinds of fault" if faults else "no fault: every text whole, every seed the same, memory flat, nothing left behind"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    run_program(main)
