"""The named endpoint for programs: `gradio_client.Client(url).predict("ROMEO:", api_name="/generate")`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import gradio as gr

from model.errors import WENT_WRONG, SoliloquyError
from model.sampling import SamplingParams, draw_seed
from model.serving.engine import Engine
from model.serving.request import Request
from model.serving.viewer import Viewer
from model.weights import Weights
from ui.web.client_log import log_fault
from ui.web.clients import client_of
from ui.web.fields import read_model_key
from ui.web.loading import precision_of, start
from ui.web.progress import View, follow

DEFAULTS = SamplingParams()


def create_api(engine: Engine) -> None:
    """Adds the endpoint to the page under construction."""

    async def generate(
        client: gr.Request,
        prompt: str,
        temperature: float = DEFAULTS.temperature,
        length: int = DEFAULTS.max_new_chars,
        samples: int = DEFAULTS.samples,
        seed: int | None = None,
        top_k: int = DEFAULTS.top_k,
        top_p: float = DEFAULTS.top_p,
        model: str | None = None,
    ) -> AsyncIterator[View]:
        """Continues a prompt. Every view holds what is written so far; the last one holds everything."""
        http = client.request
        assert http
        try:
            used = draw_seed() if seed is None else seed
            params = SamplingParams(temperature=temperature, max_new_chars=length, samples=samples, seed=used, top_k=top_k, top_p=top_p)
            viewer = Viewer(client_of(http), "")  # not the session, which programs name as they like

            def begin(weights: Weights) -> tuple[Request, str]:
                return engine.submit(prompt, params, viewer, model=weights.key), precision_of(weights)

            request, precision = await start(engine, read_model_key({"model": model}), begin)
            try:
                async for view in follow(request, precision):
                    yield view
            finally:
                request.cancel()
        except SoliloquyError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            log_fault(http, error)
            raise gr.Error(WENT_WRONG, print_exception=False) from error

    gr.api(generate, api_name="generate", concurrency_limit=None)
