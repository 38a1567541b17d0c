"""The named endpoint for programs: `gradio_client.Client(url).predict("ROMEO:", api_name="/generate")`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import gradio as gr

from model.errors import SoliloquyError
from model.sampling import SamplingParams, draw_seed
from model.serving.engine import Engine
from model.serving.request import Request
from model.weights import Weights
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
        try:
            used = draw_seed() if seed is None else seed
            params = SamplingParams(temperature=temperature, max_new_chars=length, samples=samples, seed=used, top_k=top_k, top_p=top_p)
            viewer = str(client.session_hash or client.client.host)

            def begin(weights: Weights) -> tuple[Request, str]:
                return engine.submit(prompt, params, viewer, model=weights.key), precision_of(weights)

            request, precision = await start(engine, model, begin)
        except SoliloquyError as error:
            raise gr.Error(str(error), print_exception=False) from error
        try:
            async for view in follow(request, precision):
                yield view
        finally:
            request.cancel()

    gr.api(generate, api_name="generate", concurrency_limit=None)
