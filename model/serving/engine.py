"""The engine: requests in, texts out, one decode loop in a thread of its own.

It serves one request at a time, all its samples together, in the order in which they came.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import replace

from model.checkpoint import Weights
from model.config import MAX_WAITING_REQUESTS, SamplingParams, check_prompt
from model.errors import BusyError
from model.serving.decoder import Decoder, throws_of
from model.serving.request import DONE, FAILED, STOPPED, Request

log = logging.getLogger(__name__)


class Engine:
    """Writes texts with one model.

    Args:
        weights: the model; its precision is what matrices are multiplied in.
    """

    def __init__(self, weights: Weights):
        self.weights = weights
        self._waiting: queue.Queue[Request | None] = queue.Queue(MAX_WAITING_REQUESTS)
        self._writing = self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._thread.start()

    def submit(self, prompt: str, params: SamplingParams) -> Request:
        """Queues a request and returns at once. Characters that the vocabulary lacks are left out and named in it.

        Raises:
            ParameterError: the prompt is no text or too long, or a setting does not fit the model.
            BusyError: too many requests wait already.
        """
        check_prompt(prompt)
        text, left_out = self.weights.tokenizer.normalise(prompt)
        params = replace(params, top_k=min(params.top_k, self.weights.model.config.vocab_size))
        request = Request(text, tuple(left_out), params)
        try:
            self._waiting.put_nowait(request)
        except queue.Full:
            raise BusyError(f"{MAX_WAITING_REQUESTS} requests wait already. Try again in a minute.") from None
        return request

    def health(self) -> dict[str, bool | int]:
        """Whether the decode loop runs, and how many requests it is writing and has waiting."""
        return {"healthy": self._thread.is_alive(), "writing": int(self._writing), "waiting": self._waiting.qsize()}

    def close(self) -> None:
        """Ends the loop once all that waits is written."""
        self._waiting.put(None)
        self._thread.join()

    def stop(self) -> None:
        """Ends the loop at once: what is being written stays as it is, and what waits is not begun."""
        self._stopping = True
        self.close()

    def _loop(self) -> None:
        while (request := self._waiting.get()) is not None:
            self._writing = True
            try:
                self._serve(request)
            except Exception:  # one request's failure must not end the others
                log.exception("request %d failed", request.number)
                request.end(FAILED, "Something went wrong while writing. The server's log says what; please try again.")
            self._writing = False

    def _serve(self, request: Request) -> None:
        if request.cancelled or self._stopping:  # while it waited
            request.end(STOPPED)
            return
        vocabulary = self.weights.tokenizer.vocabulary
        request.begin()
        prompt = self.weights.tokenizer.encode_prompt(request.prompt)
        decoder = Decoder(self.weights.model, prompt, throws_of(request.params), request.params)
        while not (decoder.done or request.cancelled or self._stopping):
            request.append([vocabulary[i] for i in decoder.step().ids])
        request.end(DONE if decoder.done else STOPPED)
