"""The named endpoint for programs: `gradio_client.Client(url).predict("ROMEO:", api_name="/generate")`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import gradio as gr

from model.config import SamplingParams
from model.errors import SoliloquyError
from model.sampling import draw_seed
from model.serving.engine import Engine
from ui.web.progress import View, follow


def create_api(engine: Engine) -> None:
    """Adds the endpoint to the page under construction."""

    async def generate(
        client: gr.Request,
        prompt: str,
        temperature: float = 0.8,
        length: int = 300,
        samples: int = 1,
        seed: int | None = None,
        top_k: int = 0,
        top_p: float = 1.0,
    ) -> AsyncIterator[View]:
        """Continues a prompt; every view holds what there is so far, the last one everything."""
        try:
            used = draw_seed() if seed is None else seed
            params = SamplingParams(temperature=temperature, max_new_chars=length, samples=samples, seed=used, top_k=top_k, top_p=top_p)
            request = engine.submit(prompt, params, viewer=str(client.session_hash or client.client.host))
        except SoliloquyError as error:
            raise gr.Error(str(error), print_exception=False) from error
        try:
            async for view in follow(request):
                yield view
        finally:
            request.cancel()

    gr.api(generate, api_name="generate", concurrency_limit=None)
