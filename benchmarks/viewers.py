"""A class that presses Generate within one second, over real HTTP: ours beside the engine without HTTP, and beside the usual page.

    python -m benchmarks.viewers                          1, 20, 100 and 200 viewers, two samples of 300 characters each
    python -m benchmarks.viewers --viewers 20 --usual     twenty viewers, and no usual page

The app is started anew for each count. The viewers live in a process of their own, which keeps what arrives, with the time, and reads
it once all is over, so that the processor is left to the app; what it took all the same is shown. The usual page is what one writes
first: a Gradio generator, one request at a time, one sample after the other, no cache. With more viewers its queue grows in a straight
line, so the larger counts are computed from the measured ones and say so.

Memory is the most that a process has ever held, its start included. Linux only: it is read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import os
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from model.program import run_program

# What runs in a process of its own imports torch and gradio there: the viewers' process stays small.
from tests.support.client import Answer, Stream, http_request, read_answer, to_the_end
from tests.support.server import START_LIMIT_S, cpu_seconds, free_port, resident_bytes, running_process

if TYPE_CHECKING:
    from model.weights import Weights

SPREAD_S = 1.0  # all viewers press within it
TEMPERATURE = 0.8
LIMIT_S = 900  # after which a viewer gives up, and that is an error
USUAL_LOOK_S = 0.2  # how often the usual page shows what there is
FIRST_CHARACTER_LIMIT_S, FIRST_CHARACTER_VIEWERS = 2.0, 100
NO_ERRORS_VIEWERS = 200
ENGINE_SHARE = 0.6

SPEAKERS = ("ROMEO", "JULIET", "KING RICHARD", "QUEEN MARGARET", "First Citizen", "MENENIUS", "GLOUCESTER", "Nurse", "PROSPERO", "DUKE")
LINES = (
    "What noise is this that wakes the sleeping town?",
    "I never saw so fair a morning break\nUpon so foul a field.",
    "Good my lord, a word with you before the others come.",
    "If this be all the welcome that we get,\nThen let us turn our horses to the sea,",
    "Speak softly; there are ears behind the arras.",
    "How long is't now since you were last in Padua?",
    "The king is sick, and they that love him best",
    "Come, come, you talk of nothing but of gold.",
    "Bring me my sword, and bid the drums be still;\nFor I have that to say",
    "O, had I but an hour of yesterday!",
)


class Work(NamedTuple):
    """What each viewer asks for."""

    samples: int
    chars: int


def prompt_of(number: int) -> str:
    """A viewer's own prompt."""
    return f"{SPEAKERS[number % len(SPEAKERS)]}:\n{LINES[number // len(SPEAKERS) % len(LINES)]}"


@dataclass(frozen=True)
class Visit:
    """What one viewer met, in seconds since the class began to press.

    Attributes:
        pressed: when the button was due to be pressed.
        first: when the first character was there.
        done: when all was there.
        chars: characters received.
        error: what went wrong.
    """

    pressed: float
    first: float = math.nan
    done: float = math.nan
    chars: int = 0
    error: str = ""


Press = Callable[[str, int, Work], Coroutine[Any, Any, Stream]]
Judge = Callable[[Answer, Work], Visit]  # with the clock's own times


class Page(NamedTuple):
    """How a page is used, and how its answer is read."""

    press: Press
    judge: Judge


async def press_ours(url: str, number: int, work: Work) -> Stream:
    """Generate, with a new seed, as most people do."""
    settings = {"temperature": TEMPERATURE, "length": work.chars, "samples": work.samples, "viewer": f"viewer {number}"}
    return await to_the_end(url, http_request(url, "POST", "/write", json.dumps({"prompt": prompt_of(number)} | settings).encode()))


def judge_ours(answer: Answer, work: Work) -> Visit:
    """Each sample must have exactly the characters that were asked for."""
    lengths = [len(text) for text in answer.texts]
    visit = Visit(0, answer.first_at or math.nan, answer.lines[-1][0] if answer.lines else math.nan, sum(lengths))
    if answer.status != 200 or answer.state != "done":
        return replace(visit, error=f"status {answer.status}, {answer.state or 'no state'}: {answer.error or 'no reason given'}")
    return visit if lengths == [work.chars] * work.samples else replace(visit, error=f"samples of {lengths} characters")


async def press_usual(url: str, number: int, work: Work) -> Stream:
    """What Gradio's own script does: joins the queue, then listens to it."""
    session = f"viewer{number}"
    join = {"data": [prompt_of(number), TEMPERATURE, work.chars, work.samples, number], "fn_index": 0, "session_hash": session}
    await to_the_end(url, http_request(url, "POST", "/gradio_api/queue/join", json.dumps(join).encode()))
    return await to_the_end(url, http_request(url, "GET", f"/gradio_api/queue/data?session_hash={session}"))


def judge_usual(answer: Answer, work: Work) -> Visit:
    """The last message holds all texts, with a line between them."""
    shown = [
        (at, m["output"]["data"]) for at, m in answer.lines if m.get("msg") in ("process_generating", "process_completed") and m["success"]
    ]
    if not shown or answer.lines[-1][1]["msg"] != "close_stream":
        return Visit(0, error=f"status {answer.status}: {answer.lines[-1:]}")
    first = next((at for at, data in shown if data and data[0]), math.nan)
    chars = len(shown[-1][1][0]) - (work.samples - 1)
    error = "" if chars == work.samples * work.chars else f"{chars} characters"
    return Visit(0, first, shown[-1][0], chars, error)


OURS, USUAL = Page(press_ours, judge_ours), Page(press_usual, judge_usual)


@dataclass(frozen=True)
class Load:
    """What all viewers met.

    Attributes:
        server_cpu_s: processor seconds of the server while the viewers were there.
        load_cpu_s: and of the viewers themselves.
    """

    visits: list[Visit]
    server_cpu_s: float
    load_cpu_s: float

    @property
    def chars_per_s(self) -> float:
        """Over all, from the first press to the last character."""
        ends = [visit.done for visit in self.visits if visit.done > 0]
        return sum(visit.chars for visit in self.visits) / max(ends) if ends else math.nan


def load(page: Page, url: str, pid: int, viewers: int, work: Work) -> Load:
    """Lets viewers press, and waits until all have everything. Runs in a process of its own."""
    server_before, load_before = cpu_seconds(pid), time.process_time()
    began, results = asyncio.run(_press_all(page, url, viewers, work))
    server_cpu_s, load_cpu_s = cpu_seconds(pid) - server_before, time.process_time() - load_before
    visits = []
    for pressed, result in zip(moments(viewers), results, strict=True):
        try:
            if isinstance(result, BaseException):
                raise result
            visit = page.judge(read_answer(result.arrivals), work)
            visits.append(replace(visit, pressed=pressed, first=visit.first - began, done=visit.done - began))
        except Exception as error:  # refused, out of time, or an answer that is none
            visits.append(Visit(pressed, error=repr(error)))
    return Load(visits, server_cpu_s, load_cpu_s)


def moments(viewers: int) -> list[float]:
    """When each viewer presses, the same in every run; the first at 0."""
    rng = random.Random(0)
    return [0.0, *sorted(rng.uniform(0, SPREAD_S) for _ in range(viewers - 1))]


async def _press_all(page: Page, url: str, viewers: int, work: Work) -> tuple[float, list[Stream | BaseException]]:
    began = time.perf_counter() + 0.05

    async def press(number: int, moment: float) -> Stream:
        await asyncio.sleep(began + moment - time.perf_counter())
        return await asyncio.wait_for(page.press(url, number, work), LIMIT_S)

    presses = (press(number, moment) for number, moment in enumerate(moments(viewers)))
    return began, await asyncio.gather(*presses, return_exceptions=True)


def app_weights(device: str) -> Weights:
    """The shipped weights as app.py makes them ready."""
    from model.machine import choose_device, in_fresh_thread
    from model.precision import ready_to_write
    from model.weights import SHIPPED_WEIGHTS, load_weights

    weights = in_fresh_thread(lambda: load_weights(SHIPPED_WEIGHTS, choose_device(device)))
    return replace(weights, model=in_fresh_thread(lambda: ready_to_write(weights.model, f"{weights.name} {weights.sha256[:12]}")))


def engine_alone(device: str, viewers: int, work: Work) -> float:
    """Characters per second of the same work handed to the engine directly."""
    from model.sampling import SamplingParams
    from model.serving.engine import Engine

    engine = Engine(app_weights(device))
    requests = []

    def submit(number: int, chars: int) -> None:
        params = SamplingParams(temperature=TEMPERATURE, max_new_chars=chars, samples=work.samples, seed=number)
        requests.append(engine.submit(prompt_of(number), params, viewer=f"viewer {number}"))

    def wait() -> None:
        for request in requests:
            while not request.finished:
                time.sleep(0.02)

    submit(0, 10)
    wait()
    requests.clear()
    began = time.perf_counter()
    for number, moment in enumerate(moments(viewers)):
        time.sleep(max(0.0, began + moment - time.perf_counter()))
        submit(number, work.chars)
    wait()
    took = time.perf_counter() - began
    chars = sum(len(text) for request in requests for text in request.progress().texts)
    engine.stop()
    return chars / took


def serve_usual(port: int, device: str) -> None:
    """A page as one writes it first, with the same weights in the same precision."""
    import gradio as gr

    from model.decode import generate
    from model.sampling import SamplingParams

    weights = app_weights(device)
    tokenizer = weights.tokenizer
    model = weights.model.to(weights.model.dtype)  # as it comes: without the matrices that are packed for our own writing

    def write(prompt: str, temperature: float, length: int, samples: int, seed: int) -> Iterator[str]:
        text, told_at = "", 0.0
        for sample in range(int(samples)):
            text += "\n" if sample else ""
            params = SamplingParams(temperature=temperature, max_new_chars=int(length), seed=int(seed), first_sample=sample)
            for i in generate(model, tokenizer.encode_prompt(prompt), params):
                text += tokenizer.vocabulary[i]
                if time.monotonic() - told_at > USUAL_LOOK_S:
                    told_at = time.monotonic()
                    yield text
        yield text

    with gr.Blocks() as page:
        settings = [
            gr.Textbox(label="Prompt"),
            gr.Slider(0, 2, 0.8),
            gr.Slider(1, 2000, 300, step=1),
            gr.Slider(1, 16, 2, step=1),
            gr.Number(0),
        ]
        texts = gr.Textbox(label="Texts", lines=20)
        gr.Button("Generate").click(write, settings, texts)
    page.queue().launch(server_name="127.0.0.1", server_port=port, quiet=True)


@contextmanager
def usual_page(device: str) -> Iterator[tuple[str, int]]:
    """The usual page's address and process id, once it answers; it is killed in the end."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    url = f"http://127.0.0.1:{(port := free_port())}"
    process = multiprocessing.get_context("spawn").Process(target=serve_usual, args=(port, device))
    process.start()
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                urllib.request.urlopen(f"{url}/config", timeout=5).read()
                break
            except OSError:
                if not process.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError(f"the usual page did not start (exit status {process.exitcode})") from None
                time.sleep(0.05)
        yield url, int(process.pid or 0)
    finally:
        process.kill()
        process.join()


def extrapolate(measured: Load, viewers: int) -> list[Visit]:
    """What a queue that serves one at a time makes of more viewers."""
    each = max(visit.done for visit in measured.visits) / len(measured.visits)
    to_first = min(visit.first - visit.pressed for visit in measured.visits)
    turns = [(moment, max(moment, number * each)) for number, moment in enumerate(moments(viewers))]
    return [Visit(moment, turn + to_first, turn + each, measured.visits[0].chars) for moment, turn in turns]


# The first and the last hold words.
COLUMNS = {
    "served": 25,
    "viewers": 7,
    "first p50": 9,
    "first p95": 9,
    "all p50": 8,
    "all p95": 8,
    "chars/s": 7,
    "memory": 8,
    "errors": 6,
    "server CPU": 10,
    "load CPU": 8,
    "target": 0,
}


def show(*cells: str) -> None:
    """One line of the table."""
    first, *widths, _ = COLUMNS.values()
    figures = "  ".join(cell.rjust(width) for cell, width in zip(cells[1:-1], widths, strict=True))
    print(f"{cells[0]:<{first}} {figures}  {cells[-1]}".rstrip(), flush=True)


def show_visits(name: str, visits: list[Visit], chars_per_s: float, *costs: str, target: str = "") -> None:
    """The line of one count."""
    good = [visit for visit in visits if not visit.error]
    first = [f"{percentile([visit.first - visit.pressed for visit in good], share):.2f} s" for share in (0.5, 0.95)]
    done = [f"{percentile([visit.done - visit.pressed for visit in good], share):.2f} s" for share in (0.5, 0.95)]
    memory, server_cpu, load_cpu = costs or ("", "", "")
    errors = str(len(visits) - len(good)) if costs else ""
    show(name, str(len(visits)), *first, *done, f"{chars_per_s:,.0f}", memory, errors, server_cpu, load_cpu, target)
    for error, count in Counter(visit.error for visit in visits if visit.error).most_common(5):
        print(f"    {count} x {error}")


def percentile(values: list[float], share: float) -> float:
    """The smallest value that this share of all do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else math.nan


def show_load(name: str, measured: Load, memory: int, target: str = "") -> None:
    """The line of one measured count."""
    costs = f"{memory / 1e6:,.0f} MB", f"{measured.server_cpu_s:.1f} s", f"{measured.load_cpu_s:.2f} s"
    show_visits(name, measured.visits, measured.chars_per_s, *costs, target=target)


def targets(measured: Load) -> str:
    """What a count must reach, and whether it does."""
    viewers, found = len(measured.visits), []
    if viewers == FIRST_CHARACTER_VIEWERS:
        p95 = percentile([math.inf if visit.error else visit.first - visit.pressed for visit in measured.visits], 0.95)
        found.append(f"first p95 <= {FIRST_CHARACTER_LIMIT_S:g} s: {verdict(p95 <= FIRST_CHARACTER_LIMIT_S)}")
    if viewers == NO_ERRORS_VIEWERS:
        found.append(f"no errors: {verdict(not any(visit.error for visit in measured.visits))}")
    return ", ".join(found)


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 20, 100, 200])
    parser.add_argument("--samples", type=int, default=2, help="texts for each viewer")
    parser.add_argument("--chars", type=int, default=300, help="characters of each text")
    parser.add_argument("--usual", type=int, nargs="*", default=[1, 5], help="viewers at which the usual page is measured")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--replicas", type=int, help="measure the app with so many replicas as well; needs Ray")
    options = parser.parse_args()
    counts, work = sorted(options.viewers), Work(options.samples, options.chars)
    print(f"{work.samples} samples of {work.chars} characters each, all pressed within {SPREAD_S:g} s; {os.cpu_count()} processors\n")
    show(*COLUMNS)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as viewers_process:

        def measure(page: Page, url: str, pid: int, viewers: int) -> Load:
            viewers_process.submit(load, page, url, pid, 1, Work(1, 10)).result()  # warms both sides up
            return viewers_process.submit(load, page, url, pid, viewers, work).result()

        for count in counts:
            with running_process("--device", options.device) as (url, pid):
                ours = measure(OURS, url, pid, count)
                show_load("ours", ours, resident_bytes(pid, most=True), targets(ours))
            if options.replicas:
                with running_process("--device", options.device, "--replicas", str(options.replicas)) as (url, pid):
                    show_load(f"{options.replicas} replicas", measure(OURS, url, pid, count), resident_bytes(pid, most=True))
        show_engine(options.device, ours, work)
        if not options.usual:
            return
        with usual_page(options.device) as (url, pid):
            for count in sorted(options.usual):
                usual = measure(USUAL, url, pid, count)
                show_load("usual page, measured", usual, resident_bytes(pid, most=True))
    for count in (count for count in counts if count > len(usual.visits)):
        show_visits("usual page, extrapolated", extrapolate(usual, count), usual.chars_per_s)
    print(f"\nours over all, {counts[-1]} viewers: {ours.chars_per_s / usual.chars_per_s:.0f} x the usual page's characters per second")


def show_engine(device: str, ours: Load, work: Work) -> None:
    """The engine's own line, and what is left of it over HTTP at the same count."""
    viewers = len(ours.visits)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        alone = process.submit(engine_alone, device, viewers, work).result()
    share = ours.chars_per_s / alone
    target = f"ours over all / engine's own = {share:.0%}; >= {ENGINE_SHARE:.0%}: {verdict(share >= ENGINE_SHARE)}"
    show("engine without HTTP", str(viewers), "", "", "", "", f"{alone:,.0f}", "", "", "", "", target)


if __name__ == "__main__":
    run_program(main)
