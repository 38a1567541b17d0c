"""The texts that the page shows before anyone presses Generate. The app writes them for the first page that asks, in the precision that it
uses on this machine, and shows them to all others: so their seed, typed again, gives exactly these texts. They can be looked up as long as
they are shown, however much is written meanwhile.

GET /models/{key} has them for the default model, as far as they are written; POST /follow sends the rest.
"""

from __future__ import annotations

import threading
import time

from model.errors import BusyError, UnknownModelError
from model.sampling import SamplingParams
from model.serving.engine import Engine
from model.serving.request import DONE, FINISHED, Request
from model.weights import Weights
from ui.web.loading import precision_of
from ui.web.progress import View, view_json

# What the page's controls begin with: a prompt whose next character is open (1.5 bits of entropy at this temperature), so that there are
# bars to look at and the texts diverge soon. The seed belongs to these texts alone; for new ones a seed is drawn.
PROMPT = "ROMEO:\nWhat is "
PARAMS = SamplingParams(samples=4, seed=1597)
VIEWER = "the first screen"
RETRY_S = 10.0  # after a failure


class FirstScreen:
    """The texts by the default model. Any thread may ask for them."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._lock = threading.Lock()
        self._request: Request | None = None
        self._not_before = 0.0  # when to try again

    def view(self, weights: Weights) -> View | None:
        """The texts, as far as they are written; the first call begins them. None for a model that is not the default or lacks a
        character of the prompt, and while too much is asked of the engine."""
        if weights.key != self._engine.default_key or weights.tokenizer.normalise(PROMPT)[1]:
            return None
        with self._lock:
            if self._request is None or not _is_usable(self._request, weights):
                if self._request and self._request.model == weights.key and time.monotonic() < self._not_before:
                    return None
                try:
                    self._request = self._engine.submit(PROMPT, PARAMS, VIEWER, remember=False, model=weights.key)
                except (BusyError, UnknownModelError):
                    return None
                self._engine.keep(self._request)
                self._not_before = time.monotonic() + RETRY_S
            return view_json(self._request, precision_of(weights))


def _is_usable(request: Request, weights: Weights) -> bool:
    """Whether texts may be shown: by this model, and not cut short."""
    state = request.progress().state
    return request.model == weights.key and (state not in FINISHED or state == DONE)
