"""Writing with one model: the rows being written and the requests waiting for seats.

Each round of the decode loop ends cancelled requests, seats waiting ones, reads a few windows, and then writes one character for every
row that is next, or several if they were guessed right (`model.serving.draft`). Long windows, and large numbers of windows, are spread
over several rounds.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from model.errors import WENT_WRONG
from model.limits import MAX_SAMPLES, MAX_STEP_ROWS, MAX_VIEWER_ROWS, MAX_VIEWER_WAITING, MAX_WAITING_REQUESTS
from model.machine import MAX_THREADS, thread_counts
from model.network.reading import PASS_CHARS
from model.sampling import SamplingParams, distribution, draw
from model.serving.decoder import KEPT_PROMPTS, make_decoder
from model.serving.draft import Draft
from model.serving.guessing import MOST_GUESSES, MOST_TEXTS, Guessing
from model.serving.request import DONE, FAILED, NO_GUESS, STOPPED, Request
from model.serving.scheduler import Scheduler
from model.serving.threads import Threads
from model.serving.viewer import Viewer
from model.weights import Weights

log = logging.getLogger(__name__)

READ_CHARS = 640  # window characters read per round if several windows wait and are read one by one; PASS_CHARS otherwise
READ_OVERHEAD = 64  # the fixed cost of reading a window by itself, in characters of a window
KNOWN_CHARS = 16  # the cost of a prompt that was read before or is read for another row, in characters of a window
CHARS_PER_READ = 2  # reading this many characters of a window costs as much as writing one


@dataclass(eq=False)
class Row:
    """One sample of a request being written.

    Attributes:
        ids: ids of the text, including the prompt, from absolute index `offset` on.
        seat: seat in the decoder.
        window: absolute index at which the window read last begins; -1 before the first.
        sharing: rows with the same prompt that wait for this row to read it.
    """

    request: Request
    sample: int
    ids: list[int]
    offset: int
    seat: int
    window: int = -1
    written: int = 0
    sharing: list[Row] = field(default_factory=list)

    @property
    def viewer(self) -> Viewer | str:
        return self.request.viewer

    @property
    def position(self) -> int:
        """Absolute index of the next character."""
        return self.offset + len(self.ids)


class Writer:
    """Writes the requests of one model. Any thread that holds the lock can use `submit` and the counts; everything else is for the decode
    loop's thread.

    Args:
        lock: held while the scheduler is used.

    Attributes:
        failures: number of consecutive forward passes that failed.
    """

    def __init__(self, weights: Weights, seats: int, lock: threading.Condition):
        model = weights.model
        self.weights, self._lock = weights, lock
        self._config, self._vocabulary = model.config, weights.tokenizer.vocabulary
        self._decoder = make_decoder(model, seats)
        self._threads = Threads(thread_counts(MAX_THREADS) if model.threads_agree else [MAX_THREADS])
        viewer_seats = max(MAX_SAMPLES, min(MAX_VIEWER_ROWS, seats // 2))  # even with few seats there is room for two viewers
        self._scheduler: Scheduler[Request] = Scheduler(seats, viewer_seats, MAX_WAITING_REQUESTS, MAX_VIEWER_WAITING)
        self._draft, self._guessing = Draft(weights.draft, len(self._vocabulary)), Guessing()
        self._rows: dict[Request, list[Row]] = {}
        self._ready: list[Row] = []  # by seat
        self._to_read: list[Row] = []
        self.failures = 0

    def wait(self) -> None:
        """Waits until characters can be guessed, for measurements."""
        self._draft.wait()

    @property
    def n_rows(self) -> int:
        """Number of rows being written."""
        return self._scheduler.n_seated

    @property
    def n_waiting(self) -> int:
        """Number of requests waiting for seats."""
        return self._scheduler.n_waiting

    def n_waiting_of(self, viewer: Viewer | str) -> int:
        """Requests of one viewer that are waiting for seats."""
        return self._scheduler.n_waiting_of(viewer)

    def n_waiting_of_client(self, client: str) -> int:
        """Requests of one client that are waiting for seats."""
        return self._scheduler.n_waiting_of_client(client)

    @property
    def idle(self) -> bool:
        return not (self.n_rows or self.n_waiting)

    @property
    def seats(self) -> int:
        """Maximum number of rows that can be written at once."""
        return self._decoder.seats

    @property
    def cache_bytes(self) -> int:
        """Memory for the keys and values of that many rows, and of the prompts that are kept."""
        return (self.seats + KEPT_PROMPTS) * self.weights.model.cache_bytes_per_seat()

    @property
    def rounds_per_turn(self) -> int:
        """Number of rounds in which every row gets one character. With several models, each model takes this many rounds per turn, so
        that all texts grow at the same pace."""
        return 1 if self._decoder.computes_all else max(1, -(-self.n_ready // MAX_STEP_ROWS))

    @property
    def n_ready(self) -> int:
        """Number of rows whose window has been read, which advance with every step."""
        return len(self._ready)

    def submit(self, request: Request) -> None:
        """Queues a request.

        Raises:
            BusyError: too many requests are already waiting.
        """
        request.ahead = self.n_waiting
        self._scheduler.add(request)

    def round(self) -> None:
        """Runs one round: one character for every row that is next."""
        self._drop_cancelled()
        self._admit()
        self._read_windows()
        rows = self._ready
        if len(rows) > MAX_STEP_ROWS and not self._decoder.computes_all:
            with self._lock:
                rows = sorted(self._scheduler.in_turn(rows)[:MAX_STEP_ROWS], key=lambda row: row.seat)
                for row in rows:
                    self._scheduler.serve(row, 1)
        if not rows:
            return
        began = time.perf_counter()
        if guesses := self._guess(rows):
            with_guesses = self._attempt_ahead(rows, guesses)
            if with_guesses is not None:
                self._guessing.met(guesses, self._write(rows, with_guesses, guesses))
                self._guessing.took(len(rows), max(map(len, guesses)), time.perf_counter() - began)
                return
            began = time.perf_counter()
        for part, logits in self._attempt(rows):
            self._write(part, logits)
        self._guessing.took(len(rows), 0, time.perf_counter() - began)

    def end_running(self, state: str, error: str = "") -> None:
        """Ends all requests that are being written."""
        for request in list(self._rows):
            self._end(request, state, error)

    def end_waiting(self, state: str, error: str = "") -> None:
        """Ends all waiting requests."""
        with self._lock:
            waiting = self._scheduler.line()
            self._scheduler.drop(waiting)
        for request in waiting:
            request.end(state, error)

    def _drop_cancelled(self) -> None:
        for request in [request for request in self._rows if request.cancelled]:
            self._end(request, STOPPED)
        with self._lock:
            if stopped := [request for request in self._scheduler.line() if request.cancelled]:
                self._scheduler.drop(stopped)
        for request in stopped:
            request.end(STOPPED)

    def _admit(self) -> None:
        while True:
            with self._lock:
                request = self._scheduler.admit()
                if request is None:
                    for ahead, waiting in enumerate(self._scheduler.line()):
                        waiting.ahead = ahead
                    return
            try:
                self._seat(request)
            except Exception:
                with self._lock:
                    self._scheduler.leave(request, request.n_rows - len(self._rows[request]))
                self._fail(request)

    def _seat(self, request: Request) -> None:
        """Takes a seat for each of a request's rows. The first row reads the prompt for all of them, unless the decoder knows it."""
        rows = self._rows[request] = []
        prompt = self.weights.tokenizer.encode_prompt(request.prompt)
        offset = self._config.window_start(len(prompt))
        for sample in range(request.n_rows):
            seat = self._decoder.take(len(prompt) - offset)
            rows.append(Row(request, sample, prompt[offset:], offset, seat))
        rows[0].sharing = rows[1:]
        self._to_read.append(rows[0])
        request.begin()

    def _read_windows(self) -> None:
        """Reads the windows of the rows that are next."""
        if not self._to_read:
            return
        rows = self._next_to_read()
        going = {id(row) for row in rows}
        self._to_read = [row for row in self._to_read if id(row) not in going]
        begin, go_on = [row for row in rows if row.window < 0], [row for row in rows if row.window >= 0]
        for row in rows:
            self._move_window(row)
        self._read(begin, self._decoder.begin)
        self._read(go_on, self._decoder.read)

    def _next_to_read(self) -> list[Row]:
        """The rows whose windows are next: as many as fit into a round, but at least one."""
        with self._lock:
            waiting = self._scheduler.in_turn(self._to_read)
        budget, overhead = (PASS_CHARS, 0) if self._decoder.reads_together else (READ_CHARS, READ_OVERHEAD)
        rows: list[Row] = []
        new: set[tuple[int, ...]] = set()  # prompts that are read now, once for all rows
        for row in waiting:
            begins, prompt = row.window < 0, tuple(row.ids)
            is_known = begins and (prompt in new or self._decoder.knows(prompt))
            chars = row.position - self._config.window_start(row.position)
            budget -= min(KNOWN_CHARS, chars + overhead) if is_known else chars + overhead
            if budget < 0 and rows:
                break
            rows.append(row)
            if begins and not is_known:
                new.add(prompt)
            if len(waiting) > 1 and not is_known:
                with self._lock:
                    self._scheduler.serve(row, chars // CHARS_PER_READ)
        return rows

    def _move_window(self, row: Row) -> None:
        """Leaves to a row the characters in the window that it reads next, and gives it a seat for them."""
        start = self._config.window_start(row.position)
        if row.window >= 0:  # its length changes, and with it the best seat
            self._decoder.give_back(row.seat)
            row.seat = self._decoder.take(row.position - start)
        row.ids, row.offset, row.window = row.ids[start - row.offset :], start, start

    def _read(self, rows: Sequence[Row], read: Callable[[list[list[int]], list[list[int]]], np.ndarray]) -> None:
        """Reads rows' windows and draws the next character for them and for all rows that share their prompts. If that fails, the rows are
        split in half as in `_attempt`."""
        rows = [row for row in rows if row.request in self._rows]  # unless another of its rows has failed
        if not rows:
            return
        groups = [[row, *row.sharing] for row in rows]
        try:
            self._threads.set_up()
            logits = read([[row.seat for row in group] for group in groups], [row.ids for row in rows])
            self.failures = 0
        except Exception:  # no failure of one request may affect others
            if len(rows) == 1:
                self._fail(rows[0].request)
                return
            for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                self._read(half, read)
            return
        for row in rows:
            for other in row.sharing:
                other.window = row.window
            row.sharing = []
        ready = [row for group in groups for row in group]
        self._ready = sorted(self._ready + ready, key=lambda row: row.seat)
        self._write(ready, logits.repeat([*map(len, groups)], axis=0))

    def _guess(self, rows: list[Row]) -> list[list[int]]:
        """Guesses what follows each text's next character; nothing where guesses do not pay."""
        if len(rows) > MOST_TEXTS or not (self._decoder.looks_ahead and self._draft.is_ready):
            return []
        rooms = [self._room(row) for row in rows]
        count = self._guessing.choose(len(rows), max(rooms))
        return (
            [
                self._draft.guess(row.ids, self._throws(row, min(count, room)), row.request.params)
                for row, room in zip(rows, rooms, strict=True)
            ]
            if count
            else []
        )

    def _room(self, row: Row) -> int:
        """How many characters can be guessed: the network writes one more, and all in the row's window."""
        left = row.request.params.max_new_chars - row.written - 1
        return min(left, MOST_GUESSES, self._config.block_size - len(row.ids))

    @staticmethod
    def _throws(row: Row, count: int) -> list[float]:
        """A row's next throws."""
        throws: list[float] = row.request.throws[row.sample, row.written : row.written + count].tolist()
        return throws

    def _attempt_ahead(self, rows: list[Row], guesses: list[list[int]]) -> np.ndarray | None:
        """Computes logits for rows and for their guesses, row by row. None if the step fails: then nothing has changed."""
        seats, windows = [row.seat for row in rows], [row.ids for row in rows]
        n_rows = len(rows) + sum(map(len, guesses))
        try:
            logits = self._threads.run(n_rows, lambda: self._decoder.step_ahead(seats, windows, guesses))
        except Exception:
            log.exception("a step with guesses failed; texts are written without them for a while")
            self._guessing.pause()
            return None
        self.failures = 0
        return logits

    def _attempt(self, rows: list[Row]) -> list[tuple[list[Row], np.ndarray]]:
        """Computes logits for rows and returns them in one or more parts. If a step fails, its rows are split in half and tried again
        until the request that causes the failure is found."""
        try:
            seats, windows = [row.seat for row in rows], [row.ids for row in rows]
            logits = self._threads.run(len(rows), lambda: self._decoder.step(seats, windows))
            self.failures = 0
            return [(rows, logits)]
        except Exception:
            if len(rows) == 1:
                self._fail(rows[0].request)
                return []
        parts = []
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            if going := [row for row in half if row.request in self._rows]:
                parts += self._attempt(going)
        return parts

    def _fail(self, request: Request) -> None:
        self.failures += 1
        log.exception("request %d failed", request.number)
        self._end(request, FAILED, WENT_WRONG)

    def _write(self, rows: list[Row], logits: np.ndarray, guesses: Sequence[Sequence[int]] = ()) -> list[int]:
        """Draws a character for each row, and one more after each guess that was right. Finished rows leave; rows at the end of their
        window are queued to read the next one.

        Args:
            logits: for each row, and after each of its guesses, row by row.
            guesses: of each row; then all logits are finite.

        Returns:
            how many of each row's guesses were right.
        """
        if not guesses:
            rows, logits = self._sound(rows, logits)
            guesses = [()] * len(rows)
        if not rows:
            return []
        params = [row.request.params for row, guessed in zip(rows, guesses, strict=True) for _ in range(1 + len(guessed))]
        throws = [throw for row, guessed in zip(rows, guesses, strict=True) for throw in self._throws(row, 1 + len(guessed))]
        drawn = draw(_distribution(params, logits), throws)
        characters = zip(drawn.ids.tolist(), logits, drawn.low.tolist(), drawn.high.tolist(), strict=True)
        right: list[int] = []
        through: list[Row] = []
        to_read: list[Row] = []
        for row, guessed in zip(rows, guesses, strict=True):
            each = list(itertools.islice(characters, 1 + len(guessed)))
            n_right = -1
            for (char, its_logits, low, high), guess in zip(each, (*guessed, NO_GUESS), strict=True):
                row.ids.append(char)
                row.written = row.request.append(row.sample, char, its_logits, low, high, guess)
                n_right += 1
                if char != guess:
                    break
            right.append(n_right)
            if n_right < len(guessed):
                self._decoder.forget(row.seat, len(guessed) - n_right)
            if row.written == row.request.params.max_new_chars:
                through.append(row)
            elif self._config.window_start(row.position) != row.window:
                to_read.append(row)
        if through or to_read:
            going = {id(row) for row in (*through, *to_read)}
            self._ready = [row for row in self._ready if id(row) not in going]
            self._to_read += to_read
            self._leave(through)
        return right

    def _sound(self, rows: list[Row], logits: np.ndarray) -> tuple[list[Row], np.ndarray]:
        """The rows that go on: without those whose logits are not finite, and those whose request has failed in another part."""
        sound = np.isfinite(logits).all(axis=1)
        if not sound.all():
            self._fail_non_finite([row for row, is_sound in zip(rows, sound, strict=True) if not is_sound])
        if gone := [i for i, row in enumerate(rows) if row.request not in self._rows]:
            return [row for row in rows if row.request in self._rows], np.delete(logits, gone, axis=0)
        return rows, logits

    def _fail_non_finite(self, rows: list[Row]) -> None:
        for request in {row.request for row in rows} & self._rows.keys():
            log.error("request %d failed: the network's output is not finite", request.number)
            seats = [row.seat for row in self._rows[request]]
            self._end(request, FAILED, WENT_WRONG)
            for seat in seats:
                self._decoder.wipe(seat)

    def _leave(self, rows: Sequence[Row]) -> None:
        """Frees the seats of rows; a request is done when all of its rows have left."""
        for row in rows:
            if self._decoder.looks_ahead:
                self._draft.learn(row.ids)
            self._decoder.give_back(row.seat)
            with self._lock:
                self._scheduler.leave(row)
            others = self._rows[row.request]
            others.remove(row)
            if not others:
                del self._rows[row.request]
                row.request.end(DONE)

    def _end(self, request: Request, state: str, error: str = "") -> None:
        """Ends a request early and frees its seats."""
        rows = self._rows.pop(request, [])
        if rows:
            self._ready = [row for row in self._ready if row.request is not request]
            self._to_read = [row for row in self._to_read if row.request is not request]
        for row in rows:
            self._decoder.give_back(row.seat)
            with self._lock:
                self._scheduler.leave(row)
        request.end(state, error)


def _distribution(params: Sequence[SamplingParams], logits: np.ndarray) -> np.ndarray:
    return distribution(
        logits,
        np.array([p.temperature for p in params]),
        np.array([p.top_k for p in params]),
        np.array([p.top_p for p in params]),
    )
